"""Audio that libsndfile can't read, by FFmpeg (PyAV): MP4, MOV, WebM, Matroska, AAC, AMR, Windows Media.

LiveKit's Egress and browsers write such files. Each decoded frame is put at its time stamp (`placement`), so
edit lists of MP4, pauses in a track that was stored without re-encoding, and late starts are respected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from .placement import Blocks, Placement
from .source import CONVERT, UNKNOWN_FRAMES, NotDecodable, Samples

_OWN_CLOCK = ("asf", "aac", "amr", "wav", "caf", "ogg", "flac")
"""Demuxers whose first time stamp isn't counted from the start of the recording."""
_SHORT_S = 0.5
"""A track may end this much earlier than its container says."""


class Track:
    """One audio track of a file, on the file's timeline."""

    format = "CONTAINER"
    frames = UNKNOWN_FRAMES

    def __init__(self, path: Path, demuxer: str, number: int = 0) -> None:
        """Raises NotDecodable if the file has no such track or it can't be decoded."""
        self._file = path.open("rb")
        self._demuxer = demuxer
        try:
            self._container = av.open(self._file, mode="r", format=demuxer, metadata_errors="replace")
            self.tracks = _described(self._container)
            if not self.tracks:
                raise NotDecodable("has no audio track", "use a recording with sound")
            self._stream = self._container.streams.audio[number]
            codec = self._stream.codec_context
            if codec is None:
                raise NotDecodable(f"has {self.tracks[number]}, which can't be decoded", CONVERT)
            self.samplerate = int(codec.sample_rate)
            self.channels = int(codec.channels)
            if not self.samplerate or not self.channels:
                raise NotDecodable("tells no sample rate or no channels of its audio")
        except (av.FFmpegError, ValueError, OSError) as error:
            self.close()
            raise NotDecodable(f"can't be opened ({_why(error)})") from None
        except NotDecodable:
            self.close()
            raise
        self._placement = Placement(self.samplerate, self.channels)
        self._blocks = Blocks(self._decoded(), self.channels)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the time stamps; complete once everything is read."""
        return self._placement.notes()

    def read(self, frames: int, **_: Any) -> Samples:
        """The next samples, fewer at the end.

        Raises NotDecodable for damage, and where the end is missing.
        """
        try:
            return self._blocks.read(frames)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise NotDecodable(_why(error)) from None

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        if (container := getattr(self, "_container", None)) is not None:
            container.close()
        self._file.close()

    def _decoded(self) -> Iterator[Samples]:
        layout = {1: "mono", 2: "stereo"}.get(self.channels)
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.samplerate)
        first: int | None = None
        for frame in self._container.decode(self._stream):
            start = None
            if frame.pts is not None and frame.time_base is not None:
                start = round(frame.pts * frame.time_base * self.samplerate)
                if first is None:
                    first = start
                if self._demuxer in _OWN_CLOCK:
                    start -= first
            for converted in resampler.resample(frame):
                samples = np.ascontiguousarray(converted.to_ndarray().T, dtype=np.float32)
                yield from self._placement.place(start, samples)
                start = None
        missing_s = self._length_s() - self._placement.end / self.samplerate
        if missing_s > _SHORT_S:
            raise NotDecodable(f"the last {missing_s:.1f} s are missing")

    def _length_s(self) -> float:
        """The track's length in seconds according to its container; 0 if it doesn't say."""
        stream = self._stream
        if self._demuxer == "mov" and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        told = re.fullmatch(r"(\d\d):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "").strip("\0"))
        if self._demuxer == "matroska" and told:
            return int(told[1]) * 3600 + int(told[2]) * 60 + float(told[3])
        return 0.0


def _described(container: Any) -> list[str]:
    """Each audio track as a message names it: number, title if it has one, codec, channels."""
    found = []
    for k, stream in enumerate(container.streams.audio, start=1):
        codec = stream.codec_context
        title = next(
            (stream.metadata[key] for key in ("title", "handler_name") if key in stream.metadata), ""
        )
        title = (
            ""
            if title in ("SoundHandler", "Core Media Audio")
            else re.sub(r"[\x00-\x1f\x7f]", "", title)[:40]
        )
        what = "an unknown codec" if codec is None else f"{codec.name}, {codec.channels} ch"
        found.append(f"track {k}{f' {title!r}' if title else ''} ({what})")
    return found


def _why(error: Exception) -> str:
    """What FFmpeg says, without the name of PyAV's own file object."""
    text = getattr(error, "strerror", None) or str(error)
    return re.sub(r"\s*:?\s*['\"]?<[^>]*>['\"]?", "", str(text)).strip() or type(error).__name__

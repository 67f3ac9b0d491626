"""Audio tracks of MP4 and WebM files, which libsndfile can't read: an open file with the same few methods.

LiveKit's Egress writes such files. Samples are float32 in [-1, 1], shape=(samples, channels), as decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

CONTAINER_SUFFIXES = (".mp4", ".m4a", ".webm")
UNKNOWN_FRAMES = 1 << 60
"""`Container.frames` of a file: only decoding tells how many there are."""


class NotDecodable(Exception):
    """The file has no audio track that can be decoded; the message says why."""


class Container:
    """The first audio track of a file, read in blocks."""

    format = "CONTAINER"
    frames = UNKNOWN_FRAMES

    def __init__(self, path: Path) -> None:
        """Raises NotDecodable if the file has no readable audio track."""
        self._file = path.open("rb")
        try:
            self._container = av.open(self._file, mode="r", metadata_errors="replace")
            if not self._container.streams.audio:
                raise NotDecodable("no audio track")
            codec = self._container.streams.audio[0].codec_context
            self.samplerate = int(codec.sample_rate)
            self.channels = int(codec.channels)
        except (av.FFmpegError, ValueError) as error:
            self._file.close()
            raise NotDecodable(str(error)) from None
        except NotDecodable:
            self._file.close()
            raise
        self._decoded = self._decode()

    def read(self, frames: int, **_: Any) -> NDArray[np.float32]:
        """The next samples, `frames` or somewhat more; none at the end. Raises NotDecodable for damage."""
        blocks: list[NDArray[np.float32]] = []
        try:
            while sum(map(len, blocks)) < frames:
                blocks.append(next(self._decoded))
        except StopIteration:
            pass
        except (av.FFmpegError, ValueError) as error:
            raise NotDecodable(str(error)) from None
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def _decode(self) -> Iterator[NDArray[np.float32]]:
        resampler = av.AudioResampler(format="fltp")
        for frame in self._container.decode(audio=0):
            for converted in resampler.resample(frame):
                yield np.ascontiguousarray(converted.to_ndarray().T, dtype=np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        self._file.close()

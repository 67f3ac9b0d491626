"""Opens an audio file with the reader that its content asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import soundfile

from .kinds import Kind, kind_of
from .ogg import OggOpus, needs_placing, ogg_header
from .side_by_side import SideBySide, too_many_tracks
from .source import CONVERT, NotDecodable, Samples, Source
from .wav import is_for_ffmpeg, mended, wav_data, wav_header

if TYPE_CHECKING:
    from .containers import Track

HEAD_BYTES = 4096


class SndFile:
    """A file that libsndfile reads."""

    def __init__(
        self, source: Any, notes: tuple[str, ...] = (), behind: IO[bytes] | None = None, **how: Any
    ) -> None:
        """`source`: path or file object; `behind`: a file to close with it. Raises NotDecodable."""
        self._behind = behind
        self.notes = notes
        try:
            self._file = soundfile.SoundFile(source, **how)
        except (soundfile.LibsndfileError, TypeError) as error:
            if behind is not None:
                behind.close()
            raise NotDecodable(_why(error)) from None
        self.format: str = self._file.format
        self.samplerate, self.channels = int(self._file.samplerate), int(self._file.channels)
        self.frames = int(self._file.frames)

    def read(self, frames: int) -> Samples:
        """The next samples, fewer only at the end. Raises NotDecodable for damage."""
        try:
            samples: Samples = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise NotDecodable(_why(error)) from None
        return samples

    def close(self) -> None:
        self._file.close()
        if self._behind is not None:
            self._behind.close()


def head_of_audio(path: Path) -> bytes:
    """A file's first bytes, as `kind_of` takes them."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def open_audio(path: Path) -> Source:
    """A local file, open for reading. Raises NotDecodable, naming what it is if that is known."""
    kind = kind_of(head_of_audio(path))
    if kind is None:
        # libsndfile gets no name: it would read any .au, .snd, .gsm or .vox as audio without a header.
        file = path.open("rb")
        return SndFile(file, behind=file)
    if kind.by == "wav":
        return _wav(path, kind)
    if kind.by == "ogg":
        return _ogg(path, kind)
    if kind.by == "ffmpeg":
        return _tracks(path, kind.demuxer)
    try:
        return _sndfile(path)
    except NotDecodable:
        if not kind.demuxer:
            raise
        return _tracks(path, kind.demuxer)


def header_of(path: Path) -> tuple[int, int]:
    """Channels and rate in Hz; of Opus in OGG by its first pages, since opening it reads the whole file."""
    with path.open("rb") as file:
        if kind_of(file.read(HEAD_BYTES)) == kind_of(b"OggS"):
            file.seek(0)
            header = ogg_header(file)
            if header.codecs and set(header.codecs) == {"Opus"}:
                return sum(header.channels), 48_000
    source = open_audio(path)
    try:
        return source.channels, source.samplerate
    finally:
        source.close()


def _sndfile(path: Path) -> SndFile:
    # libsndfile takes bytes, so that names that are not UTF-8 work.
    return SndFile(os.fsencode(path))


def _wav(path: Path, kind: Kind) -> Source:
    file = path.open("rb")
    try:
        header = wav_header(file)
        if header is None:
            return _sndfile(path)
        if is_for_ffmpeg(header):
            return _tracks(path, kind.demuxer)
        data = wav_data(file, header, path.stat().st_size)
        missing_s = data.missing / max(1, header.rate_bytes)
        if missing_s > 0.01:
            raise NotDecodable(f"is cut off: the last {missing_s:.1f} s are missing")
        notes = (data.note,) if data.note else ()
        if data.mended or header.bw64:
            behind, file = file, path.open("rb")
            return SndFile(mended(behind, header, data), notes, behind)
        return SndFile(os.fsencode(path), notes)
    finally:
        file.close()


def _ogg(path: Path, kind: Kind) -> Source:
    with path.open("rb") as file:
        header = ogg_header(file)
    if _last_page_is_cut(path):
        raise NotDecodable("is cut off: its last page is incomplete")
    if len(header.codecs) > 1:
        names = [f"track {k} ({codec})" for k, codec in enumerate(header.codecs, start=1)]
        if header.codecs != ("Opus", "Opus") or header.channels != (1, 1):
            raise too_many_tracks(names)
        return SideBySide((OggOpus(path, 0), OggOpus(path, 1)), names)
    if not header.codecs:
        raise NotDecodable("has no audio track", "use a recording with sound")
    if header.codecs == ("Opus",):
        return OggOpus(path) if needs_placing(path) else _sndfile(path)
    try:
        return _sndfile(path)
    except NotDecodable:
        if header.codecs[0] == "Vorbis":
            raise
        try:
            return _track(path, kind.demuxer)
        except NotDecodable:
            raise NotDecodable(f"is {header.codecs[0]} in OGG, which isn't read here", CONVERT) from None


def _track(path: Path, demuxer: str, number: int = 0) -> Track:
    from .containers import Track  # FFmpeg takes time to load, and most recordings need none

    return Track(path, demuxer, number)


def _tracks(path: Path, demuxer: str) -> Source:
    first = _track(path, demuxer)
    if len(first.tracks) == 1:
        return first
    try:
        if len(first.tracks) > 2 or first.channels != 1:
            raise too_many_tracks(first.tracks)
        second = _track(path, demuxer, 1)
        try:
            if second.channels != 1:
                raise too_many_tracks(first.tracks)
            return SideBySide((first, second), first.tracks)
        except NotDecodable:
            second.close()
            raise
    except NotDecodable:
        first.close()
        raise


def _last_page_is_cut(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 17)))  # a page has at most 65,307 bytes
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27:
        return True
    segments = page[26]
    return len(page) < 27 + segments + sum(page[27 : 27 + segments])


def _why(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).rstrip(".")

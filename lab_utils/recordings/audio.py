"""Reads and writes audio files: they may have any rate and bit depth; the package works at 16 kHz int16.

Conventions: float samples lie in [-1, 1], shape=(samples, channels). int16 = round(float * 32768), clipped to
[-32768, 32767]: a 16 kHz PCM_16 file passes through unchanged, bit for bit. Files are written under a
temporary name and then renamed, so that a file is either whole or not there.

Paths may be fsspec URLs ("s3://bucket/call.wav"); `as_path` makes one of a string.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.files import replacing, scratch_folder
from ..core.recording import Pcm
from ..core.samples.kept import Kept, Rows, blocks_of
from ..core.text import one_line, printable
from ..core.timeline import SAMPLE_RATE_HZ
from .decoding.kinds import AUDIO_SUFFIXES, UNSUPPORTED, kind_of
from .decoding.opening import head_of_audio, header_of, open_audio
from .decoding.raw import RawEncoding, RawFormat, open_raw
from .decoding.source import CONVERT, UNKNOWN_FRAMES, NotDecodable, Samples, Source, convert_command

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioHeader",
    "BadRecording",
    "Decoded",
    "RawEncoding",
    "RawFormat",
    "Samples",
    "as_path",
    "audio_header",
    "channel_count",
    "convert_command",
    "decode_pcm16k",
    "is_local",
    "read_audio",
    "read_pcm16k",
    "replacing",
    "to_pcm16k",
    "write_flac",
    "write_wav",
]

FORMATS = "WAV, FLAC, OGG, MP3 or MP4"
MIN_RATE_HZ = 8_000
MAX_CHANNELS = 2
MAX_DURATION_S = 4 * 3600.0
"""Longer recordings are refused by their header: 4 h of two channels take 0.9 GB of temporary files."""
BLOCK_FRAMES = 1 << 18
RESAMPLE_QUALITY = "VHQ"

_TRUNCATION_TOLERANCE_S = 0.1
_COPY_BYTES = 1 << 20
_COPY_AGAIN = "copy or export it again"


class BadRecording(InputError):
    """A recording that can't be used; the message is one line: file: finding; remedy."""

    def __init__(self, message: str) -> None:
        # A file name that isn't UTF-8 holds surrogates, which no terminal and no JSON file takes.
        super().__init__(one_line(message))

    @classmethod
    def of(cls, path: str | Path, finding: str, remedy: str) -> Self:
        """The exception that says what is wrong with the file `path` and what to do about it."""
        return cls(f"{printable(str(path))}: {finding}; {remedy}")


def as_path(path: str | Path) -> Path:
    """The path; for an fsspec URL ("s3://...", "memory://...") an object that is used like a path.

    Raises BadRecording for a URL whose file system isn't known or installed.
    """
    if not isinstance(path, str):
        # The command line turns s3://bucket into Path("s3:/bucket").
        squeezed = re.fullmatch(r"([a-z][a-z0-9]+):/([^/].*)", str(path)) if is_local(path) else None
        if squeezed is None or not _is_protocol(squeezed[1]) or path.exists():
            return path
        path = f"{squeezed[1]}://{squeezed[2]}"
    if "://" not in path:
        return Path(path)
    from upath import UPath  # takes time to load, and most files are here

    try:
        return cast(Path, UPath(path))
    except (ImportError, ValueError) as error:
        remedy = "install the package that it names, or copy the files here"
        raise BadRecording.of(path, f"this kind of URL can't be read ({error})", remedy) from None


def _is_protocol(name: str) -> bool:
    from fsspec import available_protocols

    return name in available_protocols()


def is_local(path: Path) -> bool:
    """Whether it is a path on this machine, not an fsspec URL."""
    return isinstance(path, Path)


def read_audio(path: str | Path, raw: RawFormat | None = None) -> tuple[Samples, int]:
    """All samples of a file, shape=(samples, channels), and its rate in Hz.

    `raw` describes a file without a header. Raises BadRecording for a file that is missing, empty, not audio,
    cut off, damaged or without samples, lasts over 4 h, or has NaN or infinite samples, more than two
    channels or a rate below 8 kHz.
    """
    path = as_path(path)
    with _opened(path, raw) as file:
        return np.concatenate(list(_blocks(path, file))), int(file.samplerate)


def read_pcm16k(path: str | Path, raw: RawFormat | None = None) -> Pcm:
    """A file's samples at 16 kHz, int16, shape=(samples, channels).

    The same as `to_pcm16k(*read_audio(path))`, but in blocks: an hour at 48 kHz would be a gigabyte of
    floats. Raises BadRecording as `read_audio` does.
    """
    return decode_pcm16k(path, raw).pcm


@dataclass(frozen=True)
class Decoded:
    """A file's samples at 16 kHz, int16."""

    channels: tuple[Pcm, ...]
    """Each of shape=(samples,)."""
    notes: tuple[str, ...] = ()
    """What was repaired or decided while reading: silence put into gaps, lengths missing in the header."""

    @property
    def pcm(self) -> Pcm:
        """A copy of the channels side by side, shape=(samples, channels)."""
        return np.stack(self.channels, axis=1)


def decode_pcm16k(path: str | Path, raw: RawFormat | None = None) -> Decoded:
    """As `read_pcm16k`, with notes on the file's time stamps and header."""
    path = as_path(path)
    with _opened(path, raw) as file:
        blocks = _blocks(path, file)
        if file.samplerate != SAMPLE_RATE_HZ:
            blocks = _resampled(blocks, file.samplerate, file.channels)
        made = [Kept() for _ in range(file.channels)]
        for block in blocks:
            for channel, samples in zip(made, _quantised(block).T, strict=True):
                channel.add(samples)
        notes = file.notes
    channels = tuple(channel.array() for channel in made)
    if not len(channels[0]):
        raise BadRecording.of(path, "holds less than one sample at 16 kHz", "use a recording with speech")
    return Decoded(channels, notes)


def to_pcm16k(x: NDArray[np.floating[Any]], rate_hz: float) -> Pcm:
    """Float samples of shape=(n,) or (n, channels) as 16 kHz int16 of shape=(m,) or (m, channels)."""
    if rate_hz != SAMPLE_RATE_HZ:
        x = soxr.resample(x, rate_hz, SAMPLE_RATE_HZ, quality=RESAMPLE_QUALITY)
    return _quantised(x)


@dataclass(frozen=True)
class AudioHeader:
    """What a file's header says."""

    channels: int
    rate_hz: int


def audio_header(path: str | Path, raw: RawFormat | None = None) -> AudioHeader | None:
    """A file's header; None if it can't be read (`read_audio` says why)."""
    if raw is not None:
        return AudioHeader(raw.channels, raw.rate_hz)
    try:
        with ExitStack() as stack:
            return AudioHeader(*header_of(_local(as_path(path), stack)))
    except (NotDecodable, OSError, TypeError, ValueError):
        return None


def channel_count(path: str | Path) -> int | None:
    """Channels according to the file's header; None if it can't be read (`read_audio` says why)."""
    header = audio_header(path)
    return None if header is None else header.channels


def write_flac(path: str | Path, pcm: Rows[Pcm], rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write int16 samples of shape=(n,) or (n, channels) as 16-bit FLAC, whole or not at all."""
    _write(path, pcm, rate_hz, "FLAC")


def write_wav(path: str | Path, pcm: Rows[Pcm], rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write int16 samples of shape=(n,) or (n, channels) as 16-bit WAV, whole or not at all."""
    _write(path, pcm, rate_hz, "WAV")


def _write(path: str | Path, pcm: Rows[Pcm], rate_hz: int, container: Literal["FLAC", "WAV"]) -> None:
    first = pcm[:1]
    if first.dtype != np.int16:
        raise ValueError(f"expected int16 samples, got {first.dtype}; convert them with to_pcm16k")
    channels = 1 if first.ndim == 1 else first.shape[1]
    how = {"samplerate": rate_hz, "channels": channels, "format": container, "subtype": "PCM_16"}
    with replacing(path) as temporary, soundfile.SoundFile(str(temporary), "w", **how) as file:
        for block in blocks_of(pcm):
            file.write(block)


def _quantised(x: NDArray[np.floating[Any]]) -> Pcm:
    pcm: Pcm = np.clip(np.rint(x * 32_768.0), -32_768, 32_767).astype(np.int16)
    return pcm


def _resampled(blocks: Iterator[Samples], rate_hz: int, channels: int) -> Iterator[Samples]:
    stream = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, channels, dtype="float32", quality=RESAMPLE_QUALITY)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)


def _local(path: Path, stack: ExitStack) -> Path:
    """The path; for a remote file the path of a temporary copy, which `stack` removes."""
    return path if is_local(path) else stack.enter_context(_local_copy(path))


def _handle(path: Path, raw: RawFormat | None, stack: ExitStack) -> Source:
    """The open file, closed with `stack`."""
    local = _local(path, stack)
    if raw is None:
        source = open_audio(local)
    else:
        source = open_raw(local, raw)
    stack.callback(source.close)
    return source


@contextmanager
def _local_copy(path: Path) -> Iterator[Path]:
    """A temporary copy of a remote file: libsndfile seeks back and forth, which is slow over a network."""
    with scratch_folder("copy") as folder:
        copy = folder / f"audio{path.suffix}"
        with path.open("rb") as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)
        yield copy


@contextmanager
def _opened(path: Path, raw: RawFormat | None) -> Iterator[Source]:
    """The open file, checked to have samples, one or two channels, a high enough rate and at most 4 h."""
    _check_readable(path)
    with ExitStack() as stack:
        try:
            file = _handle(path, raw, stack)
        except NotDecodable as error:
            raise _not_audio(path, error) from None
        if file.channels > MAX_CHANNELS:
            finding = f"has {file.channels} channels, expected 1 (user) or 2 (user left, agent right)"
            raise BadRecording.of(path, finding, "export the two speakers' channels only")
        if file.samplerate < MIN_RATE_HZ:
            finding = f"is sampled at {file.samplerate} Hz, expected at least {MIN_RATE_HZ} Hz"
            raise BadRecording.of(path, finding, "use the original recording")
        if not file.frames:
            raise BadRecording.of(path, "holds no audio (zero samples)", "record or export it again")
        if UNKNOWN_FRAMES > file.frames > MAX_DURATION_S * file.samplerate:
            hours = file.frames / file.samplerate / 3600
            finding = f"lasts {hours:.1f} h, at most {MAX_DURATION_S / 3600:g} h can be used"
            raise BadRecording.of(path, finding, "cut it into single conversations")
        yield file


def _blocks(path: Path, file: Source) -> Iterator[Samples]:
    """The samples in blocks of shape=(frames, channels), all finite; BadRecording where that fails."""
    done = 0
    while True:
        try:
            block = file.read(BLOCK_FRAMES)
        except NotDecodable as error:
            if error.remedy:
                raise BadRecording.of(path, error.finding, error.remedy) from None
            at = f"is cut off or damaged after {done / file.samplerate:.1f} s at the earliest"
            raise BadRecording.of(path, f"{at} ({error.finding})", _COPY_AGAIN) from None
        if not len(block):
            break
        if not np.isfinite(block).all():
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))  # by rows, which takes ten times as long
            at_s = (done + bad[0]) / file.samplerate
            finding = f"has a NaN or infinite sample at {at_s:.3f} s"
            raise BadRecording.of(path, finding, "export it again as 16-bit PCM")
        done += len(block)
        yield block
        if done > MAX_DURATION_S * file.samplerate:
            finding = f"lasts over {MAX_DURATION_S / 3600:g} h"
            raise BadRecording.of(path, finding, "cut it into single conversations")
    missing_s = (file.frames - done) / file.samplerate
    if file.frames < UNKNOWN_FRAMES and missing_s > _TRUNCATION_TOLERANCE_S:
        raise BadRecording.of(path, f"is cut off: the last {missing_s:.1f} s are missing", _COPY_AGAIN)
    if not done:
        raise BadRecording.of(path, "holds no audio (zero samples)", "record or export it again")


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise BadRecording.of(path, "is a folder", f"expected one audio file ({FORMATS})")
    if not path.exists():
        raise BadRecording.of(path, "no such file", "check the path and its spelling")
    if not path.is_file():
        raise BadRecording.of(path, "is not a regular file", f"expected one audio file ({FORMATS})")
    try:
        head = _head(path, 1)
    except OSError as error:
        raise BadRecording.of(path, f"can't be read ({error.strerror})", "check its permissions") from None
    if not head:
        raise BadRecording.of(path, "is empty (0 bytes)", "copy or record it again")


def _not_audio(path: Path, error: NotDecodable) -> BadRecording:
    """The error for a file that couldn't be opened: what it is, as far as that can be told."""
    if error.remedy:
        remedy = f"convert it: {convert_command(path)}" if error.remedy == CONVERT else error.remedy
        return BadRecording.of(path, error.finding, remedy)
    head = head_of_audio(path)
    if kind_of(head) is not None:
        whole = error.finding.startswith(("is ", "has ", "tells ", "changes "))
        finding = error.finding if whole else f"is damaged, cut off or without samples ({error.finding})"
        return BadRecording.of(path, finding, _COPY_AGAIN)
    if _is_text(head[:512]):
        return BadRecording.of(path, "not an audio file (starts with text)", f"expected {FORMATS}")
    name, how = UNSUPPORTED.get(path.suffix.lower(), ("", ""))
    finding = f"is {name}, which isn't read here" if name else "not an audio file of a known format"
    return BadRecording.of(path, finding, f"expected {FORMATS}; convert it: {convert_command(path, how)}")


def _head(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(n_bytes)


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")
    printable = sum(character.isprintable() or character.isspace() for character in text)
    return len(text) > 0.9 * len(head) and printable == len(text)

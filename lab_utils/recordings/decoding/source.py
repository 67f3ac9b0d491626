"""What every reader of audio files gives: samples in blocks, and the one error for what can't be decoded."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

UNKNOWN_FRAMES = 1 << 60
"""`Source.frames` of a file whose length is known only after decoding."""


CONVERT = "convert"
"""Placeholder for the remedy "convert the file": its command needs the path, which only the caller knows."""


class NotDecodable(Exception):
    """A file that can't be decoded. An empty `remedy` means: copy the file again."""

    def __init__(self, finding: str, remedy: str = "") -> None:
        super().__init__(finding)
        self.finding = finding
        self.remedy = remedy


class Source(Protocol):
    """An open audio file; samples are float32 in [-1, 1], shape=(samples, channels)."""

    @property
    def format(self) -> str:
        """ "WAV", "OGG", ...; "CONTAINER" for what FFmpeg reads."""

    @property
    def samplerate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def frames(self) -> int:
        """Number of frames by the header; `UNKNOWN_FRAMES` or more if it is known only after decoding."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was repaired or decided while reading; complete once everything is read."""

    def read(self, frames: int) -> Samples:
        """The next samples, fewer only at the end. Raises NotDecodable for damage."""

    def close(self) -> None: ...


def convert_command(path: Path, how: str = "") -> str:
    """The command line that makes a WAV file of audio that can't be read; `how`: options before the input."""
    target = path.with_name(f"{path.stem}-pcm.wav")
    options = f"{how} " if how else ""
    return f"ffmpeg {options}-i {shlex.quote(str(path))} -c:a pcm_s16le {shlex.quote(str(target))}"

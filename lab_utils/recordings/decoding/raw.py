"""Audio without a header, of which only the user can know the coding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .opening import SndFile

RawEncoding = Literal["ulaw", "alaw", "pcm16"]
_SUBTYPES: dict[RawEncoding, str] = {"ulaw": "ULAW", "alaw": "ALAW", "pcm16": "PCM_16"}


@dataclass(frozen=True)
class RawFormat:
    """The format of a file without a header; pcm16 is little-endian."""

    encoding: RawEncoding
    rate_hz: int = 8_000
    channels: int = 1

    @property
    def bytes_per_frame(self) -> int:
        return self.channels * (2 if self.encoding == "pcm16" else 1)


def open_raw(path: Path, raw: RawFormat) -> SndFile:
    """A local file, open for reading. Raises NotDecodable."""
    return SndFile(
        os.fsencode(path),
        format="RAW",
        endian="LITTLE",
        samplerate=raw.rate_hz,
        channels=raw.channels,
        subtype=_SUBTYPES[raw.encoding],
    )

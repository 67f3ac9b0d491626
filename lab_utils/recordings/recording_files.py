"""The files of a recording, and the options for finding them.

What `find_recordings` returns and `load_recording` takes; no audio is read here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .audio import BadRecording, RawEncoding, RawFormat
from .labels.file import SUFFIX

Layout = Literal["stereo", "pair", "mono"]


@dataclass(frozen=True)
class RecordingFiles:
    """The files of one recording."""

    name: str
    user: Path
    """The user's audio; for `stereo` the file of both channels, for `row` the table of many recordings."""
    agent: Path | None
    """The agent's file of a pair; None for the other layouts."""
    labels: Path | None
    layout: Layout
    format: str = "audio"
    """Name of the import format (`formats.FORMATS`)."""
    details: tuple[Path, ...] = ()
    """Files that tell about the audio: a session report, manifests, a transcript."""
    others: tuple[Path, ...] = ()
    """Audio of further participants, who count as the agent."""
    row: int | None = None
    """Row of a table that holds the audio."""
    raw: RawFormat | None = None
    """How audio without a header is coded."""
    swapped: bool = False
    """Whether user and agent are exchanged when loading."""
    sha256: str = ""
    """Expected hash of the samples (`Recording.sha256`); empty if not known."""

    @property
    def label_path(self) -> Path:
        """Path of its label file, whether it exists or not: beside the user's audio."""
        if self.labels is not None:
            return self.labels
        name = self.name.rpartition("/")[2]  # "monday/call" if several folders have a "call"
        alone = self.agent is None and self.row is None
        if not alone and name not in self.user.stem and self.row is None:
            return self.user.with_name(SUFFIX.lstrip("."))  # caller.wav and agent.wav, named by folder
        return self.user.with_name((self.user.stem if alone else name) + SUFFIX)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files but the labels."""
        return (self.user, *([self.agent] if self.agent else []), *self.others, *self.details)


@dataclass(frozen=True)
class Skipped:
    """A file that is no usable recording, and why."""

    path: Path
    reason: str
    """One line that names the file."""


@dataclass(frozen=True)
class Found:
    """What one format, or all of them, found among some files."""

    recordings: tuple[RecordingFiles, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    claimed: frozenset[Path] = frozenset()
    """Files that belong to something found or skipped here, and that no other format should take."""


@dataclass(frozen=True)
class FindOptions:
    """What only the user can know about a folder.

    Raises ValueError for roles that are equal or empty.
    """

    user: str = "caller"
    """Name of the user's channel in pairs of mono files; also the user's identity in LiveKit."""
    agent: str = "agent"
    pair: str = ""
    """Pattern of the files of pairs, for example "{name}_{channel:rx|tx}.wav" (`pairs.PairPattern`)."""
    raw: RawFormat | None = None
    """How files named .raw and .pcm are coded; without, they are skipped."""
    swap: bool = False
    """Exchange the channels in formats where only a convention tells user from agent."""

    def __post_init__(self) -> None:
        if not self.user or not self.agent or self.user.casefold() == self.agent.casefold():
            raise ValueError(
                f"the channel names must differ and not be empty, got {self.user!r} and {self.agent!r}"
            )


def parse_raw(text: str) -> RawFormat:
    """ "ulaw", "alaw,16000" or "pcm16,8000,2" (encoding, rate in Hz, channels) as a RawFormat.

    Raises ValueError for anything else.
    """
    encoding, *numbers = [part.strip() for part in text.split(",")]
    known: tuple[RawEncoding, ...] = get_args(RawEncoding)
    for one in known:
        if one == encoding and len(numbers) <= 2 and all(re.fullmatch(r"[0-9]{1,6}", n) for n in numbers):
            made = RawFormat(one, *map(int, numbers))
            if made.rate_hz >= 8_000 and made.channels in (1, 2):
                return made
    choices = ", ".join(known)
    raise ValueError(
        f"can't use raw format {text!r}; expected ENCODING[,RATE_HZ[,CHANNELS]] with {choices}, at least "
        "8000 Hz and 1 or 2 channels, for example ulaw,8000"
    )


def format_raw(raw: RawFormat | None) -> str:
    """What `parse_raw` reads; empty for None."""
    return "" if raw is None else f"{raw.encoding},{raw.rate_hz},{raw.channels}"


def plain_options(options: FindOptions) -> dict[str, str | bool]:
    """Options as plain values, for a file."""
    return {
        "user": options.user,
        "agent": options.agent,
        "pair": options.pair,
        "raw": format_raw(options.raw),
        "swap": options.swap,
    }


def options_of(values: Mapping[str, Any]) -> FindOptions:
    """What `plain_options` gave. Raises ValueError for anything else."""
    raw = str(values.get("raw", ""))
    return FindOptions(
        str(values.get("user", "caller")),
        str(values.get("agent", "agent")),
        str(values.get("pair", "")),
        parse_raw(raw) if raw else None,
        values.get("swap") is True,
    )


def bad_name(path: Path) -> str | None:
    """Why a file's name can't be used; None if it can."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return str(BadRecording.of(path, "its name is not UTF-8", "rename the file or its folder"))
    if any("\\" in part or any(ord(character) < 32 for character in part) for part in path.parts):
        # A manifest refuses such paths: Windows separates folders by backslashes, and control characters
        # don't print.
        finding = "its name holds a backslash or a control character"
        return str(BadRecording.of(path, finding, "rename the file or its folder"))
    return None

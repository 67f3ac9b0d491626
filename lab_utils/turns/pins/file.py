"""Failures that were pinned, to be checked whenever settings change: a file beside profiles and results.

`pins.json` holds one entry for each failure: the call, the label in which a commit would be a false boundary,
the commit that was there, the settings and conditions that made it, and where the cache has the call's
traces. The audio, and what was said, are not in it. It is written under its folder's lock, whole or not at
all; `version` goes up when a reader of today could misread it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ...core.errors import InputError
from ...core.files import BadFile, parse_model, read_limited, write_whole
from ...core.files.locking import locked
from ...core.labels import LabelKind
from ...core.models import Frozen
from ...core.settings import Conditions, Settings
from ..profile import LIVEKIT_AGENTS

PINS_FILE = "pins.json"
PINS_VERSION = 1
SAME_S = 0.010
"""Labels that start and end so close are one: label files are rounded to 1 ms, and edits move edges."""


class PinnedCall(Frozen):
    """Which call it was."""

    name: str
    sha256: str
    """Of its two channels at 16 kHz, as in `Recording`."""
    duration_s: float
    traces: str
    """Cache entries of its traces have names that begin so (`turns.cache`): the sha256 of what was heard."""
    channel_condition: str = "clean"
    """What the audio was put through (`ChannelCondition`), with this seed."""
    seed: int = 0


class PinnedLabel(Frozen):
    """Where no commit may be; seconds of the recording."""

    kind: LabelKind
    start_s: float
    end_s: float


class PinnedCommit(Frozen):
    """The commit that was a false boundary."""

    time_s: float
    cause: str
    probability: float | None
    """What the detector had said; None if it wasn't asked."""
    phase: int = 0
    """Audio phase in which it was seen."""


class Pin(Frozen):
    """One pinned failure."""

    call: PinnedCall
    label: PinnedLabel
    commit: PinnedCommit
    settings: Settings
    conditions: Conditions
    livekit_agents: str = LIVEKIT_AGENTS
    """Release whose timing was replayed."""
    who: str = ""
    when: dt.datetime
    why: str = ""

    def same_place(self, other: Pin) -> bool:
        """Whether both are about one label of one call."""
        away_s = max(abs(self.label.start_s - other.label.start_s), abs(self.label.end_s - other.label.end_s))
        return self.call.sha256 == other.call.sha256 and away_s <= SAME_S


class PinFile(Frozen):
    """All pins of a folder, in the order in which they were made."""

    format: Literal["turn-pins"] = "turn-pins"
    version: Literal[1] = 1
    pins: tuple[Pin, ...] = ()


def read_pins(folder: str | Path) -> tuple[Pin, ...]:
    """The pins of a folder; none if it has no file. Raises InputError for a file that can't be read."""
    path = Path(folder) / PINS_FILE
    if not path.exists():
        return ()
    try:
        return parse_model(read_limited(path), PinFile, f"pins of this version ({PINS_VERSION})").pins
    except BadFile as error:
        raise InputError(f"{path}: {error}") from None


def add_pin(folder: str | Path, pin: Pin) -> tuple[Pin, ...]:
    """Add a pin, making the folder if need be; one of the same label is replaced. Returns all.

    Raises InputError if the file that is there can't be read: it is left as it is.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with locked(place):
        kept = [one for one in read_pins(place) if not one.same_place(pin)]
        return _written(place, [*kept, pin])


def remove_pin(folder: str | Path, pin: Pin) -> tuple[Pin, ...]:
    """Remove the pin of a label, if there is one; returns the rest."""
    place = Path(folder)
    with locked(place):
        known = read_pins(place)
        kept = [one for one in known if not one.same_place(pin)]
        return _written(place, kept) if len(kept) < len(known) else known


def _written(folder: Path, pins: Sequence[Pin]) -> tuple[Pin, ...]:
    file = PinFile(pins=tuple(pins))
    write_whole(folder / PINS_FILE, file.model_dump_json(indent=1) + "\n")
    return file.pins

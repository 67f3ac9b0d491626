"""Where the user begins to sound while the agent speaks, and whether a good agent yields to it.

Conventions: seconds of recording time. Sources: a list of onsets in a JSON file (the form of the recordings
published with hotato, github.com/attenlabs/hotato), or a recording's label file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from ...core.labels import Labels
from ...recordings.audio import BadRecording
from ...recordings.json_files import Lenient, Number, parse

Sound = Literal["interruption", "backchannel", "cough", "noise", "aside", "untold"]
SOUNDS: tuple[Sound, ...] = get_args(Sound)
"""`aside`: speech to somebody else; `untold`: to be talked through, and of no kind that anybody told."""
WORDLESS: frozenset[Sound] = frozenset({"cough", "noise"})
TERMINAL_S = 0.25
"""The user takes over, rather than interrupts, this close to the end of the agent's IPU; and an agent that
begins this soon before the user began at the same time."""
OWN_TURN_S = 1.0
"""What the user says this soon after their own last speech goes on with it."""
SAME_S = 0.05
"""Onsets of one recording no further apart are the same."""


@dataclass(frozen=True)
class Onset:
    """One sound of the user that begins while the agent speaks."""

    time_s: float
    sound: Sound
    end_s: float | None = None
    """Where the sound ends; None if nobody told."""

    @property
    def should_yield(self) -> bool:
        """Whether a good agent falls silent."""
        return self.sound == "interruption"


class _Entry(Lenient):
    """One onset of a JSON file."""

    file: Annotated[str, Field(min_length=1)]
    should_yield: Annotated[bool | None, Field(strict=True)]
    user_onset_s: Annotated[Number, Field(ge=0.0)] | None = None
    user_end_s: Annotated[Number, Field(ge=0.0)] | None = None
    sound: Literal["backchannel", "cough", "noise", "aside"] | None = None


@dataclass(frozen=True)
class ToldOnsets:
    """What one JSON file says, by the name of the audio file."""

    path: Path
    onsets: dict[str, tuple[Onset, ...]]
    unscored: dict[str, int]
    """How many onsets of each audio file nobody judges (`should_yield` null)."""


def read_onsets(path: Path) -> ToldOnsets:
    """A list of onsets. Raises BadRecording for a file that isn't one, or contradicts itself."""
    onsets: dict[str, list[Onset]] = {}
    unscored: dict[str, int] = {}
    for number, entry in enumerate(parse(path, list[_Entry], "a list of onsets"), 1):
        name = entry.file.replace("\\", "/").rpartition("/")[2]
        mine = onsets.setdefault(name, [])
        if entry.should_yield is None:
            unscored[name] = unscored.get(name, 0) + 1
        else:
            onset = _checked(path, number, entry)
            for other in mine:
                if abs(other.time_s - onset.time_s) <= SAME_S:
                    same = other == onset
                    finding = f"entry {number}: {name} has {'two' if same else 'contradicting'} entries"
                    finding += f" for the onset at {onset.time_s:g} s"
                    raise BadRecording.of(path, finding, "keep one")
            mine.append(onset)
    return ToldOnsets(path, {name: tuple(found) for name, found in onsets.items()}, unscored)


def _checked(path: Path, number: int, entry: _Entry) -> Onset:
    def bad(finding: str, remedy: str) -> BadRecording:
        return BadRecording.of(path, f"entry {number} ({entry.file[:80]}): {finding}", remedy)

    if entry.user_onset_s is None:
        raise bad("has no user_onset_s", "say when the user begins, or set should_yield to null")
    if entry.user_end_s is not None and entry.user_end_s <= entry.user_onset_s:
        raise bad(
            f"ends at {entry.user_end_s:g} s, not after its onset", "correct user_end_s or leave it out"
        )
    if entry.should_yield and entry.sound is not None:
        raise bad(
            f"should_yield is true for a {entry.sound}", "an interruption has no sound; set one of them right"
        )
    sound: Sound = "interruption" if entry.should_yield else entry.sound or "untold"
    return Onset(entry.user_onset_s, sound, entry.user_end_s)


def onsets_of(labels: Labels) -> tuple[Onset, ...]:
    """The onsets that a label file tells of: backchannels in the agent's speech, and interruptions.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> ipus = Ipu("agent", 0.0, 9.0), Ipu("user", 2.0, 2.4), Ipu("user", 5.0, 7.0)
    >>> onsets_of(Labels(9.0, ipus, (Label("backchannel", 2.0, 2.4),)))
    (Onset(time_s=2.0, sound='backchannel', end_s=2.4), Onset(time_s=5.0, sound='interruption', end_s=7.0))
    """
    agent, short = labels.spans("agent").tolist(), labels.of_kind("backchannel").tolist()
    found = [
        Onset(start_s, "backchannel", end_s)
        for start_s, end_s in short
        if any(begins <= start_s < ends for begins, ends in agent)
    ]
    before_s = -OWN_TURN_S
    for start_s, end_s in labels.spans("user").tolist():
        is_short = any(start_s < until_s and end_s > from_s for from_s, until_s in short)
        inside = any(begins + TERMINAL_S <= start_s <= ends - TERMINAL_S for begins, ends in agent)
        if inside and not is_short and start_s - before_s >= OWN_TURN_S:
            found.append(Onset(start_s, "interruption", end_s))
        before_s = end_s
    return tuple(sorted(found, key=lambda onset: onset.time_s))


def scored_sounds(onsets: Iterable[Onset]) -> Sequence[Sound]:
    """The kinds that occur, in the order of `SOUNDS`."""
    there = {onset.sound for onset in onsets}
    return [sound for sound in SOUNDS if sound in there]

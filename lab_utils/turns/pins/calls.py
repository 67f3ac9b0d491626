"""Traced calls in a file: what a replay needs, without sound and without words, so that CI may keep it.

One JSON file: what the models said about each call, its labels, and the pins. Words are kept as "x" at their
times, since some settings count them. Numbers are written so that they read the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from ...core.errors import InputError
from ...core.files import BadFile, read_model, write_whole
from ...core.labels import Labels
from ...core.models import Frozen
from ...core.settings import Conditions
from ...core.traces import Branch, EotTrace, Traced, VadTrace
from ..replay.refusals import word_count
from .file import Pin

CALLS_VERSION: Final = 1
SUFFIX = ".pinned.json"
MAX_BYTES = 500_000_000
"""An hour of calls in four takes has about 60 MB."""


def _to_tuple(values: Any) -> Any:
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return tuple(listed) if isinstance(listed, list) else listed


Probability = Annotated[float, Field(ge=0, le=1)]
Probabilities = Annotated[tuple[Probability, ...], BeforeValidator(_to_tuple)]
Samples = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_to_tuple)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class VadEntry(Frozen):
    """A `VadTrace`."""

    phase_samples: Annotated[int, Field(ge=0)]
    path: str
    probabilities: Probabilities
    restarts: dict[int, Probabilities] = Field(default_factory=dict)


class EotEntry(Frozen):
    """An `EotTrace`."""

    starts: Samples
    ends: Samples
    probabilities: Probabilities


class BranchEntry(Frozen):
    """A `Branch`."""

    turn: Annotated[int, Field(ge=0)]
    from_sample: Annotated[int, Field(ge=0)]
    until_s: Seconds
    vad: dict[str, tuple[Probabilities, ...]]


class CallEntry(Frozen, strict=False):
    """A `Traced`."""

    name: str
    sha256: str
    duration_s: Annotated[Seconds, Field(gt=0)]
    tail_s: Seconds
    labels: Labels
    vad: dict[str, tuple[VadEntry, ...]]
    eot: tuple[EotEntry, ...]
    finals: tuple[tuple[Seconds, Seconds], ...] = ()
    told: dict[str, Any] = Field(default_factory=dict)
    band: str = ""
    background: str = ""
    language: str = ""
    branches: tuple[BranchEntry, ...] = ()

    @classmethod
    def of(cls, traced: Traced) -> CallEntry:
        """Without its path, which is a matter of the machine it was traced on."""
        return cls(
            name=traced.name,
            sha256=traced.sha256,
            duration_s=traced.duration_s,
            tail_s=traced.tail_s,
            labels=without_words(traced.labels),
            vad={model: tuple(_vad_entry(one) for one in takes) for model, takes in traced.vad.items()},
            eot=tuple(EotEntry.model_validate(_entries(one)) for one in traced.eot),
            finals=tuple((float(end_s), float(came_s)) for end_s, came_s in traced.finals),
            told=dict(traced.told),
            band=traced.band,
            background=traced.background,
            language=traced.language,
            branches=tuple(BranchEntry.model_validate(vars(one)) for one in traced.branches),
        )

    def to_traced(self) -> Traced:
        """The call as a replay takes it."""
        return Traced(
            name=self.name,
            path=self.name,
            sha256=self.sha256,
            duration_s=self.duration_s,
            labels=self.labels,
            vad={model: tuple(_vad_trace(model, one) for one in takes) for model, takes in self.vad.items()},
            eot=tuple(_eot_trace(one) for one in self.eot),
            tail_s=self.tail_s,
            band=self.band,
            background=self.background,
            language=self.language,
            finals=np.array(self.finals, dtype=np.float64).reshape(-1, 2),
            told=self.told,
            branches=tuple(
                Branch(
                    one.turn,
                    one.from_sample,
                    one.until_s,
                    {
                        model: tuple(np.array(heard, dtype=np.float64) for heard in takes)
                        for model, takes in one.vad.items()
                    },
                )
                for one in self.branches
            ),
        )


class PinnedCalls(Frozen):
    """Pins, their calls without sound, and what the traces were made for."""

    format: Literal["turn-pinned-calls"] = "turn-pinned-calls"
    version: Literal[1] = CALLS_VERSION
    conditions: Conditions
    pins: Annotated[tuple[Pin, ...], Field(min_length=1)]
    calls: Annotated[tuple[CallEntry, ...], Field(min_length=1)]


def without_sound(recordings: Sequence[Traced], pins: Sequence[Pin], conditions: Conditions) -> PinnedCalls:
    """The pins whose calls are among the recordings, with these. Raises InputError if there are none."""
    known = {one.sha256 for one in recordings}
    kept = tuple(pin for pin in pins if pin.call.sha256 in known)
    if not kept:
        raise InputError(
            f"none of the {len(pins)} pinned failures is of one of these {len(recordings)} recordings; "
            "name the recordings that they were pinned on"
        )
    of_pins = {pin.call.sha256 for pin in kept}
    calls = tuple(CallEntry.of(one) for one in recordings if one.sha256 in of_pins)
    return PinnedCalls(conditions=conditions, pins=kept, calls=calls)


def write_calls(pinned: PinnedCalls, path: str | Path) -> None:
    """Write the file, whole or not at all."""
    write_whole(path, pinned.model_dump_json() + "\n", durable=True)


def read_calls(path: str | Path) -> PinnedCalls:
    """The content of such a file. Raises InputError naming what is wrong with it."""
    try:
        what = f"pinned calls of this version ({CALLS_VERSION})"
        found = read_model(Path(path), PinnedCalls, what, MAX_BYTES)
        for call in found.calls:
            _check(call)
    except BadFile as error:
        raise InputError(f"{path}: {error}") from None
    return found


def _check(call: CallEntry) -> None:
    """Raise BadFile for a call whose parts don't belong together."""
    takes = {len(call.eot), *(len(one) for one in call.vad.values())}
    takes |= {len(one) for branch in call.branches for one in branch.vad.values()}
    lengths = all(len(one.starts) == len(one.ends) == len(one.probabilities) for one in call.eot)
    if (
        len(takes) != 1
        or not lengths
        or any(branch.vad.keys() != call.vad.keys() for branch in call.branches)
    ):
        raise BadFile(f"call {call.name!r}: its takes don't fit together", "write the file anew")


def without_words(labels: Labels) -> Labels:
    """Labels that tell when something was said, and not what.

    >>> from lab_utils.core.labels import Ipu, Word
    >>> said = Labels(9.0, (Ipu("user", 1.0, 2.0, "My PIN."),), (), (Word("user", 1.0, 1.4, "My"),))
    >>> kept = without_words(said)
    >>> kept.ipus[0].text, kept.words[0].text
    ('x x', 'x')
    """
    return replace(
        labels,
        ipus=tuple(replace(one, text=_hidden(one.text)) for one in labels.ipus),
        labels=tuple(replace(one, reason="") for one in labels.labels),
        words=tuple(replace(one, text=_hidden(one.text)) for one in labels.words),
    )


def _hidden(text: str) -> str:
    """As many words as LiveKit counts in a text."""
    return " ".join("x" for _ in range(word_count(text))) or ("." if text.strip() else "")


def _vad_entry(trace: VadTrace) -> VadEntry:
    return VadEntry(
        phase_samples=trace.phase_samples,
        path=trace.path,
        probabilities=_to_tuple(trace.probabilities),
        restarts={at: _to_tuple(heard) for at, heard in trace.restarts.items()},
    )


def _vad_trace(model: str, entry: VadEntry) -> VadTrace:
    restarts: Mapping[int, np.ndarray] = {
        at: np.array(heard, dtype=np.float64) for at, heard in entry.restarts.items()
    }
    return VadTrace(
        model, entry.phase_samples, np.array(entry.probabilities, dtype=np.float64), entry.path, restarts
    )


def _entries(trace: EotTrace) -> dict[str, Any]:
    return {name: getattr(trace, name) for name in EotEntry.model_fields}


def _eot_trace(entry: EotEntry) -> EotTrace:
    starts, ends = (np.array(part, dtype=np.int64) for part in (entry.starts, entry.ends))
    return EotTrace(starts, ends, np.array(entry.probabilities, dtype=np.float64))

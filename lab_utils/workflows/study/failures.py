"""The false boundaries of a study under one setting, each with what a person wants to know of it."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.labels import LabelKind, Labels, user_turns
from ...core.settings import Conditions, Settings
from ...core.traces import Traced
from ...turns.pins import Pin, PinnedCall, PinnedCommit, PinnedLabel
from ...turns.slices import KEYS
from .study import Study

WORDS = 6
"""Said before the commit, at most so many are shown."""


@dataclass(frozen=True)
class Failure:
    """One commit inside a turn; times in seconds of its recording."""

    number: int
    """Its place in the list of all, from 0."""
    recording: str
    commit_s: float
    cause: str
    probability: float | None
    """What the detector had said; None if it wasn't asked."""
    pause: str
    """Kind of the pause that it belongs to: hold, unscored_hold or cut_off."""
    pause_start_s: float
    after_s: float
    """From the start of the pause to the commit."""
    pause_s: float
    """How long the caller paused before going on."""
    words: str
    """The caller's last words before the commit; empty if none are known."""
    line: str = ""
    """What the recording's sound allows, such as its band (`turns.slices.KEYS`)."""
    slice: str = ""
    """Length of the turn that was broken, and what the agent had asked."""


def failures_of(study: Study, settings: Settings | None = None) -> tuple[Failure, ...]:
    """All false boundaries under a setting (LiveKit's defaults if none is given), as `Study.failures`.

    Raises MissingTraces for settings that lead to predictions that no setting of the grid led to.
    """
    found: list[Failure] = []
    number_of = {name: number for number, name in enumerate(study.corpus.names)}
    for row in study.failures(settings).to_dict("records"):
        traced = study.corpus.recordings[number_of[row["recording"]]]
        labels = traced.labels
        start_s = float(row["label_start_s"])
        end_s = _pause_end_s(labels, start_s)
        found.append(
            Failure(
                number=len(found),
                recording=row["recording"],
                commit_s=float(row["commit_s"]),
                cause=str(row["cause"]),
                probability=None if np.isnan(row["probability"]) else float(row["probability"]),
                pause=str(row["label"]),
                pause_start_s=start_s,
                after_s=float(row["commit_s"]) - start_s,
                pause_s=end_s - start_s,
                words=_words_before(labels, float(row["commit_s"])),
                **_slices(traced, study.conditions, start_s),
            )
        )
    return tuple(found)


def _slices(traced: Traced, conditions: Conditions, at_s: float) -> dict[str, str]:
    """`line` and `slice` of the turn in which a moment lies."""
    ends = [turn.end_s for turn in user_turns(traced.labels, unfinished=True)]
    turn = min(bisect_left(ends, at_s), len(ends) - 1)
    kinds = {key: KEYS[key](traced, conditions)[turn] for key in ("line", "length", "asked")}
    return {"line": kinds["line"], "slice": f"{kinds['length']}; asked for {kinds['asked']}"}


def pin_of(
    study: Study, failure: Failure, settings: Settings, who: str, when: dt.datetime, why: str = ""
) -> Pin:
    """A failure as it is kept to be checked later; `settings`: those under which it was seen."""
    traced = study.corpus.recordings[study.number(failure.recording)]
    kind: LabelKind = "cut_off" if failure.pause == "cut_off" else "hold"
    return Pin(
        call=PinnedCall(
            name=traced.name,
            sha256=study.load(failure.recording).sha256,
            duration_s=round(traced.duration_s, 3),
            traces=traced.sha256,
            channel_condition=str(study.channel_condition),
            seed=study.seed,
        ),
        label=PinnedLabel(
            kind=kind,
            start_s=round(failure.pause_start_s, 4),
            end_s=round(failure.pause_start_s + failure.pause_s, 4),
        ),
        commit=PinnedCommit(
            time_s=round(failure.commit_s, 6), cause=failure.cause, probability=failure.probability
        ),
        settings=settings,
        conditions=study.conditions,
        who=who,
        when=when,
        why=why,
    )


def _pause_end_s(labels: Labels, start_s: float) -> float:
    ends: Mapping[float, float] = {label.start_s: label.end_s for label in labels.labels}
    return ends[min(ends, key=lambda at_s: abs(at_s - start_s))]


def _words_before(labels: Labels, at_s: float) -> str:
    said = [word for word in labels.words if word.speaker == "user" and word.middle_s <= at_s]
    return " ".join(word.text for word in sorted(said, key=lambda word: word.middle_s)[-WORDS:])

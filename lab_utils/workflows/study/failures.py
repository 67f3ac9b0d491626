"""The false boundaries of a study under one setting, each with what a person wants to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.labels import Labels
from ...core.settings import Settings
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


def failures_of(study: Study, settings: Settings | None = None) -> tuple[Failure, ...]:
    """All false boundaries under a setting (LiveKit's defaults if none is given), as `Study.failures`.

    Raises MissingTraces for settings that lead to predictions that no setting of the grid led to.
    """
    found: list[Failure] = []
    by_name = {one.name: one.labels for one in study.corpus.recordings}
    for row in study.failures(settings).to_dict("records"):
        labels = by_name[row["recording"]]
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
            )
        )
    return tuple(found)


def _pause_end_s(labels: Labels, start_s: float) -> float:
    ends: Mapping[float, float] = {label.start_s: label.end_s for label in labels.labels}
    return ends[min(ends, key=lambda at_s: abs(at_s - start_s))]


def _words_before(labels: Labels, at_s: float) -> str:
    said = [word for word in labels.words if word.speaker == "user" and word.middle_s <= at_s]
    return " ".join(word.text for word in sorted(said, key=lambda word: word.middle_s)[-WORDS:])

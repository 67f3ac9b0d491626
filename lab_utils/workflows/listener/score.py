"""What a listener's presses mean, and the figures of listeners and settings on the same turns.

Conventions: seconds of recording time; a press is a commit.
Definition: a commit needs the last speaking time that its silence began with. A listener knows what they
heard `REACTION_S` before the press: where the caller paused then, the silence began with that pause; where
the caller spoke, at that moment. So a press shortly after the caller went on still belongs to the pause, and
one that foresees the end of a turn belongs to that end if it comes no sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ...core.labels import Labels
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.traces import Cause, Commits
from ...turns.branches import LONGEST_WAIT_S
from ...turns.metrics import PerRecording
from ...turns.metrics.labelled_pauses import IN_SPEECH, NO_LABEL, attributes
from ...turns.slices import Columns, commit_columns, statistics
from ...turns.sweep import Corpus
from .turns import HeardTurn

REACTION_S = 0.2
"""From a sound's end to a press that answers it: what simple auditory reactions take, without a choice."""


def meaning(corpus: Corpus, heard: HeardTurn, presses_s: Iterable[float]) -> pd.DataFrame:
    """What each press in one turn means: as `metrics.attribute`, a row for each.

    A press before the caller's first word says nothing and is left out, as is one after the longest wait.
    """
    return pd.DataFrame(_meaning(corpus, heard, presses_s))


def listened(
    corpus: Corpus, turns: Sequence[HeardTurn], presses_s: Sequence[Sequence[float]]
) -> tuple[PerRecording, ...]:
    """What a listener did on each recording that they heard turns of, in order of the recordings.

    `presses_s`: of each turn, in recording time.
    """
    parts: dict[int, list[Columns]] = {}
    for one, presses in zip(turns, presses_s, strict=True):
        parts.setdefault(one.recording, []).append(_meaning(corpus, one, presses))
    columns = {
        r: {name: np.concatenate([part[name] for part in of]) for name in of[0]} for r, of in parts.items()
    }
    return _played(corpus, turns, columns)


def scored_turns(
    corpus: Corpus, settings: Settings, turns: Sequence[HeardTurn], conditions: Conditions = USUAL_CONDITIONS
) -> tuple[PerRecording, ...]:
    """What a setting did on the same turns, in the first take. Raises MissingTraces."""
    takes = list(commit_columns(corpus, settings, conditions))
    return _played(corpus, turns, {one.recording: takes[one.recording][0] for one in turns})


def _meaning(corpus: Corpus, heard: HeardTurn, presses_s: Iterable[float]) -> Columns:
    labels, labelled = corpus.recordings[heard.recording].labels, corpus.labelled[heard.recording]
    within = sorted(at_s for at_s in presses_s if heard.speaks_s <= at_s <= heard.until_s)
    tape = [at_s for at_s in within if at_s < heard.left_s]
    spoke_s = [max(heard.speaks_s, _last_speaking_s(at_s, labels)) for at_s in tape]
    after = [at_s for at_s in within if at_s >= heard.left_s]
    waits = {heard.turn: (heard.left_s, _commits(after, [heard.end_s] * len(after)))}
    return attributes(_commits(tape, spoke_s), labelled, waits, LONGEST_WAIT_S)


def _played(
    corpus: Corpus, turns: Sequence[HeardTurn], columns: Mapping[int, Columns]
) -> tuple[PerRecording, ...]:
    """Counts of the turns that were heard; `columns`: by recording, what each commit means."""
    found = []
    for r in sorted(columns):
        heard = np.zeros(corpus.labelled[r].n_turns + 1, np.bool_)
        heard[[one.turn for one in turns if one.recording == r]] = True
        outside = float(np.isin(columns[r]["label"], (IN_SPEECH, NO_LABEL)).sum())
        found.append(replace(statistics([columns[r]], corpus.labelled[r], heard), in_no_label=outside))
    return tuple(found)


def _commits(presses_s: Sequence[float], last_speaking_s: Sequence[float]) -> Commits:
    n = len(presses_s)
    cause: Cause = "detector"
    times_s, last_s = np.array(presses_s, np.float64), np.array(last_speaking_s, np.float64)
    return Commits(times_s, (cause,) * n, np.full(n, np.nan), last_s)


def _last_speaking_s(press_s: float, labels: Labels) -> float:
    """Where the caller was last heard to speak by somebody who presses at a moment."""
    known_s = press_s - REACTION_S
    spans = labels.spans("user")
    begun = spans[spans[:, 0] <= known_s]
    return min(float(begun[:, 1].max(initial=-np.inf)), known_s) if len(begun) else known_s

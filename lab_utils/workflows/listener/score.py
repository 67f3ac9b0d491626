"""What a listener's presses mean, and the figures of listeners and settings on the same turns.

Conventions: seconds of recording time; a press is a commit.
Definition: a commit needs the last speaking time that its silence began with. A listener knows what they
heard `REACTION_S` before the press: where the caller paused then, the silence began with that pause; where
the caller spoke, at that moment. So a press shortly after the caller went on still belongs to the pause, and
one that foresees the end of a turn belongs to that end if it comes no sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ...core.labels import Labels
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.traces import Cause, Commits
from ...turns.branches import LONGEST_WAIT_S
from ...turns.metrics import CUT_OFF, HOLD, LabelledPauses, PerRecording, attribute
from ...turns.metrics.labelled_pauses import IN_SPEECH, NO_LABEL
from ...turns.sweep import Corpus, commits_table
from .turns import HeardTurn

REACTION_S = 0.2
"""From a sound's end to a press that answers it: what simple auditory reactions take, without a choice."""


def meaning(corpus: Corpus, heard: HeardTurn, presses_s: Iterable[float]) -> pd.DataFrame:
    """What each press in one turn means: as `metrics.attribute`, a row for each.

    A press before the caller's first word says nothing and is left out, as is one after the longest wait.
    """
    labels, labelled = corpus.recordings[heard.recording].labels, corpus.labelled[heard.recording]
    within = sorted(at_s for at_s in presses_s if heard.speaks_s <= at_s <= heard.until_s)
    tape = [at_s for at_s in within if at_s < heard.left_s]
    spoke_s = [max(heard.speaks_s, _last_speaking_s(at_s, labels)) for at_s in tape]
    after = [at_s for at_s in within if at_s >= heard.left_s]
    waits = {heard.turn: (heard.left_s, _commits(after, [heard.end_s] * len(after)))}
    return attribute(_commits(tape, spoke_s), labelled, waits, LONGEST_WAIT_S)


def listened(
    corpus: Corpus, turns: Sequence[HeardTurn], presses_s: Sequence[Sequence[float]]
) -> tuple[PerRecording, ...]:
    """What a listener did on each recording that they heard turns of, in order of the recordings.

    `presses_s`: of each turn, in recording time.
    """
    rows: dict[int, list[pd.DataFrame]] = {}
    for one, presses in zip(turns, presses_s, strict=True):
        rows.setdefault(one.recording, []).append(meaning(corpus, one, presses))
    return _played(corpus, turns, {r: pd.concat(parts, ignore_index=True) for r, parts in rows.items()})


def scored_turns(
    corpus: Corpus, settings: Settings, turns: Sequence[HeardTurn], conditions: Conditions = USUAL_CONDITIONS
) -> tuple[PerRecording, ...]:
    """What a setting did on the same turns, in the first take. Raises MissingTraces."""
    every = commits_table(corpus, {0: settings}, conditions)
    every = every[every["phase"] == 0]
    names = [one.name for one in corpus.recordings]
    rows = {r: every[every["recording"] == names[r]] for r in {one.recording for one in turns}}
    return _played(corpus, turns, rows)


def _played(
    corpus: Corpus, turns: Sequence[HeardTurn], rows: dict[int, pd.DataFrame]
) -> tuple[PerRecording, ...]:
    """Counts of the turns that were heard; `rows`: by recording, what each commit means."""
    return tuple(
        _per_recording(rows[r], corpus.labelled[r], [one.turn for one in turns if one.recording == r])
        for r in sorted(rows)
    )


def _per_recording(rows: pd.DataFrame, labelled: LabelledPauses, turns: Sequence[int]) -> PerRecording:
    of_turns = np.isin(labelled.turn, turns)
    cut_offs = int(np.count_nonzero(of_turns & (labelled.kind == CUT_OFF)))
    own = rows[rows["turn"].isin(turns)]
    scored, false = own[own["scored"]], own[own["false_boundary"]]
    cut = scored.drop_duplicates("label_start_s")["label"]
    answered = own[own["latency_s"].notna()].drop_duplicates("turn").set_index("turn")
    latency_s = answered["latency_s"].reindex(list(turns)).fillna(np.inf).to_numpy(np.float64)
    turns_cut = set(false["turn"])
    unknown = set(labelled.turn[of_turns & (labelled.kind == CUT_OFF)].tolist())
    return PerRecording(
        holds=int(np.count_nonzero(of_turns & (labelled.kind == HOLD))) + cut_offs,
        holds_cut=float(len(cut)),
        holds_cut_at_most=float(np.count_nonzero(cut == "hold") + cut_offs),
        turns=len(turns),
        turns_cut=float(len(turns_cut)),
        turns_cut_at_most=float(len(turns_cut | unknown)),
        timeouts=float(np.count_nonzero(answered["cause"] == "max_delay")),
        missed=float(np.isinf(latency_s).sum()),
        in_no_label=float(rows["label"].isin([IN_SPEECH, NO_LABEL]).sum()),
        latency_s=latency_s[None, :],
    )


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

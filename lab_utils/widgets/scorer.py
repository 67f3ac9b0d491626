"""What any setting does, fast enough for a slider: exactly where all predictions are traced, else by a guess.

A setting that no sweep has tried may commit at another moment, and the detector then hears the next pause
from another start. Such a prediction is not in the traces. `Scorer.score` takes the nearest one that is, and
says so; `Scorer.complete_next` has the missing ones computed, one recording at a time. In `stt` mode the same
holds for restarts of the VAD: what it said without a restart is the guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..core.settings import USUAL_CONDITIONS, Conditions, Settings, VadSettings
from ..core.timeline import Floats, Ints, windows_to_reach
from ..core.traces import BRANCH_SAMPLES, EotTrace, Traced, VadTrace, eot_keys
from ..turns.branches import LONGEST_WAIT_S, longest_wait_s
from ..turns.metrics import SettingCounts, attribute
from ..turns.replay import (
    Block,
    MissingPredictions,
    MissingRestarts,
    MissingTraces,
    Rows,
    check_traces,
    replay,
    replay_branches,
)
from ..turns.sweep import Corpus, figures_of

Complete = Callable[[int, Traced, Settings], Traced]
"""The trace of a recording (by number) with the predictions that a setting leads to."""

KEPT = 16
"""Segmentations kept; moving a delay or the threshold needs no new one."""


@dataclass(frozen=True)
class Scored:
    """One setting's figures (as `metrics.figures`, without intervals) and what they were computed from."""

    settings: Settings
    figures: pd.DataFrame
    corpus: Corpus
    exact: bool
    failing: tuple[int, ...]
    """Recordings, by number, with a false boundary at phase 0."""
    conditions: Conditions = USUAL_CONDITIONS

    def commits(self, number: int) -> pd.DataFrame:
        """What each commit on the tape of one recording means, at phase 0 (`metrics.attribute`)."""
        traced = self.corpus.recordings[number]
        commits = replay(traced, self.settings, self.conditions)
        waits = replay_branches(traced, self.settings, self.conditions)
        longest_s = float(longest_wait_s(np.array([self.settings.endpointing.max_delay]))[0])
        frame = attribute(commits, self.corpus.labelled[number], waits, longest_s)
        return frame[~frame["on_branch"]].reset_index(drop=True)


class Scorer:
    """Scores settings on a corpus, which `complete` lets grow by predictions."""

    def __init__(
        self, corpus: Corpus, complete: Complete | None = None, conditions: Conditions = USUAL_CONDITIONS
    ) -> None:
        self.corpus = corpus
        self._conditions = conditions
        self._complete = complete
        self._pauses: dict[tuple[VadSettings, float], list[list[Rows]]] = {}

    @property
    def can_complete(self) -> bool:
        """Whether missing predictions can be computed."""
        return self._complete is not None

    def score(self, settings: Settings) -> Scored:
        """Figures of a setting, exact or by a guess."""
        try:
            figures, failing = self._figures(self.corpus, settings)
            return Scored(settings, figures, self.corpus, True, failing, self._conditions)
        except MissingTraces:
            recordings = (guess(traced, settings, self._conditions) for traced in self.corpus.recordings)
            guessed = replace(self.corpus, recordings=tuple(recordings))
            figures, failing = self._figures(guessed, settings)
            return Scored(settings, figures, guessed, False, failing, self._conditions)

    def complete_next(self, settings: Settings) -> int | None:
        """Complete the first recording that lacks predictions; returns its number, or None if none does."""
        for number, traced in enumerate(self.corpus.recordings):
            if self._complete is not None and lacks_traces(traced, settings, self._conditions):
                recordings = list(self.corpus.recordings)
                recordings[number] = self._complete(number, traced, settings)
                self.corpus = replace(self.corpus, recordings=tuple(recordings))
                return number
        return None

    def _figures(self, corpus: Corpus, settings: Settings) -> tuple[pd.DataFrame, tuple[int, ...]]:
        block = Block.of(settings, self._conditions)
        key = (block.vad, block.conditions.frame_duration)
        if key not in self._pauses:
            self._pauses = dict(list(self._pauses.items())[1 - KEPT :])
            self._pauses[key] = corpus.pauses(*key)
        counts = corpus.score(block, self._pauses[key])
        failing = tuple(number for number, takes in enumerate(counts) if _is_cut(takes[0]))
        return figures_of(counts, corpus.labelled)[["value", "n"]], failing


def _is_cut(counts: SettingCounts) -> bool:
    """Whether a single setting cuts a hold of any length."""
    return any(counted[0] > 0 for counted in (counts.turns_cut, counts.holds_cut, counts.cut_offs_cut))


def lacks_traces(traced: Traced, settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> bool:
    """Whether a replay of this setting needs predictions or restarts that are not traced."""
    try:
        for phase in range(traced.phases):
            check_traces(traced, settings, conditions, phase)
    except MissingTraces:
        return True
    return False


def guess(traced: Traced, settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> Traced:
    """The trace with guesses for what is missing: predictions of the same end, if there are, or near it."""
    eot = list(traced.eot)
    vad = {name: list(traces) for name, traces in traced.vad.items()}
    for phase in range(traced.phases):
        while True:
            try:
                now = {name: tuple(traces) for name, traces in vad.items()}
                check_traces(replace(traced, eot=tuple(eot), vad=now), settings, conditions, phase)
                break
            except MissingPredictions as missing:
                eot[phase] = eot[phase].merged(_nearest(eot[phase], missing.starts, missing.ends))
            except MissingRestarts as missing:
                trace = vad[settings.vad.model][phase]
                guesses = {at: _without_restart(trace, at) for at in missing.origins}
                vad[settings.vad.model][phase] = replace(trace, restarts={**trace.restarts, **guesses})
    return replace(traced, eot=tuple(eot), vad={name: tuple(traces) for name, traces in vad.items()})


def _without_restart(trace: VadTrace, origin: int) -> Floats:
    """What the VAD says on the tape from a sample on, and silence where a branch goes on for longer."""
    windows = trace.windows_from(origin % BRANCH_SAMPLES)
    waits = np.zeros(windows_to_reach(2 * LONGEST_WAIT_S))
    return np.concatenate((trace.probabilities[len(trace.probabilities) - windows :], waits))


def _nearest(known: EotTrace, starts: Ints, ends: Ints) -> EotTrace:
    """Entries for these spans with the probability of the known entry of the nearest key, or 0.5."""
    if not len(known.keys):
        return EotTrace(starts, ends, np.full(len(starts), 0.5))
    keys = eot_keys(starts, ends)
    right = np.minimum(np.searchsorted(known.keys, keys), len(known.keys) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(keys - known.keys[left] < known.keys[right] - keys, left, right)
    return EotTrace(starts, ends, known.probabilities[nearer])

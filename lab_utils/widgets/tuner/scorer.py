"""What any setting does on a corpus: at once where that is possible, else in steps that a thread can take.

A setting that no sweep has tried may commit at another moment, and the detector then hears the next pause
from another start. Such a prediction is not in the traces. A guess stands for it, and says so, until it is
computed, recording by recording.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from ...core.settings import Conditions, Settings, VadSettings
from ...core.timeline import frame_samples
from ...core.traces import Traced
from ...turns.metrics import PerRecording, figures, per_recording
from ...turns.one_setting import CorpusPauses, CorpusPredictions, can_score, score
from ...turns.replay import Block, MissingTraces, Rows, check_traces, find_all_rows
from ...turns.sweep import Corpus
from ...workflows.study.figure_texts import plain_figures

Complete = Callable[[int, Traced, Settings], Traced]
"""The trace of a recording (by number) with the predictions that a setting leads to."""

Deliver = Callable[[Callable[[], None]], None]
"""Calls a function where the scorer lives."""
KEPT_ROWS = 400_000
"""Pauses of so many rows are kept, about 200 bytes each: of an hour in four takes under 70 VADs."""

Key = tuple[VadSettings, float]


@dataclass(frozen=True)
class Scored:
    """What one setting did."""

    settings: Settings
    recordings: tuple[PerRecording, ...]
    exact: bool
    """Whether every prediction was at hand."""
    lacking: frozenset[int] = frozenset()
    """Recordings, by number, that lack some."""

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """`metrics.figures` as plain values (`plain_figures`)."""
        return plain_figures(figures(self.recordings))


@dataclass(frozen=True)
class Step:
    """One step of a long computation."""

    text: str
    """What was done, and what comes next."""
    done: int
    of: int


class Scorer:
    """Scores settings on a corpus, which `complete` lets grow by predictions."""

    def __init__(self, corpus: Corpus, conditions: Conditions, complete: Complete | None = None) -> None:
        self.corpus, self.conditions = corpus, conditions
        self._complete = complete
        self._pauses: dict[Key, CorpusPauses] = {}
        self._predictions: dict[Key, CorpusPredictions] = {}

    @property
    def can_complete(self) -> bool:
        """Whether missing predictions can be computed."""
        return self._complete is not None

    def has(self, vad: VadSettings) -> bool:
        """Whether the pauses of this detector are at hand."""
        return self._key(vad) in self._pauses

    def keep(self, vad: VadSettings, pauses: CorpusPauses) -> None:
        """Keep pauses; the oldest make room."""
        self._pauses[self._key(vad)] = pauses
        while sum(map(len, self._pauses.values())) > KEPT_ROWS and len(self._pauses) > 1:
            oldest = next(iter(self._pauses))
            del self._pauses[oldest]
            self._predictions.pop(oldest, None)

    def pauses(self, vad: VadSettings) -> CorpusPauses:
        """The pauses that a detector hears; half a second for an hour of recordings."""
        key = self._key(vad)
        return self._pauses.get(key) or CorpusPauses.of(self.corpus, *key)

    def at_once(self, settings: Settings) -> Scored | None:
        """Figures, exact or with guesses; None if they take longer than a slider can wait."""
        if not self.has(settings.vad):
            return None
        return self._quick(self.corpus, self.pauses(settings.vad), settings)

    def slowly(
        self, settings: Settings, deliver: Deliver, tell: Callable[[Step], None] = lambda step: None
    ) -> Generator[Step, None, Scored]:
        """The exact figures, step by step; each step is also told.

        What is found on the way is kept through `deliver`, which may call later than this goes on.
        Raises OSError or ValueError if a recording's audio is needed and isn't as it was, and MissingTraces
        if predictions are missing that can't be computed.
        """
        corpus = self.corpus
        pauses = yield from self.find_pauses(settings.vad, deliver, tell)
        quick = self._quick(corpus, pauses, settings)
        if quick is not None and quick.exact:
            return quick
        for number, traced in enumerate(corpus.recordings):
            if quick is not None and number not in quick.lacking:
                continue
            step = Step(f"listening to {traced.name}", number, len(corpus.recordings))
            tell(step)
            yield step
            if self._complete is not None and lacks_traces(traced, settings, self.conditions):
                more = self._complete(number, traced, settings)
                corpus = _with(corpus, number, more)
                deliver(partial(self.put, number, more))
        if quick is not None:
            return self._quickly(corpus, pauses, CorpusPredictions.of(corpus, pauses), settings)
        return self._block_by_block(corpus, settings)

    def find_pauses(
        self, vad: VadSettings, deliver: Deliver, tell: Callable[[Step], None] = lambda step: None
    ) -> Generator[Step, None, CorpusPauses]:
        """Find and keep the pauses that a detector hears, recording by recording, if they aren't at hand."""
        if self.has(vad):
            return self.pauses(vad)
        corpus, frame = self.corpus, frame_samples(self.conditions.frame_duration)
        found: list[list[Rows]] = []
        for number, one in enumerate(corpus.recordings):
            step = Step("finding the pauses", number, len(corpus.recordings))
            tell(step)
            yield step
            found.append(find_all_rows(one, vad, frame))
        pauses = CorpusPauses.joined(corpus, found, vad.model)
        deliver(lambda: self.keep(vad, pauses))
        return pauses

    def put(self, number: int, traced: Traced) -> None:
        """Take a recording's trace with more predictions; none that are here get lost."""
        self.corpus = _with(self.corpus, number, traced)
        self._predictions.clear()

    def score(self, settings: Settings) -> Scored:
        """Figures, however long they take. Raises MissingTraces where they can't be told."""
        quick = self._quick(self.corpus, self.pauses(settings.vad), settings)
        if quick is not None:
            return quick
        return self._block_by_block(self.corpus, settings)

    def _block_by_block(self, corpus: Corpus, settings: Settings) -> Scored:
        """As a sweep scores."""
        block = Block.of(settings, self.conditions)
        counts = corpus.score(block, corpus.pauses(block.vad, self.conditions.frame_duration))
        found = (per_recording(takes, one) for takes, one in zip(counts, corpus.labelled, strict=True))
        return Scored(settings, tuple(found), exact=True)

    def _quick(self, corpus: Corpus, pauses: CorpusPauses, settings: Settings) -> Scored | None:
        if not can_score(pauses, settings, self.conditions):
            return None
        key = self._key(settings.vad)
        if key not in self._predictions:
            self._predictions[key] = CorpusPredictions.of(corpus, pauses)
        return self._quickly(corpus, pauses, self._predictions[key], settings)

    def _quickly(
        self, corpus: Corpus, pauses: CorpusPauses, predictions: CorpusPredictions, settings: Settings
    ) -> Scored:
        outcome = score(corpus, pauses, predictions, settings, self.conditions)
        return Scored(settings, outcome.recordings, not outcome.lacking, outcome.lacking)

    def _key(self, vad: VadSettings) -> Key:
        return vad, self.conditions.frame_duration


def _with(corpus: Corpus, number: int, traced: Traced) -> Corpus:
    """The corpus with another trace of one recording, and all predictions of both."""
    recordings = list(corpus.recordings)
    known = recordings[number].eot
    eot = tuple(one.merged(other) for one, other in zip(traced.eot, known, strict=True))
    recordings[number] = replace(traced, eot=eot)
    return replace(corpus, recordings=tuple(recordings))


def lacks_traces(traced: Traced, settings: Settings, conditions: Conditions) -> bool:
    """Whether a replay of this setting needs predictions or restarts that are not traced."""
    try:
        for phase in range(traced.phases):
            check_traces(traced, settings, conditions, phase)
    except MissingTraces:
        return True
    return False

"""The tuner for a study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..core.settings import Settings
from ..core.traces import Traced
from ..turns.replay import Block
from ..turns.sweep import score_one
from ..turns.tracing import TraceCache, Tracer, default_cache
from ..workflows.study import Choice, Study
from .tuner import Tuner


@dataclass(frozen=True)
class Completer:
    """Adds to the trace of a study's recording the predictions that a setting leads to."""

    study: Study
    tracer: Tracer

    def __call__(self, number: int, traced: Traced, settings: Settings) -> Traced:
        block = Block.of(settings, self.study.conditions)
        return self.tracer.complete(self.study.load(number), traced, [block])


class StudyTuner(Tuner):
    """Sliders that start at LiveKit's defaults; what they need beyond the traces is computed and cached."""

    def __init__(self, study: Study, choice: Choice | None = None, cache: Path | None = None) -> None:
        presets = {"LiveKit's defaults": study.defaults}
        super().__init__(
            study.corpus,
            study.result,
            study.load,
            defaults=choice.defaults if choice else study.score(study.defaults),
            start=study.defaults,
            chosen=choice.chosen if choice else None,
            presets=presets | ({"Chosen setting": choice.settings} if choice else {}),
            conditions=study.conditions,
            complete=Completer(study, Tracer(TraceCache(cache or default_cache()))),
        )
        self._study, self._choice = study, choice

    @property
    def choice(self) -> Choice:
        """What the controls last said, with its figures, to be exported instead of what the study chose."""
        self.settle()
        figures = score_one(self.scorer.corpus, self.settings, self._study.conditions)
        base = self._choice or self._study.choose(nearest=True)
        return replace(base, settings=self.settings, chosen=figures, held_out=None, by_hand=True)

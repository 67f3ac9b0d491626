"""Configurations on several calls → latency from the true end of the turn, and money: a table's columns.

Conventions: seconds; an end of turn that isn't answered counts as infinite in percentiles; money per 1,000
turns of the caller, LLM and TTS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ...core.files.places import Place
from ...core.settings import Settings
from ...turns.metrics.scores import percentile
from ..techniques.choice import Techniques
from .calls import JointCall, Outcome
from .configuration import ANSWER, DOLLARS, E2E

Configuration = tuple[Settings, Techniques]


@dataclass
class Evaluator:
    """Computes what configurations do, each once a call."""

    calls: Sequence[JointCall]
    cache: Place
    """Folder of their traces."""
    _known: dict[tuple[Configuration, int], Outcome] = field(default_factory=dict)

    def table(
        self, rows: Sequence[Configuration], numbers: Sequence[int], *, quiet: bool = True
    ) -> pd.DataFrame:
        """`figures_of` each configuration on calls of these numbers, a row each."""
        shown = tqdm(numbers, desc="replies", unit="call", disable=quiet)
        for number in shown:
            new = [one for one in dict.fromkeys(rows) if (one, number) not in self._known]
            for one, outcome in zip(new, self.calls[number].outcomes(new), strict=True):
                self._known[one, number] = outcome
        return pd.DataFrame([figures_of([self._known[one, n] for n in numbers]) for one in rows])

    def outcomes(self, one: Configuration) -> list[Outcome]:
        """What a configuration does in every call."""
        self.table([one], range(len(self.calls)))
        return [self._known[one, number] for number in range(len(self.calls))]

    def floor(self, agents: Sequence[Techniques], least: str) -> dict[str, float]:
        """A perfect detector's figures with the agent, of these, for which the figure `least` is least, and
        that agent's mean wait for the commit (`latency_mean`, s)."""
        floors = [
            (figures_of([call.floor(one) for call in self.calls]), one) for one in dict.fromkeys(agents)
        ]
        figures, agent = min(floors, key=lambda of: of[0][least])
        waits_s = np.concatenate([call.perfect_waits(agent) for call in self.calls])
        return figures | {"latency_mean": float(waits_s.mean()) if len(waits_s) else np.inf}


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Percentiles of latency (s), money, and the share of turns that are answered.

    >>> figures_of([Outcome(np.array([0.5, 1.0]), 0.01, np.array([0.5, 3.0]))])["e2e_p50"]
    0.75
    """
    e2e_s = np.concatenate([one.e2e_s for one in outcomes]) if outcomes else np.zeros(0)
    found = {name: float(percentile(np.sort(e2e_s)[None, :], q)[0]) for name, q in E2E.items()}
    answer_s = np.concatenate([one.answer_s for one in outcomes]) if outcomes else np.zeros(0)
    found[ANSWER] = float(percentile(np.sort(answer_s)[None, :], 95.0)[0])
    turns = max(1, len(e2e_s))
    dollars = 1000 * sum(one.dollars for one in outcomes) / turns
    return found | {DOLLARS: dollars, "answered": float(np.isfinite(e2e_s).sum()) / turns}

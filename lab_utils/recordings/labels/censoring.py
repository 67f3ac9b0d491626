"""Censored holds: how many pauses of a recording the agent ended before one could see how long they are.

Goal: say how far labels from a human-agent call can be trusted for long holds. Pure: labels in, counts out.

Definitions (design: metrics.md, "Labels from two channels"):
- An agent's *onset delay* at a pause is the time from its start to the agent's first speech in it, for shifts
  and cut_off pauses; onsets before the user's end (overlaps) say nothing about a delay and are left out.
- The *shortest delay* is the 5 % quantile of the onset delays, since a single early start may be chance. It
  is not estimated from fewer than 5.
- A pause longer than the shortest delay is *at risk*: the agent might have ended it. Holds among these were
  seen completely. Pauses that are cut_off are known to be holds, but the agent changed their length. Shifts
  may be ends of turn, or holds that the agent took for ends of turn: two channels don't tell which.
- The cut_off pauses are censored, and so is an unknown number of the shifts. `observable_hold_s` is therefore
  the shortest delay: the recording has all holds below it, and too few above it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...core.labels import Labels
from ...core.timeline import Floats

QUANTILE = 0.05
LEAST_ONSETS = 5


@dataclass(frozen=True)
class Censoring:
    """Which holds can be seen in spite of the agent's delay; times in seconds, None for too few onsets."""

    onsets: int
    """Onset delays measured."""
    observable_hold_s: float | None
    """The agent's shortest delay."""
    median_delay_s: float | None
    holds: int
    holds_at_risk: int
    """Holds longer than the shortest delay, seen completely all the same."""
    cut_offs: int
    shifts_at_risk: int
    """Shifts longer than the shortest delay: ends of turn, or holds that the agent ended."""

    def __str__(self) -> str:
        if self.observable_hold_s is None:
            return (
                f"{self.cut_offs} pauses cut off; too few answers ({self.onsets}) to tell the agent's delay"
            )
        return (
            f"the agent answers after {self.observable_hold_s:.2f} s at the earliest (median "
            f"{self.median_delay_s:.2f} s): longer holds are seen only in part ({self.holds_at_risk} of "
            f"{self.holds} holds are longer); {self.cut_offs} pauses cut off; {self.shifts_at_risk} "
            "ends of turn might be holds that it ended"
        )

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def onset_delays(labels: Labels) -> Floats:
    """The agent's delays at shifts and cut_off pauses, without overlaps; shape=(n,)."""
    agent = labels.spans("agent")
    delays = [label.end_s - label.start_s for label in labels.labels if label.kind == "shift"]
    for start, end in labels.of_kind("cut_off"):
        inside = agent[(agent[:, 1] > start) & (agent[:, 0] < end)]
        delays += [float(onset - start) for onset in inside[:1, 0]]
    return np.array([delay for delay in delays if delay > 0], dtype=np.float64)


def censoring(*recordings: Labels) -> Censoring:
    """The censoring of all recordings of one agent together."""
    delays = np.concatenate([np.zeros(0), *(onset_delays(labels) for labels in recordings)])
    known = len(delays) >= LEAST_ONSETS
    shortest = float(np.quantile(delays, QUANTILE)) if known else np.inf
    longer = {
        kind: sum(b - a > shortest for labels in recordings for a, b in labels.of_kind(kind).tolist())
        for kind in ("hold", "shift")
    }
    return Censoring(
        onsets=len(delays),
        observable_hold_s=shortest if known else None,
        median_delay_s=float(np.median(delays)) if known else None,
        holds=sum(len(labels.of_kind("hold")) for labels in recordings),
        holds_at_risk=longer["hold"],
        cut_offs=sum(len(labels.of_kind("cut_off")) for labels in recordings),
        shifts_at_risk=longer["shift"],
    )

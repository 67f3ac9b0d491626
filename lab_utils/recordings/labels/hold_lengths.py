"""How long holds are, although the recorded agent ended some of them: a Kaplan-Meier and a naive estimate.

Goal: say how many long holds the recorded agent's delay hides. Pure: labels in, curves out.
Conventions: seconds; a curve gives, for each length seen, the share of holds longer than that.
Definitions (design: metrics.md, "Labels from two channels"):
- The length of a hold is known. Of a `cut_off` pause only the part up to the agent's first speech in it was
  seen: it is a hold of at least that length (censored).
- Naive: the holds alone, as if no pause had been cut off. Estimated: Kaplan & Meier 1958, "Nonparametric
  estimation from incomplete observations". A cut-off pause counts among the holds that may still be longer,
  up to the length at which it was cut off.
- The estimate is a lower bound. The recorded agent's detector did not cut off pauses at random, and if a
  caller stops speaking when cut off, the hold looks like an end of turn and is in neither curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.labels import Labels
from ...core.timeline import Floats

SHOWN_S = (0.5, 1.0, 2.0)
LEAST_HOLDS = 10


@dataclass(frozen=True)
class HoldLengths:
    """Two curves: for each length, the share of holds that are longer."""

    length_s: Floats
    """Each length at which a curve falls, shape=(n,)."""
    naive: Floats
    """From the holds alone, shape=(n,)."""
    estimated: Floats
    """From the holds, and the cut-off pauses as holds of at least their length, shape=(n,)."""
    holds: int
    cut_s: Floats
    """How long each cut-off pause lasted before the agent spoke in it, ascending; shape=(cut-off pauses,)."""

    @property
    def cut_offs(self) -> int:
        return len(self.cut_s)

    def longer_than(self, length_s: float) -> tuple[float, float]:
        """Shares of holds longer than a length: naive, and estimated; NaN without a hold.

        The estimate is NaN beyond the longest hold that was seen to its end, if longer pauses were cut off.
        """
        at = int(np.searchsorted(self.length_s, length_s, side="right"))
        if not self.holds:
            return np.nan, np.nan
        if at == 0:
            return 1.0, 1.0
        naive, estimated = float(self.naive[at - 1]), float(self.estimated[at - 1])
        beyond = at == len(self.length_s) and estimated > 0 and length_s > self.length_s[-1]
        return naive, np.nan if beyond else estimated

    def __str__(self) -> str:
        if not self.cut_offs:
            return f"{self.holds} holds, none cut off: their lengths are as seen"
        if self.holds < LEAST_HOLDS:
            return f"{self.holds} holds and {self.cut_offs} cut off: too few to tell how long holds are"
        parts = []
        for length_s in SHOWN_S:
            naive, estimated = self.longer_than(length_s)
            told = "can't be told" if np.isnan(estimated) else f"at least {estimated:.0%}"
            parts.append(f"over {length_s:g} s {told} (naively {naive:.0%})")
        shares = ", ".join(parts)
        return f"share of holds by length, with the {self.cut_offs} that the recorded agent cut off: {shares}"

    def plain(self) -> dict[str, Any]:
        """As plain values, with the shares at a few lengths; None for what can't be told."""
        shares = [(length_s, *self.longer_than(length_s)) for length_s in SHOWN_S]
        return {
            "holds": self.holds,
            "cut_offs": self.cut_offs,
            "in_words": str(self),
            "longer_than": [
                {"length_s": length_s, "naive": _or_none(naive), "estimated": _or_none(estimated)}
                for length_s, naive, estimated in shares
            ],
        }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def seen_until(labels: Labels) -> Floats:
    """How long each cut-off pause lasted before the agent spoke in it; shape=(cut-off pauses,)."""
    agent = labels.spans("agent")
    lengths = []
    for start_s, end_s in labels.of_kind("cut_off").tolist():
        onsets = agent[(agent[:, 0] < end_s) & (agent[:, 1] > start_s), 0]
        lengths.append(max(0.0, float(onsets.min()) - start_s) if len(onsets) else end_s - start_s)
    return np.array(lengths, dtype=np.float64)


def hold_lengths(*recordings: Labels) -> HoldLengths:
    """The lengths of all holds of some recordings of one agent."""
    none = np.zeros(0)
    whole = np.concatenate([none, *(np.diff(one.of_kind("hold"), axis=1).ravel() for one in recordings)])
    cut = np.concatenate([none, *(seen_until(one) for one in recordings)])
    whole, cut = (
        np.round(whole, 6),
        np.sort(np.round(cut, 6)),
    )  # sums of label times differ in their last digits
    if not len(whole):
        return HoldLengths(none, none, none, 0, cut)
    length_s, ended = np.unique(whole, return_counts=True)
    naive = np.array([np.mean(whole > one) for one in length_s])
    # Kaplan and Meier's product, as `scipy.stats.ecdf` computes it, whose import takes a second.
    at_risk = len(whole) + len(cut) - sum(np.searchsorted(np.sort(one), length_s) for one in (whole, cut))
    estimated = np.cumprod((at_risk - ended) / at_risk, dtype=np.float64)
    return HoldLengths(length_s, naive, estimated, len(whole), cut)

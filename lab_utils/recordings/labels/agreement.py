"""How far two annotators agree about the same recordings, and where they differ.

Goal: know how good labels can be, before settings are judged by them.
Conventions: seconds. A *place* is a pause or sound that at least one of the two has labelled. Two labels are
of one place if they start within `NEAR_S` of each other, whatever their kinds; as many as possible are
paired, one to one (`accuracy.match_starts`). What only one has labelled is a place at which the other says
`NOTHING`.
Definitions: agreement is the share of places at which both say the same. Cohen's κ = (agreement - chance) /
(1 - chance), where chance is how often two would agree who use each word as often as these do, but at random
(Cohen, A coefficient of agreement for nominal scales, 1960). Two values: over all places, with `NOTHING` as a
word; and over the places that both have labelled, about the kind alone. Places where both would say nothing
can't be counted, so the first κ errs low. No interval is told: the places of one call aren't independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.labels import Label, Labels
from .accuracy import NEAR_S, match_starts

NOTHING = "nothing"


@dataclass(frozen=True)
class Place:
    """One place, and what each of the two says of it."""

    first: Label | None
    second: Label | None

    @property
    def start_s(self) -> float:
        """The earlier start."""
        return min(one.start_s for one in (self.first, self.second) if one is not None)

    @property
    def end_s(self) -> float:
        """The later end."""
        return max(one.end_s for one in (self.first, self.second) if one is not None)

    @property
    def words(self) -> tuple[str, str]:
        """The two kinds, or `NOTHING`."""
        first, second = (NOTHING if one is None else str(one.kind) for one in (self.first, self.second))
        return first, second

    @property
    def agree(self) -> bool:
        """Whether both say the same."""
        first, second = self.words
        return first == second


def places(first: Labels, second: Labels, near_s: float = NEAR_S) -> tuple[Place, ...]:
    """The places of one recording, in order of time."""
    ours, theirs = (sorted(one.labels, key=lambda label: label.start_s) for one in (first, second))
    starts = [np.array([label.start_s for label in one], dtype=np.float64) for one in (ours, theirs)]
    pairs = [(int(i), int(j)) for i, j in match_starts(starts[0], starts[1], near_s)]
    taken, given = {i for i, _ in pairs}, {j for _, j in pairs}
    found = [Place(ours[i], theirs[j]) for i, j in pairs]
    found += [Place(label, None) for i, label in enumerate(ours) if i not in taken]
    found += [Place(None, label) for j, label in enumerate(theirs) if j not in given]
    return tuple(sorted(found, key=lambda place: (place.start_s, place.end_s)))


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Cohen's κ of pairs of words; NaN without pairs, or where chance alone would always agree.

    >>> says = [("hold", "hold")] * 20 + [("hold", "shift")] * 5
    >>> says += [("shift", "hold")] * 10 + [("shift", "shift")] * 15
    >>> round(kappa(says), 3)
    0.4
    """
    words = sorted({word for pair in pairs for word in pair})
    number = {word: k for k, word in enumerate(words)}
    table = np.zeros((len(words), len(words)))
    for first, second in pairs:
        table[number[first], number[second]] += 1
    total = table.sum()
    if not total:
        return float("nan")
    observed = float(np.trace(table) / total)
    chance = float(table.sum(axis=1) @ table.sum(axis=0) / total**2)
    return float("nan") if chance == 1 else (observed - chance) / (1 - chance)


@dataclass(frozen=True)
class Agreement:
    """Two annotators' labels of some recordings side by side."""

    places: tuple[tuple[str, Place], ...]
    """Recording and place."""

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, Labels, Labels]], near_s: float = NEAR_S) -> Agreement:
        """From recordings' names with the labels of both."""
        return cls(
            tuple((name, place) for name, *both in pairs for place in places(both[0], both[1], near_s))
        )

    @property
    def differences(self) -> tuple[tuple[str, Place], ...]:
        """Where they differ, in order."""
        return tuple(one for one in self.places if not one[1].agree)

    @property
    def share(self) -> float:
        """Of all places, how many both call the same; NaN without places."""
        if not self.places:
            return float("nan")
        return 1 - len(self.differences) / len(self.places)

    @property
    def kappa(self) -> float:
        """Over all places, with `NOTHING` as a word."""
        return kappa([place.words for _, place in self.places])

    @property
    def kappa_of_kinds(self) -> float:
        """Over the places that both have labelled."""
        return kappa([place.words for _, place in self.places if NOTHING not in place.words])

    @property
    def edges_off_s(self) -> tuple[float, float]:
        """Median difference of starts and of ends where both have a label; NaN without such places."""
        both = [(one.first, one.second) for _, one in self.places if one.first and one.second]
        if not both:
            return float("nan"), float("nan")
        starts = [abs(first.start_s - second.start_s) for first, second in both]
        ends = [abs(first.end_s - second.end_s) for first, second in both]
        return float(np.median(starts)), float(np.median(ends))

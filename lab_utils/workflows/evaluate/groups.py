"""Failures of many calls, grouped by cause; of each group, what its failures have in common.

Definitions:
- A group's size is its number of failures; the biggest group comes first.
- A trait is shared if at least half of a group's cases have it, two at least, and a smaller share of the
  others do. Traits of the line are the caller's for a whole call: their cases are calls. The others are
  traits of the moment: their cases are exchanges (greetings only where one failed), and a group whose
  failures concern whole calls has none.
- The trait "word" is a word of the caller's in that exchange.
- `p` is Fisher's exact test against the others, one-sided, times the number of traits tried of that kind
  (Bonferroni). Below 0.05 the trait is more than chance; calls and turns are taken for independent. Of 400
  made-up groups (20 calls of 10 turns) that shared nothing, 8 % had such a trait, of any kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from ...core.policies.number_words import LEAST_NUMBERS, is_number, words_of
from ...turns.slices.turn_kinds import question_kind
from .calls import Call, Exchange
from .checks import Failure
from .words import plain

MOST_OF_A_KIND = 3
"""Traits of each kind that are told of a group, those least likely by chance."""
BEYOND_CHANCE = 0.05
Case = tuple[str, int | None]
"""A call's name and the place of an exchange in it; without a place, the call."""
Traits = frozenset[tuple[str, str]]
"""Kind and value of each."""


@dataclass(frozen=True)
class Shared:
    """A trait that a group's failures have in common."""

    kind: str
    """ "line", "noise", "state", "numbers", "tool" or "word"."""
    value: str
    cases: int
    """Cases of the group that have it."""
    of: int
    others: int
    """Cases outside the group that have it."""
    of_others: int
    p: float

    @property
    def beyond_chance(self) -> bool:
        return self.p < BEYOND_CHANCE

    def __str__(self) -> str:
        elsewhere = f"elsewhere {self.others} of {self.of_others}"
        told = f"{self.kind} {self.value!r}: {self.cases} of {self.of}, {elsewhere}"
        return told + (" (more than chance)" if self.beyond_chance else "")


@dataclass(frozen=True)
class Group:
    """Failures with one cause."""

    cause: str
    failures: tuple[Failure, ...]
    shared: tuple[Shared, ...]

    @property
    def calls(self) -> tuple[str, ...]:
        """The calls concerned, in order."""
        return tuple(dict.fromkeys(one.call for one in self.failures))


def grouped(failures: Sequence[Failure], calls: Sequence[Call]) -> tuple[Group, ...]:
    """The failures by cause, the biggest group first; of equal ones, that of more calls."""
    by_cause: dict[str, list[Failure]] = {}
    for failure in failures:
        by_cause.setdefault(failure.cause, []).append(failure)
    failed = {(one.call, one.exchange) for one in failures}
    of_calls: dict[Case, Traits] = {(call.name, None): _line_traits(call) for call in calls}
    of_moments: dict[Case, Traits] = {
        (call.name, number): _moment_traits(exchange)
        for call in calls
        for number, exchange in enumerate(call.exchanges)
        if exchange.user is not None or (call.name, number) in failed
    }
    groups = [
        Group(cause, tuple(found), _shared(found, of_calls, of_moments)) for cause, found in by_cause.items()
    ]
    return tuple(sorted(groups, key=lambda one: (-len(one.failures), -len(one.calls), one.cause)))


def _line_traits(call: Call) -> Traits:
    told = {"line": call.line, "noise": call.noise}
    return frozenset((kind, value) for kind, value in told.items() if value)


def _moment_traits(exchange: Exchange) -> Traits:
    """What the call was at: what the agent had asked, what the user gave and said, which tools ran."""
    traits = {("tool", tool.name) for tool in exchange.tools}
    if exchange.user is None:
        return frozenset({("state", "greeting"), *traits})
    if exchange.before:
        traits.add(("state", f"asked for {question_kind(exchange.before)}"))
    words = words_of(exchange.user.text or "")
    if sum(map(is_number, words)) >= LEAST_NUMBERS:
        traits.add(("numbers", "numbers or spelling"))
    return frozenset(traits | {("word", word) for word in plain(exchange.user.text or "").split()})


def _shared(
    failures: Sequence[Failure],
    of_calls: Mapping[Case, Traits],
    of_moments: Mapping[Case, Traits],
) -> tuple[Shared, ...]:
    lines = _compared({(one.call, None) for one in failures}, of_calls)
    placed: set[Case] = {(one.call, one.exchange) for one in failures if one.exchange is not None}
    found = [*lines, *_compared(placed, of_moments)]
    told: list[Shared] = []
    for one in sorted(found, key=lambda one: (one.p, -one.cases, one.kind, one.value)):
        if sum(other.kind == one.kind for other in told) < MOST_OF_A_KIND:
            told.append(one)
    return tuple(told)


def _compared(cases: set[Case], traits: Mapping[Case, Traits]) -> list[Shared]:
    """The traits that most of some cases have, and less of the others."""
    inside = Counter(trait for case in cases for trait in traits.get(case, ()))
    outside = Counter(trait for case, own in traits.items() if case not in cases for trait in own)
    tried = Counter(kind for kind, _ in inside)
    n, others = len(cases), len(traits) - len(cases)
    found = []
    for (kind, value), k in inside.items():
        elsewhere = outside[kind, value]
        if k >= 2 and 2 * k >= n and k * others > elsewhere * n:
            p = _p(k, n, elsewhere, others)
            found.append(Shared(kind, value, k, n, elsewhere, others, min(1.0, p * tried[kind])))
    return found


def _p(cases: int, n: int, others: int, of_others: int) -> float:
    """The chance that at least so many of `n` cases have a trait that says nothing about them."""
    return float(stats.hypergeom.sf(cases - 1, n + of_others, cases + others, n))

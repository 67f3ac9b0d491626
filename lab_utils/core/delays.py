"""How long a simulated part takes: log-normal delays, reproducible part by part.

One shape for all stages: log-normal, given by its median and 95th percentile, the two figures that providers
publish. `rng_for` gives every part a random stream of its own, so that one part drawing more or fewer numbers
never shifts the delays of another: runs that differ in one setting stay comparable.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, Self

import numpy as np
from pydantic import model_validator

from .models import Frozen
from .settings import Seconds

Z95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""
Z75 = 0.6744897501960817
"""Its 75th percentile."""


class Normals(Protocol):
    """A random stream of standard normal numbers: a numpy generator, or `remembered`."""

    def standard_normal(self) -> float:
        """The next number."""

    def spawn(self, n_children: int, /) -> Sequence[Normals]:
        """Streams of their own."""


class Delay(Frozen):
    """A random delay: log-normal with median `p50_s` and 95th percentile `p95_s`; constant without a p95."""

    p50_s: Seconds
    p95_s: Seconds | None = None

    def __init__(self, p50_s: float | None = None, p95_s: float | None = None, **unknown: Any) -> None:
        super().__init__(**{"p50_s": p50_s, "p95_s": p95_s} | unknown)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p95_s is None:
            return self
        if self.p95_s < self.p50_s:
            raise ValueError(
                f"p95_s ({self.p95_s:g} s) is below p50_s ({self.p50_s:g} s); the 95th percentile can't be "
                "less than the median: are they swapped?"
            )
        if self.p50_s == 0 < self.p95_s:
            raise ValueError(
                f"p50_s is 0 with p95_s = {self.p95_s:g} s, which no log-normal has; give a median above 0, "
                "or leave p95_s out"
            )
        return self

    @classmethod
    def from_iqr(cls, p50_s: float, iqr_s: float) -> Self:
        """The delay whose middle half is `iqr_s` wide, for sources that give no p95; rounded to ms.

        The quartiles of a log-normal are p50 exp(±Z75 sigma), hence iqr = 2 p50 sinh(Z75 sigma).
        Raises ValueError for a median that isn't above 0, or a range below 0.
        """
        if not (p50_s > 0 and iqr_s >= 0):
            raise ValueError(
                f"expected a median above 0 and a range of at least 0, got {p50_s:g} and {iqr_s:g} s"
            )
        sigma = math.asinh(iqr_s / (2 * p50_s)) / Z75
        return cls(p50_s, round(p50_s * math.exp(Z95 * sigma), 3))

    @property
    def sigma(self) -> float:
        """The standard deviation of the delay's logarithm; 0 for a constant."""
        if self.p95_s is None or self.p95_s == self.p50_s:
            return 0.0
        return math.log(self.p95_s / self.p50_s) / Z95

    def sample(self, rng: Normals) -> float:
        """One delay in seconds. Takes one number from `rng`, also if constant: what follows never shifts."""
        return self.p50_s * math.exp(self.sigma * float(rng.standard_normal()))


def rng_for(seed: int, part: str) -> np.random.Generator:
    """The random stream of one part ("stt", "llm" …) of a run; independent of all other parts' streams."""
    name = hashlib.blake2b(part.encode(), digest_size=16).digest()  # hash() differs from process to process
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(name, "big")]))


def remembered(seed: int, part: str) -> Normals:
    """`rng_for`'s normal numbers, for those who draw the same again and again: each is drawn once."""
    return _Reader(_memory(seed, part))


class _Memory:
    """A random stream with what was drawn of it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.drawn: list[float] = []
        self.children: list[_Memory] = []


class _Reader:
    """Reads a memory from its beginning."""

    def __init__(self, memory: _Memory) -> None:
        self._memory, self._read, self._spawned = memory, 0, 0

    def standard_normal(self) -> float:
        drawn = self._memory.drawn
        if self._read == len(drawn):
            drawn.append(float(self._memory.rng.standard_normal()))
        self._read += 1
        return drawn[self._read - 1]

    def spawn(self, n_children: int, /) -> list[_Reader]:
        known, self._spawned = self._memory.children, self._spawned + n_children
        if len(known) < self._spawned:
            known += [_Memory(rng) for rng in self._memory.rng.spawn(self._spawned - len(known))]
        return [_Reader(child) for child in known[self._spawned - n_children : self._spawned]]


@lru_cache(maxsize=1 << 15)
def _memory(seed: int, part: str) -> _Memory:
    return _Memory(rng_for(seed, part))


class Draws:
    """One random stream per request: the n-th request of a text has the same stream in every run.

    Runs can then be compared although one of them makes more requests. Had all requests one stream in common,
    an additional request would change the delays of all later ones.

    >>> one, other = Draws(0, "llm"), Draws(0, "llm")
    >>> _ = other.rng("an additional request")
    >>> one.rng("Hello?").random() == other.rng("Hello?").random()
    True
    """

    def __init__(self, seed: int, part: str) -> None:
        self._seed, self._part = seed, part
        self._asked: Counter[str] = Counter()

    def rng(self, asked: str) -> np.random.Generator:
        """The stream of this request. The same text asked again is another request."""
        return rng_for(self._seed, self._next(asked))

    def sample(self, delay: Delay, asked: str) -> float:
        """A delay of this request, as `delay.sample(self.rng(asked))`; remembered."""
        return delay.sample(remembered(self._seed, self._next(asked)))

    def _next(self, asked: str) -> str:
        self._asked[asked] += 1
        return f"{self._part} {self._asked[asked]} {asked}"

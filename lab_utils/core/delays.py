"""How long a simulated part takes: log-normal delays, reproducible part by part.

One shape for all stages: log-normal, given by its median and 95th percentile, the two figures that providers
publish. `rng_for` gives every part a random stream of its own, so that one part drawing more or fewer numbers
never shifts the delays of another: runs that differ in one setting stay comparable.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from .models import Frozen
from .settings import Seconds

Z95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""
Z75 = 0.6744897501960817
"""Its 75th percentile."""


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

    def sample(self, rng: np.random.Generator) -> float:
        """One delay in seconds. Takes one number from `rng`, also if constant: what follows never shifts."""
        return self.p50_s * math.exp(self.sigma * float(rng.standard_normal()))


def rng_for(seed: int, part: str) -> np.random.Generator:
    """The random stream of one part ("stt", "llm" …) of a run; independent of all other parts' streams."""
    name = hashlib.blake2b(part.encode(), digest_size=16).digest()  # hash() differs from process to process
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(name, "big")]))


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
        self._asked[asked] += 1
        return rng_for(self._seed, f"{self._part} {self._asked[asked]} {asked}")

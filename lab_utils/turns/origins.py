"""Origins: which recordings a search looked at before it came to a setting.

Goal: judge settings that were found by looking at recordings only on others. The settings of a grid were
written down beforehand; those of a search follow from its recordings, and are too good there.
Method (cross-fitting): the recordings are parted, each part leads a search of its own, and every setting
found is scored on all recordings. On the recordings of a part only settings of another part's search stand
for what is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.timeline import Ints

BY_EACH = -1
"""Part of a setting to which each search came by itself."""


@dataclass(frozen=True)
class Origins:
    """The parts of the recordings, and to which part's search each setting of a table is owed."""

    parts: tuple[tuple[int, ...], ...]
    """Recordings of each part, by number; together they are all."""
    part: tuple[int, ...]
    """Of each setting, or `BY_EACH`."""

    def rows_without(self, recordings: Iterable[int]) -> Ints:
        """Settings that owe nothing to these recordings.

        >>> origins = Origins(((0, 2), (1, 3)), (0, 1, BY_EACH))
        >>> origins.rows_without([0]).tolist(), origins.rows_without([0, 1]).tolist()
        ([1, 2], [2])
        """
        given = set(recordings)
        clean = [BY_EACH, *(k for k, of in enumerate(self.parts) if given.isdisjoint(of))]
        return np.flatnonzero(np.isin(self.part, clean))


def part_of_each(found: Sequence[Sequence[Any]]) -> dict[Any, int]:
    """What each part's search found, in order of discovery → its part.

    >>> part_of_each([["a", "b"], ["c", "a"]])
    {'a': -1, 'c': 1, 'b': 0}
    """
    longest = max((len(of) for of in found), default=0)
    part: dict[Any, int] = {}
    for n in range(longest):
        for k, of in enumerate(found):
            if n < len(of):
                part[of[n]] = BY_EACH if part.get(of[n], k) != k else k
    return part

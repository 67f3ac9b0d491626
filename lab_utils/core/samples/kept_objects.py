"""Objects in order, of which any number takes bounded memory.

As long as they are few they are in memory. More lie in a temporary file without a name, each read when it is
asked for; the one that was asked for last stays.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from .kept import Kept, release

T = TypeVar("T")


class OnDemand(Sequence[T]):
    """A sequence of which each element is made when it is asked for; the last one stays."""

    def __init__(self, numbers: Sequence[int], make: Callable[[int], T]) -> None:
        """`make` makes the element of each of the numbers."""
        self._numbers = numbers
        self._make = make
        self._last: tuple[int, T] | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> OnDemand[T]: ...
    def __getitem__(self, place: int | slice) -> T | OnDemand[T]:
        if isinstance(place, slice):
            return OnDemand(self._numbers[place], self._make)
        number = self._numbers[place]
        if self._last is None or self._last[0] != number:
            self._last = number, self._make(number)
        return self._last[1]

    def of_some(self, places: Iterable[int]) -> OnDemand[T]:
        """Some of the elements."""
        return OnDemand([self._numbers[place] for place in places], self._make)

    def __reduce__(self) -> tuple[Any, ...]:
        return OnDemand, (self._numbers, self._make)


def kept_objects(objects: Iterable[T], size_of: Callable[[T], int], in_memory_bytes: int) -> Sequence[T]:
    """The objects as they come, in memory as long as they are no larger together.

    >>> list(kept_objects(["few", "short", "texts"], len, 1000))
    ['few', 'short', 'texts']
    >>> many = kept_objects(["many", "short", "texts"], len, 10)
    >>> type(many).__name__, many[2], len(many)
    ('OnDemand', 'texts', 3)
    """
    coming = iter(objects)
    few: list[T] = []
    size = 0
    for one in coming:
        few.append(one)
        size += size_of(one)
        if size > in_memory_bytes:
            return _in_file(chain(_taken(few), coming))
    return tuple(few)


def some_of(objects: Sequence[T], places: Iterable[int]) -> Sequence[T]:
    """Some of what `kept_objects` gave."""
    if isinstance(objects, OnDemand):
        return objects.of_some(places)
    return tuple(objects[place] for place in places)


@dataclass(frozen=True)
class _File:
    """Pickled objects in a file; `run_batch` hands the array on as a mapped file."""

    pickled: NDArray[np.uint8]
    spans: Sequence[tuple[int, int]]
    """Where each lies."""

    def __call__(self, number: int) -> Any:
        start, stop = self.spans[number]
        found = pickle.loads(self.pickled[start:stop].data)
        release(self.pickled)
        return found


def _in_file(objects: Iterable[T]) -> OnDemand[T]:
    made = Kept(0)
    ends = [0]
    for one in objects:
        pickled = np.frombuffer(pickle.dumps(one, pickle.HIGHEST_PROTOCOL), np.uint8)
        made.add(pickled)
        ends.append(ends[-1] + len(pickled))
    spans = list(pairwise(ends))
    return OnDemand(range(len(spans)), _File(made.array(), spans))


def _taken(few: list[T]) -> Iterator[T]:
    """Each of a list, which lets go of it."""
    few.reverse()
    while few:
        yield few.pop()

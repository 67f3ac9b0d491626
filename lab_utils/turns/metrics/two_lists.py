"""Ranks in the latencies of many settings, each of which has two sorted lists that others share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.timeline import Floats, Ints


class TwoLists:
    """Latencies of settings that have one threshold: of each, a list by either delay, and some of its own."""

    def __init__(self, lists: Sequence[Floats], row: Sequence[Ints], own: Floats) -> None:
        """`lists`: by either delay, ascending, shape=(delays, n), of which each setting has a `row`.

        `own`: shape=(m, settings).
        """
        self._n = lists[0].shape[1], lists[1].shape[1]
        self._own = np.sort(own, axis=0)
        # Room for a look beyond either end: nothing is before the second list, nothing after both.
        step, after = 1 << self._n[0].bit_length(), len(own) + 2
        first, second = _padded(lists[0], 0, step + after), _padded(lists[1], step, after)
        self._first, self._second = first.ravel(), second.ravel()
        self._at = row[0] * first.shape[1], row[1] * second.shape[1] + step

    def _split(self, rank: int) -> tuple[Ints, Ints]:
        """Where in each list those begin that aren't among the `rank` least of both."""
        first, second = self._first, self._second
        least = max(0, rank - self._n[1])
        i, j = self._at[0] + least, self._at[1] + (rank - least)
        for bit in reversed(range((min(rank, self._n[0]) - least).bit_length())):
            step = 1 << bit
            further = (first.take(i + (step - 1)) < second.take(j - step)) * step
            i += further
            j -= further
        return i, j

    def at(self, rank: int) -> tuple[Floats, Floats]:
        """The latency of a rank, from 0, and the one after it; infinite beyond the last."""
        own = self._own
        since = max(0, rank - len(own))
        i, j = self._split(since)
        merged = np.empty((rank - since + 2, len(i)))
        for found in merged:
            x, y = self._first.take(i), self._second.take(j)
            np.minimum(x, y, out=found)
            of_first = x <= y
            i += of_first
            j += ~of_first
        return _ranked(merged, own, rank - since), _ranked(merged, own, rank - since + 1)


def _ranked(merged: Floats, own: Floats, rank: int) -> Floats:
    """Of each column, the value of a rank among those of two arrays, each ascending."""
    found: Floats = merged[rank].copy()
    for of_own in range(1, min(len(own), rank + 1) + 1):
        last = own[of_own - 1]
        if of_own <= rank:
            last = np.maximum(last, merged[rank - of_own])
        np.minimum(found, last, out=found)
    return found


def _padded(lists: Floats, before: int, after: int) -> Floats:
    """So many that are less than all others before each list, and so many that are more after it."""
    found = np.empty((len(lists), before + lists.shape[1] + after))
    found[:, :before] = -np.inf
    found[:, before : found.shape[1] - after] = lists
    found[:, found.shape[1] - after :] = np.inf
    return found

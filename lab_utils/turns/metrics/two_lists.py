"""Ranks in the latencies of many settings, each of which has two sorted lists that others share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.timeline import Floats, Ints


class TwoLists:
    """Latencies of settings that have one threshold: of each, a list by either delay, and some of its own."""

    def __init__(self, lists: Sequence[Floats], row: Sequence[Ints], own: Floats) -> None:
        """`lists`: by either delay, ascending, shape=(delays, n), of which each setting has a `row`.

        `own`: shape=(settings, m).
        """
        self._n = lists[0].shape[1], lists[1].shape[1]
        padded = [np.concatenate((one, np.full((len(one), 2), np.inf)), axis=1) for one in lists]
        self._first, self._second = (one.ravel() for one in padded)
        self._at = row[0] * padded[0].shape[1], row[1] * padded[1].shape[1]
        self._own = own

    def _split(self, rank: int) -> tuple[Ints, Ints]:
        """How many of each list are among the `rank` least of both."""
        low = np.full(len(self._at[0]), max(0, rank - self._n[1]))
        high = np.full(len(low), min(rank, self._n[0]))
        first, second = self._first, self._second
        for _ in range(int(high[0] - low[0]).bit_length() if len(low) else 0):
            middle = (low + high) >> 1
            open_ = low < high
            place = np.minimum(middle, max(0, self._n[0] - 1))
            enough = first[self._at[0] + place] >= second[self._at[1] + np.maximum(rank - 1 - middle, 0)]
            high = np.where(open_ & enough, middle, high)
            low = np.where(open_ & ~enough, middle + 1, low)
        return low, rank - low

    def at(self, rank: int) -> tuple[Floats, Floats]:
        """The latency of a rank, from 0, and the one after it; infinite beyond the last."""
        m = self._own.shape[1]
        since = max(0, rank - m)
        i, j = self._split(since)
        i, j = self._at[0] + i, self._at[1] + j
        first, second = self._first, self._second
        found = np.empty((len(i), rank - since + 2 + m))
        for k in range(rank - since + 2):
            x, y = first[i], second[j]
            found[:, k] = np.minimum(x, y)
            of_first = (x <= y) & (x < np.inf)
            i += of_first
            j += ~of_first & (y < np.inf)
        if m:
            found[:, rank - since + 2 :] = self._own
            found.sort(axis=1)
        return found[:, rank - since], found[:, rank - since + 1]

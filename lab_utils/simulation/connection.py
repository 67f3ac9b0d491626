"""A simulated part's connection to its provider: opened when first needed, or before; closed when unused."""

from __future__ import annotations

import asyncio

import numpy as np

from ..delays import Delay


class Connection:
    """Seconds a request waits for its connection and the network, drawn in order of the requests.

    `setup` is paid by the request that finds no open connection, `round_trip` by every one. Both are drawn
    for each request whether they are paid or not, so that request k has the same draws however long the
    ones before it took.
    """

    def __init__(self, setup: Delay, round_trip: Delay, idle_s: float, rng: np.random.Generator) -> None:
        self._setup, self._round_trip, self._idle_s, self._rng = setup, round_trip, idle_s, rng
        self._open_from_s: float | None = None  # loop time from which it is open
        self._used_s = 0.0
        self.setups = 0
        """How often it was opened."""

    def warm_up(self) -> None:
        """Begin to open it now; it then is as if it had been opened at this moment."""
        now_s = asyncio.get_running_loop().time()
        self._open(now_s, self._setup.sample(self._rng))

    def request_s(self) -> float:
        """Seconds from now until a request made now has been answered by a provider that takes no time."""
        now_s = asyncio.get_running_loop().time()
        setup_s, round_trip_s = self._setup.sample(self._rng), self._round_trip.sample(self._rng)
        if self._open_from_s is None or now_s - self._used_s > self._idle_s:
            self._open(now_s, setup_s)
        assert self._open_from_s is not None
        ready_s = max(now_s, self._open_from_s)
        self._used_s = ready_s
        return ready_s - now_s + round_trip_s

    def _open(self, now_s: float, setup_s: float) -> None:
        self._open_from_s, self._used_s = now_s + setup_s, now_s + setup_s
        self.setups += 1

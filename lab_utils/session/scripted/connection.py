"""A simulated part's connection to its provider: opened when first needed, or before; closed when unused."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import numpy as np

from ...core.delays import Delay


class Request(NamedTuple):
    """What one request over a connection has drawn, in seconds."""

    setup_s: float
    """Waited for only if the request finds no open connection."""
    round_trip_s: float


class Connection:
    """One connection, which all requests share: `setup` is paid by the one that finds it closed.

    Draws don't depend on what happens: request k has the same ones whether the connection was warmed up,
    however long the requests before it took, and in whatever region (set-ups, warm-ups and round trips have
    streams of their own, children of `rng`).
    """

    def __init__(self, setup: Delay, round_trip: Delay, idle_s: float, rng: np.random.Generator) -> None:
        """`idle_s`: an unused connection is closed after so many seconds."""
        if not idle_s > 0:
            raise ValueError(f"idle_s is {idle_s}; expected seconds of disuse above 0")
        self._setup, self._round_trip, self._idle_s = setup, round_trip, idle_s
        self._setups, self._round_trips, self._warm_ups = rng.spawn(3)
        self._open_from_s: float | None = None  # loop time from which it is open; None: it is closed
        self._used_s = 0.0  # when it was last used
        self.setups = 0
        """How often it was opened."""

    def warm_up(self) -> None:
        """Begin to open it now, unless it is open already."""
        setup_s = self._setup.sample(self._warm_ups)
        self.open(Request(setup_s, 0.0))

    def request(self) -> Request:
        """The draws of the next request; it is made by `open`, at once or later."""
        return Request(self._setup.sample(self._setups), self._round_trip.sample(self._round_trips))

    def open(self, request: Request) -> float:
        """Seconds from now until this request can be sent; opens the connection if need be."""
        now_s = asyncio.get_running_loop().time()
        if self._open_from_s is None or now_s - self._used_s > self._idle_s:
            self._open_from_s = now_s + request.setup_s
            self.setups += 1
        self._used_s = max(now_s, self._open_from_s)
        return self._used_s - now_s

    def request_s(self) -> float:
        """Seconds from now until a request made now has been answered by a provider that takes no time."""
        request = self.request()
        return self.open(request) + request.round_trip_s

    def used(self) -> None:
        """An answer came over it just now: it was not idle until here."""
        self._used_s = max(self._used_s, asyncio.get_running_loop().time())

    def close(self) -> None:
        """The next request has to open it again."""
        self._open_from_s = None

"""A simulated part's connection to its provider: opened when first needed or earlier, closed when unused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ...core.delays import Delay, Normals


class Request(NamedTuple):
    """The random delays of one request over a connection, in seconds."""

    setup_s: float
    """Connection set-up, which applies only if the request finds no open connection."""
    round_trip_s: float


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


class Connection:
    """One connection, which all requests share. A request that finds it closed waits for its `setup`.

    Random delays don't depend on what happens: request k has the same ones whether or not the connection was
    warmed up, however long earlier requests took, and in any region. (Set-ups, warm-ups and round trips each
    have their own random stream, a child of `rng`.)
    """

    def __init__(
        self,
        setup: Delay,
        round_trip: Delay,
        idle_s: float,
        rng: Normals,
        now_s: Callable[[], float] = _loop_s,
    ) -> None:
        """`idle_s`: an unused connection is closed after so many seconds. `now_s`: the clock."""
        if not idle_s > 0:
            raise ValueError(f"idle_s is {idle_s}; expected seconds of disuse above 0")
        self._setup, self._round_trip, self._idle_s, self._now_s = setup, round_trip, idle_s, now_s
        self._setups, self._round_trips, self._warm_ups = rng.spawn(3)
        self._open_from_s: float | None = None  # loop time from which it is open; None: it is closed
        self._used_s = 0.0  # when it was last used
        self.setups = 0
        """How often it was opened."""

    def warm_up(self) -> None:
        """Begin to open the connection now, unless it is open already."""
        setup_s = self._setup.sample(self._warm_ups)
        self.open(Request(setup_s, 0.0))

    def request(self) -> Request:
        """Draw the delays of the next request. Call `open`, now or later, to make the request."""
        return Request(self._setup.sample(self._setups), self._round_trip.sample(self._round_trips))

    def open(self, request: Request) -> float:
        """Open the connection if need be. Returns the seconds from now until this request can be sent."""
        now_s = self._now_s()
        if self._open_from_s is None or now_s - self._used_s > self._idle_s:
            self._open_from_s = now_s + request.setup_s
            self.setups += 1
        self._used_s = max(now_s, self._open_from_s)
        return self._used_s - now_s

    def request_s(self) -> float:
        """Make a request. Returns its seconds of set-up and round trip, without the provider's own time."""
        request = self.request()
        return self.open(request) + request.round_trip_s

    def used(self) -> None:
        """Note that an answer has just arrived: the connection's idle time begins now."""
        self._used_s = max(self._used_s, self._now_s())

    def close(self) -> None:
        """Close the connection; the next request has to open it again."""
        self._open_from_s = None

"""A connection: who pays for its set-up, and that draws don't depend on it."""

import asyncio

import pytest
from virtual import on_virtual_clock

from lab_utils.core.delays import Delay, rng_for
from lab_utils.session.scripted.connection import Connection

SETUP_S, ROUND_TRIP_S, IDLE_S = 0.3, 0.04, 60.0


def connection(seed: int = 0, setup: Delay | None = None, round_trip: Delay | None = None) -> Connection:
    return Connection(
        setup or Delay(SETUP_S), round_trip or Delay(ROUND_TRIP_S), IDLE_S, rng_for(seed, "llm connection")
    )


@on_virtual_clock
async def test_the_first_request_pays_the_set_up_and_the_next_ones_a_round_trip() -> None:
    one = connection()
    assert one.request_s() == pytest.approx(SETUP_S + ROUND_TRIP_S)
    await asyncio.sleep(1.0)
    assert one.request_s() == pytest.approx(ROUND_TRIP_S)
    assert one.setups == 1


@on_virtual_clock
async def test_a_request_waits_for_a_set_up_under_way() -> None:
    one = connection()
    one.warm_up()
    await asyncio.sleep(0.1)
    one.warm_up()
    assert one.request_s() == pytest.approx(SETUP_S - 0.1 + ROUND_TRIP_S)
    assert one.setups == 1


@on_virtual_clock
async def test_an_idle_connection_pays_again() -> None:
    one = connection()
    one.request_s()
    await asyncio.sleep(IDLE_S)
    assert one.request_s() == pytest.approx(ROUND_TRIP_S)
    await asyncio.sleep(IDLE_S - 1.0)
    one.used()  # an answer that took long
    await asyncio.sleep(IDLE_S - 1.0)
    assert one.request_s() == pytest.approx(ROUND_TRIP_S)
    await asyncio.sleep(IDLE_S + 0.5)
    assert one.request_s() == pytest.approx(SETUP_S + ROUND_TRIP_S)
    assert one.setups == 2


@on_virtual_clock
async def test_a_closed_connection_pays_again() -> None:
    one = connection()
    one.request_s()
    one.close()
    assert one.request_s() == pytest.approx(SETUP_S + ROUND_TRIP_S)


@on_virtual_clock
async def test_request_k_has_the_same_draws_whatever_happened_before() -> None:
    spread = {"setup": Delay(0.3, 0.9), "round_trip": Delay(0.04, 0.2)}
    cold, warmed, paused = (connection(7, **spread) for _ in range(3))
    warmed.warm_up()
    drawn = []
    for one in (cold, warmed, paused):
        requests = []
        for _ in range(4):
            request = one.request()
            requests.append(request)
            one.open(request)
            if one is paused:
                await asyncio.sleep(2 * IDLE_S)
        drawn.append(requests)
    assert drawn[0] == drawn[1] == drawn[2]
    assert paused.setups == 4
    assert connection(8, **spread).request() != drawn[0][0]


@on_virtual_clock
async def test_regions_differ_by_a_factor_and_not_by_chance() -> None:
    near, far = (connection(3, round_trip=Delay(p50_s, 3 * p50_s)) for p50_s in (0.01, 0.08))
    for _ in range(5):
        assert far.request().round_trip_s == pytest.approx(8 * near.request().round_trip_s)


def test_a_connection_that_is_never_open_is_refused() -> None:
    with pytest.raises(ValueError, match="idle_s is 0"):
        Connection(Delay(0.1), Delay(0.1), 0.0, rng_for(0, "llm"))

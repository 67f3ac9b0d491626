"""The virtual loop beside its slow twin, asyncio's own: the same calls in the same order and time."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from slow_loop import SlowLoop

from lab_utils.session import clock

MOMENTS_S = st.sampled_from([0.0, 0.01, 0.02, 0.03])
STEPS = st.one_of(
    st.tuples(st.just("sleep"), MOMENTS_S),
    st.tuples(st.just("yield")),
    st.tuples(st.just("soon")),
    st.tuples(st.just("later"), MOMENTS_S, st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("block"), st.sampled_from([0.005, 0.02])),
    st.tuples(st.just("thread")),
    st.tuples(st.just("future"), MOMENTS_S),
)


def happened(loop, programs):
    """What a loop calls, and when: of tasks that each take their steps."""
    log, timers = [], []

    def call(name):
        log.append((name, loop.time()))
        loop.call_soon(log.append, (f"after {name}", loop.time()))

    async def follow(number, steps):
        for place, (kind, *more) in enumerate(steps):
            name = f"{number}.{place} {kind}"
            if kind == "sleep":
                await asyncio.sleep(*more)
            elif kind == "yield":
                await asyncio.sleep(0)
            elif kind == "soon":
                loop.call_soon(call, name)
            elif kind == "later":
                delay_s, turn = more
                timers.append(loop.call_in_turn(loop.time() + delay_s, turn, call, name))
            elif kind == "cancel":
                for timer in timers[-more[0] :]:
                    timer.cancel()
            elif kind == "block":
                loop._clock.now_s += more[0]  # as `time.sleep` does where the clock is installed
            elif kind == "thread":
                await loop.run_in_executor(None, len, "work")
            else:
                answer = loop.create_future()
                loop.call_later(*more, answer.set_result, None)
                await asyncio.wait({answer}, timeout=0.015)
            log.append((name, loop.time()))

    async def main():
        await asyncio.gather(*(follow(number, steps) for number, steps in enumerate(programs)))
        await asyncio.sleep(0.1)

    clock.run_on(loop, main)
    return log


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=4))
def test_all_happens_in_the_order_and_at_the_times_of_asyncios_own_loop(programs):
    assert happened(clock.VirtualLoop(), programs) == happened(SlowLoop(), programs)


def test_timers_that_were_cancelled_are_not_kept():
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(50):
            for _ in range(100):
                loop.call_later(1000.0, print).cancel()
            await asyncio.sleep(0.01)
        return len(loop._timers)

    assert clock.run(main) < 400

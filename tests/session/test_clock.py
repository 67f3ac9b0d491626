"""The virtual clock: it jumps when nothing is left to do, and never while work is pending."""

import asyncio
import contextlib
import functools
import gc
import itertools
import socket
import threading
import time
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_process import run_virtually

from lab_utils.session import clock
from lab_utils.session.clock import loop as clock_loop
from lab_utils.session.clock.pace import Turn, call_at

pytestmark = pytest.mark.slow


def test_an_hour_of_sleep_takes_no_time():
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - before

    began = time.monotonic()
    assert clock.run(main) == pytest.approx(3600, abs=1e-6)
    assert time.monotonic() - began < 5


@given(st.lists(st.integers(0, 10_000).map(lambda ms: ms / 1000), min_size=1, max_size=20))
def test_timers_fire_in_order_at_their_very_moment(delays):
    async def main():
        loop = asyncio.get_running_loop()
        start, fired = loop.time(), []
        for delay in delays:
            loop.call_at(start + delay, lambda delay=delay: fired.append((delay, loop.time() - start)))
        await asyncio.sleep(max(delays) + 1)
        return fired

    fired = clock.run(main)
    assert [delay for delay, _ in fired] == sorted(delays)
    assert all(at == pytest.approx(delay, abs=1e-8) for delay, at in fired)


def test_executor_work_costs_what_is_declared_and_not_what_it_took():
    def slow(word):
        time.sleep(0.05)
        return word

    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        word = await asyncio.to_thread(slow, "done")
        return word, loop.time() - before

    word, took = clock.run(main, cost_s=lambda function: 0.25 if clock.unwrapped(function) is slow else 0.0)
    assert word == "done"
    assert took == pytest.approx(0.25, abs=1e-9)


def test_a_timeout_does_not_expire_while_a_thread_computes():
    async def main():
        return await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.1), timeout=0.001)

    assert clock.run(main) is None


def test_executor_results_come_in_the_order_of_submission():
    async def main():
        loop, order = asyncio.get_running_loop(), []
        slow = loop.run_in_executor(None, time.sleep, 0.1)
        quick = loop.run_in_executor(None, time.sleep, 0.0)
        slow.add_done_callback(lambda _: order.append("slow"))
        quick.add_done_callback(lambda _: order.append("quick"))
        await asyncio.gather(slow, quick)
        return order

    assert clock.run(main) == ["slow", "quick"]


def test_errors_in_the_executor_reach_who_waits():
    async def main():
        await asyncio.to_thread(int, "no number")

    with pytest.raises(ValueError, match="no number"):
        clock.run(main)


def test_the_clock_stands_still_while_a_thread_is_held_for():
    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def work():
            time.sleep(0.1)
            loop.call_soon_threadsafe(done.set)

        asyncio.get_running_loop().call_later(1.0, lambda: None)  # what the clock would jump to
        before = loop.time()
        with loop.hold("the encoder"):
            threading.Thread(target=work).start()
            await done.wait()
        held_s = loop.time() - before
        await asyncio.sleep(2.0)  # and goes on afterwards
        return held_s, loop.time() - before

    assert clock.run(main, stall_s=30.0) == (0.0, 2.0)


def test_a_thread_that_is_held_for_too_long_is_named():
    async def main():
        with asyncio.get_running_loop().hold("the encoder"):
            await asyncio.Event().wait()

    with pytest.raises(clock.Stalled, match=r"a thread takes over 0\.1 s: the encoder"):
        clock.run(main, stall_s=0.1, foreign_thread_s=0.1)


def test_a_deadlock_names_what_waits():
    async def stuck_in_the_middle():
        await asyncio.Event().wait()

    async def main():
        await asyncio.create_task(stuck_in_the_middle(), name="the lost task")

    with pytest.raises(clock.Deadlock, match=r"the lost task \(.*stuck_in_the_middle at .*test_clock"):
        clock.run(main, foreign_thread_s=0.1)


def test_what_has_arrived_from_outside_is_read_before_time_passes():
    async def main():
        loop, read = asyncio.get_running_loop(), []
        here, there = socket.socketpair()
        with here, there:
            start_s = loop.time()
            loop.add_reader(here, lambda: read.append((here.recv(1), loop.time() - start_s)))
            there.send(b"x")
            await asyncio.sleep(3600)
            loop.remove_reader(here)
        return read

    assert clock.run(main) == [(b"x", 0.0)]


@pytest.mark.parametrize(("waiting", "told"), [(4, ""), (5, "1 more")])
def test_a_deadlock_names_five_that_wait_and_counts_the_others(waiting, told):
    async def main():
        await asyncio.gather(*(asyncio.Event().wait() for _ in range(waiting)))

    with pytest.raises(clock.Deadlock) as raised:
        clock.run(main, foreign_thread_s=0.1)
    (names,) = str(raised.value).split(" wait: ")[1:]
    assert len(names.split("; ")) == (6 if told else 5)
    assert names.split("; ")[-1] == told or not told
    assert ("more" in names) == bool(told)


def test_a_thread_without_notice_is_waited_for_before_a_deadlock_is_declared():
    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        threading.Timer(0.2, lambda: loop.call_soon_threadsafe(done.set)).start()
        await done.wait()
        return "woken"

    assert clock.run(main, foreign_thread_s=5) == "woken"


def test_executor_work_that_hangs_is_named():
    release = threading.Event()

    async def main():
        try:
            await asyncio.to_thread(release.wait, 30)
        finally:
            await asyncio.sleep(1.0)  # what ends may take its time, and doesn't wait for the work again
            ended.append(True)

    ended: list[bool] = []
    try:
        with pytest.raises(clock.Stalled, match=r"over 0\.2 s: .*wait"):
            clock.run(main, stall_s=0.2)
        assert ended
    finally:
        release.set()


def test_a_task_that_never_lets_time_pass_is_stopped():
    async def spins():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(clock.Stalled, match="spins"):
        clock.run(spins, stall_s=0.2)


def spinning(monkeypatch, check_s):
    """A coroutine that spins, on a machine whose clock goes on by `check_s` with each look at it."""
    looks = itertools.count()
    monkeypatch.setattr(clock_loop, "real_monotonic", lambda: next(looks) * check_s)

    async def spin(times):
        for _ in range(times):
            await asyncio.sleep(0)

    return spin


def test_a_task_may_spin_within_the_limit_and_again_at_the_next_moment(monkeypatch):
    spin = spinning(monkeypatch, check_s=1.0)

    async def main():
        for _ in range(4):
            await spin(3 * clock_loop.SPINS_BETWEEN_CHECKS)
            await asyncio.sleep(0.5)
        return asyncio.get_running_loop().time() - clock.MONOTONIC_S

    assert clock.run(main, stall_s=5.0) == pytest.approx(2.0, abs=1e-6)


def test_a_task_that_spins_beyond_the_limit_at_one_moment_is_stopped(monkeypatch):
    spin = spinning(monkeypatch, check_s=1.0)
    with pytest.raises(clock.Stalled, match="run on and on at one moment"):
        clock.run(lambda: spin(8 * clock_loop.SPINS_BETWEEN_CHECKS), stall_s=5.0)


def test_a_task_may_spin_for_just_as_long_as_the_limit(monkeypatch):
    """The fifth look at real time comes after five seconds, the sixth after six."""
    spin = spinning(monkeypatch, check_s=1.0)
    clock.run(lambda: spin(6 * clock_loop.SPINS_BETWEEN_CHECKS - 100), stall_s=5.0)
    spin = spinning(monkeypatch, check_s=1.0)
    with pytest.raises(clock.Stalled):
        clock.run(lambda: spin(6 * clock_loop.SPINS_BETWEEN_CHECKS + 100), stall_s=5.0)


def test_clocks_in_nanoseconds_follow_the_others():
    before, after, rising = run_virtually(
        """
        import asyncio, time

        def readings():
            ns = [time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()]
            return ns, [time.time(), time.monotonic(), time.perf_counter()]

        async def both():
            before = readings()
            await asyncio.sleep(2.5)
            after = readings()
            steps = [time.monotonic_ns() for _ in range(5)], [time.perf_counter_ns() for _ in range(5)]
            return before, after, all(a < b for one in steps for a, b in zip(one, one[1:]))

        def main():
            return clock.run(both)
        """
    )
    for ns, seconds in (before, after):
        assert ns == pytest.approx([1e9 * s for s in seconds], abs=1e3)
    assert [b - a for a, b in zip(before[0], after[0], strict=True)] == pytest.approx([2.5e9] * 3, abs=1e3)
    assert rising


def test_the_time_module_follows_the_loop_in_its_thread_only():
    answer = run_virtually(
        """
        import asyncio, threading, time

        async def both():
            there = []
            before = time.time(), time.monotonic(), time.perf_counter()
            thread = threading.Thread(target=lambda: there.append(time.time()))
            thread.start(); thread.join()
            await asyncio.sleep(1000)
            time.sleep(500)
            after = time.time(), time.monotonic(), time.perf_counter()
            steps = [b - a for a, b in zip(before, after)]
            ns = [time.perf_counter_ns() for _ in range(3)]
            return steps, there[0], before[0], len(set(ns)) == 3 and sorted(ns) == ns

        def main():
            outside = time.time()
            steps, there, epoch, rising = clock.run(both)
            return [steps, abs(there - outside), epoch, rising, time.time() - outside]
        """
    )
    steps, thread_differs_by, epoch, rising, took = answer
    assert steps == pytest.approx([1500] * 3, abs=1e-6)
    assert thread_differs_by < 5
    assert epoch == clock.EPOCH_S
    assert rising
    assert took < 30


def test_identifiers_are_drawn_from_the_seed():
    ids = """
        import uuid
        async def draw():
            drawn = uuid.uuid4()
            assert drawn.version == 4
            return drawn.hex
        def main():
            drawn = [clock.run(draw, seed=seed) for seed in (7, 7, 8, 0)]
            return [*drawn, clock.run(draw), uuid.uuid4().hex]
        """
    first, again, other, zero, usual, outside = run_virtually(ids)
    assert zero == usual
    assert first == again
    assert len({first, other, outside}) == 3
    assert first == run_virtually(ids)[0]


def test_installing_after_livekit_is_refused():
    import livekit.agents  # noqa: F401

    assert not clock.installed()
    with pytest.raises(RuntimeError, match="has been imported"):
        clock.install()


def test_numpy_seconds_leave_the_clock_a_plain_float():
    async def main():
        await asyncio.sleep(np.float64(1.5))
        return asyncio.get_running_loop().time()

    assert type(clock.run(main)) is float


def test_what_ignores_being_cancelled_is_abandoned(caplog):
    async def insists():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def main():
        asyncio.get_running_loop().insisting = asyncio.create_task(insists())
        await asyncio.sleep(5)
        return "done"

    assert clock.run(main) == "done"
    gc.collect()
    warned = [record for record in caplog.records if "insists" in record.getMessage()]
    assert not warned, "asyncio need not warn of what is abandoned on purpose"


def test_a_generator_that_is_left_open_is_closed_with_the_loop():
    ended: list[str] = []

    async def counts():
        try:
            for k in itertools.count():
                yield k
        finally:
            ended.append("closed")

    left_open = counts()

    async def main():
        return await anext(left_open)

    assert clock.run(main) == 0
    assert ended == ["closed"]


def test_a_function_is_known_by_itself_even_if_it_has_arguments_of_another_kind():
    """Only what `asyncio.to_thread` puts around a function is taken off."""
    partial = functools.partial(sum, [1, 2])
    assert clock.unwrapped(functools.partial(contextlib.nullcontext, sum)) is sum
    assert clock.unwrapped(partial) is partial
    assert clock.unwrapped(sum) is sum


def test_calls_one_after_the_other_share_a_thread():
    async def main():
        return [(await asyncio.to_thread(threading.current_thread)).name for _ in range(4)]

    assert set(clock.run(main)) == {"virtual-loop-1"}


def test_work_that_an_executor_cancels_is_cancelled_for_who_waits():
    class Refuses(Executor):
        def submit(self, fn, /, *args, **kwargs):
            work = Future()
            work.cancel()
            work.set_running_or_notify_cancel()
            return work

    async def main():
        await asyncio.get_running_loop().run_in_executor(Refuses(), int)

    with pytest.raises(asyncio.CancelledError):
        clock.run(main, foreign_thread_s=0.1)


def test_a_running_loop_is_not_closed_and_a_closed_one_takes_no_work():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="Cannot close a running"):
            loop.close()
        assert await asyncio.to_thread(int, "7") == 7
        return loop

    loop = clock.run(main, stall_s=30.0)
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_in_executor(None, int)
    loop.close()  # again, which does nothing


def test_what_waits_in_our_own_code_is_named_before_what_waits_in_packages():
    packaged: dict[str, Any] = {}
    text = "async def packaged(event):\n    await event.wait()\n"
    exec(compile(text, "/somewhere/site-packages/package.py", "exec"), packaged)

    async def own(event):
        await event.wait()

    async def main():
        event = asyncio.Event()
        tasks = (
            asyncio.create_task(packaged["packaged"](event), name="a"),
            asyncio.create_task(own(event), name="b"),
        )
        await asyncio.gather(*tasks)

    with pytest.raises(clock.Deadlock) as raised:
        clock.run(main, foreign_thread_s=0.1)
    names = [name.split(" ")[0] for name in str(raised.value).split(" wait: ")[1].split("; ")]
    assert names.index("b") < names.index("a") == len(names) - 1


def test_threads_end_after_the_loop_whose_work_they_did():
    before = set(threading.enumerate())

    async def main():
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(3)))
        return [one for one in threading.enumerate() if one not in before and "virtual-loop" in one.name]

    threads = clock.run(main)
    assert len(threads) == 3
    for one in threads:
        one.join(30)
    assert not any(one.is_alive() for one in threads)


def test_work_that_hangs_keeps_no_process_from_ending():
    answer = run_virtually(
        """
        import asyncio, threading
        async def hangs():
            await asyncio.to_thread(threading.Event().wait)
        def main():
            try:
                clock.run(hangs, stall_s=0.2)
            except clock.Stalled as error:
                return str(error)
        """,
        timeout_s=20,
    )
    assert answer == "executor work takes over 0.2 s: Event.wait"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=20))
def test_what_is_due_at_one_moment_comes_in_its_turn_with_all_that_it_leads_to(
    timers: list[tuple[int, int]],
) -> None:
    """Turn and number of steps of each timer; those of one turn come in the order in which they were set."""
    told: list[tuple[int, int]] = []

    async def step(number: int, steps: int) -> None:
        for left in range(steps, -1, -1):
            told.append((number, left))
            await asyncio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, clock.VirtualLoop)
        tasks: list[asyncio.Task[None]] = []

        def start(number: int, steps: int) -> None:
            tasks.append(loop.create_task(step(number, steps)))

        for number, (turn, steps) in enumerate(timers):
            loop.call_in_turn(loop.time() + 0.3 + number * 1e-10, turn, start, number, steps)
        await asyncio.sleep(1.0)
        await asyncio.gather(*tasks)

    clock.run(main)
    order = sorted(range(len(timers)), key=lambda number: -timers[number][0])
    assert told == [(number, left) for number in order for left in range(timers[number][1], -1, -1)]


@pytest.mark.parametrize("turn", [Turn.TRANSCRIPT, Turn.FRAME, Turn.AGENT])
def test_whatever_else_waits_for_a_moment_comes_last_in_it(turn: Turn) -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, told.append, "a commit")
        call_at(loop, loop.time() + 0.5, turn, told.append, turn.name)
        await asyncio.sleep(1.0)

    clock.run(main)
    assert told == [turn.name, "a commit"]


def test_a_timer_that_another_of_its_moment_cancels_does_not_come() -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        last = loop.call_later(0.5, told.append, "last")
        call_at(loop, loop.time() + 0.5, Turn.FRAME, last.cancel)
        loop.call_later(0.5, told.append, "after it")
        await asyncio.sleep(1.0)

    clock.run(main)
    assert told == ["after it"]

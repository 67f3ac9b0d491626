"""Judging turns: inline the reply waits, async nothing does; a judge that misbehaves costs no reply."""

import asyncio
from typing import Any

import pytest
from calls import short_call
from livekit.agents import Agent
from virtual import on_virtual_clock, where_clock_is_virtual

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.latency.extras.judging import Judging
from lab_utils.session.job import SessionJob
from lab_utils.session.run import run
from lab_utils.session.scripted.tts import ScriptedTTS

JUDGE_S = 0.3


async def judge(text: str) -> str:
    await asyncio.sleep(JUDGE_S)
    return f"{len(text.split())} words"


async def hangs(text: str) -> None:
    await asyncio.Event().wait()


async def fails(text: str) -> None:
    raise ConnectionError("no judge today")


class Judged(Agent):
    """Judges each turn; says in `left` what its session leaves running."""

    def __init__(self, judging: Judging | None) -> None:
        super().__init__(instructions="Be brief.")
        self.judging = judging

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        if self.judging is not None:
            await self.judging.turn(new_message.text_content or "")

    async def on_exit(self) -> None:
        if self.judging is not None:
            await self.judging.aclose()


def session(judging: Judging | None) -> SessionLog:
    log = run(
        SessionJob(
            short_call(),
            Settings(),
            agent=lambda: Judged(judging),
            tts=lambda: ScriptedTTS(voice="tone"),
            tail_s=6.0,
        )
    )
    assert log.failure == ""
    assert not log.of_kind("error")
    return log


def hooks_s(log: SessionLog) -> list[float]:
    return [reply.stages["on_user_turn_completed_delay"] for reply in log.replies]


def heard_s(log: SessionLog) -> list[float]:
    return [event.time_s for event in log.of_kind("playout_starts")]


@where_clock_is_virtual
def test_inline_every_reply_waits_for_its_verdict() -> None:
    judging = Judging(judge, inline=True)
    log = session(judging)
    assert hooks_s(log) == pytest.approx([JUDGE_S] * len(log.replies), abs=1e-6)
    assert [v.outcome for v in judging.verdicts] == ["done"] * len(log.of_kind("commit"))
    assert judging.verdicts[-1].result == f"{len(judging.verdicts[-1].text.split())} words"


@where_clock_is_virtual
def test_async_no_reply_waits_and_all_turns_are_judged() -> None:
    judging = Judging(judge)
    log, unjudged = session(judging), session(None)
    assert hooks_s(log) == pytest.approx([0.0] * len(log.replies), abs=1e-6)
    assert heard_s(log) == heard_s(unjudged)
    assert [v.outcome for v in judging.verdicts] == ["done"] * len(log.of_kind("commit"))
    assert [v.took_s for v in judging.verdicts] == pytest.approx([JUDGE_S] * len(judging.verdicts))


@where_clock_is_virtual
def test_a_judge_that_hangs_costs_its_limit_inline_and_nothing_async() -> None:
    inline = Judging(hangs, inline=True, limit_s=0.15)
    log = session(inline)
    assert hooks_s(log) == pytest.approx([0.15] * len(log.replies), abs=1e-6)
    assert {v.outcome for v in inline.verdicts} == {"timed_out"}
    off_path = Judging(hangs)
    assert heard_s(session(off_path)) == heard_s(session(None))
    assert {v.outcome for v in off_path.verdicts} <= {"timed_out", "cancelled"}


@where_clock_is_virtual
def test_a_judge_that_fails_costs_no_reply_in_either_mode() -> None:
    plain = session(None)
    for inline in (True, False):
        judging = Judging(fails, inline=inline)
        assert [r.agent_text for r in session(judging).replies] == [r.agent_text for r in plain.replies]
        assert {v.error for v in judging.verdicts} == {"ConnectionError: no judge today"}


# --- the queue ------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_full_queue_drops_what_comes_and_says_so() -> None:
    judging = Judging(judge, max_waiting=2)
    for number in range(5):
        assert await judging.turn(f"turn {number}") is None
    await asyncio.sleep(5)
    dropped = [v.text for v in judging.verdicts if v.outcome == "dropped"]
    done = [v.text for v in judging.verdicts if v.outcome == "done"]
    assert sorted(dropped + done) == [f"turn {number}" for number in range(5)]
    assert done == ["turn 0", "turn 1"]
    assert "2 turns wait already" in judging.verdicts[0].error
    await judging.turn("later")
    await asyncio.sleep(1)
    assert judging.verdicts[-1].outcome == "done"


@on_virtual_clock
async def test_turns_are_judged_one_at_a_time_in_order() -> None:
    judging = Judging(judge)
    await judging.turn("one")
    await judging.turn("two")
    await asyncio.sleep(1)
    assert [(v.text, round(v.waited_s, 6)) for v in judging.verdicts] == [("one", 0.0), ("two", JUDGE_S)]


@on_virtual_clock
async def test_closing_finishes_what_it_can_and_cancels_the_rest() -> None:
    judging = Judging(judge, drain_s=0.5)
    for text in ("one", "two", "three"):
        await judging.turn(text)
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await judging.aclose()
    assert loop.time() - begun_s == pytest.approx(0.5)
    outcomes = [(v.text, v.outcome) for v in judging.verdicts]
    assert outcomes == [("one", "done"), ("two", "cancelled"), ("three", "cancelled")]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await judging.aclose()
    await judging.turn("too late")
    assert judging.verdicts[-1].outcome == "dropped"


@on_virtual_clock
async def test_closing_waits_no_longer_than_it_must() -> None:
    judging = Judging(judge, drain_s=60.0)
    await judging.turn("one")
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await judging.aclose()
    assert loop.time() - begun_s == pytest.approx(JUDGE_S)


@on_virtual_clock
async def test_a_turn_that_is_cancelled_cancels_its_inline_verdict() -> None:
    judging = Judging(judge, inline=True)
    turn = asyncio.ensure_future(judging.turn("one"))
    await asyncio.sleep(0.1)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert [(v.outcome, round(v.took_s, 6)) for v in judging.verdicts] == [("cancelled", 0.1)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"limit_s": 0}, "limit_s is 0"),
        ({"max_waiting": 0}, "max_waiting is 0"),
        ({"drain_s": -1}, "drain_s is -1"),
    ],
)
def test_limits_that_are_none_are_refused(options: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Judging(judge, **options)

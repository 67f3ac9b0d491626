"""Agents and plugins that fail: the log says what happened, and the run ends within its limits.

What LiveKit itself does about a fault is not judged here, only that it can be seen.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from calls import short_call
from livekit.agents import Agent, function_tool
from virtual import where_clock_is_virtual

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.session.ending import CLOSE_S, LAST_WORDS_S
from lab_utils.session.job import Limits, SessionJob
from lab_utils.session.run import run
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
from lab_utils.session.scripted.stt import ScriptedSTT
from lab_utils.session.scripted.tts import ScriptedTTS

TAIL_S = 6.0
END_S = 12.0 + TAIL_S
FRAME_S = 0.05
LIMITS = Limits(virtual_s=60.0, real_s=20.0)


class Plain(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")


def session(*, limits: Limits = LIMITS, tail_s: float = TAIL_S, **parts: Callable[[], Any]) -> SessionLog:
    return run(SessionJob(short_call(), Settings(), limits=limits, tail_s=tail_s, **parts))


def told(log: SessionLog, kind: str) -> list[str]:
    """What the events of a kind say, in order, without what repeats the one before."""
    texts = [str(event.data.get("error", event.data)) for event in log.of_kind(kind)]
    return [text for k, text in enumerate(texts) if not k or text != texts[k - 1]]


def went_to_its_end(log: SessionLog) -> bool:
    """Whether all of the recording was heard, and the session then closed as asked."""
    ends = [event.time_s for event in log.of_kind("audio_ends")]
    closed = [event.data["reason"] for event in log.of_kind("closed")]
    return (
        log.failure == ""
        and ends == pytest.approx([END_S + FRAME_S])
        and closed == ["user_initiated"]
        and len(log.heard) >= END_S * 16_000
        and bool(log.report["events"])
    )


# --- the agent ------------------------------------------------------------------------------------


class CannotBeMade(Agent):
    def __init__(self) -> None:
        raise ValueError("no API key")


class EnterRaises(Plain):
    async def on_enter(self) -> None:
        raise ValueError("on_enter broke")


class TurnRaises(Plain):
    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        raise ValueError("on_user_turn_completed broke")


class NodeRaises(Plain):
    async def llm_node(self, *_: Any) -> Any:
        raise ValueError("llm_node broke")
        yield


class ExitHangs(Plain):
    async def on_exit(self) -> None:
        await asyncio.Event().wait()


class EndsTheProgram(Plain):
    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        raise SystemExit("enough")


class Computes(Plain):
    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        while True:
            pass


class Spins(Plain):
    async def on_enter(self) -> None:
        self._task = asyncio.create_task(self._spin())

    async def _spin(self) -> None:
        while True:
            await asyncio.sleep(0)


class IgnoresCancelling(Plain):
    async def on_enter(self) -> None:
        self._task = asyncio.create_task(self._insist())

    async def _insist(self) -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)


@where_clock_is_virtual
def test_a_session_without_fault_reaches_its_end_and_tells_of_none() -> None:
    log = session(agent=Plain)
    assert went_to_its_end(log)
    assert told(log, "error") == told(log, "warning") == told(log, "limit") == []
    assert len(log.replies) == 3


@where_clock_is_virtual
def test_an_agent_that_cannot_be_made_fails_the_session_at_once() -> None:
    log = session(agent=CannotBeMade)
    assert log.failure == "ValueError: no API key"
    assert [(e.time_s, e.kind, e.data["error"]) for e in log.events] == [(0.0, "error", log.failure)]
    assert log.duration_s == 0.0


@where_clock_is_virtual
def test_an_error_in_on_enter_is_noted_and_the_call_goes_on() -> None:
    log = session(agent=EnterRaises)
    assert went_to_its_end(log)
    assert "ValueError: on_enter broke" in told(log, "error")[0]
    assert len(log.replies) == 3


@where_clock_is_virtual
def test_an_error_in_on_user_turn_completed_costs_the_reply() -> None:
    log = session(agent=TurnRaises)
    assert went_to_its_end(log)
    assert "ValueError: on_user_turn_completed broke" in told(log, "error")[0]
    assert len(log.of_kind("commit")) == len(log.of_kind("error")) == 3
    assert not log.replies


@where_clock_is_virtual
def test_an_error_in_llm_node_costs_the_reply() -> None:
    log = session(agent=NodeRaises)
    assert went_to_its_end(log)
    assert "ValueError: llm_node broke" in told(log, "error")[0]
    assert not log.replies


@where_clock_is_virtual
def test_a_method_that_never_ends_does_not_keep_the_session_open() -> None:
    log = session(agent=ExitHangs)
    assert log.failure == "the session could not be closed within 10 s: a method of the agent doesn't end"
    assert log.duration_s == pytest.approx(END_S + FRAME_S + CLOSE_S)
    assert len(log.replies) == 3
    assert len(log.heard) >= END_S * 16_000


@where_clock_is_virtual
def test_an_agent_that_ends_the_program_ends_its_session_only() -> None:
    log = session(agent=EndsTheProgram)
    assert log.failure == "the agent's code ended the program: SystemExit: enough"
    assert log.duration_s == pytest.approx(log.of_kind("commit")[0].time_s)
    assert log.report["events"]


@where_clock_is_virtual
def test_an_agent_that_computes_for_ever_is_stopped_and_the_place_named() -> None:
    began = time.monotonic()
    log = session(agent=Computes, limits=Limits(real_s=2.0))
    assert time.monotonic() - began < 6
    assert log.failure.startswith("took more than 2 s of real time; it was busy at ")
    assert "test_faults.py" in log.failure
    assert "(on_user_turn_completed)" in log.failure
    assert len(log.of_kind("commit")) == 1


@where_clock_is_virtual
def test_a_task_that_spins_is_stopped_and_named() -> None:
    log = session(agent=Spins, limits=Limits(real_s=2.0))
    assert log.failure.startswith("tasks run on and on at one moment: ")
    assert "Spins._spin at " in log.failure
    assert len(log.failure) < 2000


@where_clock_is_virtual
def test_a_task_that_ignores_being_cancelled_is_left_behind() -> None:
    began = time.monotonic()
    log = session(agent=IgnoresCancelling)
    assert went_to_its_end(log)
    assert time.monotonic() - began < LIMITS.real_s / 2


@where_clock_is_virtual
def test_a_session_that_does_not_end_is_ended_by_its_limit_in_session_time() -> None:
    log = session(llm=lambda: ScriptedLLM(never_answers=True), limits=Limits(virtual_s=5.0))
    assert log.failure == "did not end within 23 s of session time"
    assert [dict(event.data) for event in log.of_kind("limit")] == [{"what": "session", "limit_s": 23.0}]
    assert log.duration_s == pytest.approx(23.0, abs=FRAME_S)
    assert log.report["events"]


# --- speech-to-text, language model, text-to-speech -----------------------------------------------


class CannotStream(ScriptedSTT):
    def stream(self, **_: Any) -> Any:
        raise RuntimeError("no connection")


class CannotChat(ScriptedLLM):
    def chat(self, **_: Any) -> Any:
        raise RuntimeError("no connection")


class CannotSpeak(ScriptedTTS):
    def stream(self, **_: Any) -> Any:
        raise RuntimeError("no connection")


@where_clock_is_virtual
def test_an_stt_that_fails_once_recovers() -> None:
    log = session(stt=lambda: ScriptedSTT(fail_at_s=2.0))
    assert went_to_its_end(log)
    (error,) = log.of_kind("error")
    assert error.time_s == pytest.approx(2.0)
    assert error.data["source"] == "stt_error"
    assert error.data["recoverable"] is True
    assert "retrying" in told(log, "warning")[0]
    assert len(log.of_kind("commit")) == 3


@where_clock_is_virtual
def test_an_stt_that_keeps_failing_makes_livekit_close_the_session() -> None:
    log = session(stt=lambda: ScriptedSTT(fail_at_s=2.0, fails=10**6), tail_s=20.0)
    assert log.failure == (
        "the session closed itself before the recording ended: "
        "APIConnectionError: the scripted failure of scripted-stt"
    )
    assert [event.data["reason"] for event in log.of_kind("closed")] == ["error"]
    assert not log.of_kind("audio_ends")
    given_up = [event for event in log.of_kind("error") if event.data.get("recoverable") is False]
    assert len(given_up) == 4
    assert log.duration_s == pytest.approx(given_up[-1].time_s)


@where_clock_is_virtual
def test_plugins_that_refuse_to_start_are_noted() -> None:
    for part in ({"stt": CannotStream}, {"llm": CannotChat}, {"tts": CannotSpeak}):
        log = session(**part)
        assert went_to_its_end(log), part
        assert "RuntimeError: no connection" in told(log, "error")[0]
        assert not log.replies


@where_clock_is_virtual
def test_an_llm_that_never_answers_is_given_up_after_the_audio() -> None:
    log = session(llm=lambda: ScriptedLLM(never_answers=True))
    (limit,) = log.of_kind("limit")
    assert dict(limit.data) == {"what": "last words", "limit_s": LAST_WORDS_S, "agent_state": "thinking"}
    assert limit.time_s == pytest.approx(END_S + FRAME_S + LAST_WORDS_S)
    assert went_to_its_end(log)
    assert len(log.of_kind("commit")) == 3
    assert not log.replies


@where_clock_is_virtual
def test_an_llm_that_breaks_off_is_noted_once_for_each_answer() -> None:
    log = session(llm=lambda: ScriptedLLM(fail_after_tokens=3))
    assert went_to_its_end(log)
    assert {event.data["source"] for event in log.of_kind("error")} == {"llm_error"}
    assert told(log, "error") == ["APIConnectionError: the scripted failure after 3 tokens"]
    assert len(log.of_kind("error")) == len(log.of_kind("speech_created"))


@where_clock_is_virtual
def test_a_tts_that_returns_nothing_is_noted() -> None:
    log = session(tts=lambda: ScriptedTTS(returns_nothing=True), tail_s=15.0)
    assert log.failure == ""
    assert "no audio frames were pushed" in told(log, "error")[0]
    assert not log.of_kind("playout_starts")
    assert not log.heard[:, 1].any()


# --- tools ----------------------------------------------------------------------------------------


class Tooled(Plain):
    @function_tool
    async def raises(self) -> str:
        """Fail."""
        raise KeyError("order")

    @function_tool
    async def hangs(self) -> str:
        """Hang."""
        await asyncio.sleep(1e9)
        return ""

    @function_tool
    async def insists(self) -> str:
        """Hang, and don't let oneself be cancelled."""
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)

    @function_tool
    async def blocks(self) -> str:
        """Block the loop, in session time."""
        time.sleep(50)
        return "slept"

    @function_tool
    async def hangs_in_a_thread(self) -> str:
        """Hang in a thread."""
        await asyncio.to_thread(threading.Event().wait)
        return ""


def with_tool(name: str, limits: Limits = LIMITS) -> SessionLog:
    return session(agent=Tooled, llm=lambda: ScriptedLLM([ToolRequest(name)]), limits=limits)


@where_clock_is_virtual
def test_a_tool_that_raises_is_noted_and_its_answer_said() -> None:
    log = with_tool("raises")
    assert went_to_its_end(log)
    assert "KeyError: 'order'" in told(log, "error")[0]
    assert {event.data["status"] for event in log.of_kind("tool_ends")} == {"error"}
    assert len(log.replies) == 3


@where_clock_is_virtual
def test_a_tool_the_agent_does_not_have_is_named() -> None:
    log = with_tool("cooks")
    assert "the script calls the tool 'cooks', but the agent has blocks, hangs" in told(log, "error")[0]


@where_clock_is_virtual
def test_a_tool_that_hangs_is_named_and_cancelled() -> None:
    for tool in ("hangs", "insists"):
        log = with_tool(tool)
        assert log.failure == f"the session could not be closed within 10 s: tools that don't end: {tool}"
        assert log.of_kind("tool_starts")[0].data["name"] == tool
        assert len(log.of_kind("commit")) == 3
        assert log.duration_s == pytest.approx(END_S + FRAME_S + CLOSE_S)
        assert len(log.heard) >= END_S * 16_000


@where_clock_is_virtual
def test_a_tool_that_blocks_the_loop_takes_its_session_time() -> None:
    log = with_tool("blocks")
    assert log.failure == ""
    (start, *_), (end, *_) = log.of_kind("tool_starts"), log.of_kind("tool_ends")
    assert end.time_s - start.time_s == pytest.approx(50)
    assert log.duration_s >= start.time_s + 50


@where_clock_is_virtual
def test_a_tool_that_hangs_in_a_thread_is_named() -> None:
    log = with_tool("hangs_in_a_thread", Limits(real_s=2.0))
    assert log.failure == "executor work takes over 1 s: Event.wait"
    assert log.of_kind("tool_starts")
    # Nothing can end the thread, but it does not keep the process from ending.
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("virtual-loop"))


# --- what is left behind --------------------------------------------------------------------------


@where_clock_is_virtual
def test_after_all_that_the_process_is_idle_and_sessions_run_as_ever() -> None:
    fresh = session(agent=Plain)
    for part in ({"agent": Spins}, {"agent": IgnoresCancelling}, {"agent": ExitHangs}):
        session(limits=Limits(real_s=1.0), **part)
    before = os.times()
    time.sleep(0.5)
    after = os.times()
    assert after.user + after.system - before.user - before.system < 0.1
    assert session(agent=Plain).events == fresh.events

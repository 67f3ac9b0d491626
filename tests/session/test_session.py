"""Whole sessions: what the log says of a call, in both modes, with own agents and plugins, traced or live."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import cut, sample, short_call
from livekit.agents import Agent, AgentSession, function_tool, llm
from virtual import where_clock_is_virtual

from lab_utils.core.delays import Delay
from lab_utils.core.recording import Recording
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.stages import STAGE_NAMES
from lab_utils.core.timeline import to_samples
from lab_utils.core.traces import EotTrace
from lab_utils.session.agents import GREETING
from lab_utils.session.job import Limits, SessionJob, SessionTraces
from lab_utils.session.prepare import traced_job
from lab_utils.session.run import run
from lab_utils.session.scripted.llm import DEFAULT_REPLIES, ScriptedLLM, ToolRequest
from lab_utils.session.scripted.stt import ScriptedSTT, SttTiming
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.session.traced import detector as traced_detector
from lab_utils.session.traced.detector import TracedTurnDetector
from lab_utils.turns.tracing import TraceCache, Tracer

TAIL_S = 6.0
RATE = 16_000


class Plain(Agent):
    def __init__(self, **options: Any) -> None:
        super().__init__(instructions="Be brief.", **options)


def session(recording: Recording | None = None, settings: Settings | None = None, **job: Any) -> SessionLog:
    log = run(SessionJob(recording or short_call(), settings or Settings(), **{"tail_s": TAIL_S} | job))
    assert log.failure == ""
    return log


def traces_of(recording: Recording, settings: Settings, phase: int = 0) -> SessionTraces:
    """The VAD's trace; predictions that are missing are computed when they are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        (vad,) = Tracer(TraceCache(Path(folder)), TAIL_S).vad(recording, settings.vad.model, [phase])
    return SessionTraces(vad, EotTrace())


def times(log: SessionLog, kind: Any) -> list[float]:
    return [event.time_s for event in log.of_kind(kind)]


# --- what is in the log ---------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_turn_goes_through_its_stages_in_order() -> None:
    log = session()
    commit = log.of_kind("commit")[-1]
    assert commit.data["text"]
    answer = [event for event in log.events if event.time_s >= commit.time_s]
    order = ["commit", "tts_starts", "tts_first_audio", "playout_starts", "playout_ends", "audio_ends"]
    seen = [event.kind for event in answer if event.kind in order]
    assert sorted(set(seen), key=seen.index) == [kind for kind in order if kind in seen]
    assert {"commit", "playout_starts", "playout_ends", "audio_ends"} <= set(seen)
    before = [event.kind for event in log.events if event.time_s <= commit.time_s]
    for kind in ("user_starts", "transcript", "user_ends", "prediction", "preemptive", "llm_starts"):
        assert kind in before, kind
    assert [event.time_s for event in log.events] == sorted(event.time_s for event in log.events)
    assert log.events[-1].kind == "closed"
    assert log.duration_s == log.events[-1].time_s


@where_clock_is_virtual
def test_a_commit_says_its_cause_and_what_it_waited_for() -> None:
    settings = Settings()
    log = session(settings=settings)
    for commit in log.of_kind("commit"):
        assert commit.data["cause"] in ("detector", "max_delay", "late_transcript")
        if commit.data["cause"] == "detector":
            assert commit.data["probability"] >= settings.detector.unlikely_threshold
            waited = commit.time_s - commit.data["last_speaking_s"]
            assert waited >= settings.endpointing.min_delay - 1e-6


@where_clock_is_virtual
def test_replies_have_livekits_stages_and_belong_to_commits() -> None:
    log = session()
    assert [reply.agent_text for reply in log.replies][-1] in DEFAULT_REPLIES
    commits = times(log, "commit")
    for reply in log.replies:
        assert reply.commit_s in commits
        assert reply.user_text
        assert set(reply.stages) <= set(STAGE_NAMES)
        assert {"llm_node_ttft", "tts_node_ttfb", "e2e_latency"} <= set(reply.stages)
    last = log.replies[-1]
    heard = next(at for at in times(log, "playout_starts") if at > last.commit_s)
    stopped = next(e.data["last_speaking_s"] for e in log.of_kind("commit") if e.time_s == last.commit_s)
    assert last.stages["e2e_latency"] == pytest.approx(heard - stopped, abs=1e-6)


@where_clock_is_virtual
def test_what_was_heard_is_the_recording_left_and_the_agent_right() -> None:
    recording = short_call()
    log = session(recording, phase_samples=100, tts=lambda: ScriptedTTS(voice="tone"))
    left, right = log.heard[:, 0], log.heard[:, 1]
    assert not left[:100].any()
    np.testing.assert_array_equal(left[100 : 100 + len(recording.user)], recording.user)
    assert not left[100 + len(recording.user) :].any()
    audible = np.flatnonzero(right)
    # Times count from the recording's first sample, which is sample 100 of the stream.
    first = to_samples(times(log, "playout_starts")[0]) + 100
    assert first <= audible[0] <= first + 20  # a tone begins with a zero or two
    silent = np.ones(len(right), dtype=bool)
    for start, end in zip(times(log, "playout_starts"), times(log, "playout_ends"), strict=True):
        silent[to_samples(start) + 99 : to_samples(end) + 102] = False
    assert not right[silent].any()


@where_clock_is_virtual
def test_the_report_is_livekits_own() -> None:
    log = session()
    assert {"job_id", "room_id", "options", "chat_history", "events"} <= set(log.report)
    said = [item["content"] for item in log.report["chat_history"]["items"] if item["type"] == "message"]
    assert log.replies[-1].agent_text
    assert [log.replies[-1].agent_text] in said


@where_clock_is_virtual
def test_the_agent_greets_where_the_recorded_one_did() -> None:
    opening = cut(sample("01"), 0.0, 8.0)
    log = session(opening)
    assert log.of_kind("speech_created")[0].data["source"] == "say"
    assert log.replies[0].commit_s is None
    assert GREETING.startswith(log.replies[0].agent_text.rstrip())
    assert times(log, "playout_starts")[0] < 1.0
    assert not [reply for reply in session().replies if reply.commit_s is None]


@where_clock_is_virtual
def test_a_reactive_call_has_the_callers_turns_and_answers() -> None:
    recording = short_call()
    log = session(recording, mode="reactive", limits=Limits(virtual_s=60))
    assert log.mode == "reactive"
    starts, ends = times(log, "caller_starts"), times(log, "caller_ends")
    assert len(starts) == len(ends) >= 2
    kinds = [event.data["turn"] for event in log.of_kind("caller_starts")]
    assert kinds[0] == "opening"
    # The caller answers this agent, at the recorded distance from the end of what it said.
    answers = [at for at, kind in zip(starts, kinds, strict=True) if kind == "answer"]
    assert answers
    for at in answers:
        heard_out = max(end for end in times(log, "playout_ends") if end < at)
        assert at - heard_out < 3.0
    assert log.heard[:, 0].any()
    assert log.caveats


@where_clock_is_virtual
def test_a_reactive_callers_batch_connection_is_opened_once() -> None:
    def finals(setup: Delay | None) -> list[float]:
        timing = SttTiming(partials=False, final_delay=Delay(0.3), setup=setup)
        log = session(mode="reactive", stt_timing=timing, limits=Limits(virtual_s=60))
        assert len(log.of_kind("caller_starts")) == 2
        return times(log, "transcript")

    later = np.subtract(finals(Delay(0.2)), finals(None))
    assert later == pytest.approx([0.2, *[0.0] * (len(later) - 1)], abs=1e-6)


# --- own agents and plugins -----------------------------------------------------------------------


class Clerk(Plain):
    """Notes each turn, and looks an order up."""

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        turn_ctx.add_message(role="system", content=f"heard: {new_message.text_content}")

    @function_tool
    async def look_up(self, number: str) -> str:
        """Look an order up."""
        return f"order {number} is on its way"


@where_clock_is_virtual
def test_an_own_agents_methods_and_tools_are_used_and_noted() -> None:
    contexts: list[list[str]] = []

    def reply(chat_ctx: llm.ChatContext) -> ToolRequest:
        contexts.append([m.text_content or "" for m in chat_ctx.messages() if m.role == "system"])
        return ToolRequest("look_up", {"number": "A7"}, "I see: {output}.")

    log = session(agent=Clerk, llm=lambda: ScriptedLLM(reply))
    start, end = log.of_kind("tool_starts")[-1], log.of_kind("tool_ends")[-1]
    assert dict(start.data) == {"name": "look_up", "arguments": '{"number": "A7"}'}
    assert dict(end.data) == {"status": "done", "message": "order A7 is on its way"}
    assert log.replies[-1].agent_text == "I see: order A7 is on its way."
    assert any(text.startswith("heard: ") for text in contexts[-1])


@where_clock_is_virtual
def test_own_plugins_take_the_scripted_ones_place() -> None:
    made: list[Any] = []

    def keep(make: Any) -> Any:
        made.append(make())
        return made[-1]

    class OwnSTT(ScriptedSTT):
        def __init__(self) -> None:
            super().__init__(SttTiming(final_delay=Delay(0.6)))

    log = session(
        stt=functools.partial(keep, OwnSTT),
        llm=functools.partial(keep, lambda: ScriptedLLM(["Own words."], ttft=Delay(0.8))),
        tts=functools.partial(keep, lambda: ScriptedTTS(first_audio=Delay(0.5), voice="tone")),
    )
    own_stt, own_llm, own_tts = made
    assert own_llm.calls
    assert own_tts.calls
    assert {reply.agent_text for reply in log.replies} <= {"Own words.", "Own", ""}
    assert log.replies[-1].stages["tts_node_ttfb"] == pytest.approx(0.5, abs=1e-6)
    assert log.replies[-1].stages["llm_node_ttft"] == pytest.approx(0.8, abs=0.02)
    assert own_stt.pending == 0


class HandsOver(Plain):
    """Gives the call to another agent, who has another LLM."""

    @function_tool
    async def hand_over(self) -> Agent:
        """Hand over."""
        return Plain(llm=ScriptedLLM(["This is somebody else."]))


def handed_over(**job: Any) -> SessionLog:
    return session(
        cut(sample("01"), 4.0, 26.5),
        agent=HandsOver,
        llm=lambda: ScriptedLLM([ToolRequest("hand_over")]),
        **job,
    )


@where_clock_is_virtual
def test_after_a_handoff_the_new_agent_answers_and_traces_still_hold() -> None:
    live = handed_over()
    traced = handed_over(traces=traces_of(cut(sample("01"), 4.0, 26.5), Settings()))
    assert "This is somebody else." in [reply.agent_text for reply in live.replies]
    llm_calls = len(live.of_kind("llm_starts"))
    assert llm_calls >= 3
    same_events(traced, live)


class Passes(Plain):
    """Passes the call on with the second turn, by `update_agent`."""

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        self.session.update_agent(Plain())


@where_clock_is_virtual
def test_traces_hold_when_the_agent_is_updated() -> None:
    recording = cut(sample("01"), 4.0, 26.5)
    for detector in ("vad", "v1-mini"):
        settings = Settings().replace(detector=detector)
        live = session(recording, settings, agent=Passes)
        traced = session(recording, settings, agent=Passes, traces=traces_of(recording, settings))
        assert len(live.of_kind("commit")) >= 3
        same_events(traced, live)


def same_events(one: SessionLog, other: SessionLog, tolerance_s: float = 1e-6) -> None:
    """All events in order, their figures and times within a tolerance."""
    assert [event.kind for event in one.events] == [event.kind for event in other.events]
    for a, b in zip(one.events, other.events, strict=True):
        assert a.time_s == pytest.approx(b.time_s, abs=tolerance_s), (a, b)
        assert set(a.data) == set(b.data)
        for name, value in a.data.items():
            expected = b.data[name]
            if isinstance(expected, float):
                expected = pytest.approx(expected, abs=tolerance_s)
            assert value == expected, (name, a, b)


# --- traces against models ------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_traced_session_is_the_live_one_event_for_event() -> None:
    recording = short_call()
    cases = [
        Settings().replace(detector="vad", vad="silero", min_silence_duration=0.55),
        Settings().replace(detector="vad", min_delay=0.2, activation_threshold=0.4),
        Settings().replace(detector="stt"),
        Settings().replace(detector="v1-mini", unlikely_threshold=0.5),
        Settings().replace(detector="v1-mini", endpointing_mode="dynamic", vad="silero"),
    ]
    for number, settings in enumerate(cases):
        phase = 97 * number
        timing = SttTiming(end_of_speech=settings.detector.model == "stt")
        shared = {"phase_samples": phase, "stt_timing": timing, "seed": number}
        live = session(recording, settings, **shared)
        traced = session(recording, settings, traces=traces_of(recording, settings, phase), **shared)
        assert live.of_kind("commit"), settings
        same_events(traced, live)
        np.testing.assert_array_equal(traced.heard, live.heard)


@where_clock_is_virtual
def test_the_model_runs_for_no_prediction_that_livekit_does_not_read() -> None:
    lacking = []

    def answers(detector: TracedTurnDetector, start: int, end: int) -> bool:
        lacking.append((start, end) not in known)
        return True

    with tempfile.TemporaryDirectory() as folder:
        job, _ = traced_job(
            SessionJob(cut(sample("02"), 0.0, 8.0), Settings(), tail_s=TAIL_S),
            Tracer(TraceCache(Path(folder)), TAIL_S),
        )
    assert job.traces is not None
    known = set(zip(job.traces.eot.starts.tolist(), job.traces.eot.ends.tolist(), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TracedTurnDetector, "answers", answers)
        patch.setattr(traced_detector, "_probability", lambda audio: pytest.fail("the model runs"))
        log = run(job)
    assert log.failure == ""
    assert any(lacking)
    assert not all(lacking)


@where_clock_is_virtual
def test_a_predictions_delay_is_charged_with_traces_and_without() -> None:
    recording = short_call()

    def at(delay_s: float, **job: Any) -> SessionLog:
        settings = Settings().replace(detector="v1-mini", min_silence_duration=0.25, min_delay=0.0)
        return session(recording, settings, conditions=Conditions(prediction_delay=delay_s), **job)

    traces = traces_of(recording, Settings())
    asked = times(at(0.0), "prediction")
    for delay_s in (0.04, 0.25):
        live, traced = at(delay_s), at(delay_s, traces=traces)
        same_events(traced, live)
        assert times(live, "prediction")[0] == pytest.approx(asked[0] + delay_s, abs=1e-6)


# --- conditions -----------------------------------------------------------------------------------


@where_clock_is_virtual
def test_options_reach_the_session() -> None:
    seen: list[Any] = []

    class Looks(Plain):
        async def on_enter(self) -> None:
            current: AgentSession[Any] = self.session
            seen.append(current.options.max_tool_steps)

    session(agent=Looks, options={"max_tool_steps": 7})
    assert seen == [7]


@where_clock_is_virtual
def test_without_audio_kept_the_log_is_the_same_but_for_it() -> None:
    with_audio, without = session(), session(keep_audio=False)
    assert without.heard.shape == (0, 2)
    assert without.events == with_audio.events
    assert without.replies == with_audio.replies


@where_clock_is_virtual
def test_logs_hold_plain_values_only() -> None:
    logs = [session(), session(traces=traces_of(short_call(), Settings())), session(mode="reactive")]
    plain = (str, int, float, bool, type(None))
    for log in logs:
        for event in log.events:
            assert type(event.time_s) is float
            assert all(type(value) in plain for value in event.data.values()), event
        for reply in log.replies:
            assert all(type(value) is float for value in reply.stages.values())
        assert type(log.duration_s) is float


def test_jobs_that_cannot_be_run_are_refused() -> None:
    recording = short_call()
    with pytest.raises(
        ValueError, match=r"agent is <.*> *; expected a class or function .* agent=lambda: Plain"
    ):
        SessionJob(recording, Settings(), agent=Plain())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="phase_samples is 512; expected 0 to 511"):
        SessionJob(recording, Settings(), phase_samples=512)
    with pytest.raises(ValueError, match=r"tail_s is -1\.0"):
        SessionJob(recording, Settings(), tail_s=-1.0)
    with pytest.raises(ValueError, match=r"real_s is 0; expected a finite number of seconds above 0"):
        Limits(real_s=0)
    with pytest.raises(ValueError, match="needs labels to know when the user speaks"):
        SessionJob(replace(recording, labels=None), Settings())
    with pytest.raises(ValueError, match="a reactive caller needs to know"):
        SessionJob(replace(recording, labels=None), Settings(), mode="reactive", stt=ScriptedSTT)


def test_a_virtual_session_in_a_process_without_the_clock_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"no virtual clock here: use lab_utils\.session\.workers"):
        run(SessionJob(short_call(), Settings()))

"""Simulated parts of a provider profile: what they are made of, and whole sessions with them."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calls import short_call
from livekit.agents import Agent
from virtual import on_virtual_clock, where_clock_is_virtual

from lab_utils.core.delays import Delay, Draws
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.session.job import SessionJob
from lab_utils.session.providers.schema import (
    Connection,
    Judge,
    LlmProvider,
    Origin,
    PromptCache,
    Region,
    SttProvider,
    TtsProvider,
)
from lab_utils.session.run import run
from lab_utils.session.scripted.from_provider import (
    BATCH_SILENCE_S,
    SimulatedJudge,
    SimulatedTool,
    simulated_llm,
    simulated_tts,
    stt_timing_of,
)
from lab_utils.session.scripted.llm import ScriptedLLM
from lab_utils.session.scripted.stt import ScriptedSTT
from lab_utils.session.scripted.tts import ScriptedTTS

HERE = Origin(source="made up")
SETUP = Connection(setup=Delay(0.25), idle_s=300.0, origin=HERE)
NEAR = Region(round_trip=Delay(0.01), origin=HERE)
FAR = Region(round_trip=Delay(0.09), origin=HERE)
STT = SttProvider(
    provider="a",
    model="ears",
    final=Delay(0.25),
    first_partial=Delay(0.15),
    batch=Delay(0.4),
    connection=SETUP,
    origin=HERE,
)
LLM = LlmProvider(
    provider="a",
    model="brain",
    ttft=Delay(0.2),
    prefill_s_per_1k=0.15,
    cache=PromptCache(min_tokens=1024, step_tokens=128, origin=HERE),
    connection=SETUP,
    origin=HERE,
)
TTS = TtsProvider(provider="a", model="mouth", first_audio=Delay(0.1), connection=SETUP, origin=HERE)
RULES = " ".join(f"rule {n} holds" for n in range(400))


class Ruled(Agent):
    """Its prompt is long enough to be cached."""

    def __init__(self, on_top: bool = False) -> None:
        super().__init__(instructions=RULES)
        self._on_top = on_top

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        if self._on_top:
            await self.update_instructions(f"It is turn {len(turn_ctx.items)}. {RULES}")


class Call:
    """A session with parts of the profile, which can be looked at afterwards."""

    def __init__(
        self,
        region: Region = NEAR,
        provider: LlmProvider = LLM,
        prewarms: bool = False,
        on_top: bool = False,
        **job: Any,
    ) -> None:
        self._llms: list[ScriptedLLM] = []
        self._ttss: list[ScriptedTTS] = []

        def brain() -> ScriptedLLM:
            self._llms.append(simulated_llm(provider, region, seed=1, prewarms=prewarms))
            return self._llms[-1]

        def mouth() -> ScriptedTTS:
            self._ttss.append(simulated_tts(TTS, region, seed=1, prewarms=prewarms))
            return self._ttss[-1]

        defaults: dict[str, Any] = {"tail_s": 6.0, "stt_timing": stt_timing_of(STT, region)}
        self.log: SessionLog = run(
            SessionJob(
                short_call(), Settings(), agent=lambda: Ruled(on_top), llm=brain, tts=mouth, **defaults | job
            )
        )
        assert self.log.failure == ""
        (self.llm,), (self.tts,) = self._llms, self._ttss

    def moments(self, kind: Any) -> list[float]:
        return [event.time_s for event in self.log.of_kind(kind)]

    @property
    def prefixes(self) -> list[int]:
        return [request.read_tokens for request in self.llm.requests]


@where_clock_is_virtual
def test_a_sessions_later_prompts_are_read_from_the_cache() -> None:
    call = Call()
    assert call.log.replies
    assert call.llm.calls == len(call.llm.requests) > 1
    first_done = next(k for k, request in enumerate(call.llm.requests) if request.written_tokens)
    assert call.prefixes[first_done] == 0
    assert all(read >= 1024 for read in call.prefixes[first_done + 1 :])
    assert [request.setup for request in call.llm.requests] == [True] + [False] * (call.llm.calls - 1)


@where_clock_is_virtual
def test_the_requests_show_the_calls_that_preemptive_generation_gave_up() -> None:
    call = Call()
    assert len(call.llm.requests) == len(call.log.of_kind("llm_starts")) > len(call.log.replies) > 0
    assert {request.outcome for request in call.llm.requests} == {"done"}  # given up when it was written
    slow = Call(provider=LLM.model_copy(update={"tokens_per_s": 4.0}))
    first = slow.llm.requests[0]
    assert first.outcome == "discarded"
    assert 0 < first.completion_tokens < call.llm.requests[0].completion_tokens
    assert first.prompt_tokens == call.llm.requests[0].prompt_tokens


@where_clock_is_virtual
def test_instructions_that_change_each_turn_are_never_found() -> None:
    call = Call(on_top=True)
    finished = [request for request in call.llm.requests if request.outcome == "done"]
    stable = [request for request in Call().llm.requests if request.outcome == "done"]
    assert sum(r.read_tokens for r in finished) < sum(r.read_tokens for r in stable)


@where_clock_is_virtual
def test_warm_connections_are_open_before_the_first_turn() -> None:
    cold, warm = Call(), Call(prewarms=True)
    for part in (warm.llm, warm.tts):
        assert not any(request.setup for request in part.requests)
    assert cold.llm.requests[0].setup
    assert cold.tts.requests[0].setup
    # The TTS's connection is opened with the LLM's first token: only what is left of it is waited for.
    waited_s = cold.tts.requests[0].network_s - warm.tts.requests[0].network_s
    assert 0 < waited_s < SETUP.setup.p50_s
    firsts = [call.log.replies[0].stages["tts_node_ttfb"] for call in (warm, cold)]
    assert firsts[1] - firsts[0] == pytest.approx(waited_s, abs=1e-6)


@where_clock_is_virtual
def test_a_far_region_costs_a_round_trip_per_request() -> None:
    near, far = Call(prewarms=True), Call(FAR, prewarms=True)
    answers = [call.log.replies[1].stages["e2e_latency"] for call in (near, far)]
    assert answers[1] - answers[0] == pytest.approx(2 * (0.09 - 0.01), abs=1e-3)  # LLM and TTS
    for call, region in ((near, NEAR), (far, FAR)):
        trips = [request.network_s for request in call.llm.requests]
        assert trips == pytest.approx([region.round_trip.p50_s] * len(trips))


@where_clock_is_virtual
def test_batch_recognition_says_nothing_before_the_utterance_is_over() -> None:
    batch = Call(stt_timing=stt_timing_of(STT, NEAR, streaming=False))
    streaming = Call()
    finals = [event.data["final"] for event in batch.log.of_kind("transcript")]
    assert finals
    assert all(finals)
    assert not all(event.data["final"] for event in streaming.log.of_kind("transcript"))
    heard = [
        [event.time_s for event in call.log.of_kind("transcript") if event.data["final"]]
        for call in (streaming, batch)
    ]
    later_s = BATCH_SILENCE_S + STT.batch.p50_s - STT.final.p50_s
    assert np.subtract(heard[1], heard[0])[1:] == pytest.approx([later_s] * (len(heard[0]) - 1), abs=1e-3)
    assert heard[1][0] - heard[0][0] == pytest.approx(later_s + SETUP.setup.p50_s, abs=1e-3)


@where_clock_is_virtual
def test_the_first_turn_of_a_late_caller_is_late_by_the_join_unless_buffered() -> None:
    join_s = 0.15
    on_time, buffered, late = Call(), Call(join_s=join_s), Call(join_s=join_s, prebuffered=False)
    first = on_time.moments("user_ends")[0]
    assert late.moments("user_ends")[0] == pytest.approx(first + join_s, abs=2e-3)
    assert late.moments("commit")[0] == pytest.approx(on_time.moments("commit")[0] + join_s, abs=2e-3)
    stopped = [call.log.of_kind("commit")[0].data["last_speaking_s"] for call in (on_time, late)]
    assert stopped[1] == pytest.approx(stopped[0] + join_s, abs=2e-3)
    assert buffered.moments("user_ends")[0] == pytest.approx(first, abs=2e-3)
    assert buffered.moments("commit") == pytest.approx(on_time.moments("commit"), abs=2e-3)
    assert late.moments("commit")[-1] == pytest.approx(on_time.moments("commit")[-1], abs=2e-3)
    assert Call(join_s=0.0, prebuffered=False).log.events == on_time.log.events


@where_clock_is_virtual
def test_a_reactive_caller_can_be_late_too() -> None:
    on_time = Call(mode="reactive")
    late = Call(mode="reactive", join_s=0.2, prebuffered=False)
    assert late.moments("caller_starts")[0] == on_time.moments("caller_starts")[0]
    assert late.moments("commit")[0] == pytest.approx(on_time.moments("commit")[0] + 0.2, abs=2e-3)


@where_clock_is_virtual
def test_the_same_seed_gives_the_same_session() -> None:
    one, two = (Call(FAR, join_s=0.2, prebuffered=False) for _ in range(2))
    assert one.log.events == two.log.events
    assert one.llm.requests == two.llm.requests


@on_virtual_clock
async def test_two_models_of_a_run_have_streams_caches_and_connections_of_their_own() -> None:
    spread = LLM.model_copy(update={"ttft": Delay(0.2, 0.6)})
    large, small = (simulated_llm(spread, NEAR, part=part) for part in ("large", "small"))
    assert large._ttft.sample(large._rng) != small._ttft.sample(small._rng)
    assert large._connection is not small._connection
    assert large._cache is not small._cache
    assert large.model == "brain"


@on_virtual_clock
async def test_a_tool_takes_its_time_and_tells_what_became_of_each_call() -> None:
    latency = Delay(0.3, 0.9)
    expected = Draws(2, "tool")
    delays = [latency.sample(expected.rng(argument)) for argument in ("1", "7", "8")]
    tool = SimulatedTool(latency, seed=2, answer="{argument} is on its way")
    cancelled = asyncio.create_task(tool("1"))
    await asyncio.sleep(0.01)
    assert tool.running == 1
    cancelled.cancel()
    assert await tool("7") == "7 is on its way"
    start_s = asyncio.get_running_loop().time()
    assert await asyncio.gather(tool("8")) == ["8 is on its way"]
    assert asyncio.get_running_loop().time() - start_s == pytest.approx(delays[2], abs=1e-6)
    assert [(call.argument, call.outcome) for call in tool.calls] == [
        ("1", "cancelled"),
        ("7", "done"),
        ("8", "done"),
    ]
    done = tool.calls[1]
    assert done.end_s is not None
    assert done.end_s - done.at_s == pytest.approx(delays[1], abs=1e-6)
    assert tool.running == 0


@pytest.mark.parametrize("join_s", [-0.1, 11.0, float("nan")])
def test_an_impossible_join_is_refused(join_s: float) -> None:
    with pytest.raises(ValueError, match="join_s is"):
        SessionJob(short_call(), Settings(), join_s=join_s)


def test_a_join_needs_to_know_when_the_caller_speaks() -> None:
    with pytest.raises(ValueError, match="join_s needs labels"):
        SessionJob(replace(short_call(), labels=None), Settings(), stt=ScriptedSTT, join_s=0.1)


@on_virtual_clock
async def test_a_judge_takes_its_time() -> None:
    judge = SimulatedJudge(Judge(verdict=Delay(0.4), origin=HERE))
    start_s = asyncio.get_running_loop().time()
    await judge("Sure.")
    assert asyncio.get_running_loop().time() - start_s == pytest.approx(0.4, abs=1e-6)
    assert [call.outcome for call in judge.calls] == ["done"]

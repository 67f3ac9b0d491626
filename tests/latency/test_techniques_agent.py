"""The stacked agent in real sessions: what each switch does, alone and together, and what can go wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm
from stacked_calls import FINAL_S, SLOT_S, Backend, Call, call, prompts_of, scripted
from virtual import where_clock_is_virtual

from lab_utils.core.settings import Settings
from lab_utils.core.traces import SttEvent
from lab_utils.latency.techniques.agent import AgentParts, StackedAgent
from lab_utils.latency.techniques.choice import NAMES, Techniques
from lab_utils.latency.techniques.semantic_cache import SemanticCache
from lab_utils.latency.techniques.tool_prefetch import LookUp
from lab_utils.session.providers.schema import Origin, PromptCache
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
from lab_utils.session.scripted.prompt_cache import PrefixCache
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.session.scripted.usage import LlmRequest

WHERE = "Where is order 7?"
OPENING = "What are your opening hours?"
NINE = "We open at nine."
LONG = "First of all, good morning. " + "And then there is a lot more that I would like to tell you. " * 3


def order_in(text: str) -> str | None:
    """The cue of the look-up: an order's number."""
    _, _, number = text.partition("order ")
    return number.strip(" ?.") or None


def asks(query: str = "7") -> ScriptedLLM:
    return scripted(ToolRequest("look_up", {"query": query}, "I see: {output}."))


def looks_up(backend: Any) -> dict[str, LookUp]:
    return {"look_up": LookUp("Looks an order up.", backend, order_in)}


def cache(tenant: str = "acme") -> SemanticCache:
    filled = SemanticCache()
    filled.store(tenant, OPENING, NINE)
    return filled


def one(techniques: Techniques, text: str, **parts: Any) -> Call:
    done = call(techniques, text, **parts)
    assert len(done.log.of_kind("commit")) == 1
    assert done.left == []
    return done


# --- 1 streaming STT ------------------------------------------------------------------------------


@where_clock_is_virtual
def test_streaming_starts_the_reply_before_the_commit_and_batch_after() -> None:
    early, late = one(Techniques.of("streaming_stt", "async_evaluation"), WHERE), one(Techniques(), WHERE)
    assert early.times("llm_starts")[0] < early.times("commit")[0]
    assert late.times("llm_starts")[0] >= late.times("commit")[0]


@where_clock_is_virtual
def test_where_the_stt_decides_turns_a_final_alone_starts_no_reply_and_a_preflight_does() -> None:
    final = [SttEvent(FINAL_S, "final", "Good morning."), SttEvent(2.4, "end_of_speech", "")]
    for before, early in (([], False), ([SttEvent(1.8, "preflight", "Good morning.")], True)):
        events = [SttEvent(0.3, "start_of_speech", ""), *before, *final]
        done = one(
            Techniques.of("streaming_stt"), "", events=events, settings=Settings().replace(detector="stt")
        )
        assert (done.times("llm_starts")[0] < done.times("commit")[0]) == early


@where_clock_is_virtual
def test_the_agents_switch_overrides_the_sessions_setting() -> None:
    handling = Settings().replace(detector="vad")
    off = handling.preemptive.model_copy(update={"enabled": False})
    settings = handling.model_copy(update={"preemptive": off})
    done = one(Techniques.of("streaming_stt"), WHERE, settings=settings)
    assert done.times("llm_starts")[0] < done.times("commit")[0]


# --- 2 token streaming ----------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_buffered_reply_is_spoken_when_its_last_token_is_there() -> None:
    def wait_s(techniques: Techniques) -> float:
        return one(techniques, WHERE, llm_parts={"large": scripted(LONG)}).waits_s[0]

    streamed = wait_s(Techniques.of("token_streaming"))
    whole = wait_s(Techniques())
    assert whole - streamed > len(LONG.split()) / 60 / 2  # at 60 tokens per second
    mistaken = Techniques.of("token_streaming", mistakes=frozenset({"buffered_reply"}))
    assert wait_s(mistaken) == pytest.approx(whole, abs=1e-6)


# --- 3 and 11 prompt caches -----------------------------------------------------------------------


def prompts(techniques: Techniques) -> list[list[str]]:
    """The texts of the prompts of three turns."""
    asked: list[llm.ChatContext] = []
    call(techniques, "One?", "Two?", "Three?", llm_parts={"large": scripted(prompts_of(asked))})
    return [[message.text_content or "" for message in prompt.messages()] for prompt in asked]


def shared(one: list[str], other: list[str]) -> int:
    """How many messages two prompts begin with alike."""
    return next(
        (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@where_clock_is_virtual
def test_prompts_begin_alike_with_prefix_caching_and_with_a_time_without() -> None:
    first, second, third = prompts(Techniques.of("prefix_caching", "kv_cache_reuse"))
    assert first[0] == "Be brief."
    assert shared(first, second) == 2  # instructions and the first question; the time comes last
    assert shared(second, third) == 4
    assert first[-1].startswith("It is now ")
    assert first[-1] != second[-1]
    for techniques in (
        Techniques.of("kv_cache_reuse"),
        Techniques.of("prefix_caching", "kv_cache_reuse", mistakes=frozenset({"timestamp_on_top"})),
    ):
        first, second, _ = prompts(techniques)
        assert shared(first, second) == 0
        assert first[0].startswith("It is now ")
        assert first[0].endswith("Be brief.")


@where_clock_is_virtual
def test_a_rewritten_history_shares_the_instructions_only() -> None:
    _, second, third = prompts(Techniques.of("prefix_caching"))
    assert shared(second, third) == 1
    assert "One?" in second[1]  # nothing is lost of it
    assert second[1] != "One?"
    assert second[3] == "Two?"


def tokens_read(techniques: Techniques, part: str = "large") -> list[int]:
    """Of the prompts of four turns, the tokens that a provider's cache held."""
    rules = PromptCache(min_tokens=100, origin=Origin(source="made up"))
    model = scripted("Yes. " * 20, cache=PrefixCache(rules), mark_cache=True)
    other = scripted("Okay. " * 20, 0.1, cache=PrefixCache(rules), mark_cache=True)
    done = call(
        techniques,
        WHERE,
        "Yes, please.",
        "And why?",
        "Okay.",
        llm_parts={"large": model, "small": other},
        instructions="You answer calls about orders, returns and shipping. " * 20,
    )
    requests: list[LlmRequest] = getattr(done.agent.parts, part).requests
    return [request.read_tokens for request in requests]


@where_clock_is_virtual
def test_a_providers_cache_holds_what_the_techniques_keep_as_it_was() -> None:
    prefix, both = ("prefix_caching",), ("prefix_caching", "kv_cache_reuse")
    first, *instructions = tokens_read(Techniques.of(*prefix))
    assert first == 0
    # The rewritten history matches nowhere, but for a bracket.
    assert 160 <= min(instructions) <= max(instructions) <= min(instructions) + 1
    first, second, third, fourth = tokens_read(Techniques.of(*both))
    assert first == 0
    assert max(instructions) <= second < third < fourth
    assert fourth > max(instructions) + 40
    assert tokens_read(Techniques.of("kv_cache_reuse")) == [0, 0, 0, 0]
    mistaken = Techniques.of(*both, mistakes=frozenset({"timestamp_on_top"}))
    assert tokens_read(mistaken) == [0, 0, 0, 0]


@where_clock_is_virtual
def test_routing_gives_each_model_a_cache_of_its_own_to_warm() -> None:
    one = tokens_read(Techniques.of("prefix_caching", "kv_cache_reuse"))
    routed = Techniques.of("prefix_caching", "kv_cache_reuse", "short_turn_models")
    large, small = tokens_read(routed), tokens_read(routed, "small")
    assert [len(large), len(small)] == [2, 2]
    assert large[0] == small[0] == 0
    assert sum(large) + sum(small) < sum(one)


@where_clock_is_virtual
def test_neither_is_seen_in_the_history() -> None:
    done = call(Techniques(), "One?", "Two?")
    assert done.history == [("user", "One?"), ("assistant", "Yes."), ("user", "Two?"), ("assistant", "Yes.")]
    assert [m.text_content for m in done.agent.chat_ctx.messages()][:2] == ["Be brief.", "One?"]


# --- 4 and 9 routing ------------------------------------------------------------------------------


@where_clock_is_virtual
def test_the_turn_log_says_which_model_answered() -> None:
    routing = Techniques.of("model_routing", "short_turn_models", "streaming_stt")
    done = call(routing, "Yes, okay.", "Cancel my entire order.", "My name is Miller.", WHERE)
    expected = [f"answered by {model}" for model in ("small", "large", "small", "large")]
    assert done.told("model_routing") == expected
    assert done.agent.parts.small.calls == 2
    said = [text for role, text in done.history if role == "assistant"]
    assert said == ["Okay.", "Yes.", "Okay.", "Yes."]


@where_clock_is_virtual
def test_livekits_report_names_the_model_that_answered() -> None:
    small = scripted("Okay.", 0.1, model="tiny")
    for early in ([], ["streaming_stt"]):
        routing = Techniques.of("short_turn_models", *early)
        done = call(routing, "Yes, okay.", WHERE, "Yes.", llm_parts={"small": small})
        items = done.log.report["chat_history"]["items"]
        replies = [one for one in items if one["type"] == "message" and one["role"] == "assistant"]
        names = [one["metrics"]["llm_metadata"]["model_name"] for one in replies]
        assert names == ["tiny", "scripted-llm", "tiny"]


@where_clock_is_virtual
def test_the_small_models_calls_are_in_livekits_metrics() -> None:
    done = one(Techniques.of("short_turn_models", "token_streaming"), "Yes.")
    assert len(done.times("llm_starts")) == 1
    assert done.log.replies[-1].stages["llm_node_ttft"] == pytest.approx(0.1, abs=0.01)


@where_clock_is_virtual
def test_a_small_model_that_fails_is_noticed_by_the_session() -> None:
    small = scripted("Okay.", 0.1, fail_after_tokens=0)
    done = one(Techniques.of("short_turn_models"), "Yes.", llm_parts={"small": small}, fails=True)
    assert any(event.data["source"] == "llm_error" for event in done.log.of_kind("error"))


# --- 5 prefetch -----------------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_prefetched_tool_saves_what_it_takes() -> None:
    cold_backend, backend = Backend(), Backend()
    cold = one(Techniques(), WHERE, llm_parts={"large": asks()}, look_ups=looks_up(cold_backend))
    ahead = one(
        Techniques.of("tool_prefetch"), WHERE, llm_parts={"large": asks()}, look_ups=looks_up(backend)
    )
    assert ahead.told("tool_prefetch") == ["prefetched", "hit"]
    assert backend.calls == cold_backend.calls == ["7"]
    # It runs while the model writes its request: 0.4 s to the first token, and the request's tokens.
    request_s = ahead.times("tool_starts")[0] - ahead.times("llm_starts")[0]
    assert cold.waits_s[0] - ahead.waits_s[0] == pytest.approx(min(request_s, 0.5), abs=0.01)
    assert ahead.log.replies[-1].agent_text == "I see: order 7 is on its way."


@where_clock_is_virtual
def test_a_look_up_that_the_model_does_not_ask_for_is_cancelled() -> None:
    backend = Backend(takes_s=3.0)
    done = one(Techniques.of("tool_prefetch"), WHERE, look_ups=looks_up(backend))
    assert done.told("tool_prefetch") == ["prefetched", "unused"]
    assert backend.cancelled == ["7"]
    assert done.agent._prefetch.running == 0


@where_clock_is_virtual
def test_a_model_that_asks_otherwise_gets_what_it_asked_for() -> None:
    backend = Backend(takes_s=3.0)
    done = one(
        Techniques.of("tool_prefetch"), WHERE, llm_parts={"large": asks("8")}, look_ups=looks_up(backend)
    )
    assert (backend.calls, backend.cancelled, backend.ended) == (["7", "8"], ["7"], ["8"])
    assert done.told("tool_prefetch") == ["prefetched", "cancelled", "called cold"]
    assert done.log.replies[-1].agent_text == "I see: order 8 is on its way."


@where_clock_is_virtual
def test_with_preemptive_generation_the_look_up_starts_before_the_commit_and_once() -> None:
    backend = Backend(takes_s=0.2)
    done = one(
        Techniques.of("tool_prefetch", "streaming_stt"),
        WHERE,
        llm_parts={"large": asks()},
        look_ups=looks_up(backend),
    )
    started = next(note.at_s for note in done.agent.notes if note.what == "prefetched")
    committed = next(note.at_s for note in done.agent.notes if note.what.startswith("answered by"))
    assert started < committed
    assert backend.calls == ["7"]
    assert done.told("tool_prefetch") == ["prefetched", "hit"]


@where_clock_is_virtual
def test_a_turn_that_goes_on_replaces_the_look_up() -> None:
    backend = Backend(takes_s=3.0)
    events = [SttEvent(1.2, "final", "Where is order 7"), SttEvent(FINAL_S, "final", "7?")]
    done = one(
        Techniques.of("tool_prefetch", "streaming_stt"),
        "",
        events=events,
        llm_parts={"large": asks("7 7")},
        look_ups=looks_up(backend),
    )
    assert backend.calls == ["7", "7 7"]
    assert (backend.cancelled, backend.ended) == (["7"], ["7 7"])
    assert done.log.replies[-1].agent_text == "I see: order 7 7 is on its way."


@where_clock_is_virtual
def test_the_same_words_in_two_turns_are_looked_up_twice() -> None:
    backend = Backend()
    on = Techniques.of("tool_prefetch", "streaming_stt")
    done = call(on, WHERE, WHERE, llm_parts={"large": asks()}, look_ups=looks_up(backend))
    assert backend.calls == ["7", "7"]
    assert done.told("tool_prefetch") == ["prefetched", "hit", "prefetched", "hit"]


@where_clock_is_virtual
def test_a_look_up_that_fails_ahead_is_tried_again_when_asked_for() -> None:
    backend = Backend(takes_s=0.1, fails=1)
    done = one(Techniques.of("tool_prefetch"), WHERE, llm_parts={"large": asks()}, look_ups=looks_up(backend))
    assert backend.calls == ["7", "7"]
    assert done.log.replies[-1].agent_text == "I see: order 7 is on its way."
    assert any(what.startswith("failed ahead: ConnectionError") for what in done.told("tool_prefetch"))


@where_clock_is_virtual
def test_a_look_up_that_always_fails_is_an_error_that_the_model_reads() -> None:
    backend = Backend(takes_s=0.1, fails=9)
    done = one(Techniques.of("tool_prefetch"), WHERE, llm_parts={"large": asks()}, look_ups=looks_up(backend))
    assert "look_up is not available: ConnectionError: the backend is down" in done.log.replies[-1].agent_text


@where_clock_is_virtual
def test_a_look_up_that_hangs_costs_its_time_limit_and_not_the_call() -> None:
    backend = Backend(hangs=1)
    done = one(
        Techniques.of("tool_prefetch"),
        WHERE,
        llm_parts={"large": asks()},
        look_ups=looks_up(backend),
        tail_s=20.0,
    )
    assert backend.calls == ["7", "7"]
    assert done.log.replies[-1].agent_text == "I see: order 7 is on its way."
    assert 8.0 < done.waits_s[0] < 10.0


@where_clock_is_virtual
def test_a_call_that_ends_in_mid_look_up_leaves_nothing() -> None:
    backend = Backend(hangs=9)
    done = call(
        Techniques.of("tool_prefetch", "streaming_stt"),
        "",
        events=[SttEvent(FINAL_S, "final", WHERE)],
        llm_parts={"large": scripted(never_answers=True)},
        look_ups=looks_up(backend),
        tail_s=0.0,
    )
    assert backend.calls == ["7"]
    assert backend.cancelled == ["7"]
    assert done.left == []
    assert done.agent._prefetch.running == 0


@where_clock_is_virtual
def test_a_caller_who_speaks_into_the_silence_ends_the_look_up() -> None:
    for on in (("tool_prefetch",), ("tool_prefetch", "streaming_stt")):
        backend = Backend(takes_s=30.0)
        slow = scripted(ttft_s=30.0)
        techniques = Techniques.of(*on)
        done = call(techniques, WHERE, "Never mind.", llm_parts={"large": slow}, look_ups=looks_up(backend))
        (cancelled,) = [note.at_s for note in done.agent.notes if note.what == "unused"]
        begun = next(note.at_s for note in done.agent.notes if note.what == "prefetched")
        assert backend.cancelled == ["7"]
        assert cancelled - begun < SLOT_S + 0.5
        assert done.left == []


@where_clock_is_virtual
def test_a_reply_that_fails_ends_the_look_up_at_once() -> None:
    for on in (("tool_prefetch",), ("tool_prefetch", "streaming_stt")):
        backend = Backend(takes_s=30.0)
        broken = scripted(fail_after_tokens=1, fails=1)
        done = call(
            Techniques.of(*on), WHERE, llm_parts={"large": broken}, look_ups=looks_up(backend), fails=True
        )
        begun, ended = [note for note in done.agent.notes if note.technique == "tool_prefetch"]
        assert (begun.what, ended.what) == ("prefetched", "unused")
        assert ended.at_s - begun.at_s < 0.5  # not the look-up's own limit of 8 s, nor the next turn


@where_clock_is_virtual
def test_the_same_words_said_again_into_the_silence_are_looked_up_anew() -> None:
    for on in (("tool_prefetch",), ("tool_prefetch", "streaming_stt")):
        backend = Backend(takes_s=30.0)
        slow = scripted(ttft_s=30.0)
        done = call(Techniques.of(*on), WHERE, WHERE, llm_parts={"large": slow}, look_ups=looks_up(backend))
        assert done.told("tool_prefetch") == ["prefetched", "unused"] * 2
        assert backend.calls == backend.cancelled == ["7", "7"]


@where_clock_is_virtual
def test_a_reply_made_anew_after_the_commit_keeps_the_look_up() -> None:
    class Tidies(StackedAgent):
        async def on_user_turn_completed(
            self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
        ) -> None:
            await super().on_user_turn_completed(turn_ctx, new_message)
            turn_ctx.add_message(role="system", content="Be kind.")

    backend = Backend(takes_s=2.0)
    done = one(
        Techniques.of("tool_prefetch", "streaming_stt"),
        WHERE,
        llm_parts={"large": asks()},
        look_ups=looks_up(backend),
        agent_class=Tidies,
    )
    assert done.told("tool_prefetch") == ["prefetched", "hit"]


@where_clock_is_virtual
def test_what_the_cache_answers_is_not_looked_up() -> None:
    filled = SemanticCache()
    filled.store("acme", WHERE, "In the post.")
    for on in (("tool_prefetch", "semantic_cache"), NAMES):
        backend = Backend()
        done = one(
            Techniques.of(*on), WHERE, look_ups=looks_up(backend), cache=filled, tenant="acme", judge=judge
        )
        assert done.history[-1] == ("assistant", "In the post.")
        assert backend.calls == []


@where_clock_is_virtual
def test_leaked_prefetches_pile_up_and_answer_the_wrong_turn() -> None:
    backend = Backend(takes_s=1.0)
    replies = ["Sure.", ToolRequest("look_up", {"query": "8"}, "I see: {output}.")]
    careless = Techniques.of("tool_prefetch", mistakes=frozenset({"leaked_prefetch"}))

    def spoken(techniques: Techniques) -> str:
        done = call(
            techniques, WHERE, "And the other?", llm_parts={"large": ScriptedLLM(replies)},
            look_ups=looks_up(backend),
        )  # fmt: skip
        return done.log.replies[-1].agent_text

    assert spoken(careless) == "I see: order 7 is on its way."  # asked for 8
    assert backend.cancelled == []
    assert spoken(careless.without("tool_prefetch")) == "I see: order 8 is on its way."


# --- 7 evaluation ---------------------------------------------------------------------------------


async def judge(_: str) -> None:
    await asyncio.sleep(1.0)


@where_clock_is_virtual
def test_an_inline_judge_delays_the_reply_and_an_asynchronous_one_does_not() -> None:
    alone = one(Techniques(), WHERE).waits_s[0]
    inline = one(Techniques(), WHERE, judge=judge)
    aside = one(Techniques.of("async_evaluation"), WHERE, judge=judge)
    assert inline.waits_s[0] - alone == pytest.approx(1.0, abs=1e-3)
    assert aside.waits_s[0] == pytest.approx(alone, abs=1e-3)
    for done in (inline, aside):
        assert done.agent.judging is not None
        assert [verdict.outcome for verdict in done.agent.judging.verdicts] == ["done"]


@where_clock_is_virtual
def test_preemptive_generation_hides_the_model_behind_an_inline_judge() -> None:
    alone = one(Techniques.of("streaming_stt"), WHERE).waits_s[0]
    inline = one(Techniques.of("streaming_stt"), WHERE, judge=judge).waits_s[0]
    assert 0.5 < inline - alone < 0.8  # of 1.0 s; the model takes 0.4 s and a few tokens


@where_clock_is_virtual
def test_a_judge_that_fails_or_hangs_harms_no_turn() -> None:
    async def fails(_: str) -> None:
        raise ConnectionError("no judge")

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    for techniques in (Techniques(), Techniques.of("async_evaluation")):
        for broken in (fails, hangs):
            done = one(techniques, WHERE, judge=broken, tail_s=8.0)
            assert done.log.replies[-1].agent_text == "Yes."


# --- 8 warm-up ------------------------------------------------------------------------------------


@where_clock_is_virtual
def test_livekit_warms_up_both_models_that_may_answer() -> None:
    class Warm(ScriptedLLM):
        warmed = 0

        def prewarm(self, **_: Any) -> None:
            self.warmed = 1

    def warmed(techniques: Techniques) -> tuple[int, int]:
        large, small = Warm(["Yes."]), Warm(["Okay."])
        one(techniques, WHERE, llm_parts={"large": large, "small": small})
        return large.warmed, small.warmed

    assert warmed(Techniques.of("short_turn_models")) == (1, 1)
    assert warmed(Techniques()) == (1, 0)


# --- 10 semantic cache ----------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_hit_is_said_without_any_model_and_remembered() -> None:
    for on in (("semantic_cache",), ("semantic_cache", "streaming_stt"), NAMES):
        done = one(Techniques.of(*on), "what are your opening hours", cache=cache(), tenant="acme")
        assert done.agent.parts.large.calls == done.agent.parts.small.calls == 0
        assert done.told("semantic_cache") == ["hit"]
        assert done.history == [("user", "what are your opening hours"), ("assistant", NINE)]
        said = [(m.role, m.text_content) for m in done.agent.chat_ctx.messages()]
        assert said == [("system", "Be brief."), *done.history]
        (reply,) = done.log.replies
        assert reply.commit_s == pytest.approx(done.times("commit")[0])


@where_clock_is_virtual
def test_the_second_time_the_answer_needs_no_speech_synthesis() -> None:
    filled = cache()
    done = call(Techniques.of("semantic_cache"), OPENING, OPENING, cache=filled, tenant="acme")
    assert done.speech.calls == 1
    assert done.waits_s[0] == pytest.approx(0.2, abs=0.01)  # the TTS's
    assert done.waits_s[1] < 0.01
    assert [text for _, text in done.history] == [OPENING, NINE, OPENING, NINE]
    again = one(Techniques.of("semantic_cache"), OPENING, cache=filled, tenant="acme")
    assert again.speech.calls == 0


@where_clock_is_virtual
def test_an_answer_that_was_cut_short_is_not_kept() -> None:
    filled = SemanticCache()
    filled.store("acme", OPENING, LONG)
    events = [SttEvent(FINAL_S, "final", OPENING), SttEvent(SLOT_S + FINAL_S, "final", "Stop, stop.")]
    call(
        Techniques.of("semantic_cache"), "", events=events, cache=filled, tenant="acme",
        speech=ScriptedTTS(voice="tone", speed=0.5),
    )  # fmt: skip
    hit = filled.lookup("acme", OPENING)
    assert hit is not None
    assert hit.audio == ()


@where_clock_is_virtual
def test_what_the_cache_does_not_hold_is_answered_by_the_model() -> None:
    done = one(Techniques.of("semantic_cache"), WHERE, cache=cache(), tenant="acme")
    assert done.told("semantic_cache") == ["miss"]
    assert done.history[-1] == ("assistant", "Yes.")


@where_clock_is_virtual
def test_another_tenants_answer_is_never_given_except_by_the_mistake() -> None:
    other = one(Techniques.of("semantic_cache"), OPENING, cache=cache("globex"), tenant="acme")
    assert other.history[-1] == ("assistant", "Yes.")
    careless = SemanticCache(one_key_for_all=True)
    careless.store("globex", OPENING, NINE)
    mistaken = Techniques.of("semantic_cache", mistakes=frozenset({"shared_cache"}))
    done = one(mistaken, OPENING, cache=careless, tenant="acme")
    assert done.history[-1] == ("assistant", NINE)


# --- preemptive generation and the hook -----------------------------------------------------------


@where_clock_is_virtual
def test_an_edited_turn_context_costs_the_preemptive_reply_and_the_stack_does_not_edit_it() -> None:
    class Tidies(StackedAgent):
        async def on_user_turn_completed(
            self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
        ) -> None:
            await super().on_user_turn_completed(turn_ctx, new_message)
            turn_ctx.add_message(role="system", content="Tidied up.")

    on = Techniques.of("streaming_stt", "token_streaming", "async_evaluation")
    kept, lost = one(on, WHERE), one(on, WHERE, agent_class=Tidies)
    assert (kept.agent.parts.large.calls, lost.agent.parts.large.calls) == (1, 2)
    assert lost.waits_s[0] > kept.waits_s[0]
    stacked = one(Techniques.everything(), WHERE, judge=judge, cache=cache(), tenant="acme")
    assert stacked.agent.parts.large.calls == 1


@where_clock_is_virtual
def test_the_whole_stack_is_faster_than_nothing() -> None:
    def wait_s(techniques: Techniques) -> float:
        parts = {"look_ups": looks_up(Backend()), "judge": judge, "cache": cache(), "tenant": "acme"}
        return one(techniques, WHERE, llm_parts={"large": asks()}, **parts).waits_s[0]

    assert wait_s(Techniques.everything()) < wait_s(Techniques()) - 1.0


# --- models that fail -----------------------------------------------------------------------------


@where_clock_is_virtual
def test_a_model_that_breaks_in_mid_sentence_costs_its_turn_only() -> None:
    for on in ((), ("token_streaming",), NAMES):
        backend = Backend(takes_s=3.0)
        done = call(
            Techniques.of(*on),
            WHERE,
            "And now?",
            llm_parts={"large": scripted("One two three. Four five.", fail_after_tokens=5, fails=1)},
            look_ups=looks_up(backend),
        )
        assert done.history[-1] == ("assistant", "One two three. Four five.")
        assert any("after 5 tokens" in str(event.data) for event in done.log.of_kind("error"))
        assert done.left == []
        assert done.agent._prefetch.running == 0
        assert len(backend.cancelled) == len(backend.calls)


# --- parts that don't fit -------------------------------------------------------------------------


def test_parts_that_contradict_each_other_are_refused() -> None:
    model = scripted()
    with pytest.raises(ValueError, match="a cache without tenant; say whose answers"):
        AgentParts("Be brief.", model, model, cache=SemanticCache())
    careless = AgentParts("Be brief.", model, model, cache=SemanticCache(one_key_for_all=True), tenant="acme")
    with pytest.raises(ValueError, match="one_key_for_all=True, but the mistake shared_cache is off"):
        StackedAgent(Techniques.of("semantic_cache"), careless)

    @llm.function_tool
    async def look_up(query: str) -> str:
        """Look up."""
        return query

    with pytest.raises(ValueError, match="'look_up' is in look_ups and in tools"):
        AgentParts("Be brief.", model, model, look_ups=looks_up(Backend()), tools=[look_up])

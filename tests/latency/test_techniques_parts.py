"""The small techniques, one function each, and the choice among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import AgentSession, llm

from lab_utils.latency.extras.judging import Judging
from lab_utils.latency.techniques import kv_cache_reuse, prefix_caching
from lab_utils.latency.techniques.choice import MISTAKES, NAMES, Techniques, livekit_default
from lab_utils.latency.techniques.intents import classify
from lab_utils.latency.techniques.model_routing import is_short_statement, model_for
from lab_utils.latency.techniques.switches import region, session_options, turn_handling
from lab_utils.latency.techniques.token_streaming import buffered

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def conversation(*said: str) -> llm.ChatContext:
    """Instructions, then user and assistant in turn."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be brief.")
    for number, text in enumerate(said):
        context.add_message(role="assistant" if number % 2 else "user", content=text)
    return context


def texts(context: llm.ChatContext) -> list[str]:
    return [message.text_content or "" for message in context.messages()]


# --- choice ---------------------------------------------------------------------------------------


@given(st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_leaving_one_out_leaves_the_others(on: set[str], left_out: str) -> None:
    techniques = Techniques.of(*on)  # type: ignore[arg-type]
    assert set(techniques.without(left_out).on) == on - {left_out}  # type: ignore[arg-type]


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_needs_its_technique_and_goes_with_it(mistake: str) -> None:
    with pytest.raises(
        ValueError, match=f"the mistake {mistake} is one of {MISTAKES[mistake]}, which is off"
    ):  # type: ignore[index]
        Techniques(mistakes=frozenset({mistake}))  # type: ignore[arg-type]
    stack = Techniques.of(*NAMES, mistakes=frozenset({mistake}))  # type: ignore[arg-type]
    assert stack.without(MISTAKES[mistake]).mistakes == frozenset()  # type: ignore[index]


def test_unknown_techniques_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown technique 'teleport'; techniques are streaming_stt, "):
        Techniques.of("teleport")  # type: ignore[arg-type]


def test_what_livekit_does_by_itself_depends_on_the_provider_for_caching_only() -> None:
    assert set(livekit_default(True).on) - set(livekit_default(False).on) == {"prefix_caching"}


# --- prompts --------------------------------------------------------------------------------------


def test_the_time_comes_first_or_last_and_nothing_else_changes() -> None:
    before = conversation("One?", "Yes.", "Two?")
    top = prefix_caching.with_time_on_top(before, NOON)
    end = prefix_caching.with_time_at_the_end(before, NOON)
    said = "It is now 2026-01-01 12:00:00.000+00:00."
    assert texts(top) == [f"{said}\n\nBe brief.", "One?", "Yes.", "Two?"]
    assert texts(end) == ["Be brief.", "One?", "Yes.", "Two?", said]
    assert texts(before) == ["Be brief.", "One?", "Yes.", "Two?"]
    assert texts(prefix_caching.with_time_on_top(llm.ChatContext.empty(), NOON)) == [said]


@given(st.lists(st.text(alphabet="abc ?", min_size=1), max_size=7))
def test_a_rewritten_history_keeps_every_text_in_its_place_and_the_newest_turn(said: list[str]) -> None:
    before = conversation(*said)
    after = kv_cache_reuse.rewritten(before)
    assert [item.id for item in after.items] == [item.id for item in before.items]
    assert all(new.endswith(old) for new, old in zip(texts(after), texts(before), strict=True))
    newest = max((k for k, m in enumerate(before.messages()) if m.role == "user"), default=0)
    assert texts(after)[newest:] == texts(before)[newest:]
    assert texts(after)[0] == "Be brief."
    assert texts(before)[1:] == said


def test_each_turn_rewrites_all_of_the_history_again() -> None:
    once = texts(kv_cache_reuse.rewritten(conversation("One?", "Yes.", "Two?")))
    twice = texts(kv_cache_reuse.rewritten(conversation("One?", "Yes.", "Two?", "No.", "Three?")))
    assert all(a != b for a, b in zip(once[1:], twice[1:], strict=False))


# --- routing --------------------------------------------------------------------------------------


def model(on: tuple[str, ...], text: str, needs_tool: bool = False) -> str:
    return model_for(Techniques.of(*on), text, classify(text), needs_tool)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "by_length", "by_intent", "by_both"),
    [
        ("Yes, okay.", "small", "small", "small"),
        ("Cancel my entire order.", "small", "large", "large"),
        ("My name is Miller.", "small", "large", "small"),
        ("When do you open", "small", "large", "large"),
        ("When?", "large", "large", "large"),
        ("Well, " * 20, "large", "small", "small"),
        ("I was there on Monday and nobody could tell me anything about it.", "large", "large", "large"),
        ("", "large", "large", "large"),
    ],
)
def test_models_by_length_by_intent_and_by_both(
    text: str, by_length: str, by_intent: str, by_both: str
) -> None:
    assert model(("model_routing",), text) == by_length
    assert model(("short_turn_models",), text) == by_intent
    assert model(("model_routing", "short_turn_models"), text) == by_both
    assert model((), text) == "large"


@given(st.text(), st.sets(st.sampled_from(NAMES)))
def test_a_turn_that_needs_a_tool_goes_to_the_large_model(text: str, on: set[str]) -> None:
    assert model(tuple(on), text, needs_tool=True) == "large"


def test_the_guides_rule_counts_characters() -> None:
    assert is_short_statement("x" * 59)
    assert not is_short_statement("x" * 60)
    assert not is_short_statement("Yes?")
    assert not is_short_statement("  ")


# --- the others -----------------------------------------------------------------------------------


def test_buffered_chunks_come_when_the_last_one_is_there_or_not_at_all() -> None:
    made: list[int] = []

    async def chunks(fails: bool) -> AsyncGenerator[int, None]:
        for number in range(3):
            made.append(number)
            yield number
        if fails:
            raise ConnectionError

    async def scenario() -> None:
        first = True
        async for number in buffered(chunks(False)):
            assert first is False or made == [0, 1, 2]
            assert number in (0, 1, 2)
            first = False
        with pytest.raises(ConnectionError):
            await anext(buffered(chunks(True)))

    asyncio.run(scenario())


def test_session_options_are_arguments_of_a_session() -> None:
    async def scenario() -> None:
        for on in (Techniques.everything(), Techniques()):
            AgentSession(**session_options(on), turn_handling=turn_handling(on))

    asyncio.run(scenario())
    assert session_options(Techniques()) == {}
    assert turn_handling(Techniques()) == {"preemptive_generation": {"enabled": False}}


def test_the_region_is_near_only_if_asked_for() -> None:
    assert (region(Techniques.of("regional_routing")), region(Techniques())) == ("near", "far")


def test_evaluation_is_awaited_only_if_the_technique_is_off() -> None:
    async def scenario() -> None:
        done: list[str] = []

        async def judge(text: str) -> None:
            await asyncio.sleep(0.01)
            done.append(text)

        for on, at_once in ((False, ["a"]), (True, [])):
            done.clear()
            judging = Judging(judge, inline=not on)
            await judging.turn("a")
            assert done == at_once
            await judging.aclose()
            assert done == ["a"]

    asyncio.run(scenario())

"""The scripted LLM: what it says, when, and how it fails."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import APIConnectionError, APIConnectOptions, llm
from virtual import on_both_clocks, on_virtual_clock

from lab_utils.core.delays import Delay, Draws, rng_for
from lab_utils.session import clock
from lab_utils.session.providers.schema import Origin, PromptCache
from lab_utils.session.scripted.connection import Connection
from lab_utils.session.scripted.llm import DEFAULT_REPLIES, ScriptedLLM, ToolRequest
from lab_utils.session.scripted.prompt import tokens_of
from lab_utils.session.scripted.prompt_cache import PrefixCache

ONCE = APIConnectOptions(max_retry=0)


@llm.function_tool
async def look_up(number: str) -> str:
    """Look something up."""
    return f"order {number}"


def conversation(*user_texts: str) -> llm.ChatContext:
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be brief.")
    for text in user_texts:
        context.add_message(role="user", content=text)
        context.add_message(role="assistant", content="Yes?")
    context.items.pop()
    return context


async def answer(script: ScriptedLLM, context: llm.ChatContext, **options: Any) -> llm.CollectedResponse:
    return await script.chat(chat_ctx=context, **options).collect()


async def timed(script: ScriptedLLM, context: llm.ChatContext) -> list[tuple[float, str]]:
    """The moments of all tokens, in seconds after the request."""
    loop = asyncio.get_running_loop()
    start_s, tokens = loop.time(), []
    async with script.chat(chat_ctx=context) as stream:
        async for chunk in stream:
            if chunk.delta and chunk.delta.content:
                tokens.append((loop.time() - start_s, chunk.delta.content))
    return tokens


@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    tokens = tokens_of(text)
    assert "".join(tokens) == text
    assert all(len(token.strip()) <= 6 for token in tokens)


def test_tokens_are_word_pieces() -> None:
    assert tokens_of("Certainly, at 19:30.") == ["Certai", "nly", ",", " at", " 19", ":", "30", "."]


@on_both_clocks
async def test_tokens_come_after_the_first_at_an_even_pace() -> None:
    script = ScriptedLLM(["one two three four"], ttft=Delay(0.1), tokens_per_s=50)
    tokens = await timed(script, conversation("Hello?"))
    exact = isinstance(asyncio.get_running_loop(), clock.VirtualLoop)
    assert [text for _, text in tokens] == ["one", " two", " three", " four"]
    for (moment_s, _), expected_s in zip(tokens, (0.1, 0.12, 0.14, 0.16), strict=True):
        assert -1e-6 <= moment_s - expected_s < (1e-6 if exact else 0.3)


@on_virtual_clock
async def test_each_user_turn_has_its_reply_and_the_last_repeats() -> None:
    script = ScriptedLLM(["first.", "second.", "third."])
    asked = [conversation(*"abcd"[:turns]) for turns in range(5)]
    said = [(await answer(script, context)).text for context in asked]
    assert said == ["first.", "first.", "second.", "third.", "third."]
    assert (await answer(ScriptedLLM(), conversation("a", "b"))).text == DEFAULT_REPLIES[1]


@on_virtual_clock
async def test_a_function_sees_the_whole_context() -> None:
    script = ScriptedLLM(lambda context: f"You said {context.messages()[-1].text_content}.")
    assert (await answer(script, conversation("a", "please"))).text == "You said please."


@on_virtual_clock
async def test_a_tool_is_called_and_its_output_told() -> None:
    script = ScriptedLLM(["Hello.", ToolRequest("look_up", {"number": "7"}, "I see {output}."), "Bye."])
    context = conversation("hello", "where is order 7?")
    asked = await answer(script, context, tools=[look_up])
    assert asked.text == ""
    (request,) = asked.tool_calls
    assert (request.name, json.loads(request.arguments)) == ("look_up", {"number": "7"})
    done = await llm.execute_function_call(request, llm.ToolContext([look_up]))
    assert done.fnc_call_out is not None
    context.insert([done.fnc_call, done.fnc_call_out])
    assert (await answer(script, context, tools=[look_up])).text == "I see order 7."
    context.add_message(role="user", content="Thanks.")
    assert (await answer(script, context, tools=[look_up])).text == "Bye."


@on_virtual_clock
async def test_a_preamble_is_said_before_the_call_which_comes_as_late_as_its_tokens_take() -> None:
    calls = []
    for preamble in ("", "One moment."):
        script = ScriptedLLM(
            [ToolRequest("look_up", {"number": "7"}, preamble=preamble)], ttft=Delay(0.4), tokens_per_s=10
        )
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        async with script.chat(chat_ctx=conversation("order 7?"), tools=[look_up]) as stream:
            chunks = [(loop.time() - start_s, chunk.delta) async for chunk in stream if chunk.delta]
        said = [(at_s, delta.content) for at_s, delta in chunks if delta.content]
        assert "".join(text for _, text in said) == preamble
        assert not said or said[0][0] == pytest.approx(0.4)
        (called_s,) = (at_s for at_s, delta in chunks if delta.tool_calls)
        calls.append(called_s - len(said) / 10)
    assert calls[0] == pytest.approx(calls[1])
    assert min(calls) > 0.4


@on_virtual_clock
async def test_a_function_that_always_asks_for_the_tool_gets_it_once_a_turn() -> None:
    script = ScriptedLLM(lambda context: ToolRequest("look_up", {"number": "1"}))
    context = conversation("order 1?")
    (request,) = (await answer(script, context, tools=[look_up])).tool_calls
    done = await llm.execute_function_call(request, llm.ToolContext([look_up]))
    assert done.fnc_call_out is not None
    context.insert([done.fnc_call, done.fnc_call_out])
    assert (await answer(script, context, tools=[look_up])).text == "I have looked that up for you: order 1."
    context.add_message(role="user", content="And again?")
    assert (await answer(script, context, tools=[look_up])).tool_calls


@on_virtual_clock
async def test_a_tool_that_must_not_be_called_is_answered_in_words() -> None:
    script = ScriptedLLM([ToolRequest("look_up", answer="I can't look up {output}.")])
    reply = await answer(script, conversation("a"), tools=[look_up], tool_choice="none")
    assert (reply.text, reply.tool_calls) == ("I can't look up nothing.", [])


@on_virtual_clock
async def test_a_tool_that_the_agent_lacks_is_an_error_that_names_both() -> None:
    script = ScriptedLLM([ToolRequest("cancel")])
    with pytest.raises(ValueError, match="calls the tool 'cancel', but the agent has look_up"):
        await answer(script, conversation("a"), tools=[look_up])


@on_virtual_clock
async def test_usage_counts_the_tokens_of_prompt_and_reply() -> None:
    script = ScriptedLLM(["Yes, now."])
    metrics: list[Any] = []
    script.on("metrics_collected", metrics.append)
    reply = await answer(script, conversation("Shall I come?"))
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3 + 4, 4)
    assert reply.usage.total_tokens == 11
    await asyncio.sleep(0)
    assert metrics[0].ttft == pytest.approx(0.35, abs=1e-6)
    assert metrics[0].completion_tokens == 4


@on_virtual_clock
async def test_call_k_has_the_same_delay_whatever_became_of_the_calls_before() -> None:
    ttft, context = Delay(0.3, 1.0), conversation("a")
    expected = rng_for(5, "llm")
    delays = [ttft.sample(expected) for _ in range(4)]
    patient, hasty = ScriptedLLM(ttft=ttft, seed=5), ScriptedLLM(ttft=ttft, seed=5)
    for k, delay_s in enumerate(delays):
        assert (await timed(patient, context))[0][0] == pytest.approx(delay_s, abs=1e-6)
        if k < 3:
            async with hasty.chat(chat_ctx=context):
                await asyncio.sleep(0.01 * k)
    assert (await timed(hasty, context))[0][0] == pytest.approx(delays[3], abs=1e-6)
    assert hasty.calls == 4
    assert (await timed(ScriptedLLM(ttft=ttft, seed=6), context))[0][0] != pytest.approx(delays[0])


@on_virtual_clock
async def test_drawn_by_what_is_asked_a_call_has_the_same_delay_whatever_else_is_asked() -> None:
    wide = Delay(0.3, 2.0)

    async def first_token(*asked: str) -> float:
        script = ScriptedLLM(["Yes."], ttft=wide, draws=Draws(5, "llm"))
        delays = [(await timed(script, conversation(text)))[0][0] for text in asked]
        return delays[-1]

    alone = await first_token("When?")
    assert await first_token("Where?", "When?") == pytest.approx(alone)
    assert await first_token("Where?") != pytest.approx(alone)


@on_virtual_clock
async def test_calls_at_the_same_time_do_not_disturb_each_other() -> None:
    script = ScriptedLLM(["one two"], ttft=Delay(0.2), tokens_per_s=10)
    both = await asyncio.gather(timed(script, conversation("a")), timed(script, conversation("a")))
    assert both[0] == both[1]


@on_virtual_clock
async def test_a_model_that_never_answers() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(answer(ScriptedLLM(never_answers=True), conversation("a")), 100.0)


@on_virtual_clock
async def test_a_connection_that_breaks_before_the_first_token_is_retried() -> None:
    script = ScriptedLLM(["Here."], fail_after_tokens=0, fails=2)
    errors: list[bool] = []
    script.on("error", lambda error: errors.append(error.recoverable))
    assert (await answer(script, conversation("a"))).text == "Here."
    assert errors == [True, True]


@on_virtual_clock
async def test_a_connection_that_breaks_in_mid_sentence_is_not_retried() -> None:
    script = ScriptedLLM(["One two three."], fail_after_tokens=2, fails=1)
    heard: list[str] = []

    async def listen() -> None:
        async with script.chat(chat_ctx=conversation("a")) as stream:
            async for chunk in stream:
                assert chunk.delta is not None
                heard.append(chunk.delta.content or "")

    with pytest.raises(APIConnectionError, match="after 2 tokens"):
        await listen()
    assert heard == ["One", " two"]
    assert (await answer(script, conversation("a"))).text == "One two three."


@on_virtual_clock
async def test_a_connection_that_always_breaks() -> None:
    script = ScriptedLLM(["Short."], fail_after_tokens=50)
    for _ in range(2):
        with pytest.raises(APIConnectionError, match="after 2 tokens"):
            await answer(script, conversation("a"), conn_options=ONCE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replies": "Hello."}, "one string, 'Hello.'.*put it in"),
        ({"replies": []}, "replies is empty"),
        ({"tokens_per_s": 0.0}, "tokens_per_s is 0.0"),
        ({"tokens_per_s": float("nan")}, "tokens_per_s is nan"),
        ({"fail_after_tokens": -1}, "fail_after_tokens is -1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScriptedLLM(**options)


def test_it_says_who_it_is() -> None:
    assert (ScriptedLLM().model, ScriptedLLM().provider) == ("scripted-llm", "offline")


# --- what a provider adds ---------------------------------------------------------------------------

RULES = " ".join(f"rule {n} holds" for n in range(400))


def cache(automatic: bool = True) -> PrefixCache:
    return PrefixCache(PromptCache(min_tokens=1024, automatic=automatic, origin=Origin(source="made up")))


def turn(number: int, instructions: str = RULES) -> llm.ChatContext:
    """The request of a conversation's turn, from 0 on."""
    context = conversation(*[f"turn {k}." for k in range(number + 1)])
    context.messages()[0].content = [instructions]
    return context


@on_virtual_clock
async def test_a_prompt_is_computed_once_and_then_read_from_the_cache() -> None:
    script = ScriptedLLM(["Yes."], ttft=Delay(0.2), prefill_s_per_1k=0.1, cache=cache())
    firsts = [(await timed(script, turn(number)))[0][0] for number in range(3)]
    for request, first_s in zip(script.requests, firsts, strict=True):
        assert first_s == pytest.approx(0.2 + 1e-4 * (request.prompt_tokens - request.read_tokens), abs=1e-6)
    reads = [request.read_tokens for request in script.requests]
    assert reads == [0, script.requests[0].prompt_tokens, script.requests[1].prompt_tokens]
    assert [r.read_tokens + r.written_tokens for r in script.requests] == [
        r.prompt_tokens for r in script.requests
    ]


@on_virtual_clock
async def test_usage_tells_of_the_cache_as_livekits_plugins_do() -> None:
    script = ScriptedLLM(["Yes."], cache=cache())
    await answer(script, turn(0))
    usage = (await answer(script, turn(1))).usage
    request = script.requests[1]
    assert usage is not None
    assert request.read_tokens > 0
    assert usage.prompt_cached_tokens == usage.cache_read_tokens == request.read_tokens
    assert usage.cache_creation_tokens == request.written_tokens
    assert usage.prompt_tokens == request.prompt_tokens


@on_virtual_clock
async def test_the_time_of_day_on_top_defeats_the_cache() -> None:
    script = ScriptedLLM(["Yes."], cache=cache())
    for number in range(3):
        await answer(script, turn(number, f"It is 12:0{number}. {RULES}"))
    assert [request.read_tokens for request in script.requests] == [0, 0, 0]


@on_virtual_clock
async def test_a_cache_that_is_not_automatic_needs_the_mark() -> None:
    for marked in (False, True):
        script = ScriptedLLM(["Yes."], cache=cache(automatic=False), mark_cache=marked)
        for number in range(2):
            await answer(script, turn(number))
        assert (script.requests[1].read_tokens > 0) is marked
        assert script.requests[1].marked is marked


@on_virtual_clock
async def test_a_prompt_given_up_before_its_first_token_is_not_in_the_cache() -> None:
    script = ScriptedLLM(["Yes, of course."], ttft=Delay(0.3), tokens_per_s=10, cache=cache())
    async with script.chat(chat_ctx=turn(0)):
        await asyncio.sleep(0.2)
    async with script.chat(chat_ctx=turn(0)):
        await asyncio.sleep(0.45)
    await answer(script, turn(0))
    assert [(r.outcome, r.completion_tokens) for r in script.requests] == [
        ("discarded", 0),
        ("discarded", 2),
        ("done", len(tokens_of("Yes, of course."))),
    ]
    assert [r.read_tokens > 0 for r in script.requests] == [False, False, True]
    assert script.calls == 3


@on_virtual_clock
async def test_requests_tell_of_failures() -> None:
    script = ScriptedLLM(["One two three."], fail_after_tokens=2, fails=1, model="a-model")
    with pytest.raises(APIConnectionError):
        await answer(script, conversation("a"), conn_options=ONCE)
    await answer(script, conversation("a"))
    assert [(r.outcome, r.completion_tokens) for r in script.requests] == [("failed", 2), ("done", 4)]
    assert {request.model for request in script.requests} == {"a-model"} == {script.model}


@on_virtual_clock
async def test_the_first_call_pays_the_connection_unless_it_is_warm() -> None:
    for prewarms in (False, True):
        connection = Connection(Delay(0.5), Delay(0.1), 60.0, rng_for(0, "llm connection"))
        script = ScriptedLLM(["Yes."], ttft=Delay(0.2), connection=connection, prewarms=prewarms)
        script.prewarm()
        await asyncio.sleep(1.0)
        firsts = [(await timed(script, conversation("a")))[0][0] for _ in range(2)]
        assert firsts == pytest.approx([0.3 if prewarms else 0.8, 0.3], abs=1e-6)
        assert [request.setup for request in script.requests] == [not prewarms, False]
        await asyncio.sleep(61.0)
        assert (await timed(script, conversation("a")))[0][0] == pytest.approx(0.8, abs=1e-6)


@on_virtual_clock
async def test_what_a_provider_adds_leaves_the_draws_as_they_are() -> None:
    ttft, context = Delay(0.3, 1.0), turn(0)
    plain = ScriptedLLM(["Yes."], ttft=ttft, seed=4)
    connection = Connection(Delay(0.5, 0.9), Delay(0.1), 60.0, rng_for(4, "llm connection"))
    full = ScriptedLLM(["Yes."], ttft=ttft, seed=4, connection=connection, cache=cache(), mark_cache=True)
    for _ in range(4):
        expected_s = (await timed(plain, context))[0][0]
        first_s = (await timed(full, context))[0][0]
        assert first_s - full.requests[-1].network_s == pytest.approx(expected_s, abs=1e-6)
    other = ScriptedLLM(["Yes."], ttft=ttft, seed=4, part="small")
    assert (await timed(other, context))[0][0] != pytest.approx(expected_s)


@on_virtual_clock
async def test_tools_count_where_a_provider_reads_them() -> None:
    plain, priced = ScriptedLLM(["Yes."]), ScriptedLLM(["Yes."], cache=cache())
    for script in (plain, priced):
        await answer(script, turn(0), tools=[look_up])
    assert priced.requests[0].prompt_tokens > plain.requests[0].prompt_tokens + 10


@pytest.mark.parametrize(
    ("options", "message"),
    [({"prefill_s_per_1k": -1.0}, "prefill_s_per_1k is -1.0"), ({"prewarms": True}, "prewarms needs a conn")],
)
def test_impossible_costs_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScriptedLLM(**options)

"""The tokens of a request: all that a provider reads, in its order, told apart by who says it."""

import time

from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import llm

from lab_utils.session.scripted.prompt import description, messages_of, prompt_of, tokens_of


@llm.function_tool
async def look_up(number: str) -> str:
    """Look an order up."""
    return number


def context(*messages: tuple[llm.ChatRole, str]) -> llm.ChatContext:
    made = llm.ChatContext.empty()
    for role, text in messages:
        made.add_message(role=role, content=text)
    return made


roles = st.sampled_from(["system", "user", "assistant"])


@given(st.lists(st.tuples(roles, st.text(max_size=20)), max_size=6))
def test_a_prompt_without_tools_has_the_tokens_of_its_messages(
    messages: list[tuple[llm.ChatRole, str]],
) -> None:
    made = context(*messages)
    expected = sum(len(tokens_of(text)) for _, text in messages)
    assert len(messages_of(made)) == len(prompt_of(made, [], description)) == expected


def test_the_same_words_of_another_speaker_are_another_prompt() -> None:
    mine, yours = (prompt_of(context((role, "Yes.")), [], description) for role in ("user", "assistant"))
    assert mine[0] != yours[0]
    assert mine[1:] == yours[1:]


def test_a_longer_conversation_begins_with_the_shorter() -> None:
    first = context(("system", "Be brief."), ("user", "Hello."))
    before = prompt_of(first, [look_up], description)
    first.add_message(role="assistant", content="Hello!")
    first.add_message(role="user", content="Bye.")
    assert prompt_of(first, [look_up], description)[: len(before)] == before


def test_tools_come_first_and_calls_with_their_outputs_in_order() -> None:
    made = context(("user", "Order 7?"))
    call = llm.FunctionCall(call_id="1", name="look_up", arguments='{"number": "7"}')
    made.insert([call, llm.FunctionCallOutput(call_id="1", name="look_up", output="Sent.", is_error=False)])
    text = "".join(prompt_of(made, [look_up], description))
    places = [text.index(part) for part in ("Look an order up", "Order 7?", '{"number": "7"}', "Sent.")]
    assert places == sorted(places)


def test_a_prompt_of_a_call_centres_length_takes_less_than_a_millisecond() -> None:
    made = context(("system", " ".join(f"rule {n} holds" for n in range(500))))
    for turn in range(20):
        made.add_message(role="user", content=f"turn {turn} and some more words to it")
        made.add_message(role="assistant", content="Sure, I can help you with that.")
    assert len(prompt_of(made, [], description)) > 1_800
    best_s = float("inf")
    for _ in range(20):
        start_s = time.perf_counter()
        prompt_of(made, [], description)
        best_s = min(best_s, time.perf_counter() - start_s)
    assert best_s < 1e-3

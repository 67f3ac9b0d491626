"""The guardrail: what is said, what it costs, and that no check holds a reply up beyond its budget."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from calls import short_call
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import Agent, FlushSentinel, function_tool, llm
from virtual import on_virtual_clock, where_clock_is_virtual

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.latency.extras.guardrail import Guardrail, Piece
from lab_utils.session.job import SessionJob
from lab_utils.session.run import run
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
from lab_utils.session.scripted.tts import ScriptedTTS

CHECK_S = 0.06
BUDGET_S = 0.1
SAFE, SECRET, LAST = "I can help you with that.", "Your secret PIN is one two three.", "Is there more to do?"


async def no_secrets(sentence: str) -> bool:
    await asyncio.sleep(CHECK_S)
    return "secret" not in sentence


async def hangs(sentence: str) -> bool:
    return await asyncio.get_running_loop().create_future()


async def fails(sentence: str) -> bool:
    raise ConnectionError("no guard")


async def stream(pieces: Sequence[Piece]) -> AsyncIterator[Piece]:
    for piece in pieces:
        await asyncio.sleep(0.01)
        yield piece


async def through(guardrail: Guardrail, pieces: Sequence[Piece]) -> list[Piece]:
    return [piece async for piece in guardrail.guarded(stream(pieces))]


def text_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def words(text: str) -> list[Piece]:
    return [llm.ChatChunk(id="1", delta=llm.ChoiceDelta(content=f"{word} ")) for word in text.split()]


# --- the stream -----------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_blocked_sentence_is_left_out_and_the_rest_is_said() -> None:
    guardrail = Guardrail(no_secrets)
    out = await through(guardrail, words(f"{SAFE} {SECRET} {LAST}"))
    assert text_of(out).split() == f"{SAFE} {LAST}".split()
    assert [(c.sentence, c.outcome, c.said) for c in guardrail.checks] == [
        (SAFE, "passed", True),
        (SECRET, "blocked", False),
        (LAST, "passed", True),
    ]


@on_virtual_clock
async def test_the_first_blocked_sentence_of_a_reply_is_replaced() -> None:
    guardrail = Guardrail(no_secrets, instead="I may not say that.")
    reply = words(f"{SECRET} {SAFE} {SECRET}")
    for _ in range(2):
        assert text_of(await through(guardrail, reply)).split() == f"I may not say that. {SAFE}".split()


@on_virtual_clock
async def test_the_first_sentence_is_flushed_so_that_the_tts_need_not_wait_for_the_second() -> None:
    out = await through(Guardrail(no_secrets), words(f"{SAFE} {LAST} {SAFE}"))
    assert [isinstance(piece, FlushSentinel) for piece in out].index(True) == 1
    assert sum(isinstance(piece, FlushSentinel) for piece in out) == 1


@on_virtual_clock
async def test_tool_calls_and_usage_pass_at_once_and_unchanged() -> None:
    call = llm.FunctionToolCall(name="look_up", arguments="{}", call_id="7")
    both = llm.ChatChunk(id="1", delta=llm.ChoiceDelta(content="One moment please", tool_calls=[call]))
    usage = llm.ChatChunk(
        id="1", usage=llm.CompletionUsage(completion_tokens=1, prompt_tokens=2, total_tokens=3)
    )
    guardrail = Guardrail(no_secrets)
    out = await through(guardrail, [both, usage])
    assert isinstance(out[0], llm.ChatChunk)
    assert out[0].delta is not None
    assert (out[0].delta.tool_calls, out[0].delta.content) == ([call], None)
    assert out[1] == usage
    assert out[2] == "One moment please"
    assert len(guardrail.checks) == 1


@on_virtual_clock
async def test_a_flush_of_the_llm_ends_its_sentence_and_is_kept() -> None:
    out = await through(Guardrail(no_secrets), ["One moment", FlushSentinel(), "Here it is."])
    assert [piece if isinstance(piece, str) else "flush" for piece in out] == [
        "One moment",
        "flush",
        "Here it is.",
    ]


@on_virtual_clock
async def test_an_error_of_the_llm_comes_through_after_what_was_complete() -> None:
    async def breaks() -> AsyncIterator[Piece]:
        yield f"{SAFE} Is there "
        raise RuntimeError("the line broke")

    seen: list[Piece] = []

    async def listen() -> None:
        async for piece in Guardrail(no_secrets).guarded(breaks()):
            seen.append(piece)

    with pytest.raises(RuntimeError, match="the line broke"):
        await listen()
    assert text_of(seen) == SAFE


@on_virtual_clock
async def test_a_reply_that_is_given_up_leaves_neither_task_nor_open_stream() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[Piece]:
        try:
            for _ in range(100):
                await asyncio.sleep(0.01)
                yield f"{SAFE} "
        finally:
            closed.set()

    async def listen(guardrail: Guardrail) -> None:
        guarded = guardrail.guarded(source())
        try:
            async for _ in guarded:
                pass
        finally:
            await guarded.aclose()

    listening = asyncio.create_task(listen(Guardrail(hangs, budget_s=60)))
    await asyncio.sleep(0.5)
    listening.cancel()
    await asyncio.wait({listening})
    await asyncio.sleep(0)
    assert closed.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@given(
    text=st.text(alphabet="abc .!?\n", max_size=120),
    cuts=st.lists(st.integers(0, 120), max_size=12),
)
def test_what_passes_is_said_as_it_was_written(text: str, cuts: list[int]) -> None:
    async def yes(sentence: str) -> bool:
        return True

    async def pieces() -> AsyncIterator[Piece]:
        edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
        for start, end in itertools.pairwise(edges):
            yield text[start:end]

    async def out() -> str:
        return text_of([piece async for piece in Guardrail(yes).guarded(pieces())])

    said = asyncio.run(out())
    assert said == text


# --- in sessions ----------------------------------------------------------------------------------


class Guarded(Agent):
    def __init__(self, guardrail: Guardrail | None) -> None:
        super().__init__(instructions="Be brief.")
        self.guardrail = guardrail

    def llm_node(self, chat_ctx: Any, tools: Any, model_settings: Any) -> Any:
        reply = Agent.default.llm_node(self, chat_ctx, tools, model_settings)
        return reply if self.guardrail is None else self.guardrail.guarded(reply)

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "four"


def session(
    guardrail: Guardrail | None, replies: Any = (f"{SAFE} {SECRET} {LAST}",), **options: Any
) -> SessionLog:
    log = run(
        SessionJob(
            short_call(),
            Settings(),
            agent=lambda: Guarded(guardrail),
            llm=lambda: ScriptedLLM(replies),
            tts=lambda: ScriptedTTS(voice="tone"),
            tail_s=8.0,
            **options,
        )
    )
    assert log.failure == ""
    assert not log.of_kind("error")
    return log


def first_audios_s(log: SessionLog) -> list[float]:
    """From each commit that was answered to the first audio after it."""
    heard = [event.time_s for event in log.of_kind("playout_starts")]
    answered = sorted({reply.commit_s for reply in log.replies if reply.commit_s is not None})
    return [next(at for at in heard if at >= commit) - commit for commit in answered]


@where_clock_is_virtual
def test_what_is_blocked_is_neither_heard_nor_remembered() -> None:
    log = session(Guardrail(no_secrets))
    assert log.replies[-1].agent_text.split() == f"{SAFE} {LAST}".split()
    assert "secret" not in str(log.report)


@where_clock_is_virtual
def test_the_first_audio_comes_later_by_the_first_check_and_no_more() -> None:
    plain, guarded = session(None), session(Guardrail(no_secrets))
    cost_s = [b - a for a, b in zip(first_audios_s(plain), first_audios_s(guarded), strict=True)]
    # Less where the reply was generated before the commit, and by the token or so that the flush spares
    # the TTS.
    assert all(0 < cost <= CHECK_S + 1e-6 for cost in cost_s)
    assert max(cost_s) > CHECK_S / 2


@where_clock_is_virtual
def test_a_guard_that_hangs_or_fails_costs_at_most_its_budget_and_the_user_chooses_what_is_said() -> None:
    plain = session(None)
    for check, most_s in ((hangs, BUDGET_S), (fails, 0.0)):
        passing = session(Guardrail(check, budget_s=BUDGET_S))
        # The replies before the last are interrupted, and what of them was heard depends on the cost.
        assert passing.replies[-1].agent_text.split() == plain.replies[-1].agent_text.split()
        cost_s = [b - a for a, b in zip(first_audios_s(plain), first_audios_s(passing), strict=True)]
        assert max(cost_s) <= most_s + 1e-6
        blocking = session(Guardrail(check, budget_s=BUDGET_S, without_verdict="block", instead="Sorry."))
        assert {reply.agent_text for reply in blocking.replies} == {"Sorry."}


@where_clock_is_virtual
def test_replies_after_a_tool_are_checked_too() -> None:
    guardrail = Guardrail(no_secrets)
    log = session(guardrail, [ToolRequest("look_up", answer=f"{SECRET} We have {{output}} tables free.")])
    assert log.of_kind("tool_starts")
    assert log.replies[-1].agent_text.strip() == "We have four tables free."


@where_clock_is_virtual
def test_checks_are_told_with_their_moment_and_cost() -> None:
    guardrail = Guardrail(no_secrets)
    log = session(guardrail)
    assert len(guardrail.checks) >= 3 * len(log.replies)
    assert [check.took_s for check in guardrail.checks] == pytest.approx([CHECK_S] * len(guardrail.checks))
    assert sorted(c.at_s for c in guardrail.checks) == [c.at_s for c in guardrail.checks]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budget_s": 0}, "budget_s is 0; expected a finite number"),
        ({"without_verdict": "maybe"}, "without_verdict is 'maybe'; expected"),
    ],
)
def test_settings_that_say_nothing_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Guardrail(no_secrets, **options)

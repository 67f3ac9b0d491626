"""Which look-up a turn will need, and when it is started and given up: the foresight by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lab_utils.latency.techniques.tool_prefetch import Foresight, LookUp, Prefetch


class Recorded(Prefetch):
    """A prefetch that only says what it was asked to do."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None)
        self.done: list[Any] = []

    def start(self, tool: str, query: str, call: Any) -> None:
        self.done.append(("start", tool, query))

    def cancel(self, why: str) -> None:
        self.done.append(("cancel", why))

    def settle(self, called: frozenset[str]) -> None:
        self.done.append(("settle", called))

    async def take(self, tool: str, query: str, call: Any) -> str:
        self.done.append(("take", tool, query))
        return str(await call(query))


async def found(query: str) -> str:
    return f"found {query}"


def cue(word: str) -> Any:
    """Finds what follows a word."""

    def of(text: str) -> str | None:
        _, known, rest = text.lower().partition(f"{word} ")
        return rest.split()[0] if known and rest.split() else None

    return of


LOOK_UPS = {
    "orders": LookUp("Looks up an order.", found, cue("order")),
    "invoices": LookUp("Looks up an invoice.", found, cue("invoice")),
}


@pytest.fixture
def prefetch() -> Recorded:
    return Recorded()


@pytest.fixture
def foresight(prefetch: Recorded) -> Foresight:
    return Foresight(LOOK_UPS, prefetch, on=True)


def test_a_text_announces_the_look_up_whose_cue_it_has(foresight: Foresight) -> None:
    assert foresight.cued("where is order 7 now") == ("orders", "7")
    assert foresight.cued("and invoice 8") == ("invoices", "8")
    assert foresight.cued("order 7 and invoice 8") == ("orders", "7")
    assert foresight.cued("hello") is None


def test_a_turn_starts_its_look_up_once_however_often_the_llm_is_asked(
    foresight: Foresight, prefetch: Recorded
) -> None:
    foresight.asked("early", "Where is order 7")
    foresight.asked("early", "where is order 7")  # the same words
    foresight.committed("kept", "Where is order 7")
    foresight.asked("kept", "Where is order 7")
    assert prefetch.done == [("start", "orders", "7")]


def test_other_words_start_another_look_up_or_give_up_the_one_before(
    foresight: Foresight, prefetch: Recorded
) -> None:
    foresight.asked("early", "order 7")
    foresight.asked("later", "invoice 8 please")
    foresight.asked("last", "never mind")
    assert prefetch.done == [("start", "orders", "7"), ("start", "invoices", "8"), ("cancel", "unused")]


def test_a_commit_alone_starts_the_look_up_and_the_next_turn_begins_afresh(
    foresight: Foresight, prefetch: Recorded
) -> None:
    foresight.committed("one", "order 7")
    foresight.committed("two", "order 7")
    assert prefetch.done == [("start", "orders", "7")] * 2


def test_the_llm_asked_again_for_a_committed_message_starts_nothing(
    foresight: Foresight, prefetch: Recorded
) -> None:
    foresight.committed("one", "order 7")
    foresight.asked("one", "order 9")
    assert prefetch.done == [("start", "orders", "7")]
    foresight.asked("two", "order 9")
    assert prefetch.done[1:] == [("start", "orders", "9")]


def test_nobodys_words_start_nothing(foresight: Foresight, prefetch: Recorded) -> None:
    foresight.asked(None, "")
    foresight.asked("instructions", "")
    assert prefetch.done == []


def test_a_turn_that_no_llm_answers_gives_up_its_look_up(foresight: Foresight, prefetch: Recorded) -> None:
    foresight.asked("early", "order 7")
    foresight.committed("kept", None)
    assert prefetch.done[1:] == [("cancel", "unused")]


def test_switched_off_it_starts_nothing(prefetch: Recorded) -> None:
    foresight = Foresight(LOOK_UPS, prefetch, on=False)
    foresight.asked("early", "order 7")
    foresight.committed("kept", "order 7")
    assert prefetch.done == []
    assert foresight.cued("order 7") == ("orders", "7")


def test_an_answer_tells_which_tools_were_called(foresight: Foresight, prefetch: Recorded) -> None:
    foresight.committed("one", "order 7")
    foresight.answered("one", frozenset({"orders"}))
    assert prefetch.done[-1] == ("settle", frozenset({"orders"}))


def test_a_reply_that_failed_ends_the_look_up_of_the_committed_turn_only(
    foresight: Foresight, prefetch: Recorded
) -> None:
    foresight.asked("early", "order 7")
    foresight.answered("early", None)  # a preemptive call that was given up: the turn still comes
    assert prefetch.done == [("start", "orders", "7")]
    foresight.committed("kept", "order 7")
    foresight.asked("kept", "order 7")
    foresight.answered("early", None)  # not the newest call
    assert prefetch.done == [("start", "orders", "7")]
    foresight.answered("kept", None)
    assert prefetch.done[1:] == [("cancel", "unused")]


def test_its_tools_take_what_was_looked_up_ahead(foresight: Foresight, prefetch: Recorded) -> None:
    tools = {tool.info.name: tool for tool in foresight.tools()}
    assert set(tools) == {"orders", "invoices"}
    assert tools["orders"].info.description == "Looks up an order."
    assert asyncio.run(tools["invoices"]("8")) == "found 8"
    assert prefetch.done == [("take", "invoices", "8")]

"""What `lab prompts` makes of answers: broken ones, busy servers, what is kept, and what is held out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from prompt_server import (
    BOLDLY,
    BRIEFLY,
    REPEATED,
    SHORT,
    TTFT_S,
    TURNS,
    USUAL,
    search,
    serving,
    written,
)

from lab_utils.cli.tables.words.prompts import print_search
from lab_utils.core.errors import InputError
from lab_utils.turns.metrics.uncertainty import UNTOLD, difference_interval
from lab_utils.workflows.evaluate import Judge, load_expectations
from lab_utils.workflows.prompts import AskedTurn, Limits, Model, load_parts, told
from lab_utils.workflows.prompts.search import TRIES

WORDS = {"choices": [{"delta": {"content": "Sure, I am looking at th"}}]}
END: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([WORDS, {"error": {"message": "overloaded"}}], "broke off with an error.*overloaded"),
        ([WORDS], "the stream ended before the reply did"),
        ([END], "answered without words"),
        ([WORDS, {"choices": [None]}, END], r"choices\[0\]"),
        ([WORDS, {"choices": {"delta": {}}}, END], "choices: "),
        ([WORDS, {"choices": [{"delta": ["x"]}]}, END], r"choices\[0\].delta"),
        ([WORDS, END, {"choices": [], "usage": "many"}], "usage: "),
        ([WORDS, END, {"choices": [], "usage": {"prompt_tokens": "x"}}], "usage.prompt_tokens"),
        ([WORDS, 3, END], "streamed chat completion"),
    ],
)
def test_a_reply_that_breaks_off_or_is_none_ends_the_search_and_is_not_kept(
    tmp_path: Path, events: list[Any], why: str
) -> None:
    told_why = rf"tiny at 127\.0\.0\.1:\d+: .*{why}"
    with serving(events=events) as server, pytest.raises(InputError, match=told_why):
        search(server, written(tmp_path, *USUAL), tmp_path)
    assert not (tmp_path / TRIES).exists()


def test_a_reply_ends_by_its_finish_reason_without_done(tmp_path: Path) -> None:
    with serving(events=[WORDS, END]) as server:
        found = search(server, written(tmp_path, *USUAL), tmp_path)
    assert found.best.figures["first_sentence_characters"] == len("Sure, I am looking at th")


def test_what_a_busy_server_refuses_is_no_part_of_the_seconds(tmp_path: Path) -> None:
    with serving(busy=1, retry_after_s=1) as server:
        begun_s = time.perf_counter()
        reply = Model("tiny", server.url, "sk-secret").ask(requests.Session(), "You answer.", TURNS[0])
        assert time.perf_counter() - begun_s > 1
        assert len(server.asked) == 2
    assert TTFT_S <= reply.first_token_s <= reply.first_sentence_s < 1
    with serving(busy=9) as server:
        with pytest.raises(InputError, match=r"tiny at 127\.0\.0\.1:.*429"):
            search(server, written(tmp_path, *USUAL), tmp_path / "busy")
        assert len(server.asked) == 3


def test_each_grade_is_kept_as_it_comes(tmp_path: Path) -> None:
    path = written(tmp_path, *USUAL[:1], USUAL[2])
    with serving() as server:
        how = {"limits": Limits(judge=Judge("strict", server.url, "sk-secret"))}
        search(server, path, tmp_path / "whole", **how)
        whole = len(server.asked)
        server.refuses_after = whole + 4 + 2  # the first try's replies, and half of its grades
        with pytest.raises(InputError, match="--judge strict"):
            search(server, path, tmp_path / "cut", **how)
        server.refuses_after, begun = 10**9, len(server.asked)
        search(server, path, tmp_path / "cut", **how)
        assert len(server.asked) - begun == whole - (4 + 2)


def test_a_file_of_replies_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / TRIES).write_bytes(b"\xff\n")
    with serving() as server, pytest.raises(InputError, match=f"{TRIES}: not a search's replies"):
        search(server, written(tmp_path, *USUAL), tmp_path)


def test_what_is_told_before_is_the_most_that_is_sent(tmp_path: Path) -> None:
    longer = "Answer. " * 100
    path = written(tmp_path, "You answer.", {"one_of": ["A", longer]}, {"one_of": ["B", longer]})
    judge = Limits(judge=Judge("strict", "http://127.0.0.1:1", "x"))
    said = told(load_parts(path), TURNS, Model("tiny", "http://127.0.0.1:1", "x"), judge, 20, 3)
    requests = 4 * (4 + 3) + 2 * 2
    tokens = (
        requests
        * (len(f"You answer.\n\n{longer.strip()}\n\n{longer.strip()}") + len("Hello?Question 0"))
        // 4
    )
    assert f"{requests} requests and 1 to rewrite the instructions, about {tokens} tokens" in said
    assert f"strict at 127.0.0.1:1: {requests} requests to the judge" in said  # each call has one turn


def test_dollars_are_not_told_without_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, *USUAL[:1], USUAL[2])
    with serving(tells_tokens=False) as server:
        found = search(server, path, tmp_path)
        with pytest.raises(InputError, match="--minimize dollars: the server doesn't tell"):
            search(server, path, tmp_path, objective="dollars")
    assert {one.figures["dollars"] for one in found.tries} == {None}
    print_search(found, tmp_path)
    assert capsys.readouterr().out.count(" ?") == 3 + 2 + 2  # tries, held out, limits of the difference


def test_the_limits_hold_on_the_calls_that_were_held_out(tmp_path: Path) -> None:
    """What the best breaks in a call that the search didn't see is told."""
    (tmp_path / "expect.yaml").write_text(
        "calls:\n  - match: call 2\n    claims: [{says: I've booked, tool: book}]\n"
    )
    limits = Limits(load_expectations(tmp_path / "expect.yaml"))
    with serving() as server:
        found = search(server, written(tmp_path, *USUAL[:1], USUAL[2]), tmp_path, limits=limits)
    assert BOLDLY in found.best.text
    assert found.best.figures["failures"] == found.held_out["as it stands"]["failures"] == 0
    assert found.held_out["best"]["failures"] == 1
    assert found.held_out_beyond == ("failures",)


def test_the_difference_has_an_interval_by_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = [" ".join(["what"] * (k + 1)) for k in range(9)]
    turns = [AskedTurn(f"call {k}", (("user", said),)) for k, said in enumerate(questions)]
    path = written(tmp_path, "You answer.", {"one_of": [REPEATED, BRIEFLY]})
    with serving() as server:
        found = search(server, path, tmp_path, turns)
        few = search(server, path, tmp_path, turns[:6])
    assert found.turns == (6, 3)
    differences = [len(SHORT) - len(f"You would like to know: {questions[k]}.") for k in (2, 5, 8)]
    assert found.difference == np.mean(differences)
    expected = difference_interval(np.array(differences, dtype=np.float64), np.ones(3))
    assert (found.interval.low, found.interval.high) == (expected.low, expected.high)
    assert few.interval == UNTOLD
    print_search(found, tmp_path)
    assert f"(mean; 95 %, by call: {expected.low:+.3g} to {expected.high:+.3g})" in capsys.readouterr().out

"""`lab prompts` against a server on the loopback: replies, delays and tokens depend on the prompt."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from calls import SAMPLES, copy_samples
from prompt_server import (
    BOLDLY,
    BOOKED,
    BRIEFLY,
    GUIDE,
    LONG,
    REST,
    SENTENCE_S,
    SHORT,
    SLOWLY,
    THINKING_S,
    TTFT_S,
    TURNS,
    USUAL,
    VARIATIONS,
    search,
    serving,
    written,
)
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.cli.tables.words.prompts import print_search
from lab_utils.core.errors import InputError
from lab_utils.workflows.evaluate import Judge, load_expectations
from lab_utils.workflows.prompts import AskedTurn, Limits, Model, load_parts, read_turns, rewritten
from lab_utils.workflows.prompts.search import TRIES, split

TOLERANCE_S = 0.04


def test_the_instructions_that_measure_least_win_within_what_is_expected(tmp_path: Path) -> None:
    """The shortest beginning claims what no tool did; the next one wins, on turns held out, too."""
    expect = tmp_path / "expect.yaml"
    expect.write_text("calls:\n  - tools: [book]\n    claims: [{says: I've booked, tool: book}]\n")
    path = written(tmp_path, *USUAL)
    with serving() as server:
        free = search(server, path, tmp_path)
        n = len(server.asked)
        assert n == 6 * 4 + 2 * 2  # six combinations on four turns, two on those held out
        held = search(server, path, tmp_path, limits=Limits(load_expectations(expect)))
        assert len(server.asked) == n + 2  # all that was known isn't asked again
    assert free.best.choice == (0, 2)
    assert [one.kept for one in free.tries] == [True] * 6
    assert held.best.choice == (0, 1)
    assert held.best.in_words == "thinking in, beginning 2"
    assert held.best.text == f"You answer the phone.\n\n{SLOWLY}\n\n{BRIEFLY}"
    assert [one.kept for one in held.tries] == [True, True, False] * 2
    assert [one.figures["failures"] for one in held.tries] == [0, 0, 4] * 2  # in each of four calls
    assert held.turns == (4, 2)
    assert held.held_out["best"]["first_sentence_characters"] == len(SHORT)
    assert held.held_out["as it stands"]["first_sentence_characters"] == len(LONG)
    assert held.difference == len(SHORT) - len(LONG)


def test_times_and_money_come_out(tmp_path: Path) -> None:
    path = written(tmp_path, "You answer.", {"optional": SLOWLY})
    with serving() as server:
        for number in range(3):  # a machine under load is late now and then
            found = search(server, path, tmp_path / str(number), objective="first_sentence_s")
            slow, fast = (one.figures for one in found.tries)
            near = slow["first_token_s"] < THINKING_S + TOLERANCE_S and fast["first_sentence_s"] < TOLERANCE_S
            if near:
                break
    assert found.best.in_words == "part 2 out"
    assert slow["first_token_s"] == pytest.approx(THINKING_S, abs=TOLERANCE_S)
    assert slow["first_sentence_s"] == pytest.approx(THINKING_S + SENTENCE_S, abs=TOLERANCE_S)
    assert fast["first_token_s"] == pytest.approx(TTFT_S, abs=TOLERANCE_S)
    assert found.difference == pytest.approx(TTFT_S - THINKING_S - SENTENCE_S, abs=2 * TOLERANCE_S)
    words, characters = len(f"{LONG} {REST}".split()), len(f"{LONG} {REST}")
    prompt = 2 * GUIDE.large.input_price + words * GUIDE.large.output_price
    assert fast["dollars"] == pytest.approx((prompt + characters * GUIDE.tts.price) / 1000)
    assert slow["dollars"] > fast["dollars"]  # two words more to read


def many_parts(folder: Path) -> Path:
    others = [{"name": f"rule {k}", "optional": f"Rule number {k}."} for k in range(5)]
    return written(folder, "You answer.", *others, {"name": "end", "optional": "Say goodbye."}, USUAL[2])


def test_more_combinations_than_tries_are_searched_and_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    path, how = many_parts(tmp_path), {"tries": 12, "seed": 3}
    with serving() as server:
        whole = search(server, path, tmp_path / "whole", **how)
        n = len(server.asked)
    assert whole.combinations == 2**6 * 3
    assert len(whole.tries) == len({one.choice for one in whole.tries}) == 12
    assert whole.tries[0].choice == (0,) * 7
    assert whole.best.figures["first_sentence_characters"] == len(BOOKED)
    with serving(refuses_after=4 * 5 + 2) as server:
        with pytest.raises(InputError, match=r"tiny at 127\.0\.0\.1:.*403"):
            search(server, path, tmp_path / "cut", **how)
        with (tmp_path / "cut" / TRIES).open("a") as file:
            file.write('{"key": "torn off')
        address = server.url
        server.refuses_after, begun = 10**9, len(server.asked)
        again = search(server, path, tmp_path / "cut", **how)
        assert len(server.asked) - begun == n - (4 * 5 + 2)  # those of half a try, too
        search(server, path, tmp_path / "cut", **how)
        assert len(server.asked) - begun == n - (4 * 5 + 2)  # nor what was written after the torn line
    assert [one.choice for one in again.tries] == [one.choice for one in whole.tries]
    assert again.best.text == whole.best.text
    assert "sk-secret" not in (tmp_path / "cut" / TRIES).read_text()
    assert address not in (tmp_path / "cut" / TRIES).read_text()


def test_a_judge_rules_out_what_it_grades_low(tmp_path: Path) -> None:
    with serving() as server:
        judge = Judge("strict", server.url, "sk-secret")
        how = {"limits": Limits(judge=judge), "tries": 6}
        found = search(server, written(tmp_path, *USUAL[:1], USUAL[2]), tmp_path, **how)
        assert [one.figures["coherence"] for one in found.tries] == [5, 2, 5]
        assert [one.kept for one in found.tries] == [True, False, True]
        n = len(server.asked)
        search(server, written(tmp_path, *USUAL[:1], USUAL[2]), tmp_path, **how)
        assert len(server.asked) == n
        with pytest.raises(InputError, match=r"none of 3 instructions reaches a coherence of 5\.5"):
            search(server, written(tmp_path, *USUAL[:1], USUAL[2]), tmp_path, limits=Limits(None, judge, 5.5))


# agent-opt, in a Python of its own. Here a stand-in of what it offers asks the server as it does.

OPTIMIZERS = """
import json, os, urllib.request
from types import SimpleNamespace

class RandomSearchOptimizer:
    def __init__(self, generator, teacher_model, num_variations):
        self.generator, self.model, self.n = generator, teacher_model, num_variations

    def optimize(self, *, evaluator, data_mapper, dataset):
        prompt = self.generator.get_prompt_template()
        asked = f"Write {self.n} variations of {prompt}"
        body = {"model": self.model, "messages": [{"role": "user", "content": asked}]}
        url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Authorization": "x"})
        try:
            told = json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]
            variations = json.loads(told)["variations"]
        except Exception:
            variations = [prompt + " Be creative."]
        for one in variations:
            self.generator.set_prompt_template(one)
            outputs = [self.generator.generate(example) for example in dataset]
            assert evaluator.evaluate([data_mapper.map(outputs[0], dataset[0])])[0].score == 0.0
        return SimpleNamespace(history=[SimpleNamespace(prompt=one) for one in variations])
"""


@pytest.fixture
def other_python(tmp_path: Path) -> Path:
    """A Python that finds a package `fi.opt`, and nothing of this environment's paths."""
    package = tmp_path / "lib" / "fi" / "opt"
    package.mkdir(parents=True)
    (package / "optimizers.py").write_text(OPTIMIZERS)
    (package / "types.py").write_text("from types import SimpleNamespace as EvaluationResult\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "lib"} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python


def test_what_agent_opt_rewrites_is_measured_like_the_rest(
    tmp_path: Path, other_python: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "You answer.", {"name": "manners", "optional": "Be polite."})
    with serving() as server:
        model = Model("tiny", server.url, "sk-secret")
        rewrites = partial(rewritten, model, other_python)
        found = search(server, path, tmp_path / "out", rewrites=rewrites, variations=3)
        (asked,) = (one for one in server.asked if not one.get("stream"))
        n = len(server.asked)
        search(server, path, tmp_path / "out", rewrites=rewrites, variations=3)
        assert len(server.asked) == n
        search(server, path, tmp_path / "out", rewrites=rewrites, variations=2)
        assert len(server.asked) == n + 1  # other variations are asked for
        assert asked["model"] == "openai/tiny"
        assert asked["messages"][0]["content"] == "Write 3 variations of You answer.\n\nBe polite."
        assert [one.in_words for one in found.tries[2:]] == [f"rewritten {k}" for k in (1, 2, 3)]
        assert [one.text for one in found.tries[2:]] == VARIATIONS
        assert found.best.text == f"Be kind. {BRIEFLY}"
        print_search(found, tmp_path / "out")
        assert "2 of 2 combinations and 3 rewritten on 4 turns" in capsys.readouterr().out
        server.refuses_after = 0
        with pytest.raises(InputError, match=r"agent-opt can't be run \(the model wrote no variations\)"):
            rewritten(model, other_python, "You answer.", 3)
    with pytest.raises(InputError, match=r"none: no such file; make an environment .*install agent-opt"):
        rewritten(model, tmp_path / "none", "You answer.", 3)


def test_turns_are_held_out_by_call_or_by_turn_of_few_calls() -> None:
    assert [one.call for one in split(TURNS)[1]] == ["call 2", "call 5"]
    one_call = [AskedTurn("call", (("user", str(k)),)) for k in range(5)]
    assert [one.said for one in split(one_call)[1]] == ["2"]
    with pytest.raises(InputError, match="2 turn"):
        split(one_call[:2])


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (["Only this."], "nothing in it varies"),
        (
            ["A.", {"optional": "B", "one_of": ["C", "D"]}],
            "line 1: instructions.1.*one of the keys optional and one_of",
        ),
        (["A.", {"one_of": ["B"]}], "line 1: instructions.1..one_of.*at least 2"),
        (["A.", {"one_of": ["B", "B"]}], "the same text twice"),
        ([{"name": "x", "optional": "B"}, {"name": "x", "optional": "C"}], "two parts are called 'x'"),
        (["A.", {"maybe": "B"}], "maybe"),
        ([], "at least 1"),
    ],
)
def test_what_is_no_file_of_parts_is_refused_by_its_place(tmp_path: Path, parts: list[Any], why: str) -> None:
    with pytest.raises(InputError, match=f"parts.yaml.*{why}"):
        load_parts(written(tmp_path, *parts))


def lab(*options: str) -> Any:
    return CliRunner().invoke(app, ["prompts", *options])


def test_the_command_tells_what_goes_where_asks_and_writes_what_lab_probe_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calls").mkdir()
    calls = copy_samples(tmp_path / "calls", *_three())
    (tmp_path / "calls" / "torn.wav").write_bytes(b"RIFF")
    path = written(tmp_path, *USUAL[:1], USUAL[2])
    options = [str(path), str(calls), "--model", "tiny", "--turns", "2", "--out", str(tmp_path / "out")]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        refused = lab(*options)
        assert refused.exit_code == 1
        told = " ".join(refused.stderr.split())
        assert "the words of 6 turns with what was said before go to tiny at 127.0.0.1" in told
        assert "16 requests, about" in told
        assert "skipped:" in told
        assert "torn.wav" in told
        assert "add --yes to send it" in told
        assert server.asked == []
        done = lab(*options, "--yes")
        assert done.exit_code == 0, done.output
        assert len(server.asked) == 16
        roles = [one["role"] for one in server.asked[1]["messages"]]
        assert roles[0] == "system"
        assert {"user", "assistant"} <= set(roles)
        assert roles[-1] == "user"
        expect = tmp_path / "expect.yaml"  # of the call that is held out
        expect.write_text(f"calls: [{{match: '{_three()[2]}', claims: [{{says: I've booked, tool: book}}]}}]")
        summarized = lab(*options, "--yes", "--json", "--expect", str(expect))
        summary = json.loads(summarized.stdout)
        assert "the best goes beyond the limits (failures)" in " ".join(summarized.stderr.split())
        assert summary["held_out_beyond"] == ["failures"]
        assert len(server.asked) == 16
    assert "best: beginning 3" in done.stdout
    assert summary["best"]["in_words"] == "beginning 3"
    assert (tmp_path / "out" / "best.txt").read_text() == f"You answer the phone.\n\n{BOLDLY}\n"
    assert len((tmp_path / "out" / "tries.csv").read_text().splitlines()) == 4
    for other, why in (
        (("--minimize", "x"), "expected first_sentence_characters, first_token_s"),
        (("--with", "agent-opt"), "--with agent-opt needs --python, of its environment"),
        (("--python", "x"), "--python is that of --with agent-opt; name both, or neither"),
        (("--with", "other", "--python", "x"), "--with other: expected agent-opt"),
        (("--with", "agent-opt", "--python", "nowhere"), "nowhere: no such file"),
    ):
        assert why in " ".join(lab(*options, *other).stderr.split())


def _three() -> list[str]:
    return sorted(path.stem for path in SAMPLES.glob("0*.flac"))[:3]


def test_turns_have_what_was_said_before(tmp_path: Path) -> None:
    turns, _ = read_turns([copy_samples(tmp_path, _three()[0])], 3)
    assert len(turns) == 3
    assert [len(one.messages) for one in turns] == sorted({len(one.messages) for one in turns})
    assert all(one.messages[-1][0] == "user" for one in turns)
    assert turns[1].messages[: len(turns[0].messages)] == turns[0].messages

"""`lab evaluate`: what it finds in finished calls, and how it groups what went wrong."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
from evaluated_calls import ORIGIN, agent, chat_server, tool, user, write_call
from recording_fixtures import RECORDINGS
from synthetic_sessions import Exchange, labels_of_session, session_of
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.core.errors import InputError
from lab_utils.recordings.formats.livekit_history import ToolCall
from lab_utils.recordings.labels.file import write_labels
from lab_utils.session.log.files import save_session
from lab_utils.turns.cache.finished import going_on
from lab_utils.workflows.evaluate import Evaluation, Judge, evaluate, load_expectations, save_evaluation
from lab_utils.workflows.evaluate.ai_evaluation import AI_EVALUATION
from lab_utils.workflows.evaluate.calls import read_call
from lab_utils.workflows.evaluate.words import plain, word_errors

EXPECT = """
calls:
  - match: "booking*"
    tools: [book_table]
    agent_says: ["see you"]
    claims:
      - {says: "I('ve| have) booked", tool: book_table}
"""
HELLO = agent("Hello. Could you give me your phone number?", 0.2)


def booked(text: str = "I’ve booked a table. See you!", *, e2e_s: float | None = None) -> list:
    return [HELLO, user("Table for two, please"), *tool("book_table"), agent(text, e2e_s=e2e_s)]


def without_call() -> list:
    return [HELLO, user("It's four two seven, in Leeds"), agent("One moment. I have booked it. See you!")]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven calls: three whose agent claims a booking without one, by telephone; more went wrong."""
    folder = tmp_path_factory.mktemp("calls")
    for k in range(3):
        write_call(
            folder / f"booking-{k}", without_call(), known="It's four two seven, in leads", telephone=True
        )
    write_call(folder / "booking-fine", booked(), known="Table for two, please.")
    write_call(folder / "booking-fine-2", booked(), known="A table, for two please")
    failed = [HELLO, user("Two"), *tool("book_table", failed=True), agent("Sorry.", e2e_s=4.5)]
    write_call(folder / "booking-failed", failed, errors={"llm": 1, "tts": 0})
    write_call(folder / "other", [HELLO, user("Bye"), agent("Bye.", e2e_s=2.9)])
    return folder


@pytest.fixture(scope="module")
def found(calls: Path) -> Evaluation:
    path = calls.parent / "expect.yaml"
    path.write_text(EXPECT)
    return evaluate([calls], load_expectations(path), quiet=True)


def of(found: Evaluation, name: str) -> pd.Series:
    return found.table.set_index("call").loc[name]


def test_a_task_is_done_if_its_tool_went_well_and_its_words_were_said(found: Evaluation) -> None:
    done = found.table.set_index("call")["task_done"]
    assert done["booking-fine"]
    assert not done[["booking-0", "booking-failed"]].any()
    assert pd.isna(done["other"])  # nothing is expected of it
    causes = set(found.failures.query("call == 'booking-failed'")["cause"])
    assert {"task: book_table never succeeded", "task: the agent didn't say /see you/"} <= causes
    assert {"tool failed: book_table", "error of the llm", "reply after more than 3 s"} <= causes
    assert "reply after more than 3 s" not in set(found.failures.query("call == 'other'")["cause"])


def test_a_claim_needs_a_call_of_its_tool(found: Evaluation) -> None:
    assert of(found, "booking-fine")[["claims", "claims_without_call"]].tolist() == [1, 0]
    assert of(found, "booking-0")[["claims", "claims_without_call"]].tolist() == [1, 1]
    (broken,) = found.failures.query("call == 'booking-0' and cause.str.startswith('claim')").to_dict(
        "records"
    )
    assert broken["detail"] == "I have booked it."
    assert broken["at_s"] == pytest.approx(3.0, abs=0.01)


def test_words_are_compared_with_the_known_ones(found: Evaluation) -> None:
    assert of(found, "booking-0")["word_error_rate"] == pytest.approx(1 / 6)
    assert of(found, "booking-fine")["word_error_rate"] == 0
    assert of(found, "booking-fine-2")["word_errors"] == 1  # "a" wasn't heard
    assert pd.isna(of(found, "other")["word_error_rate"])
    rate, interval = found.word_error_rate or (0.0, None)
    assert rate == pytest.approx(4 / 27)
    assert interval is not None
    assert interval.low < rate < interval.high
    assert any("2 of 7 call(s): no known words" in line for line in found.untold)


@pytest.mark.parametrize(
    ("known", "heard", "errors"),
    [
        ("one two three", "one two three", (0, 0, 0)),
        ("one two three", "one too three four", (1, 0, 1)),
        ("one two three", "", (0, 3, 0)),
        ("Well-known, isn’t it?", "well known isn't it", (0, 0, 0)),
    ],
)
def test_errors_are_substitutions_deletions_and_insertions(known: str, heard: str, errors: tuple) -> None:
    counted = word_errors(known, heard)
    assert counted is not None
    assert (counted.substitutions, counted.deletions, counted.insertions) == errors


def test_signs_alone_are_no_words() -> None:
    assert plain(" – '… ") == ""
    assert word_errors("…", "yes") is None


def test_the_biggest_group_is_first_and_tells_what_its_failures_share(found: Evaluation) -> None:
    sizes = [len(group.failures) for group in found.groups]
    assert sizes == sorted(sizes, reverse=True)
    (claims,) = [one for one in found.groups if one.cause.startswith("claim:")]
    assert claims.calls == ("booking-0", "booking-1", "booking-2")
    shared = {(one.kind, one.value): one for one in claims.shared}
    line = shared["line", "telephone"]
    assert (line.cases, line.of, line.others, line.of_others) == (3, 3, 0, 4)
    assert line.p == pytest.approx(1 / 35)  # 3 of 7 calls: 1 of 35 ways
    assert line.beyond_chance
    assert ("numbers", "numbers or spelling") in shared
    assert ("state", "asked for a number or spelling") not in shared  # all were asked for it
    (misheard,) = [one for one in found.groups if one.cause == "misheard: leads"]
    assert len(misheard.failures) == 3
    assert misheard.failures[0].detail == "heard as leeds"


def test_the_line_and_its_noise_are_told(found: Evaluation) -> None:
    row = of(found, "booking-fine")
    assert (row["line"], of(found, "booking-0")["line"]) == ("wide band", "telephone")
    assert row["user_clipped_ratio"] == 0
    assert row["user_speech_level_dbfs"] < 0


def test_a_report_is_written_for_people_and_programs(found: Evaluation, tmp_path: Path) -> None:
    save_evaluation(found, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["counts"]["claims_without_call"] == 3
    assert summary["counts"]["task_not_done"] == 4
    assert summary["groups"][0]["failures"] == 3
    assert len(pd.read_parquet(tmp_path / "out" / "failures.parquet")) == summary["counts"]["failures"]
    assert len(pd.read_parquet(tmp_path / "out" / "calls.parquet")) == 7
    text = (tmp_path / "out" / "report.md").read_text()
    assert "3 of 5 claims without a call of the tool" in text
    assert "line 'telephone': 3 of 3, elsewhere 0 of 4 (more than chance)" in text


# Results of `lab run`.


@pytest.fixture(params=[True, False], ids=["text", "no text"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[bool, Path]:
    """A folder as `lab run` writes it, with text or without."""
    exchanges = [Exchange(1.0, 2.5, hold=(1.2, 1.9), hold_commit_s=1.7), Exchange(5.5, 6.0)]
    times = session_of(exchanges)
    items = [HELLO, user("Table for two pleas"), *tool("book_table", failed=True), agent("I've booked it.")]
    report = {"timestamp": ORIGIN + times.duration_s, "duration_ms": 1000 * times.duration_s}
    log = replace(times, recording="booking-run", report=report | {"chat_history": {"items": items}})
    folder = save_session(log, tmp_path / "run", text=request.param)
    tape = tmp_path / "calls" / "tape.wav"
    tape.parent.mkdir()
    soundfile.write(tape, times.heard, 16_000)
    labels = labels_of_session(exchanges, times.duration_s)
    texts = ["Table for", "two, please"]
    users = [ipu for ipu in labels.ipus if ipu.speaker == "user"]
    known = tuple(replace(ipu, text=text) for ipu, text in zip(users, texts, strict=False))
    write_labels(replace(labels, ipus=known), tape.with_name("tape.labels.json"))
    recording = {"folder": folder.name, "path": str(tape)}
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"recordings": [recording]}))
    return request.param, tmp_path / "run"


def test_sessions_of_lab_run_are_read_with_the_words_of_their_recordings(
    run: tuple[bool, Path], found: Evaluation, calls: Path
) -> None:
    text, folder = run
    evaluated = evaluate([folder], load_expectations(calls.parent / "expect.yaml"), quiet=True)
    (one,) = evaluated.calls
    assert one.call.source == "lab run"
    at_s = {failure.cause: failure.at_s for failure in one.failures}
    assert "tool failed: book_table" in at_s  # names of tools are kept
    assert at_s["spoke into the caller's pause"] == 1.7
    if text:
        assert one.words is not None
        assert one.words.misheard == (("please", "pleas"),)
        assert one.claims == 1
        assert "claim: said /I('ve| have) booked/ without book_table" in at_s
    else:
        assert one.words is None
        assert "lab run --text keeps it" in evaluated.untold[0]


# Span dumps.


@pytest.mark.parametrize("text", [True, False])
def test_a_span_dump_tells_tools_too_and_texts_where_they_were_kept(
    found: Evaluation, calls: Path, tmp_path: Path, text: bool
) -> None:
    folder = tmp_path / "booking-spans"
    folder.mkdir()
    shutil.copy(RECORDINGS / "livekit" / "call-17" / "audio.ogg", folder / "audio.ogg")
    dump = json.loads((RECORDINGS / "otlp" / "call-17.otlp.json").read_text())
    spans = dump["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span in spans:
        kept = [one for one in span["attributes"] if text or not one["key"].startswith("lk.pii.")]
        span["attributes"] = kept
    (turn,) = [span for span in spans if span["name"] == "user_turn"]
    attributes = {
        "lk.function_tool.name": {"stringValue": "book_table"},
        "lk.function_tool.is_error": {"boolValue": True},
    }
    ran = {"name": "function_tool", "attributes": [{"key": k, "value": v} for k, v in attributes.items()]}
    spans.append(turn | ran | {"startTimeUnixNano": turn["endTimeUnixNano"]})
    (folder / "spans.json").write_text(json.dumps(dump))
    (one,) = evaluate([folder], load_expectations(calls.parent / "expect.yaml"), quiet=True).calls
    assert one.call.source == "otlp"
    assert one.call.has_text is text
    assert [exchange.tools for exchange in one.call.exchanges] == [(ToolCall("book_table", None, True),)]
    assert "tool failed: book_table" in {failure.cause for failure in one.failures}
    assert one.task.done is (False if text else None)


# A judge on the loopback.


def test_a_judge_is_sent_words_and_its_problems_become_failures(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    said = json.dumps(
        {"coherence": 2, "problems": [{"turn": 3, "what": "ignores"}, {"turn": 2, "what": "x"}]}
    )
    told: list[str] = []
    with chat_server([(503, ""), (200, said)]) as (url, asked):
        judge = Judge.of("tiny", {"OPENAI_API_KEY": " sk-secret\n", "OPENAI_BASE_URL": url})
        found = evaluate([calls / "booking-fine"], judge=judge, quiet=True, tell=told.append)
    assert "words and tool calls with their arguments of 1 call(s)" in told[0]
    assert told[0].endswith(url.split("/")[2])
    system, user_ = (message["content"] for message in asked[1]["messages"])
    assert f"about {(len(system) + len(user_)) // 4} tokens" in told[0]
    assert len(asked) == 2  # asked again after the 503
    assert asked[1]["path"] == "/v1/chat/completions"
    assert asked[1]["authorization"] == "Bearer sk-secret"
    script = asked[1]["messages"][1]["content"]
    assert "[2] caller: Table for two, please\n(the agent calls book_table" in script
    (one,) = found.calls
    assert one.judgement is not None
    assert one.judgement.coherence == 2
    judged = [failure for failure in one.failures if failure.cause == "judge: the agent ignores"]
    assert [(failure.exchange, failure.at_s) for failure in judged] == [(1, pytest.approx(3.0, abs=0.01))]
    assert not any(failure.cause.endswith(" x") for failure in one.failures)  # turn 2 is the caller's


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, "not JSON"), "not JSON"),
        ((401, ""), "401"),
        ((200, '{"coherence": 9}'), "coherence"),
        ((307, "/elsewhere"), r"redirects (307)"),
    ],
)
def test_a_judge_that_fails_fails_no_call(calls: Path, answer: tuple[int, str], why: str) -> None:
    with chat_server([answer]) as (url, asked):
        judge = Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": url})
        found = evaluate([calls / "booking-fine"], judge=judge, quiet=True)
    assert [one["path"] for one in asked] == ["/v1/chat/completions"]
    (one,) = found.calls
    assert one.judgement is not None
    assert one.judgement.coherence is None
    assert why in one.judgement.error
    assert "sk-secret" not in one.judgement.error


def test_a_killed_run_asks_the_judge_for_the_rest_and_one_that_ended_asks_again(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (200, json.dumps({"coherence": 4, "problems": [{"turn": 3, "what": "repeats"}]}))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    module = sys.modules["lab_utils.workflows.evaluate.evaluate"]
    placed, told = module.judgement_of, []

    def killed(call, verdict):
        told.append(call.name)
        if len(told) == 2:
            raise KeyboardInterrupt
        return placed(call, verdict)

    three = [calls / "booking-fine", calls / "booking-0", calls / "other"]
    with chat_server([said] * 8) as (url, asked):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setattr(module, "judgement_of", killed)
        cut = lab_evaluate(*three, "--judge", "tiny", "--out", tmp_path / "out")
        assert cut.exit_code != 0
        assert len(asked) == 2
        monkeypatch.setattr(module, "judgement_of", placed)
        whole = lab_evaluate(*three, "--judge", "tiny", "--out", tmp_path / "out")
        assert whole.exit_code == 0, whole.output
        assert "going on: 2 of 3 judgements were finished before" in whole.stderr
        assert len(asked) == 3
        again = lab_evaluate(*three, "--judge", "tiny", "--out", tmp_path / "again")
        assert len(asked) == 6
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert "sk-secret" not in again.output


def test_without_a_judge_no_cache_is_needed(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", "foo://bar")
    done = lab_evaluate(calls / "booking-fine", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output


def test_without_a_key_nothing_is_asked() -> None:
    with pytest.raises(InputError, match="OPENAI_API_KEY isn't set"):
        Judge.of("tiny", {})


@pytest.mark.parametrize(
    "given",
    [
        {"OPENAI_API_KEY": "sk-\nhunter2"},
        {"OPENAI_API_KEY": "sk-hunter2-ключ"},
        {"OPENAI_BASE_URL": "https://user:hunter2@example.com/v1"},
        {"OPENAI_BASE_URL": "https://user:hunter2"},
        {"OPENAI_BASE_URL": "https:///hunter2"},
        {"OPENAI_BASE_URL": "https://example.com/v1?key=hunter2"},
        {"OPENAI_BASE_URL": "https://[hunter2/v1"},
        {"OPENAI_BASE_URL": "hunter2@example.com/v1"},
    ],
)
def test_a_key_or_an_address_that_cannot_be_used_is_refused_without_quoting_it(given: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(given))) as refused:
        Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret"} | given)
    assert "hunter2" not in str(refused.value)
    assert "sk-secret" not in repr(Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret"}))


# The command.


def lab_evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_command_prints_groups_and_what_is_not_known(
    calls: Path, found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    expect = calls.parent / "expect.yaml"
    result = lab_evaluate(calls, "--expect", expect, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "task done in 2 of 6 calls" in result.stdout
    assert "claim: said /I('ve| have) booked/ without book_table" in result.stdout
    assert "no known words" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("calls: [{tool: [x]}]", "line 1: calls[0].tool: unknown key"),
        ("calls:\n- agent_says: ['(']", "line 2: calls[0].agent_says[0]: no regular expression"),
        ("- 1", "keys and values"),
    ],
)
def test_bad_expectations_end_in_one_line(calls: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "expect.yaml").write_text(text)
    result = lab_evaluate(calls, "--expect", tmp_path / "expect.yaml", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_claims_that_cannot_be_judged_are_told(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["lab_utils.workflows.evaluate.evaluate"],  # the package's name of it is the function's
        "read_call",
        lambda files: replace(read_call(files), tools_told=False),
    )
    (calls.parent / "expect.yaml").write_text(EXPECT)
    expected = load_expectations(calls.parent / "expect.yaml")
    found = evaluate([calls / "booking-0", calls / "other"], expected, quiet=True)
    assert found.counts()["claims"] == 0
    assert "1 of 2 call(s): claims: livekit_report doesn't tell which tools were called" in found.untold


def test_a_folder_without_sessions_is_told(tmp_path: Path) -> None:
    result = lab_evaluate(tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "no recording in this folder" in result.stderr
    (tmp_path / "a.txt").write_text("no recording")
    assert (
        "a.txt: no recording in this file"
        in lab_evaluate(tmp_path / "a.txt", "--out", tmp_path / "out").stderr
    )


# ai-evaluation, in a Python of its own. Here a stand-in of what it offers asks the server as it does.

FI = """
import json, os, urllib.request
from types import SimpleNamespace

def evaluate(*, prompt, engine, model, output):
    assert "FI_API_KEY" not in os.environ
    print("what it prints is in nobody's way")
    if "Table" not in output:
        raise ValueError("nothing to grade for " + os.environ["OPENAI_API_KEY"])
    body = {"model": model, "messages": [{"role": "user", "content": prompt + output}]}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(), {"Authorization": "x"}
    )
    told = json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]
    return SimpleNamespace(score=json.loads(told)["score"], reason=told, error=None)
"""


@pytest.fixture
def other_python(tmp_path: Path) -> Path:
    """A Python that finds a module `fi.evals`, and nothing of this environment's paths."""
    (tmp_path / "lib" / "fi").mkdir(parents=True)
    (tmp_path / "lib" / "fi" / "evals.py").write_text(FI)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "lib"} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python


def test_ai_evaluation_grades_calls_from_its_own_environment(
    calls: Path, other_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FI_API_KEY", "not to be passed on")
    said = json.dumps({"score": 0.4, "reason": "ignores the caller"})
    with chat_server([(200, said)]) as (url, asked):
        judge = Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": url})
        found = evaluate(
            [calls / "booking-fine", calls / "other"], judge=judge, ai_evaluation=other_python, quiet=True
        )
    fine, other = found.calls
    assert [one["model"] for one in asked] == ["openai/tiny"]
    assert "[2] caller: Table for two, please" in asked[0]["messages"][0]["content"]
    assert fine.judgement is not None
    assert (fine.judgement.coherence, fine.judgement.reason) == (3, "ignores the caller")
    assert "judge: coherence 3 or less of 5" in {failure.cause for failure in fine.failures}
    assert other.judgement is not None
    assert other.judgement.error == "ValueError: nothing to grade for …"


def test_what_ai_evaluation_was_paid_for_is_not_asked_again_after_a_kill(
    other_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.workflows.evaluate.ai_evaluation.TOGETHER", 1)
    three = [write_call(tmp_path / f"{n}", [user(f"Table {n}, please."), agent("Yes.")]) for n in range(3)]
    said = json.dumps({"score": 0.4, "reason": "ignores the caller"})
    grade, asked_about = AI_EVALUATION.answers, []

    def answers(self: Any, asked: Any, *more: Any) -> Any:
        asked_about.append(asked["calls"])
        if len(asked_about) == 3:
            raise KeyboardInterrupt
        return grade(asked, *more)

    def evaluated(told: list[str]) -> Any:
        with going_on(tmp_path / "cache", told.append):
            return evaluate(three, judge=judge, ai_evaluation=other_python, quiet=True)

    with chat_server([(200, said)]) as (url, asked):
        judge = Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": url})
        with monkeypatch.context() as patched:
            patched.setattr(type(AI_EVALUATION), "answers", answers)
            with pytest.raises(KeyboardInterrupt):
                evaluated([])
        assert len(asked) == 2
        told: list[str] = []
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")  # of another shell
        found = evaluated(told)
        assert told == ["going on: 2 of 3 parts were finished before"]
        assert len(asked) == 3
        package = tmp_path / "lib" / "ai_evaluation-2.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ai-evaluation\nVersion: 2.0\n")
        told.clear()
        found = evaluated(told)
    assert told == []
    assert len(asked) == 6, "another version is asked anew"
    assert [one.judgement.coherence for one in found.calls] == [3, 3, 3]


def test_a_python_without_ai_evaluation_is_told(calls: Path, tmp_path: Path) -> None:
    judge = Judge.of("tiny", {"OPENAI_API_KEY": "sk-secret"})
    plain_file, no_program = tmp_path / "plain", tmp_path / "program"
    for path in (plain_file, no_program):
        path.write_bytes(b"\0")
    no_program.chmod(0o755)
    for python, finding, sent in (
        (Path(sys.executable), "No module named 'fi'.*make an environment for it", True),
        (tmp_path / "python", "no such file", False),
        (plain_file, "isn't executable", False),
        (no_program, "can't be run .Exec format error", True),
    ):
        told: list[str] = []
        with pytest.raises(InputError, match=finding):
            evaluate(
                [calls / "booking-fine"], judge=judge, ai_evaluation=python, quiet=True, tell=told.append
            )
        assert bool(told) is sent
    result = lab_evaluate(calls, "--with", "ai-evaluation", "--out", tmp_path / "out")
    assert "needs --python" in result.stderr

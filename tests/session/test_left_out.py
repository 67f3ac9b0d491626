"""What was said is in no file and on no screen that nobody asked to hold it, and in both if asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from calls import cut, sample
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT

from lab_utils.core.session_log import LeftOut, Reply, SessionEvent, SessionLog
from lab_utils.core.settings import Settings
from lab_utils.recordings.audio import write_flac
from lab_utils.recordings.formats.livekit_report import read_turns
from lab_utils.recordings.labels.file import write_labels
from lab_utils.session.log.files import read_session
from lab_utils.session.log.left_out import LEFT_OUT, without_text

CALLER, RECORDED_AGENT = "zebrafinch", "quokkaword"
SAID = {
    "the caller": CALLER,
    "the greeting": "capybaragreeting",
    "the reply": "ocelotreply",
    "a tool's argument": "walrusname",
    "a tool's result": "pangolinresult",
    "instructions": "narwhalrule",
    "a tool's error": "lynxfault",
    "a logged error": "tapirfault",
}
AGENT = f"""
from livekit.agents import Agent, function_tool
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest

class Clerk(Agent):
    def __init__(self):
        super().__init__(instructions="always obey {SAID["instructions"]}")

    async def on_enter(self):
        self.session.say("a {SAID["the greeting"]} to you")

    async def on_user_turn_completed(self, turn_ctx, new_message):
        if len(self.chat_ctx.items) > 8:
            raise ValueError("{SAID["a logged error"]} in " + str(new_message.text_content))

    @function_tool
    async def look_up(self, customer: str) -> str:
        "Looks up."
        return "{SAID["a tool's result"]}"

    @function_tool
    async def book(self, customer: str) -> str:
        "Books."
        raise ValueError("{SAID["a tool's error"]} of " + customer)

def script():
    argument = dict(customer="{SAID["a tool's argument"]}")
    return ScriptedLLM([
        ToolRequest("look_up", argument, "It is {{output}}, {SAID["the reply"]}."),
        ToolRequest("book", argument, "The {SAID["the reply"]} again."),
        "Good {SAID["the reply"]}.",
    ])

class Broken(ScriptedLLM):
    "Fails for good, with the caller's words in the message."
    def chat(self, *, chat_ctx, **others):
        if any(message.role == "user" for message in chat_ctx.messages()):
            words = " ".join(message.text_content or "" for message in chat_ctx.messages())
            raise SystemExit("can't answer " + words)
        return super().chat(chat_ctx=chat_ctx, **others)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 s of a sample call in which each speaker says one word over and over, and an agent's code."""
    folder = tmp_path_factory.mktemp("left out") / "calls"
    folder.mkdir()
    part = cut(sample("01"), 4.0, 40.0)
    assert part.labels is not None
    assert part.agent is not None
    words = {"user": CALLER, "agent": RECORDED_AGENT}
    labels = replace(
        part.labels,
        ipus=tuple(replace(ipu, text=words[ipu.speaker]) for ipu in part.labels.ipus),
        words=tuple(replace(word, text=words[word.speaker]) for word in part.labels.words),
    )
    write_flac(folder / "call.flac", np.column_stack([part.user, part.agent]))
    write_labels(labels, folder / "call.labels.json")
    (folder.parent / "clerk.py").write_text(AGENT)
    return folder


def lab(folder: Path, cache: Path, *arguments: object) -> str:
    """What a command prints, on both streams."""
    cached = [] if arguments[0] == "import" else ["--cache", str(cache), "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "lab_utils.cli", *map(str, arguments), *cached],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def everything_in(folder: Path) -> str:
    """Every byte of every file, and what Parquet has packed, as text."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                found.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
    return "\n".join(found)


def clerk(folder: Path) -> list[str]:
    code = folder / "clerk.py"
    return ["--agent", f"{code}:Clerk", "--llm", f"{code}:script"]


@pytest.fixture(scope="module")
def runs(call: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a usual run, `out`, and one asked to keep texts, `asked`; what the first printed."""
    folder = tmp_path_factory.mktemp("runs")
    shown = lab(folder, cache, "run", call, "--out", "out", *clerk(call.parent))
    lab(folder, cache, "run", call, "--out", "asked", "--text", *clerk(call.parent))
    return folder, shown


@pytest.mark.slow
def test_a_run_keeps_what_was_said_only_if_asked(runs) -> None:
    folder, shown = runs
    written = everything_in(folder / "out")
    assert "session-log" in written
    for what, word in {**SAID, "the recorded agent": RECORDED_AGENT}.items():
        assert word not in written, f"{what} is in a file"
        assert word not in shown, f"{what} is on the screen"
    assert "no texts: --text keeps them" in shown

    asked = everything_in(folder / "asked")
    for what, word in SAID.items():
        assert word in asked, f"{what} was never said, so the test shows nothing"


@pytest.mark.slow
def test_both_forms_of_a_run_are_read_and_differ_in_nothing_but_texts(runs) -> None:
    folder, _ = runs
    short, full = (read_session(folder / name / "call") for name in ("out", "asked"))
    assert (short.text, full.text) == (False, True)
    assert (short.heard == full.heard).all()
    assert [(e.time_s, e.kind) for e in short.events] == [(e.time_s, e.kind) for e in full.events]
    assert [reply.stages for reply in short.replies] == [reply.stages for reply in full.replies]
    for one, other in zip(short.replies, full.replies, strict=True):
        assert isinstance(other.agent_text, str)
        assert one.agent_text == LeftOut.of(other.agent_text)
    starts, ends = short.of_kind("tool_starts"), short.of_kind("tool_ends")
    assert [event.data["name"] for event in starts] == ["look_up", "book"]
    assert all(set(event.data["arguments"]) == {"words", "characters"} for event in starts)
    assert {event.data["status"] for event in ends} == {
        event.data["status"] for event in full.of_kind("tool_ends")
    }
    assert "ValueError" in {event.data["type"] for event in short.of_kind("error", "warning")}
    assert short.report["user_turns"] == full.report["user_turns"] > 0
    assert short.report["agent_name"] == full.report["agent_name"] == ""
    told = [read_turns(folder / name / "call" / "report.json") for name in ("out", "asked")]
    assert [turn.stages for turn in told[0]] == [turn.stages for turn in told[1]] != []
    assert without_text(full).events == short.events
    for name in ("turns.csv", "timeline.png", "latency.png", "heard.flac"):
        pair = [(folder / out / "call" / name).read_bytes() for out in ("out", "asked")]
        assert pair[0] == pair[1], name


@pytest.mark.slow
def test_a_failure_that_quotes_the_caller_is_told_by_its_type(call, cache, tmp_path) -> None:
    broken = ["--llm", f"{call.parent / 'clerk.py'}:Broken"]
    shown = lab(tmp_path, cache, "run", call, "--out", "out", *broken)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary["outcomes"]["failed"] == 1, shown
    assert "SystemExit" in summary["recordings"][0]["failure"]
    assert LEFT_OUT in summary["recordings"][0]["failure"]
    assert CALLER not in everything_in(tmp_path / "out") + shown
    shown = lab(tmp_path, cache, "run", call, "--out", "asked", "--text", *broken)
    assert CALLER in shown
    assert CALLER in (tmp_path / "asked" / "summary.json").read_text("utf-8")


@pytest.mark.slow
def test_no_other_command_writes_what_was_said(call, cache, tmp_path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("min_delay: [0.3, 0.6]\n")
    shown = lab(tmp_path, cache, "sweep", call, "--grid", grid, "--out", "out", "--phases", 1)
    shown += lab(tmp_path, cache, "verify", call, "--settings", 2, "--out", tmp_path / "out" / "proof.json")
    shown += lab(tmp_path, cache, "import", call, "--out", call / "manifest.parquet")
    (call / "manifest.parquet").rename(tmp_path / "out" / "manifest.parquet")
    written = everything_in(tmp_path / "out")
    assert {"commits.parquet", "proof.json", "manifest.parquet"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }
    for word in (CALLER, RECORDED_AGENT):
        assert word not in written
        assert word not in shown


def log_with(*events: SessionEvent, **values) -> SessionLog:
    fixed = {
        "recording": "x", "sha256": "0" * 64, "settings": Settings(), "mode": "open_loop", "clock": "virtual",
        "seed": 0, "phase_samples": 0, "duration_s": 9.0, "replies": (), "report": {},
        "heard": np.zeros((0, 2), np.int16),
    }  # fmt: skip
    return SessionLog(events=events, **(fixed | values))


ERROR = {"source": "log", "error": "KeyError: 'Miller'", "type": "KeyError"}


def test_an_error_before_anything_was_said_keeps_its_message() -> None:
    early, words = (
        SessionEvent(0.5, "error", ERROR),
        SessionEvent(1.0, "transcript", {"text": "hi", "final": True}),
    )
    late = SessionEvent(2.0, "error", ERROR)
    told = {"failure": "KeyError: 'Miller'", "failure_message": "'Miller'"}
    alone = without_text(log_with(early, **told))
    assert alone.events[0].data == ERROR
    assert alone.failure == "KeyError: 'Miller'"
    after = without_text(log_with(early, words, late, **told))
    assert [event.data.get("type") for event in after.events] == ["KeyError", None, "KeyError"]
    assert after.events[2].data["error"] == {"words": 2, "characters": 18}
    assert after.events[0].data == ERROR
    assert after.failure == f"KeyError: {LEFT_OUT}"


NAMES = st.sampled_from(
    ["text", "content", "arguments", "transcript", "type", "id", "extra", "new_name", "error"]
)
PLAIN = st.recursive(
    st.sampled_from(["a distinctive zebrafinch", "user", 'zebra"finch', "", None, 0.5, 3, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, PLAIN, max_size=5))
def test_no_text_of_more_than_a_word_stays_in_a_report_and_its_shape_does(report) -> None:
    emptied = without_text(log_with(report=report)).report
    assert "zebra" not in json.dumps(emptied)
    assert set(emptied) == set(report)
    for name, value in report.items():
        if isinstance(value, list) and name != "extra":
            assert len(emptied[name]) == len(value)
        if not isinstance(value, (str, list, dict)):
            assert emptied[name] == value


def test_leaving_out_twice_is_leaving_out_once() -> None:
    log = log_with(
        SessionEvent(1.0, "commit", {"text": "so be it"}), replies=(Reply(1.0, "a", "b c", False, {}),)
    )
    once = without_text(log)
    assert without_text(once) is once
    assert once.replies[0].agent_text == LeftOut(2, 3)
    assert log.events[0].data["text"] == "so be it", "the log in memory keeps its text"

"""`lab probe` against LiveKit's gateway on the loopback: the delays it was given come out."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from calls import one_question, sample
from loopback_gateway import BRIEF, FIRST, SHORT, Gateway, served
from synthetic_sessions import session_of
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.cli.probe import _agreed
from lab_utils.cli.tables.fit import print_probe
from lab_utils.core.errors import InputError
from lab_utils.core.labels import Ipu
from lab_utils.core.recording import Recording
from lab_utils.core.session_log import SessionEvent
from lab_utils.core.settings import Settings
from lab_utils.recordings.labels.file import write_labels
from lab_utils.session.entrypoint.facts import NO_FACTS
from lab_utils.session.entrypoint.probe import LiveParts, PlugIn
from lab_utils.session.providers.files import load_providers
from lab_utils.session.user_parts import BadPart
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.finished import going_on
from lab_utils.workflows import probe as workflow
from lab_utils.workflows.probe import Plan, measure, prepare
from lab_utils.workflows.probe.figures import FITTED, SHOWN, Measured, figures_of, measured
from lab_utils.workflows.probe.probe import Played, play
from lab_utils.workflows.probe.prompts import read_prompts, side_by_side
from lab_utils.workflows.probe.script import estimate, first_turns, told, turns_of

TOLERANCE_S = 0.1
"""Of a stage's median. Measured with both cores busy: at most 0.035 s off. (The STT's server hears ends in
blocks of 50 ms.)
"""
TRUTH = {"stt.final": 0.2, "large.ttft": 0.25, "tts.first_audio": 0.15, "tool.latency": 0.15}
TRIES = 3
"""A machine under load is late now and then, as it would be in production."""
WORKER = '''
import asyncio

from livekit.agents import Agent, AgentSession, WorkerOptions, cli, function_tool, inference

KEYS = {"base_url": "URL", "api_key": "key", "api_secret": "a-secret-of-at-least-thirty-two-bytes"}


class Assistant(Agent):
    def __init__(self):
        super().__init__(instructions="Answer briefly.")

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        await asyncio.sleep(TOOL_S)
        return "found"


async def entrypoint(ctx):
    session = AgentSession(
        stt=inference.STT("deepgram/nova-3", **KEYS),
        llm=inference.LLM("openai/gpt-4.1-mini", **KEYS),
        tts=inference.TTS("cartesia/sonic-3", **KEYS),
        turn_handling={"turn_detection": "vad", "endpointing": {"min_delay": 0.3, "max_delay": 0.5}},
    )
    await session.start(room=ctx.room, agent=Assistant())


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
'''


def write_worker(path: Path, url: str) -> str:
    path.write_text(WORKER.replace("URL", url).replace("TOOL_S", str(TRUTH["tool.latency"])))
    return str(path)


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call with one turn, and its answer."""
    call = one_question()
    path = tmp_path_factory.mktemp("calls") / "question.wav"
    soundfile.write(path, np.stack((call.user, call.agent), axis=1), 16_000)
    labels = replace(call.labels, ipus=(*call.labels.ipus, Ipu("agent", 1.9, 1.95)))
    write_labels(labels, path.with_name("question.labels.json"))
    return path


def near(seconds: dict[str, float]) -> dict[str, object]:
    return {name: pytest.approx(true, abs=TOLERANCE_S) for name, true in seconds.items()}


@pytest.mark.slow
def test_the_delays_of_the_providers_come_out(question: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "brief.txt"
    prompt.write_text(f"Answer. {SHORT} " + "Be kind. " * 50)
    delays = {"stt_s": TRUTH["stt.final"], "ttft_s": TRUTH["large.ttft"], "tts_s": TRUTH["tts.first_audio"]}
    with served(Gateway(**delays)) as gateway:
        worker = write_worker(tmp_path / "worker.py", gateway.url)
        plan = prepare(worker, [question], "guide", repeats=2, tail_s=1.7, isolated=False)
        assert plan.live.stt == PlugIn("livekit.agents.inference.stt.STT", "livekit", "deepgram/nova-3")
        assert plan.live.tools == ("look_up",)
        assert gateway.chats == []  # nothing is sent before it is agreed to
        assert gateway.audio_s == 0
        for _ in range(TRIES):
            found = measure(plan, "mine", least=2, isolated=False)
            medians = {one.stage: float(np.median(one.seconds)) for one in found.fitted.stages}
            print({name: round(seconds - TRUTH[name], 3) for name, seconds in medians.items()})
            if medians == near(TRUTH):
                break
        asked = len(gateway.chats)
        under = Played(plan.recordings[0], "brief", 0, "")
        briefly = play(replace(plan, prompts=read_prompts([prompt])), under)
    system = [json.dumps(chat["messages"]) for chat in gateway.chats]
    assert [SHORT in text for text in system] == [k >= asked for k in range(len(system))]
    rows = side_by_side({"as it is": list(found.sessions), "brief": [briefly]}, plan.base)
    as_it_is, brief = rows.to_dict("records")
    assert as_it_is["first_sentence_characters"] == len(FIRST.strip())
    assert brief["first_sentence_characters"] == len(BRIEF.strip())
    assert brief["dollars_per_1000_turns"] > as_it_is["dollars_per_1000_turns"] > 0  # its prompt is longer
    assert [one.failure for one in found.sessions] == ["", ""]
    assert medians == near(TRUTH)
    assert found.profile.large.ttft.p50_s == pytest.approx(0.25, abs=TOLERANCE_S)
    assert (found.profile.large.model, found.profile.tts.model) == ("openai/gpt-4.1-mini", "cartesia/sonic-3")
    assert found.profile.tool.origins["latency"].source == "lab probe (n=2)"
    assert found.profile.small == load_providers("guide").small
    assert np.median(found.shown["first_sentence"]) == pytest.approx(0.35, abs=TOLERANCE_S)


# What would be sent, and what is counted.

LIVE = LiveParts(
    Settings(),
    PlugIn("livekit.plugins.deepgram.STT", "Deepgram", "nova-3"),
    PlugIn("livekit.plugins.openai.LLM", "api.openai.com", "gpt-4.1-mini"),
    PlugIn("livekit.plugins.cartesia.TTS", "Cartesia", "sonic-3"),
    ("book",),
    2_000,
)


@pytest.fixture(scope="module")
def call() -> Recording:
    return sample("01")


def test_only_the_first_turns_are_played(call: Recording) -> None:
    short = first_turns(call, 2)
    assert turns_of(short) == 2 < turns_of(call)
    assert len(short.user) == len(short.agent) < len(call.user)
    assert first_turns(call, 1000) is call


def test_what_is_sent_to_whom_and_for_how_much_is_told(call: Recording) -> None:
    prices = load_providers("deepgram-openai-cartesia")
    session = first_turns(call, 2), LIVE.instructions
    two, four = (estimate([session] * repeats, LIVE, prices) for repeats in (2, 4))
    assert two.turns == 4
    assert two.requests == (4, 16)  # with LiveKit's three retries of a preemptive reply
    assert two.prompt_tokens[0] > 4 * 2_000 / 4
    assert four.dollars[1] == pytest.approx(2 * two.dollars[1])
    assert two.dollars[0] < two.dollars[1] < 0.1
    lines = told(LIVE, two, prices)
    assert "Deepgram nova-3 (livekit.plugins.deepgram.STT)" in lines[0]
    assert "4 to 16 requests" in lines[1]
    assert lines[-2].endswith("run for real: book")
    assert "handed to may use other tools and providers" in lines[-1]
    quiet = replace(LIVE, settings=Settings(preemptive={"enabled": False}), tools=())
    assert estimate([session] * 2, quiet, prices).requests == (4, 4)


def test_each_prompt_is_counted_by_its_own_length_and_named(call: Recording, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("Be kind. " * 4_000)
    base = load_providers("guide")
    live = replace(LIVE, mcp_servers=("mcp.example.com",))
    short = Plan("worker.py", NO_FACTS, live, base, (first_turns(call, 2),), 3)
    both = replace(short, prompts=read_prompts([tmp_path / "long.txt"]))
    assert both.turns == short.turns == 6
    all_of_both = both.estimate(both.sessions())
    assert all_of_both.turns == 12
    own = short.estimate(short.sessions()).prompt_tokens[0]
    longer = 6 * (36_000 - LIVE.instructions) / 4
    assert all_of_both.prompt_tokens[0] == pytest.approx(2 * own + longer, abs=1)
    assert "all of it together under 2 prompts: as it is, long" in both.told(both.sessions())
    told_of_short = short.told(short.sessions())
    assert not any("prompts" in line for line in told_of_short)
    assert "and all tools of these MCP servers: mcp.example.com" in told_of_short


def test_figures_are_told_apart_by_model_and_what_is_not_above_zero_is_left_out() -> None:
    base = load_providers("deepgram-openai-cartesia")
    events = [
        SessionEvent(1.0, "caller_starts", {"turn": "opening"}),
        SessionEvent(2.0, "caller_ends"),
        SessionEvent(1.6, "transcript", {"final": True}),
        SessionEvent(2.3, "transcript", {"final": True}),
        SessionEvent(5.0, "caller_starts", {"turn": "answer"}),
        SessionEvent(6.0, "caller_ends"),
        SessionEvent(5.9, "transcript", {"final": True}),
    ]
    replies = [
        {"llm_node_ttft": 0.5, "llm_metadata": {"model_name": f"openai/{base.small.model}-2026-01-02"}}
    ]
    replies += [{"llm_node_ttft": 0.7, "tts_node_ttfb": 0.2, "llm_metadata": {"model_name": "other"}}]
    items = [{"type": "message", "role": "assistant", "metrics": metrics} for metrics in replies]
    log = session_of([], events=False, report={"chat_history": {"items": items}})
    one = measured(replace(log, events=tuple(sorted(events, key=lambda event: event.time_s))), base)
    figures, _ = figures_of([one, one], "lab probe")
    assert figures.seconds["stt.final"].tolist() == pytest.approx([0.3, 0.3])
    assert figures.left_out["stt.final"] == 2  # before the end of the speech
    assert figures.seconds["small.ttft"].tolist() == [0.5, 0.5]
    assert figures.seconds["large.ttft"].tolist() == [0.7, 0.7]
    assert figures.models["large.ttft"] == ("other",)


@pytest.mark.parametrize(("options", "sent"), [((), False), (("--yes",), True)])
def test_nothing_is_sent_unless_it_is_agreed_to(
    call: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], sent: bool
) -> None:
    plan = Plan("worker.py", NO_FACTS, LIVE, load_providers("guide"), (first_turns(call, 2),), 3)
    begun: list[int] = []

    def play_nothing(_: object, sessions: list[object], *__: object, **___: object) -> None:
        begun.append(len(sessions))
        raise InputError("played")

    monkeypatch.setattr(workflow, "prepare", lambda *_, **__: plan)
    monkeypatch.setattr("lab_utils.workflows.probe.probe._answers", play_nothing)
    result = CliRunner().invoke(app, ["probe", "worker.py", "-o", str(tmp_path / "mine.yaml"), *options])
    assert result.exit_code == 1
    assert "api.openai.com gpt-4.1-mini" in result.stderr
    assert begun == [3] * sent
    assert ("add --yes to send it" in result.stderr) is not sent
    assert "lab: this sends\n" in result.stderr


def test_what_is_left_after_a_kill_is_what_is_told(call: Recording, capsys: pytest.CaptureFixture) -> None:
    plan = Plan("worker.py", NO_FACTS, LIVE, load_providers("guide"), (first_turns(call, 2),), 3)
    _agreed(plan, True, plan.sessions()[1:])
    said = capsys.readouterr().err
    assert "this sends in the 2 of 3 sessions that are left" in said
    assert "4 to 16 requests" in said


def test_what_cannot_come_to_anything_is_refused_before_it_is_told(
    call: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    plan = Plan("worker.py", NO_FACTS, LIVE, load_providers("guide"), (first_turns(call, 2),), 2)
    monkeypatch.setattr(workflow, "prepare", lambda *_, **__: plan)
    for out, why in (
        ("mine.yaml", "4 turns are too few: a figure needs 5"),
        ("mine", "expected a name with a suffix, such as mine.yaml"),
        ("file/mine.yaml", "file: is a file"),
    ):
        result = CliRunner().invoke(app, ["probe", "worker.py", "--yes", "-o", str(tmp_path / out)])
        assert result.exit_code == 1
        assert why in result.stderr
        assert "this sends" not in result.stderr


# What the worker brings, and how its sessions went.

RICH = """
from types import SimpleNamespace

from livekit.agents import Agent, AgentSession, WorkerOptions, cli, function_tool, inference, llm

KEYS = {"base_url": "http://127.0.0.1:1/v1", "api_key": "key", "api_secret": 32 * "s"}


@function_tool
async def of_the_session() -> str:
    return ""


@function_tool
async def of_a_set() -> str:
    return ""


@function_tool
async def of_the_agent() -> str:
    return ""


async def entrypoint(ctx):
    session = AgentSession(
        stt=inference.STT("deepgram/nova-3", **KEYS),
        llm=inference.LLM("openai/gpt-4.1-mini", **KEYS),
        tts=inference.TTS("cartesia/sonic-3", **KEYS),
        tools=[of_the_session, llm.Toolset(id="set", tools=[of_a_set]), llm.Toolset(id="later")],
        mcp_servers=[
            SimpleNamespace(url="https://user:hunter2@mcp.example.com/sse?key=hunter2"),
            SimpleNamespace(command="/opt/bin/booking", args=["--key", "hunter2"]),
        ],
    )
    await session.start(room=ctx.room, agent=Agent(instructions="", tools=[of_the_agent, of_the_session]))


cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
"""


def test_the_tools_of_session_and_agent_and_mcp_servers_are_told(question: Path, tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text(RICH)
    live = prepare(str(tmp_path / "rich.py"), [question], "guide", isolated=False).live
    assert live.tools == ("of_the_session", "of_a_set", "all of later", "of_the_agent")
    assert live.mcp_servers == ("mcp.example.com", "booking")


def test_a_worker_that_cannot_be_used_is_named_as_it_was_given(question: Path, tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(BadPart, match=f"^{tmp_path}/none.py: it has no entrypoint"):
        prepare(str(tmp_path / "none.py"), [question], "guide", isolated=False)


def test_sessions_that_failed_are_told_by_prompt(
    call: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "brief.txt").write_text("Be brief.")
    names = (*FITTED, *SHOWN)

    def played(_: Plan, of: Played) -> Measured:
        why = "the LLM is gone" if of.prompt == "brief" else ""
        return Measured(dict.fromkeys(names, (0.2, 0.3)), dict.fromkeys(FITTED, ()), why)

    monkeypatch.setattr("lab_utils.workflows.probe.probe.play", played)
    plan = Plan("worker.py", NO_FACTS, LIVE, load_providers("guide"), (first_turns(call, 2),), 3)
    plan = replace(plan, prompts=read_prompts([tmp_path / "brief.txt"]))
    found = measure(plan, "mine", isolated=False)
    print_probe(found, plan, Path("mine.yaml"), as_json=True)
    assert json.loads(capsys.readouterr().out)["failed"] == {"brief": ["the LLM is gone"] * 3}
    print_probe(found, plan, Path("mine.yaml"), as_json=False)
    said = capsys.readouterr().out
    assert "3 of 3 sessions under the prompt 'brief' ended early: the LLM is gone" in said


def test_a_probe_that_was_killed_plays_the_rest_on_the_same_day_and_all_of_it_on_another(
    call: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[str, int]] = []
    agreed_to: list[Played] = []

    def play_one(plan: Plan, of: Played) -> Measured:
        if len(played) == killed_at:
            raise KeyboardInterrupt
        played.append((of.prompt, of.number))
        seconds = dict.fromkeys((*FITTED, *SHOWN), (0.1 * len(of.prompt), 0.2 + 0.1 * of.number))
        why = "the LLM is gone" if of.prompt == "brief" and of.number == 0 else ""
        return Measured(seconds, dict.fromkeys(FITTED, ()), why, code=plan.code)

    monkeypatch.setattr("lab_utils.workflows.probe.probe.play", play_one)
    (tmp_path / "brief.txt").write_text("Be brief.")
    plan = Plan(
        "worker.py", NO_FACTS, LIVE, load_providers("guide"), (first_turns(call, 2),), 3, code="loaded"
    )
    plan = replace(plan, prompts=read_prompts([tmp_path / "brief.txt"]))
    every = [(prompt, number) for number in range(3) for prompt in ("as it is", "brief")]
    monday, tuesday = dt.date(2026, 11, 30), dt.date(2026, 12, 1)

    def probed(plan: Plan, today: dt.date) -> tuple[str, list[str]]:
        """The profile that is written, and what is told."""
        played.clear()
        agreed_to.clear()
        told: list[str] = []
        how: Any = {"agree": agreed_to.extend, "least": 2, "isolated": False, "quiet": True, "today": today}
        with going_on(tmp_path / "cache", told.append):
            found = measure(plan, "mine", **how)
        return repr((found.profile, found.prompts, found.failed)), told

    killed_at = -1
    undisturbed, _ = probed(plan, monday)
    TraceCache(tmp_path / "cache").prune(0)
    killed_at = 4
    with pytest.raises(KeyboardInterrupt):
        probed(plan, monday)
    assert played == every[:4]
    killed_at = -1
    again, told = probed(plan, monday)
    assert played == [("brief", 0), *every[4:]], "one that failed, and those that were left"
    assert sorted((one.prompt, one.number) for one in agreed_to) == sorted(played)
    assert told == ["going on: 3 of 6 sessions were finished before"]
    assert again == undisturbed
    for other, day in ((plan, tuesday), (replace(plan, code="another worker"), monday)):
        probed(other, day)
        assert played == every

"""Worker files of the shapes that production has, each run by its own entrypoint on a short recording.

The workers in `fixtures/workers` are the project's own, written after the shapes of public ones.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from calls import one_question
from paths import TESTS
from virtual import where_clock_is_virtual

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings, livekit_defaults, parse_settings
from lab_utils.session.entrypoint.facts import NO_FACTS, RoomFacts
from lab_utils.session.job import SessionJob
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
from lab_utils.session.user_parts import BadPart

WORKERS = TESTS / "fixtures" / "workers"
SIP = {"sip.phoneNumber": "+15550100", "sip.trunkPhoneNumber": "+15550101"}


@dataclass(frozen=True)
class Shape:
    """What a run of a worker must show."""

    stood_in: tuple[str, ...]
    """Among the names of what was stood in for."""
    settings: Settings = field(default_factory=Settings)
    facts: RoomFacts = NO_FACTS
    tool: str = ""
    """What the scripted LLM calls in its first answer."""
    arguments: dict[str, str] = field(default_factory=dict)
    errors: int = 0
    check: Callable[[Any, SessionLog], bool] = field(default=lambda module, log: True)
    """Of the worker's module and the log."""


def varied(settings: Settings, **groups: dict[str, Any]) -> Settings:
    """Settings with fields that are no knobs changed, by group."""
    values = settings.model_dump()
    for group, fields in groups.items():
        values[group] |= fields
    return parse_settings(values)


INFERENCE = ("inference.LLM openai/gpt-4.1-mini", "inference.STT deepgram/nova-3")
SHAPES: dict[str, Shape] = {
    "starter": Shape(
        ("dotenv", "livekit.plugins.ai_coustics", "inference.TTS cartesia/sonic-3"),
        livekit_defaults("silero").replace(min_silence_duration=0.4, min_delay=0.5, max_delay=3.0),
    ),
    "options_main": Shape(
        ("livekit.plugins.cartesia", "livekit.plugins.deepgram", "livekit.plugins.noise_cancellation"),
        varied(
            livekit_defaults("silero", "vad").replace(min_delay=0.7, max_delay=2.0),
            interruption={"min_duration": 0.6},
        ),
    ),
    "strings": Shape(
        (*INFERENCE, "inference.TTS cartesia/sonic-3"),
        varied(
            Settings().replace(min_delay=0.4), interruption={"min_words": 1}, preemptive={"enabled": False}
        ),
        tool="lookup_weather",
        arguments={"place": "Ghent"},
        check=lambda module, log: log.of_kind("tool_ends")[0].data["status"] == "done",
    ),
    "fallback": Shape((*INFERENCE, "livekit.plugins.assemblyai", "livekit.plugins.groq")),
    "stream_adapter": Shape(("livekit.plugins.openai",), livekit_defaults("silero")),
    "mcp_servers": Shape(("mcp.MCPServerHTTP", "mcp.MCPServerStdio")),
    "handoff": Shape(
        ("dotenv", "livekit.plugins.elevenlabs"),
        tool="hand_over",
        check=lambda module, log: len(log.of_kind("handoff")) >= 1 if log.of_kind("handoff") else True,
    ),
    "outbound": Shape(
        ("LiveKitAPI.sip.create_sip_participant",),
        facts=RoomFacts(metadata='{"name": "Ann", "phone": "+15550100"}'),
    ),
    "telephony": Shape(INFERENCE, facts=RoomFacts(attributes=SIP), tool="transfer"),
    "frontend": Shape(
        INFERENCE, tool="show_map", check=lambda module, log: "no client takes 'show_map'" in module.asked[0]
    ),
    "background": Shape(
        ("BackgroundAudioPlayer",),
        check=lambda module, log: len(module.written) == 2 and all(size > 5 for size in module.written),
    ),
    "avatar": Shape(
        ("livekit.plugins.tavus.AvatarSession", "livekit.plugins.hedra.AvatarSession"),
        varied(Settings(), interruption={"resume_false_interruption": False}),
    ),
    "observed": Shape(
        ("sentry_sdk", "structlog", "langfuse", "tenacity"),
        tool="look_up",
        check=lambda module, log: module.looked_up == ["here"],
    ),
    "nodes": Shape(
        ("livekit.plugins.speechmatics",),
        check=lambda module, log: min(module.passed.values()) > 0,
    ),
    "database": Shape(("asyncpg", "aiocsv", "pydantic_settings"), tool="save_order", errors=1),
    "rag": Shape(
        ("llama_index", "langgraph", "livekit.plugins.langchain"),
        check=lambda module, log: module.chromadb is None,
    ),
    # The call is over before consent is given, which LiveKit tells the waiting agent.
    "tasks": Shape(INFERENCE, errors=1, check=lambda module, log: module.away != []),
    "split": Shape(INFERENCE, check=lambda module, log: module.prompts.warmed == ["JobProcess"] * 2),
    "participant_entry": Shape(("livekit.plugins.gladia", "livekit.plugins.google")),
    "stt_turns": Shape(
        ("inference.STT assemblyai/universal-streaming",),
        varied(
            livekit_defaults("livekit", "stt").replace(
                activation_threshold=0.6, endpointing_mode="dynamic", min_delay=0.2, max_delay=2.0
            ),
            endpointing={"alpha": 0.8},
        ),
    ),
    "cloud_detector": Shape(
        ("inference.TurnDetector v1", "inference.LLM google/gemini-2.5-flash"),
    ),
}


@cache
def _process() -> Any:
    """This process's stand-ins; a child of its own runs this file's virtual tests."""
    from lab_utils.session.stand_ins.imports import stand_ins

    own = stand_ins()
    own.answer_services()
    return own


def run_worker(name: str, shape: Shape) -> tuple[Any, Settings, SessionLog, dict[str, Any]]:
    """A worker's module, the settings that it gives, its session's log, and what was stood in for."""
    from lab_utils.session.entrypoint.load import load_worker
    from lab_utils.session.entrypoint.probe import settings_given
    from lab_utils.session.prepare import stt_timing
    from lab_utils.session.run import run

    own = _process()
    own.begin(0)
    own.used.clear(), own.named.clear(), own.packages.packages.clear()
    for module in [module for module in sys.modules if module.startswith("livekit.plugins.")]:
        if module.split(".")[2] not in ("silero", "turn_detector"):
            del sys.modules[module]  # each worker imports for itself
            vars(sys.modules["livekit.plugins"]).pop(module.split(".")[2], None)
    for missing in [name for name, module in sys.modules.items() if type(module).__name__ == "MissingModule"]:
        del sys.modules[missing]
    worker = load_worker(str(WORKERS / f"{name}.py"), own)
    settings = settings_given(worker, shape.facts, own)
    own.begin(0)
    llm = (lambda: ScriptedLLM([ToolRequest(shape.tool, shape.arguments), "Well."])) if shape.tool else None
    job = SessionJob(
        one_question(),
        settings,
        tail_s=6.0,
        worker=worker,
        room=shape.facts,
        stand_ins=own,
        llm=llm,
        stt_timing=stt_timing(settings),
    )
    return sys.modules[name], settings, run(job), {one.name: one for one in own.stood_in()}


def _test_of(name: str, shape: Shape) -> Callable[[], None]:
    def test() -> None:
        module, settings, log, stood_in = run_worker(name, shape)
        assert log.failure == ""
        errors = [event.data["error"] for event in log.of_kind("error")]
        assert len(errors) == shape.errors, errors
        assert len(log.of_kind("commit")) >= 1
        assert any(reply.commit_s is not None for reply in log.replies)
        assert settings == shape.settings
        assert set(shape.stood_in) <= set(stood_in), sorted(stood_in)
        assert not [one for one in stood_in.values() if one.missed and not shape.errors]
        assert shape.check(module, log)

    test.__name__ = f"test_{name}"
    return where_clock_is_virtual(test)


for _name, _shape in SHAPES.items():
    globals()[f"test_{_name}"] = _test_of(_name, _shape)


def test_every_worker_is_run() -> None:
    helpers = {"split_prompts"}
    assert {path.stem for path in WORKERS.glob("*.py")} - helpers == set(SHAPES)
    assert len(SHAPES) >= 20


@where_clock_is_virtual
def test_what_is_missed_in_a_session_is_named_with_its_line() -> None:
    _, _, log, stood_in = run_worker("database", SHAPES["database"])
    (missed,) = stood_in["asyncpg"].missed
    assert missed.startswith("asyncpg.create_pool().execute at database.py:")
    assert "'asyncpg' isn't installed" in log.of_kind("error")[0].data["error"]
    assert log.of_kind("tool_ends")[0].data["status"] == "error"


HEAD = """from livekit.agents import Agent, AgentServer, AgentSession, cli, inference
server = AgentServer()
@server.rtc_session()
async def entrypoint(ctx):
"""
PARTS = "stt='deepgram/nova-3', llm='openai/gpt-4.1-mini', tts='cartesia/sonic-3'"
START = "    await session.start(agent=Agent(instructions='x'), room=ctx.room)\n"


@where_clock_is_virtual
def test_what_cannot_be_run_is_told_with_its_line() -> None:
    from lab_utils.session.entrypoint.load import load_worker
    from lab_utils.session.entrypoint.probe import settings_given

    cases = {
        "    session = AgentSession(llm='openai/gpt-realtime')\n": r"5: 'openai/gpt-realtime' can't be",
        "    session = AgentSession(llm=inference.RealtimeModel('x'))\n": r"5: inference\.RealtimeModel",
        "    session = AgentSession(turn_detection='manual')\n": "turn_detection='manual' can't be",
        "    import json; json.loads(ctx.job.metadata)\n": r"failed at w\d+\.py:5: JSONDecodeError",
        "    import os; os.environ['NO_SUCH_KEY']\n": r"failed at w\d+\.py:5: KeyError: 'NO_SUCH_KEY'",
        "    return\n": "has ended without starting an AgentSession",
        "    import asyncio; await asyncio.sleep(1e6)\n": "has started no AgentSession within 60 s",
        "    session = AgentSession(min_endpointing_delay=-1.0)\n": r"settings of the AgentSession can't be",
    }
    own = _process()
    with tempfile.TemporaryDirectory() as folder:
        for number, (line, finding) in enumerate(cases.items()):
            path = Path(folder, f"w{number}.py")
            path.write_text(HEAD + line + START)
            with pytest.raises(BadPart, match=rf"^--worker .*w{number}\.py: .*{finding}"):
                settings_given(load_worker(str(path), own), RoomFacts(), own)
        Path(folder, "empty.py").write_text("x = 1\n")
        with pytest.raises(BadPart, match="has no entrypoint: no AgentServer with an rtc_session"):
            load_worker(str(Path(folder, "empty.py")), own)
        with pytest.raises(BadPart, match=r"no file .*nowhere\.py"):
            load_worker(str(Path(folder, "nowhere.py")), own)


@where_clock_is_virtual
def test_a_worker_that_breaks_off_ends_its_session_only() -> None:
    from lab_utils.session.entrypoint.load import load_worker
    from lab_utils.session.run import run

    endings = {
        "    raise ValueError('no more')\n": r"after its session had started at b0\.py:7: ValueError: no",
        "    ctx.shutdown(reason='enough')\n": "the worker shut the job down: enough",
        "    await ctx.delete_room()\n": "the worker shut the job down: room deleted",
        "    ctx.add_shutdown_callback(broken)\n": "",
    }
    own = _process()
    with tempfile.TemporaryDirectory() as folder:
        for number, (line, failure) in enumerate(endings.items()):
            path = Path(folder, f"b{number}.py")
            broken = "async def broken(reason):\n    raise KeyError(reason)\n"
            path.write_text(f"{HEAD}    session = AgentSession({PARTS})\n{START}{line}{broken}")
            own.begin(0)
            worker = load_worker(str(path), own)
            log = run(SessionJob(one_question(), Settings(), tail_s=4.0, worker=worker, stand_ins=own))
            assert re.search(failure, log.failure) if failure else log.failure == ""
        (error,) = log.of_kind("error")
        assert error.data["error"] == "shutdown callbacks: KeyError: 'the call is over'"

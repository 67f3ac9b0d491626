"""What the latency guide's own code does under livekit-agents 1.8.9, run offline: one test for each finding.

`FINDINGS` is the list of them: block of the guide → what the tests below prove about it.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from guide import Run, answered, blocks, call, entered, needs_guide, worker
from livekit import rtc
from livekit.agents import Agent, AgentSession, cli, inference, llm
from virtual import where_clock_is_virtual

from lab_utils.core.delays import Delay
from lab_utils.session import clock
from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
from lab_utils.session.scripted.stt import ScriptedSTT
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.session.stand_ins.imports import Script, standing_in
from lab_utils.session.stand_ins.parts import ARGUMENTS

STATUS = "What is the status of my order please"
SHORT, LONG = "Thanks a lot.", "Could you tell me when your shop in town opens?"
SHIPPED = "Order shipped on Monday."
KEYS = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret"}
ROUTED = "self.llm = LIGHT_LLM if len(text.split()) <= 6 else HEAVY_LLM"
CORRECTIONS = {
    # The model is chosen where it is used: preemptive generation comes before the hook.
    f"        {ROUTED}\n": "",
    "    @function_tool\n": """\
    async def llm_node(self, chat_ctx, tools, model_settings):
        said = next(m.text_content or "" for m in reversed(chat_ctx.messages()) if m.role == "user")
        chosen = LIGHT_LLM if len(said.split()) <= 6 else HEAVY_LLM
        async with chosen.chat(chat_ctx=chat_ctx, tools=tools) as stream:
            async for chunk in stream:
                yield chunk

    def _forget(self) -> None:
        if self._prefetch is not None:
            self._prefetch.cancel()
        self._prefetch = None

    async def on_exit(self) -> None:
        self._forget()

    @function_tool
""",
    # What an earlier turn has fetched is neither kept running nor given as this turn's answer.
    '        if "order" in text and': '        self._forget()\n        if "order" in text and',
    # The plugin turn-detector is deprecated; LiveKit's own detector is the default.
    "from livekit.plugins.turn_detector.multilingual import MultilingualModel\n": "",
    "        turn_detection=MultilingualModel(),\n": "",
    "        min_endpointing_delay=0.4,\n": '        turn_handling={"endpointing": {"min_delay": 0.3}},\n',
    "        preemptive_generation=True,\n": "",  # the default
    "        aec_warmup_duration=3.0,\n": "",  # the default
    "cli.run_app(": 'if __name__ == "__main__":\n    cli.run_app(',
}
"""What lets the reference agent answer in every job process, without leaks, deprecated and idle arguments."""

FINDINGS: list[tuple[str, str]] = []
Check = Callable[[], None]


def finding(place: str, says: str) -> Callable[[Check], Check]:
    """A test on the virtual clock of what `says` states about the guide's block at `place`."""
    FINDINGS.append((place, says))
    return lambda check: needs_guide(where_clock_is_virtual(check))


def replies(chat_ctx: llm.ChatContext) -> str | ToolRequest:
    """Looks an order up where its status is asked for."""
    said = [m.text_content or "" for m in chat_ctx.messages() if m.role == "user"][-1]
    if "status" in said:
        return ToolRequest("get_order_status", {"order_id": "42"}, "{output}")
    return f"You said: {said}"


def stack(*, corrected: bool) -> str:
    code = blocks()["stack"]
    for wrong, right in CORRECTIONS.items() if corrected else ():
        assert code.count(wrong) == 1, wrong
        code = code.replace(wrong, right)
    return code


@contextmanager
def imported(code: str, **script: Any) -> Iterator[ModuleType]:
    """A worker file with this code, its plugins answered by stand-ins."""
    name = f"worker_{len(sys.modules)}"
    with standing_in(Script(**{"replies": replies} | script)), tempfile.TemporaryDirectory() as folder:
        module = worker(Path(folder), code, name)
        # Downloaded files belong to it; LiveKit's own detector is in its package.
        vars(module)["MultilingualModel"] = inference.TurnDetector
        yield module
        sys.modules.pop(name)
        sys.path.remove(folder)


def session_with(language_model: llm.LLM, **options: Any) -> AgentSession:
    return AgentSession(
        **{
            "stt": ScriptedSTT(),
            "llm": language_model,
            "tts": ScriptedTTS(voice="tone"),
            "session_close_transcript_timeout": 0.0,
            **options,
        }
    )


def run_agent(agent: Callable[[], Agent], turns: list[str], gap_s: float = 6.0, **options: Any) -> Run:
    """An agent of the guide in a session with scripted parts."""
    model = options.pop("llm", None) or ScriptedLLM(replies)
    return clock.run(
        lambda: answered(lambda: (session_with(model, **options), agent()), call(*turns, gap_s=gap_s))
    )


def runs(place: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run a block as a program of its own, or with names `given`; its names. It has a loop and keys."""
    names: dict[str, Any] = {"__name__": "snippet", **(given or {})}

    async def execute() -> None:
        with mock.patch.dict(os.environ, KEYS), mock.patch.object(cli, "run_app"):
            exec(compile(blocks()[place], place, "exec"), names)

    with standing_in():
        multilingual = importlib.import_module("livekit.plugins.turn_detector.multilingual")
        with mock.patch.object(multilingual, "MultilingualModel", inference.TurnDetector):
            clock.run(execute)
    return names


# --- the reference agent --------------------------------------------------------------------------


@finding("stack", "answers no turn: `self.llm = …` raises in the hook, for Agent.llm has no setter")
def test_the_reference_agent_never_answers_because_an_agents_llm_has_no_setter() -> None:
    with imported(stack(corrected=False)) as module:
        run = clock.run(lambda: entered(module, call(SHORT, STATUS, LONG)))
    assert len(run.times("commit")) == 3
    assert run.told("error").count("property 'llm' of 'Assistant' object has no setter") == 3
    assert not run.replies
    assert not run.times("playout_starts")


@finding("stack", "…and forgets what the caller said, but pays for an LLM call in each turn")
def test_the_reference_agent_forgets_each_turn_and_pays_for_it() -> None:
    with imported(stack(corrected=False)) as module:
        run = clock.run(lambda: entered(module, call(SHORT, STATUS)))
        assert not run.history
        assert module.LIGHT_LLM.calls == 2
        assert module.HEAVY_LLM.calls == 0


@finding("stack", "answers every turn by the right model with nine changes: `CORRECTIONS`")
def test_the_corrected_reference_agent_answers_every_turn_by_the_right_model() -> None:
    with imported(stack(corrected=True)) as module:
        run = clock.run(lambda: entered(module, call(SHORT, STATUS, LONG)))
        assert [reply.agent_text.strip() for reply in run.replies] == [
            f"You said: {SHORT}",
            SHIPPED,
            f"You said: {LONG}",
        ]
        assert not run.told("error")
        assert not run.told("warning")
        assert not run.left
        assert module.LIGHT_LLM.calls == 1
        assert module.HEAVY_LLM.calls == 3, "the look-up, its answer, the long question"


@finding("stack", "`cli.run_app` without `__main__` guard: every job process starts a worker and exits")
def test_each_job_process_of_the_reference_agent_starts_a_worker_instead_of_a_job() -> None:
    # As multiprocessing's spawn and forkserver do in the child (`multiprocessing.spawn`).
    for corrected, starts in ((False, 1), (True, 0)):
        with standing_in(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "worker.py")
            path.write_text(stack(corrected=corrected))
            with mock.patch.object(cli, "run_app") as run_app:
                runpy.run_path(str(path), run_name="__mp_main__")
            assert run_app.call_count == starts


@finding(
    "stack", "MultilingualModel: deprecated plugin; the entrypoint fails unless its files are downloaded"
)
def test_the_entrypoint_fails_without_the_turn_detectors_files() -> None:
    with imported(stack(corrected=False)) as module, tempfile.TemporaryDirectory() as empty:
        multilingual = importlib.import_module("livekit.plugins.turn_detector.multilingual")
        vars(module)["MultilingualModel"] = multilingual.MultilingualModel
        with (
            mock.patch("huggingface_hub.constants.HF_HUB_CACHE", empty),
            pytest.raises(RuntimeError, match=r'Could not find file "languages\.json"'),
        ):
            clock.run(lambda: entered(module, call(SHORT)))
    with pytest.warns(DeprecationWarning, match=r"Use `livekit\.agents\.inference\.TurnDetector` instead"):
        importlib.reload(importlib.import_module("livekit.plugins.turn_detector"))


@finding("stack", "three of its session arguments are deprecated, and still obeyed")
def test_deprecated_arguments_are_named_and_obeyed() -> None:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("livekit.agents")
    logger.addHandler(handler)
    seen: list[AgentSession] = []

    async def start(session: AgentSession, agent: Agent, **_: Any) -> None:
        seen.append(session)

    async def enter() -> None:
        with mock.patch.object(AgentSession, "start", start):
            context = SimpleNamespace(proc=SimpleNamespace(userdata={}), room=None)
            module.prewarm(context.proc)
            await module.entrypoint(context)

    try:
        with imported(stack(corrected=False)) as module:
            clock.run(enter)
    finally:
        logger.removeHandler(handler)
    deprecated = "min_endpointing_delay, preemptive_generation, turn_detection are deprecated"
    assert any(deprecated in line and "v2.0" in line for line in said), said
    (session,) = seen
    assert session.options.endpointing["min_delay"] == 0.4
    assert session.options.preemptive_generation["enabled"]
    assert isinstance(session.turn_detection, inference.TurnDetector)


@finding("stack", "`preemptive_generation` and `aec_warmup_duration` repeat defaults; min 0.4 s is above it")
def test_what_the_reference_agent_tunes_is_the_default_or_slower() -> None:
    async def check() -> None:
        plain = AgentSession()
        assert plain.options.preemptive_generation["enabled"]
        assert plain.options.aec_warmup_duration == 3.0
        assert plain.options.endpointing["min_delay"] == 0.3
        assert plain.options.endpointing["max_delay"] == 2.5
        older = AgentSession(min_endpointing_delay=0.4)
        assert older.options.endpointing["max_delay"] == 2.5

    clock.run(check)


@finding("stack", "what a turn prefetched is given as the answer of a later one, whatever was asked")
def test_a_prefetch_that_was_not_used_answers_a_later_question() -> None:
    code = stack(corrected=False).replace(ROUTED, "pass").replace(f'return "{SHIPPED}"', "return text")
    first, second = "My order status is none of your business", "And where is number 43?"

    def script(chat_ctx: llm.ChatContext) -> str | ToolRequest:
        said = [m.text_content for m in chat_ctx.messages() if m.role == "user"][-1]
        return "I see." if said == first else ToolRequest("get_order_status", {"order_id": "43"}, "{output}")

    with imported(code, replies=script) as module:
        run = clock.run(lambda: entered(module, call(first, second)))
    assert [reply.agent_text.strip() for reply in run.replies] == ["I see.", first.lower()]


@finding("stack", "a prefetch that isn't used goes on after the session's end")
def test_a_prefetch_that_was_not_used_outlives_the_session() -> None:
    code = stack(corrected=False).replace(ROUTED, "pass")
    look_up, hangs = "# your real lookup", "await asyncio.sleep(3600)"
    code = code.replace(look_up, hangs)
    with imported(code, replies=["I see."]) as module:
        run = clock.run(lambda: entered(module, call("order status")))
    assert len(run.replies) == 1
    assert "_lookup_order" in run.left
    with imported(stack(corrected=True).replace(look_up, hangs), replies=["I see."]) as module:
        assert not clock.run(lambda: entered(module, call("order status"))).left


# --- the techniques -------------------------------------------------------------------------------


@finding("1", "preemptive generation starts on a final transcript, not on partials, and is on by default")
def test_no_generation_starts_before_the_final_transcript() -> None:
    run = run_agent(lambda: Agent(instructions="x"), [LONG])
    finals = [e.time_s for e in run.events if e.kind == "transcript" and e.data["final"]]
    partials = [e.time_s for e in run.events if e.kind == "transcript" and not e.data["final"]]
    assert run.times("preemptive") == finals
    assert len(partials) > 3
    assert max(partials) < finals[0]
    assert isinstance(runs("1")["session"], AgentSession)


@finding(
    "1", "preemptive generation saves what lies between final and commit: here 30 ms, or 530 at min 0.8 s"
)
def test_preemptive_generation_saves_the_time_from_final_to_commit() -> None:
    for endpointing, saves_s in (({}, 0.03), ({"min_delay": 0.8}, 0.53)):
        heard_s = {}
        for preemptive in (True, False):
            handling = {"preemptive_generation": {"enabled": preemptive}, "endpointing": endpointing}
            model = ScriptedLLM(replies, ttft=Delay(0.6))
            run = run_agent(lambda: Agent(instructions="x"), [LONG], llm=model, turn_handling=handling)
            heard_s[preemptive] = run.times("playout_starts")[0]
            (final_s,) = (e.time_s for e in run.events if e.kind == "transcript" and e.data["final"])
            waited_s = run.times("commit")[0] - final_s
        assert heard_s[False] - heard_s[True] == pytest.approx(waited_s)
        assert waited_s == pytest.approx(saves_s, abs=0.02)


@finding("2", "doesn't run by itself: AgentSession and what it is given aren't imported")
def test_block_2_lacks_its_imports() -> None:
    with pytest.raises(NameError, match="'AgentSession'"):
        runs("2")


@finding("3", 'the Anthropic plugin has no `cache_control`; it is `caching="ephemeral"`')
def test_anthropics_plugin_refuses_cache_control() -> None:
    assistant = runs_with_stand_ins("3")
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'cache_control'.*did you mean 'caching'"
    ):
        assistant()


@finding("4", "the agent can't be made (no instructions); with some, each turn raises as in the stack")
def test_routing_in_the_hook_costs_every_reply() -> None:
    for place in ("4", "9"):
        assistant = runs_with_stand_ins(place)
        with pytest.raises(TypeError, match="instructions"):
            assistant()
        run = run_agent(lambda: assistant(instructions="x"), [SHORT, LONG])  # noqa: B023
        assert run.told("error").count("has no setter") == 2
        assert not run.replies


FINDINGS.append(("9", FINDINGS[-1][1]))


class ChoosesInTheHook(Agent):
    """The obvious way round the missing setter."""

    def __init__(self) -> None:
        super().__init__(instructions="x")
        self.chosen = "small"
        self.used: list[tuple[str, str]] = []

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        self.chosen = "small" if len(new_message.text_content.split()) <= 4 else "large"

    async def llm_node(self, chat_ctx: Any, tools: Any, model_settings: Any) -> Any:
        said = [m.text_content for m in chat_ctx.messages() if m.role == "user"][-1]
        self.used.append((said, self.chosen))
        async for chunk in Agent.default.llm_node(self, chat_ctx, tools, model_settings):
            yield chunk


@finding("4", "a model chosen in the hook is a turn late: preemptive generation asks the LLM before the hook")
def test_a_model_chosen_in_the_hook_is_that_of_the_turn_before() -> None:
    for preemptive, first in ((True, "small"), (False, "large")):
        agents: list[ChoosesInTheHook] = []

        def made() -> Agent:
            agents.append(ChoosesInTheHook())  # noqa: B023
            return agents[-1]  # noqa: B023

        handling = {"preemptive_generation": {"enabled": preemptive}}
        run = run_agent(made, [LONG, "Okay."], turn_handling=handling)
        assert len(run.replies) == 2
        (agent,) = agents
        assert agent.used == [(LONG, first), ("Okay.", "large" if preemptive else "small")]


@finding("5", "`_lookup_order` isn't defined: the turns that it should speed up get no reply")
def test_block_5_loses_the_turns_that_it_should_speed_up() -> None:
    assistant = runs_with_stand_ins("5")
    run = run_agent(assistant, [SHORT, STATUS])
    assert "no attribute '_lookup_order'" in run.told("error")
    assert [reply.user_text for reply in run.replies] == [SHORT]


@finding("5", "saves at most the LLM's time from commit to tool call, which preemptive generation shortens")
def test_prefetching_saves_less_under_preemptive_generation() -> None:
    saved, answer_s = {}, 0.4 + 10 / 60  # the tool call is ten tokens
    for preemptive in (True, False):
        saved[preemptive] = status_latency(False, preemptive) - status_latency(True, preemptive)
    assert saved[False] == pytest.approx(answer_s + 0.05, abs=0.05), "not the look-up's two seconds"
    assert 0 < saved[True] < saved[False] - 0.3


def status_latency(prefetches: bool, preemptive: bool) -> float:
    """Seconds from commit to first audio where the order's status is asked for and a look-up takes 2 s."""
    assistant: Any = runs_with_stand_ins("5")

    class Complete(assistant):  # type: ignore[misc]
        async def _lookup_order(self, text: str) -> str:
            await asyncio.sleep(2.0)
            return SHIPPED

        async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
            if prefetches:
                await super().on_user_turn_completed(turn_ctx, new_message)

    model = ScriptedLLM(replies, ttft=Delay(0.4))
    handling = {"preemptive_generation": {"enabled": preemptive}, "endpointing": {"min_delay": 0.8}}
    run = run_agent(Complete, [STATUS], llm=model, turn_handling=handling)
    assert run.replies[-1].agent_text.strip() == SHIPPED
    return run.times("playout_starts")[0] - run.times("commit")[0]


@finding("6", "`aec_warmup_duration` buffers and speeds up nothing; 3.0 s is the default")
def test_aec_warmup_makes_no_turn_faster() -> None:
    assert runs("6")["session"].options.aec_warmup_duration == 3.0
    first_audio = {run.times("playout_starts")[0] for run, _ in (barged_in(None), barged_in(3.0))}
    assert len(first_audio) == 1


@finding("6", "…it deafens: in the agent's first 3 s the STT gets silence, and the caller can't interrupt")
def test_aec_warmup_keeps_the_caller_from_being_heard() -> None:
    for warmup_s in (None, 3.0):
        run, hears = barged_in(warmup_s)
        speaks = run.times("playout_starts")[0]
        barges_in = 3.3 + 0.054
        assert speaks < barges_in < speaks + 3.0
        assert hears(barges_in, min(barges_in + 1.2, speaks + 3.0)) is (warmup_s is None)
        # Without words a VAD pauses the agent; under warm-up nothing does.
        assert bool(run.times("playout_pauses")) is (warmup_s is None)


def barged_in(warmup_s: float | None) -> tuple[Run, Callable[[float, float], bool]]:
    """A caller who speaks into the first, long reply; and whether the STT got sound between two times."""
    ears = Ears()
    run = run_agent(
        lambda: Agent(instructions="x"),
        [LONG, "No, stop, please."],
        gap_s=2.0,
        stt=ears,
        llm=ScriptedLLM(["I will now tell you all about it. " * 6]),
        aec_warmup_duration=warmup_s,
    )
    return run, ears.heard


class Ears(ScriptedSTT):
    """Notes which of the audio that it gets is sound."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[tuple[float, bool]] = []
        self._at_s = 0.0

    def stream(self, **options: Any) -> Any:
        stream = super().stream(**options)
        push = stream.push_frame

        def noted(frame: rtc.AudioFrame) -> None:
            self._at_s += frame.duration
            self.frames.append((self._at_s, any(frame.data)))
            push(frame)

        stream.push_frame = noted  # type: ignore[method-assign]
        return stream

    def heard(self, start_s: float, end_s: float) -> bool:
        """Whether there was sound in frames that lie between two times."""
        return any(sound for at_s, sound in self.frames if start_s + 0.05 <= at_s <= end_s)


@finding("7", "runs; but it registers at module level, against its own advice below")
def test_tracing_is_registered_at_module_level() -> None:
    for place in ("7", "tracing"):
        names = runs(place)
        assert {"register", "enable_http_attribute_mapping"} <= set(names)
        assert not [name for name, value in names.items() if inspect.iscoroutinefunction(value)]


FINDINGS.append(("tracing", FINDINGS[-1][1]))


@finding("8", "lacks its imports, and the entrypoint never starts the session")
def test_block_8_lacks_its_imports_and_never_starts() -> None:
    names = runs("8")
    assert "session.start" not in blocks()["8"]

    async def enter() -> None:
        await names["entrypoint"](SimpleNamespace(proc=SimpleNamespace(userdata={})))

    with pytest.raises(NameError, match="'AgentSession'"):
        clock.run(enter)


@finding("10", "answers a hit twice, from the cache and by the LLM, because it doesn't raise StopResponse")
def test_a_cache_hit_is_answered_twice() -> None:
    model = ScriptedLLM(["The LLM's answer."])
    run = cached(model)
    assert [reply.agent_text.strip() for reply in run.replies] == ["We open at nine.", "The LLM's answer."]
    assert model.calls == 2, "one discarded by interrupt(), one after the hook"
    assert [role for role, _ in run.history] == ["user", "assistant", "assistant"]


@finding("10", "with StopResponse it answers once, but the question is missing in the history")
def test_with_stop_response_a_hit_is_answered_once_and_the_question_forgotten() -> None:
    run = cached(ScriptedLLM(["The LLM's answer."]), "\n            raise StopResponse")
    assert [reply.agent_text.strip() for reply in run.replies] == ["We open at nine."]
    assert [role for role, _ in run.history] == ["assistant"]


@finding("10", "while the cached answer plays, the STT gets silence and the next turn waits in the hook")
def test_what_is_said_during_a_cached_answer_is_not_heard_and_not_answered_before_its_end() -> None:
    ears, second = Ears(), "And on Sundays?"
    slow = "We open at nine. " * 6
    run = cached(ScriptedLLM(["Yes."]), turns=[LONG, second], gap_s=2.0, answer=slow, stt=ears)
    speaks, ends = run.times("playout_starts")[0], run.times("playout_ends")[0]
    assert speaks < 3.35 < 4.55 < ends, "the second turn lies within the answer"
    assert not ears.heard(speaks + 0.1, ends)
    # Even if it were heard, as a provider with audio of its own path might:
    assert run.times("commit")[1] < ends - 2.0 < ends < run.times("playout_starts")[1]


def cached(
    model: llm.LLM,
    after: str = "",
    *,
    turns: list[str] | None = None,
    gap_s: float = 6.0,
    answer: str = "We open at nine.",
    **options: Any,
) -> Run:
    """Block 10 with a cache that knows when the shop opens, and `after` behind its last line."""

    class Cache:
        async def lookup(self, text: str, *, tenant_id: str, threshold: float) -> Any:
            return SimpleNamespace(answer=answer) if "opens" in text else None

    code = blocks()["10"].rstrip() + after + "\n"
    names: dict[str, Any] = {"StopResponse": importlib.import_module("livekit.agents").StopResponse}
    exec(compile(code, "10", "exec"), names)

    def made() -> Agent:
        agent = names["Assistant"](instructions="x")
        agent._semantic_cache, agent._tenant_id = Cache(), "acme"
        return agent

    return run_agent(made, turns or [LONG], gap_s, llm=model, **options)


@finding("11", "as 3: no `cache_control`; and SYSTEM_PROMPT isn't defined")
def test_block_11_lacks_its_prompt() -> None:
    assistant = runs_with_stand_ins("11")
    with pytest.raises(NameError, match="SYSTEM_PROMPT"):
        assistant()


@finding(
    "12", "neither plugin has `region=`; Deepgram's base_url is the whole address: /v1/listen is missing"
)
def test_regions_are_base_urls_with_a_path() -> None:
    names = runs("12")
    assert names["stt"].arguments["base_url"] == "https://api.deepgram.com"
    for name in ("deepgram.STT", "cartesia.TTS"):
        assert "region" not in ARGUMENTS[name].split()
        assert "base_url" in ARGUMENTS[name].split()


@needs_guide
def test_deepgrams_plugin_asks_for_the_address_that_it_is_given() -> None:
    """Where the plugin is installed: `base_url` replaces https://api.deepgram.com/v1/listen."""
    utils = pytest.importorskip("livekit.plugins.deepgram._utils")
    address = utils._to_deepgram_url({"model": "nova-3"}, "https://api.deepgram.com", websocket=True)
    assert address == "wss://api.deepgram.com?model=nova-3"


@finding("turn-taking", "`inference` isn't imported; with it, it runs: deprecated arguments, still obeyed")
def test_the_turn_taking_block_lacks_an_import() -> None:
    with pytest.raises(NameError, match="'inference'"):
        runs("turn-taking")
    session = runs("turn-taking", {"inference": inference})["session"]
    assert session.options.endpointing["min_delay"] == 0.4
    assert session.options.endpointing["max_delay"] == 2.0


@finding("turn-taking", "a deprecated argument beside `turn_handling=` is dropped")
def test_deprecated_arguments_are_dropped_beside_turn_handling() -> None:
    async def check() -> None:
        mixed = AgentSession(min_endpointing_delay=0.4, turn_handling={"endpointing": {"max_delay": 2.0}})
        assert mixed.options.endpointing["max_delay"] == 2.0
        assert mixed.options.endpointing["min_delay"] == 0.3

    clock.run(check)


def runs_with_stand_ins(place: str) -> type[Agent]:
    """A block's Assistant."""
    names: dict[str, Any] = {"__name__": "snippet"}
    with standing_in():
        exec(compile(blocks()[place], place, "exec"), names)
    return names["Assistant"]


# --- all of it ------------------------------------------------------------------------------------


@needs_guide
def test_every_block_compiles_and_has_its_findings() -> None:
    places = [str(n) for n in range(1, 13)] + ["turn-taking", "stack", "tracing", "scoring"]
    assert sorted(blocks()) == sorted(places)
    for place, code in blocks().items():
        compile(code, place, "exec")
    # ai-evaluation is a service's client: nothing of it can run offline.
    assert {place for place, _ in FINDINGS} == set(places) - {"scoring"}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_stand_ins_take_what_the_plugins_take(name: str) -> None:
    """Where the plugin is installed."""
    plugin, kind = name.split(".")
    module = pytest.importorskip(f"livekit.plugins.{plugin}")
    parameters = list(inspect.signature(getattr(module, kind).__init__).parameters.values())[1:]
    assert [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] == ARGUMENTS[name].split()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)

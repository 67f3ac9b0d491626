"""The exported worker: source that compiles whatever is chosen, and a call answered by it offline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT
from virtual import where_clock_is_virtual

from lab_utils.core.delays import Delay
from lab_utils.core.settings import Settings
from lab_utils.core.traces import SttEvent
from lab_utils.latency.export import ALWAYS, exported, profile_of_worker, worker_code
from lab_utils.latency.techniques.choice import LEVER_NAMES, MISTAKES, NAMES, Techniques, parse_techniques
from lab_utils.session.providers.files import builtin_providers, load_providers
from lab_utils.turns.profile import Profile, save_profile

PLUGINS = ("deepgram", "assemblyai", "openai", "anthropic", "cartesia", "elevenlabs")
USUAL = "deepgram-openai-cartesia"


def made(techniques: Techniques, providers: str = USUAL, profile_file: str = "profile.yaml") -> str:
    return worker_code(profile_file, techniques, load_providers(providers))


# --- the source -----------------------------------------------------------------------------------


@given(
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(LEVER_NAMES)),
    st.sampled_from(builtin_providers()),
    st.text(min_size=1),
)
def test_the_source_compiles_for_every_choice_and_holds_what_was_chosen(
    on: set[Any], levers: set[Any], providers: str, profile_file: str
) -> None:
    code = made(Techniques.of(*on).with_levers(*levers), providers, profile_file)
    assert ("SentenceTokenizer(min_sentence_len=5)" in code) == ("min_sentence_len" in levers)
    compile(code, "agent.py", "exec")
    names: dict[str, Any] = {"Techniques": Techniques, "Path": SimpleNamespace, "__file__": ""}
    begin, end = code.index("TECHNIQUES ="), code.index("TENANT =")
    exec(code[begin:end], names)
    assert set(names["TECHNIQUES"].on) == on | set(ALWAYS)
    assert names["TECHNIQUES"].levers == levers
    named: list[str] = []
    names["Path"] = lambda _: SimpleNamespace(with_name=named.append)
    exec(code[code.index("PROFILE =") : begin], names)
    assert named == [profile_file]


def test_the_profile_of_a_worker_is_found_without_running_it(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(made(Techniques(), profile_file="support line's.yaml"))
    assert profile_of_worker(f"{tmp_path / 'agent.py'}:make_agent") == tmp_path / "support line's.yaml"
    others = {"mine.py": "raise SystemExit", "odd.py": "def (", "up.py": 'PROFILE = x.with_name("../a")'}
    for name, code in others.items():
        (tmp_path / name).write_text(code)
    for agent in (*(f"{tmp_path / name}:X" for name in (*others, "none.py")), "package.agents:X"):
        assert profile_of_worker(agent) is None


def test_what_livekit_does_by_itself_stays_on_and_mistakes_are_refused() -> None:
    assert exported(Techniques()).on == ALWAYS
    for mistake, technique in MISTAKES.items():
        with pytest.raises(ValueError, match=f"mistakes {mistake}: they are for measuring"):
            made(Techniques.of(technique, mistakes=frozenset({mistake})))


def test_a_provider_without_a_known_plugin_is_refused_by_its_part() -> None:
    providers = load_providers(USUAL)
    other = providers.model_copy(update={"tts": providers.tts.model_copy(update={"provider": "espeak"})})
    with pytest.raises(ValueError, match=r"tts\.provider is 'espeak'.*known are cartesia, elevenlabs"):
        worker_code("profile.yaml", Techniques.everything(), other)


def test_caching_is_asked_for_where_the_provider_must_be_asked() -> None:
    code = made(Techniques(), "assemblyai-anthropic-elevenlabs")
    assert code.count('caching="ephemeral"') == 2
    assert "caching=" not in made(Techniques())


def test_an_stt_with_preflights_is_told_to_send_them() -> None:
    assert "deepgram.STTv2(" in made(Techniques(), "deepgram_flux-openai-cartesia")
    assert "eager_eot_threshold=0.5)" in made(Techniques(), "deepgram_flux-openai-cartesia")
    flux = load_providers("deepgram_flux-openai-cartesia")

    def given(**parameters: float) -> str:
        stt = flux.stt.model_copy(update=parameters)
        return worker_code("profile.yaml", Techniques(), flux.model_copy(update={"stt": stt}))

    assert "eager_eot_threshold=0.35)" in given(eager_eot_threshold=0.35)
    code = given(eager_eot_threshold=0.8, eot_threshold=0.85, eot_timeout_ms=3000)
    assert "eager_eot_threshold=0.8, eot_threshold=0.85, eot_timeout_ms=3000)" in code
    compile(code, "agent.py", "exec")
    with pytest.raises(ValueError, match=r"0\.8 is above eot_threshold 0\.7"):
        given(eager_eot_threshold=0.8)
    assert "eot_threshold" not in made(Techniques())


def test_a_schedule_is_handed_to_elevenlabs_and_to_nobody_else() -> None:
    """Its plug-in then sends words, so that a shortest sentence has no effect."""

    def with_schedule(name: str) -> str:
        providers = load_providers(name)
        tts = providers.tts.model_copy(update={"chunk_length_schedule": (50, 160)})
        on = Techniques().with_levers("min_sentence_len")
        return worker_code("profile.yaml", on, providers.model_copy(update={"tts": tts}))

    code = with_schedule("assemblyai-anthropic-elevenlabs")
    assert "chunk_length_schedule=[50, 160])" in code
    assert "tokenize" not in code
    compile(code, "agent.py", "exec")
    with pytest.raises(ValueError, match="chunk_length_schedule: cartesia's plug-in has no such parameter"):
        with_schedule(USUAL)


def test_techniques_are_read_from_a_line_of_text() -> None:
    assert parse_techniques("all") == Techniques.everything()
    assert parse_techniques("none") == Techniques()
    assert parse_techniques(" tts_warmup, semantic_cache ") == Techniques.of("tts_warmup", "semantic_cache")
    with pytest.raises(ValueError, match="no technique in ' , '; expected all, none, or some of stream"):
        parse_techniques(" , ")
    with pytest.raises(ValueError, match="unknown technique 'all'"):
        parse_techniques("all,tts_warmup")


@pytest.mark.slow
def test_a_worker_loads_nothing_of_plotting_or_notebooks() -> None:
    code = (
        "import sys\n"
        "import lab_utils.profile, lab_utils.latency.techniques.agent\n"
        "import lab_utils.latency.techniques.semantic_cache\n"
        "print(sorted({'matplotlib', 'pandas', 'IPython', 'ipywidgets', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


# --- a call ---------------------------------------------------------------------------------------


def stand_ins(said: list[SttEvent]) -> tuple[dict[str, ModuleType], dict[str, dict[str, Any]]]:
    """The providers' plug-ins, answered by simulated parts, and what each was made with.

    They take what the plug-ins of 1.8.9 take, as far as it is used.
    """
    from lab_utils.session.scripted.llm import ScriptedLLM
    from lab_utils.session.scripted.stt import ScriptedSTT
    from lab_utils.session.scripted.tts import ScriptedTTS

    used: dict[str, dict[str, Any]] = {}

    def hears(*, model: str, base_url: str) -> ScriptedSTT:
        used["stt"] = {"model": model, "base_url": base_url}
        return ScriptedSTT()

    def thinks(*, model: str, base_url: str) -> ScriptedLLM:
        used[model] = {"base_url": base_url}
        return ScriptedLLM([f"This is {model}."], ttft=Delay(0.2))

    def speaks(*, model: str, base_url: str) -> ScriptedTTS:
        used["tts"] = {"model": model, "base_url": base_url}
        return ScriptedTTS(voice="tone")

    modules = {f"livekit.plugins.{name}": ModuleType(name) for name in PLUGINS}
    modules["livekit.plugins.deepgram"].STT = hears  # type: ignore[attr-defined]
    modules["livekit.plugins.openai"].LLM = thinks  # type: ignore[attr-defined]
    modules["livekit.plugins.cartesia"].TTS = speaks  # type: ignore[attr-defined]
    return modules, used


def run_worker(code: str, said: list[SttEvent]) -> tuple[list[tuple[str, str | None]], dict[str, Any], Any]:
    """Load a worker, prewarm it, and have it answer one question: what was said, and what was made."""
    from livekit import plugins
    from livekit.agents import AgentSession, JobExecutorType, JobProcess
    from livekit.agents.testing import fake_job_context
    from stacked_calls import SLOT_S, questions

    from lab_utils.session import clock
    from lab_utils.session.audio.audio_in import RecordingInput, Stream
    from lab_utils.session.audio.audio_out import Playout

    modules, used = stand_ins(said)
    start: Callable[..., Any] = AgentSession.start
    started: list[tuple[Any, Any]] = []

    async def start_here(session: Any, *, agent: Any, room: Any, room_options: Any) -> None:
        """As in a room: the caller's audio comes in, ours goes out."""
        frame = 800
        audio_in = RecordingInput(
            Stream(questions(1).user, frame),
            frame,
            on_start=lambda: session.stt.schedule(said, audio_in.started_at),
        )
        session.input.audio, session.output.audio = audio_in, Playout(on_event=lambda *_: None)
        started.append((session, room_options))
        await start(session, agent, record=False)

    async def main() -> None:
        with fake_job_context():
            await names["entrypoint"](context)
            session, _ = started[0]
            await asyncio.sleep(SLOT_S)
            await session.aclose()

    with tempfile.TemporaryDirectory() as folder:
        save_profile(
            Profile(name="p", settings=Settings().replace(detector="vad")), Path(folder, "profile.yaml")
        )
        names: dict[str, Any] = {"__name__": "agent", "__file__": str(Path(folder, "agent.py"))}
        attributes = {name.rpartition(".")[2]: module for name, module in modules.items()}
        with patch.dict(sys.modules, modules), patch.multiple(plugins, create=True, **attributes):
            exec(compile(code, "agent.py", "exec"), names)
            process = JobProcess(executor_type=JobExecutorType.THREAD, user_arguments=None, http_proxy=None)
            names["prewarm"](process)
            warmed = dict(used)
            context = SimpleNamespace(proc=process, room=None)
            with patch.object(AgentSession, "start", start_here):
                clock.run(main)
    session, room_options = started[0]
    history = [(item.role, item.text_content) for item in session.history.messages()]
    return history, {"used": used, "warmed": warmed, "room": room_options}, names


@where_clock_is_virtual
def test_the_exported_worker_answers_a_call_offline() -> None:
    said = [SttEvent(4.0, "final", "Yes, okay.")]
    history, parts, names = run_worker(made(Techniques.everything()), said)
    assert history == [
        ("assistant", "Hello, how can I help you?"),
        ("user", "Yes, okay."),
        ("assistant", "This is gpt-4o-mini."),
    ]
    assert set(parts["warmed"]) == {"tts"}
    assert parts["used"]["stt"] == {"model": "nova-3", "base_url": "https://api.deepgram.com/v1/listen"}
    assert set(parts["used"]) == {"tts", "stt", "gpt-4.1", "gpt-4o-mini"}
    assert parts["room"].audio_input.pre_connect_audio
    assert names["server"].setup_fnc is names["prewarm"]
    assert names["make_agent"]() is not names["make_agent"]()  # one for each call of `lab run`


@where_clock_is_virtual
def test_a_worker_with_few_techniques_answers_too_and_does_not_do_badly_on_purpose() -> None:
    said = [SttEvent(4.0, "final", "Yes, okay.")]
    history, parts, _ = run_worker(made(Techniques.of("regional_routing")), said)
    assert history[1:] == [("user", "Yes, okay."), ("assistant", "This is gpt-4.1.")]
    assert parts["warmed"] == {}
    assert not parts["room"].audio_input.pre_connect_audio


def test_the_requirements_are_pinned_to_the_installed_release() -> None:
    pins = made(Techniques()).count(f"=={version('livekit-agents')}")
    assert pins == 5  # agents, silero and three plug-ins

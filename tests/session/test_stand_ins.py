"""Plugins that aren't installed: imports answered, arguments checked, parts that start afresh."""

from __future__ import annotations

import importlib
import sys
import types

import pytest
from livekit.agents import llm, stt, tts

from lab_utils.core.delays import Delay
from lab_utils.session.scripted.llm import ScriptedLLM
from lab_utils.session.stand_ins.imports import Script, known_plugins, stand_ins, standing_in
from lab_utils.session.stand_ins.unanswerable import Unanswerable


def plugin(name: str) -> types.ModuleType:
    return importlib.import_module(f"livekit.plugins.{name}")


def test_a_plugin_has_the_three_parts_under_its_own_names() -> None:
    with standing_in() as own:
        elevenlabs = plugin("elevenlabs")
        made = elevenlabs.LLM(model="turbo"), elevenlabs.STT(), elevenlabs.TTS(voice_id="x")
        assert own.used == ["livekit.plugins.elevenlabs"]
    for part, base in zip(made, (llm.LLM, stt.STT, tts.TTS), strict=True):
        assert isinstance(part, base)
        assert part.provider == "elevenlabs"
    assert made[0].model == "turbo"
    assert made[0].label == "livekit.plugins.elevenlabs.LLM"


def test_a_users_class_may_build_on_a_part() -> None:
    with standing_in():

        class Mine(plugin("openai").LLM):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__(model="gpt-4.1")

        assert isinstance(Mine(), ScriptedLLM)
        assert Mine().model == "gpt-4.1"


@pytest.mark.parametrize(
    ("name", "kind", "wrong", "hint"),
    [
        ("anthropic", "LLM", "cache_control", "did you mean 'caching'"),
        ("deepgram", "STT", "region", "no such argument"),
        ("cartesia", "TTS", "region", "no such argument"),
        ("openai", "LLM", "temprature", "did you mean 'temperature'"),
    ],
)
def test_what_a_plugin_refuses_is_refused(name: str, kind: str, wrong: str, hint: str) -> None:
    with standing_in():
        part = getattr(plugin(name), kind)
        with pytest.raises(TypeError, match=rf"{name}\.{kind}\(\) got an unexpected .*{wrong}.*{hint}"):
            part(**{wrong: 1})


def test_what_cannot_be_simulated_is_named() -> None:
    with standing_in():
        model = plugin("openai").realtime.RealtimeModel  # to name it, as in an annotation, is no harm
        with pytest.raises(
            Unanswerable, match=r"test_stand_ins.py:\d+: .*openai\.realtime\.RealtimeModel can't"
        ):
            model(voice="alloy")
        with pytest.raises(Unanswerable, match=r"VAD can't be simulated"):
            plugin("nvidia").VAD()
        with pytest.raises(ModuleNotFoundError):
            plugin("openaii")
        with pytest.raises(ModuleNotFoundError):
            plugin("openai.nodes")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("langfuse")


def test_telemetry_and_room_filters_do_nothing() -> None:
    with standing_in():
        instrumentation = importlib.import_module("fi_instrumentation")
        kinds = importlib.import_module("fi_instrumentation.fi_types")
        instrumentation.register(project_name="x", project_type=kinds.ProjectType.OBSERVE).shutdown()
        importlib.import_module("traceai_livekit").enable_http_attribute_mapping()
        plugin("noise_cancellation").BVC()


def test_in_a_process_with_sessions_plugins_are_answered_whether_installed_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    stand_ins.cache_clear()
    own = stand_ins()
    assert own is stand_ins()
    assert sys.meta_path[0] is own
    assert own.find_spec("livekit.plugins.openai", None) is not None
    assert own.find_spec("livekit.plugins.openai.realtime", None) is not None
    assert own.find_spec("livekit.plugins.silero", None) is None
    assert plugin("silero").VAD.__module__ == "livekit.plugins.silero.vad"
    installed = types.ModuleType("fi_instrumentation")
    monkeypatch.setitem(sys.modules, "fi_instrumentation", installed)
    assert importlib.import_module("fi_instrumentation") is installed
    assert not own.used
    stand_ins.cache_clear()


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("openai", "responses"), ("google", "beta"), ("ai_coustics", "audio_enhancement"), ("krisp", "Filter")],
)
def test_further_names_of_a_plugin_can_be_used(name: str, attribute: str) -> None:
    with standing_in():
        found = getattr(plugin(name), attribute)
        assert getattr(found, "Options", None) is not None
        assert found(model="x") is not None


def test_other_parts_and_ways_to_make_them() -> None:
    with standing_in():
        assert isinstance(plugin("deepgram").STTv2(model="flux"), stt.STT)
        assert isinstance(plugin("google").beta.GeminiTTS(), tts.TTS)
        assert isinstance(plugin("langchain").LLMAdapter(object()), llm.LLM)
        made = plugin("openai").LLM.with_azure(azure_endpoint="https://x", model="gpt-4o")
        assert isinstance(made, llm.LLM)
        assert made.model == "gpt-4o"
        made.update_options(model="gpt-5")
        assert made.model == "gpt-5"


def test_imports_find_afterwards_what_they_found_before() -> None:
    silero = plugin("silero")
    before = set(sys.modules)
    with standing_in():
        plugin("openai")
        assert plugin("silero") is silero
    assert all(name.startswith("lab_utils.session.stand_ins.") for name in set(sys.modules) - before)
    assert "silero" not in known_plugins()
    assert {"openai", "anthropic", "deepgram", "cartesia", "assemblyai"} <= known_plugins()


def test_parts_kept_by_a_module_start_afresh_with_each_session() -> None:
    spread = Delay(0.2, 0.6)
    with standing_in(Script(ttft={"small": spread})) as own:
        kept = plugin("openai").LLM(model="small")
        drawn = []
        for seed in (3, 4, 3):
            own.begin(seed)
            assert kept.calls == 0
            kept.calls = 7
            drawn.append([kept._ttft.sample(kept._rng) for _ in range(5)])
    assert drawn[0] == drawn[2] != drawn[1]


def test_two_models_of_an_agent_draw_their_own_delays() -> None:
    spread = Delay(0.2, 0.6)
    with standing_in(Script(ttft={"small": spread, "large": spread})) as own:
        own.begin(3)
        models = [plugin("openai").LLM(model=name) for name in ("small", "large", "small")]
        small, large, again = [[model._ttft.sample(model._rng) for _ in range(5)] for model in models]
    assert small == again != large

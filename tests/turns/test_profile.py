"""Profiles: the file, what it refuses, and what a real AgentSession makes of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import naive
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents.language import LanguageCode
from paths import TESTS

from lab_utils.core.errors import InputError
from lab_utils.core.settings import Conditions, Settings, livekit_defaults, parse_settings
from lab_utils.turns import profile as module
from lab_utils.turns.evidence import (
    Evidence,
    EvidenceRecording,
    Figures,
    InterruptionEvidence,
    InterruptionFigures,
    Interval,
)
from lab_utils.turns.live_policy import attach_policy
from lab_utils.turns.profile import (
    BadProfile,
    Profile,
    load_profile,
    save_profile,
    to_yaml,
)

GOLDEN = TESTS / "golden" / "profile.yaml"


def figures(rate: float, latency_s: float, n: int = 132) -> Figures:
    def around(value: float) -> Interval:
        return Interval(value=value, low=value * 0.8, high=value * 1.3, n=n)

    return Figures(
        false_boundary_rate=around(rate),
        false_boundary_rate_per_turn=around(rate * 1.5),
        latency_mean=around(latency_s),
        latency_p50=around(latency_s * 0.9),
        latency_p90=around(latency_s * 2),
        latency_p95=around(latency_s * 3),
        timeout_rate=around(rate / 2),
        missed_rate=Interval(value=0.0, low=None, high=None, n=n),
    )


def support_line() -> Profile:
    settings = parse_settings(
        {
            "vad": {"model": "silero", "min_silence_duration": 0.4},
            "detector": {"model": "v1-mini", "unlikely_threshold": 0.41},
            "endpointing": {"min_delay": 0.45, "max_delay": 1.8},
        }
    )
    return Profile(
        name="Support line, März",
        settings=settings,
        evidence=Evidence(
            date=dt.date(2026, 3, 14),
            budget="at most 10 % false boundaries per hold, then the least mean latency",
            recordings=(
                EvidenceRecording(name="call-01", sha256="a1" * 32, duration_s=93.25),
                EvidenceRecording(name="call: 02 #late", sha256="b2" * 32, duration_s=120.0),
            ),
            n_holds=132,
            n_turns=61,
            phases=4,
            conditions=Conditions(transcription_delay=0.25, prediction_delay=0.04, frame_duration=0.05),
            chosen=figures(1 / 16, 0.7),
            defaults=figures(0.12, 0.6),
            held_out=figures(0.08, 0.71),
            note="Two recordings are few: read the intervals.",
        ),
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "profile.yaml"
    save_profile(support_line(), path)
    return path


# --- the file -----------------------------------------------------------------------------------------------


def test_golden_file(saved: Path) -> None:
    assert saved.read_text(encoding="utf-8") == GOLDEN.read_text(encoding="utf-8")
    assert load_profile(GOLDEN) == support_line()


def test_an_interval_may_be_a_point():
    point = Interval(value=0.5, low=0.5, high=0.5, n=3)
    assert (point.low, point.high) == (0.5, 0.5)


def test_figures_are_kept_to_four_decimals_and_no_data_is_null() -> None:
    interval = Interval(value=1 / 3, low=float("nan"), high=-0.00001, n=3)
    assert (interval.value, interval.low, str(interval.high)) == (0.3333, None, "0.0")


def test_a_profile_without_evidence_loads(tmp_path: Path) -> None:
    profile = Profile(name="defaults", settings=Settings())
    save_profile(profile, tmp_path / "p.yaml")
    assert load_profile(tmp_path / "p.yaml") == profile


def test_what_interruption_rests_on_is_kept_and_older_files_load_without(saved: Path, tmp_path: Path) -> None:
    assert load_profile(saved).interruption_evidence is None
    figures = InterruptionFigures.model_validate(
        {name: {"value": 0.25, "n": 4} for name in InterruptionFigures.model_fields}
    )
    found = InterruptionEvidence(
        date=dt.date(2026, 11, 29), budget="soonest", n_recordings=3, n_interruptions=4, n_sounds=2,
        phases=4, conditions=Conditions(), chosen=figures, defaults=figures,
    )  # fmt: skip
    both = support_line().model_copy(update={"interruption_evidence": found})
    save_profile(both, tmp_path / "both.yaml")
    assert load_profile(tmp_path / "both.yaml") == both
    text = (tmp_path / "both.yaml").read_text()
    assert "\ninterruption_evidence:\n" in text
    assert "  held_out: null" in text
    wrong = text.replace("n_sounds: 2", "n_sounds: -2")
    (tmp_path / "both.yaml").write_text(wrong)
    with pytest.raises(BadProfile, match=r"interruption_evidence\.n_sounds: .*-2"):
        load_profile(tmp_path / "both.yaml")


def test_a_notebook_shows_what_was_asked_for_where_that_is_known() -> None:
    profile = support_line()
    assert profile.evidence is not None
    assert "chosen for" in profile._repr_html_()
    assert profile.evidence.budget in profile._repr_html_()
    assert "chosen for" not in Profile(name="defaults", settings=Settings())._repr_html_()


def test_a_name_may_have_two_hundred_characters(tmp_path: Path) -> None:
    profile = Profile(name="x" * 200, settings=Settings())
    save_profile(profile, tmp_path / "p.yaml")
    assert load_profile(tmp_path / "p.yaml") == profile


def test_a_saved_profile_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are on the disk before it takes its name."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    save_profile(support_line(), tmp_path / "p.yaml")
    assert synced


def test_saving_twice_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_profile(load_profile(saved), tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = saved.read_bytes()

    def half(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise OSError(13, "Permission denied")

    if step == "write_bytes":
        monkeypatch.setattr(Path, step, half)
    else:
        monkeypatch.setattr(os, step, refuse)
    with pytest.raises(OSError, match=r"No space|Permission"):
        save_profile(Profile(name="new", settings=Settings()), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_profile(support_line(), tmp_path / "nowhere" / "p.yaml")


SECONDS = st.floats(0, 60)
SHARES = st.floats(0.001, 1)


@st.composite
def valid_settings(draw: st.DrawFn) -> Settings:
    detector = draw(st.sampled_from(["vad", "stt", "v1-mini"]))
    delays = sorted(draw(st.tuples(SECONDS, SECONDS)))
    return parse_settings(
        {
            "vad": {
                "model": draw(st.sampled_from(["silero", "livekit"])),
                "activation_threshold": draw(SHARES),
                "deactivation_threshold": draw(st.none() | SHARES),
                "min_speech_duration": draw(SECONDS),
                "min_silence_duration": draw(st.floats(0.25 if detector == "v1-mini" else 0, 60)),
            },
            "detector": {"model": detector, "unlikely_threshold": draw(st.just(0.36) | st.floats(0, 1))},
            "endpointing": {
                "mode": draw(st.sampled_from(["fixed", "dynamic"])),
                "min_delay": delays[0],
                "max_delay": delays[1],
                "alpha": draw(SHARES),
            },
            "interruption": {
                "enabled": draw(st.booleans()),
                "min_duration": draw(SECONDS),
                "min_words": draw(st.integers(0, 99)),
                "resume_false_interruption": draw(st.booleans()),
                "false_interruption_timeout": draw(st.none() | SECONDS),
                "discard_audio_if_uninterruptible": draw(st.booleans()),
            },
            "preemptive": {
                "enabled": draw(st.booleans()),
                "preemptive_tts": draw(st.booleans()),
                "max_speech_duration": draw(SECONDS),
                "max_retries": draw(st.integers(0, 99)),
            },
        }
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.slow
@given(valid_settings(), SECONDS, TEXTS, TEXTS)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, delay_s: float, name: str, note: str
) -> None:
    evidence = support_line().evidence
    assert evidence is not None
    evidence = evidence.model_copy(
        update={"conditions": Conditions(transcription_delay=delay_s), "note": note}
    )
    path = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    profile = Profile(name=name, settings=settings, evidence=evidence)
    save_profile(profile, path)
    assert load_profile(path) == profile
    compile(profile.snippet(), "snippet", "exec")


# --- refusals -----------------------------------------------------------------------------------------------


def change(*keys: str | int, to: object = None, drop: bool = False) -> Callable[[dict[str, Any]], None]:
    def edit(values: Any) -> None:
        for key in keys[:-1]:
            values = values[key]
        if drop:
            del values[keys[-1]]
        else:
            values[keys[-1]] = to

    return edit


CHOSEN = ("evidence", "chosen", "latency_p95")
REFUSED = {
    "unknown key": (change("extra", to=1), r"extra: unknown key"),
    "unknown group": (change("settings", "stt", to={}), r"settings\.stt: unknown key"),
    "unknown setting": (
        change("settings", "endpointing", "min_dealy", to=1),
        r"settings\.endpointing\.min_dealy: unknown",
    ),
    "unknown figure": (change("evidence", "chosen", "f1", to=1), r"evidence\.chosen\.f1: unknown key"),
    "missing name": (change("name", drop=True), r"name: missing"),
    "missing version": (change("livekit_agents", drop=True), r"livekit_agents: missing"),
    "missing format": (change("format", drop=True), r"format: missing"),
    "missing schema": (change("schema_version", drop=True), r"schema_version: missing"),
    "missing setting": (change("settings", "vad", "model", drop=True), r"settings\.vad\.model: missing"),
    "missing group": (change("settings", "endpointing", drop=True), r"settings\.endpointing\.alpha: missing"),
    "missing settings": (change("settings", drop=True), r"settings: missing"),
    "missing figure": (change(*CHOSEN, drop=True), r"evidence\.chosen\.latency_p95: missing"),
    "text for number": (
        change("settings", "endpointing", "min_delay", to="0.3"),
        r"settings\.endpointing\.min_delay: expected a valid number, got '0\.3'",
    ),
    "bool for number": (
        change("settings", "endpointing", "alpha", to=True),
        r"settings\.endpointing\.alpha: .*got True",
    ),
    "number for bool": (
        change("settings", "interruption", "enabled", to=1),
        r"interruption\.enabled: .*bool.*got 1",
    ),
    "float for int": (
        change("settings", "preemptive", "max_retries", to=3.5),
        r"preemptive\.max_retries: .*integer",
    ),
    "list for group": (
        change("settings", "vad", to=[1]),
        r"settings\.vad: expected keys and values, got \[1\]",
    ),
    "text for settings": (change("settings", to="fast"), r"settings: expected keys and values, got 'fast'"),
    "text for date": (change("evidence", "date", to="last week"), r"evidence\.date: .*date, got 'last week'"),
    "number for name": (change("name", to=7), r"name: .*string, got 7"),
    "empty name": (change("name", to=""), r"name: .*at least 1 char"),
    "long name": (change("name", to="x" * 201), r"name: .*at most 200 char"),
    "no recordings": (change("evidence", "recordings", to=[]), r"evidence\.recordings: .*at least 1"),
    "recording": (
        change("evidence", "recordings", 1, "sha256", to=1),
        r"evidence\.recordings\[1\]\.sha256: .*string",
    ),
    "unknown model": (
        change("settings", "vad", "model", to="webrtc"),
        r"settings\.vad\.model: .*'silero'.*got 'webrtc'",
    ),
    "too big": (
        change("settings", "vad", "activation_threshold", to=1.5),
        r"activation_threshold: .*less .*got 1\.5",
    ),
    "negative": (
        change("settings", "endpointing", "min_delay", to=-0.1),
        r"endpointing\.min_delay: .*got -0\.1",
    ),
    "infinite": (change(*CHOSEN, "value", to=float("inf")), r"latency_p95\.value: .*finite"),
    "NaN": (
        change("settings", "endpointing", "max_delay", to=float("nan")),
        r"endpointing\.max_delay: .*got nan",
    ),
    "negative count": (change(*CHOSEN, "n", to=-1), r"latency_p95\.n: .*got -1"),
    "low above high": (change(*CHOSEN, "low", to=99.0), r"latency_p95: expected low <= high"),
    "delays crossed": (
        change("settings", "endpointing", "min_delay", to=2.0),
        r"min_delay \(2\.0 s\) is above max_delay",
    ),
    "silence too short": (
        change("settings", "vad", "min_silence_duration", to=0.2),
        r"min_silence_duration \(0\.2 s\)",
    ),
    "other format": (change("format", to="sweep"), r"format: expected 'turn-profile', got 'sweep'"),
    "newer schema": (change("schema_version", to=2), r"schema_version: expected 1, got 2"),
    "odd version": (change("livekit_agents", to="new\nline"), r"livekit_agents: .*got 'new\\nline'"),
    "conditions": (
        change("settings", "conditions", to={"transcription_delay": 3.0}),
        r"settings\.conditions: unknown key",
    ),
    "bad condition": (
        change("evidence", "conditions", "frame_duration", to=0),
        r": evidence\.conditions\.frame_duration: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_by_key(saved: Path, case: str) -> None:
    edit, message = REFUSED[case]
    values = yaml.safe_load(saved.read_text(encoding="utf-8"))
    edit(values)
    saved.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(BadProfile, match=message) as caught:
        load_profile(saved)
    text = str(caught.value)
    assert text.startswith(f"{saved}: ")
    assert text.endswith("; correct the file, or export the profile again")
    assert "\n" not in text
    assert len(text) < 500


def test_another_schema_version_is_the_only_finding(saved: Path) -> None:
    saved.write_text("format: turn-profile\nschema_version: 2\nthings: {}\n")
    with pytest.raises(
        BadProfile, match=r"profile\.yaml: line 2: schema_version: expected 1, got 2; correct"
    ):
        load_profile(saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected keys and values, got an empty file"),
        (b"# only a comment\n", "got an empty file"),
        (b"- a\n- b\n", r"expected keys and values, got \['a', 'b'\]"),
        (b"just words", "expected keys and values, got 'just words'"),
        (b"name: a\nname: b\n", "line 2: key 'name' is given twice"),
        (b"settings:\n  vad: {model: silero, model: livekit}\n", "line 2: key 'model' is given twice"),
        (
            b"name: !!python/object/apply:os.system ['true']\n",
            "line 1: tag !!python/object/apply:os.system isn't read",
        ),
        (b"name: !!python/name:os.system\n", "line 1: tag !!python/name:os.system isn't read"),
        (b"name: [unclosed\n", "line 2: did not find expected ',' or ']'"),
        (b"name: a\n---\nname: b\n", "line 2: but found another document"),
        (b"when: 2026-13-45\n", "month must be in 1..12"),
        (b"name: \xff\xfe\n", "expected YAML with plain data"),
        (b"name: \x00\n", "line 1: control character"),
        (b"[" * 5000, "recursion|expected"),
        (b"{[a]: b}\n", "unhashable|expected"),
        (b"a: &a [*a]\n", r"line 1: \*a names nothing above it"),
    ],
)
def test_what_is_no_profile_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(BadProfile, match=message) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"nothing\.yaml: can't be read \(No such file.*check the path"):
        load_profile(tmp_path / "nothing.yaml")
    with pytest.raises(BadProfile, match="can't be read"):
        load_profile(tmp_path)


def test_conditions_are_those_of_the_evidence() -> None:
    assert support_line().conditions == Conditions(transcription_delay=0.25, prediction_delay=0.04)
    assert Profile(name="p", settings=Settings()).conditions == Conditions()


# --- AgentSession -------------------------------------------------------------------------------------------


def session(kwargs: dict[str, Any]) -> Any:
    from livekit.agents import AgentSession, llm, stt, tts

    class Stt(stt.STT):
        async def _recognize_impl(self, *args: Any, **kwargs: Any) -> Any: ...

    class Llm(llm.LLM):
        def chat(self, **kwargs: Any) -> Any: ...

    class Tts(tts.TTS):
        def synthesize(self, *args: Any, **kwargs: Any) -> Any: ...

    kwargs = {
        "stt": Stt(capabilities=stt.STTCapabilities(streaming=False, interim_results=False)),
        "llm": Llm(),
        "tts": Tts(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=16_000, num_channels=1),
        **kwargs,
    }
    return AgentSession(**kwargs)


def options(session: Any) -> dict[str, Any]:
    """All that a session was told about turns, read back from it."""
    from livekit.agents.language import LanguageCode

    turn = session.options.turn_handling
    detector, vad = turn["turn_detection"], session.vad
    thresholds = None
    if not isinstance(detector, str):
        thresholds = {
            code: asyncio.run(detector.unlikely_threshold(LanguageCode(code))) for code in ("en", "de")
        }
    return {
        "vad": (vad.provider, vars(vad._opts)),
        "detector": detector if isinstance(detector, str) else detector.model,
        "thresholds": thresholds,
        **{key: dict(turn[key]) for key in ("endpointing", "interruption", "preemptive_generation")},
    }


def read_back(build: Callable[[], Any]) -> dict[str, Any]:
    async def main() -> Any:
        return build()

    return options(asyncio.run(main()))


CHOICES = {
    "livekit-vad-fixed": livekit_defaults("livekit", "vad").replace(min_silence_duration=0.1),
    "silero-vad-dynamic": livekit_defaults("silero", "vad").replace(
        endpointing_mode="dynamic", min_delay=0.6
    ),
    "livekit-stt-fixed": livekit_defaults("livekit", "stt").replace(min_delay=0.2),
    "silero-stt-dynamic": livekit_defaults("silero", "stt").replace(endpointing_mode="dynamic"),
    "livekit-v1-mini-fixed": livekit_defaults().replace(activation_threshold=0.6, min_speech_duration=0.1),
    "livekit-v1-mini-dynamic": livekit_defaults().replace(endpointing_mode="dynamic", unlikely_threshold=0.2),
    "silero-v1-mini-fixed": livekit_defaults("silero").replace(deactivation_threshold=0.2, max_delay=1.5),
    "silero-v1-mini-dynamic": parse_settings(
        {
            "vad": {"model": "silero", "min_silence_duration": 0.4},
            "detector": {"unlikely_threshold": 0.5},
            "endpointing": {"mode": "dynamic", "alpha": 0.5},
            "interruption": {
                "enabled": False,
                "min_duration": 0.7,
                "min_words": 2,
                "resume_false_interruption": False,
                "false_interruption_timeout": None,
                "discard_audio_if_uninterruptible": False,
            },
            "preemptive": {
                "enabled": False,
                "preemptive_tts": True,
                "max_speech_duration": 5.0,
                "max_retries": 1,
            },
        }
    ),
    "a policy": Settings().replace(
        min_delay=0.35,
        max_delay=2.1,
        wait_shape=[[0.1, 1.0], [0.7, 0.25]],
        extra_delay_numbers=0.8,
        extra_delay_asked=1.1,
    ),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_real_session_has_the_settings(choice: str, tmp_path: Path) -> None:
    settings = CHOICES[choice]
    save_profile(Profile(name=choice, settings=settings), tmp_path / "p.yaml")
    profile = load_profile(tmp_path / "p.yaml")

    got = read_back(lambda: session(profile.session_kwargs()))

    provider, vad = got["vad"]
    assert provider == ("ONNX" if settings.vad.model == "silero" else "livekit-local-inference")
    expected = settings.vad.model_dump(exclude={"model"}) | {
        "deactivation_threshold": settings.vad.deactivation
    }
    assert {key: vad[key] for key in expected} == expected
    v1_mini = settings.detector.model == "v1-mini"
    assert got["detector"] == ("turn-detector-v1-mini" if v1_mini else settings.detector.model)
    if settings.detector.model == "v1-mini":
        assert got["thresholds"]["en"] == settings.detector.unlikely_threshold
    assert got["endpointing"] == settings.endpointing.model_dump()
    assert settings.interruption.model_dump().items() <= got["interruption"].items()
    assert "mode" not in got["interruption"]
    assert got["preemptive_generation"] == settings.preemptive.model_dump()


@pytest.mark.parametrize("choice", CHOICES)
def test_the_snippet_builds_the_same_session(choice: str) -> None:
    profile = Profile(name=choice, settings=CHOICES[choice])

    def pasted() -> Any:
        fakes = session({})
        names: dict[str, Any] = {"stt": fakes.stt, "llm": fakes.llm, "tts": fakes.tts}
        exec(profile.snippet(), names)
        return names["session"]

    assert read_back(pasted) == read_back(lambda: session(profile.session_kwargs()))
    assert "lab_utils" not in profile.snippet()


def test_a_pasted_policy_is_the_sessions_own_and_has_its_session() -> None:
    profile = Profile(name="a policy", settings=CHOICES["a policy"])

    said = [("yes", "Hi."), ("four two", "Hi."), ("yes", "Your number?"), ("four two", "Your number?")]

    async def waits() -> list[list[float]]:
        fakes = session({})
        names: dict[str, Any] = {"stt": fakes.stt, "llm": fakes.llm, "tts": fakes.tts}
        exec(profile.snippet(), names)
        ours = session(profile.session_kwargs())
        attach_policy(ours)
        policies = [one.turn_detection.live_policy for one in (names["session"], ours)]
        assert [one.session for one in policies] == [names["session"], ours]
        assert [[one.extra(*words) for words in said] for one in policies] == [[0.0, 0.8, 1.1, 1.1]] * 2
        return [[one.wait(p, 0.36) for p in (0.0, 0.1, 0.2, 0.35)] for one in policies]

    pasted, ours = asyncio.run(waits())
    assert pasted == ours
    shape = profile.settings.policy.wait_shape
    assert shape is not None
    assert ours == [0.35 + (2.1 - 0.35) * naive.share(shape, p / 0.36) for p in (0.0, 0.1, 0.2, 0.35)]
    node = profile.node_snippet()
    assert "NOT in this code, only in the Python one: wait_shape 0.1: 1, 0.7: 0.25, extra_delay_n" in node
    assert "policy" not in to_yaml(Profile(name="p", settings=Settings()))


def test_an_agents_own_profile_precedes_the_sessions_while_it_is_in_charge() -> None:
    from livekit.agents import Agent

    from lab_utils.session.entrypoint.settings import settings_of

    patient = Settings().replace(
        min_delay=0.8, max_delay=4.0, min_silence_duration=0.4, unlikely_threshold=0.5
    )

    async def in_force() -> list[Settings]:
        running = session(Profile(name="quick", settings=Settings().replace(min_delay=0.1)).session_kwargs())
        asks = Agent(instructions="", **Profile(name="patient", settings=patient).agent_kwargs())
        return [settings_of(running, asks), settings_of(running, Agent(instructions=""))]

    assert asyncio.run(in_force()) == [patient, Settings().replace(min_delay=0.1)]
    with pytest.raises(
        InputError, match=r"'a policy' has wait_shape .* and extra_delay_numbers 0.8 and extra"
    ):
        Profile(name="a policy", settings=CHOICES["a policy"]).agent_kwargs()


def test_our_defaults_are_those_of_a_session_told_nothing() -> None:
    ours = Profile(name="defaults", settings=Settings()).session_kwargs()
    assert read_back(lambda: session(ours)) == read_back(lambda: session({}))


@pytest.mark.slow
def test_a_session_with_each_profile_starts() -> None:
    from livekit.agents import Agent

    async def start(settings: Settings) -> None:
        kwargs = Profile(name="p", settings=settings).session_kwargs()
        running = session({**kwargs, "session_close_transcript_timeout": 0.0})
        if settings.policy.wait_shape is not None:
            with pytest.raises(RuntimeError, match=r"call attach_policy\(session\) before session.start"):
                await running.start(Agent(instructions=""))
            running = session({**kwargs, "session_close_transcript_timeout": 0.0})
        attach_policy(running)
        await running.start(Agent(instructions=""))
        await running.aclose()

    for settings in CHOICES.values():
        asyncio.run(start(settings))


def test_the_english_threshold_leaves_the_calibration_by_language(caplog: pytest.LogCaptureFixture) -> None:
    def thresholds(value: float) -> Any:
        profile = Profile(name="p", settings=Settings().replace(unlikely_threshold=value))
        return read_back(lambda: session(profile.session_kwargs()))["thresholds"]

    with caplog.at_level(logging.WARNING):
        assert thresholds(0.36) == {"en": 0.36, "de": 0.245}
        assert not caplog.records
        assert thresholds(0.4) == {"en": 0.4, "de": 0.4}


def test_session_kwargs_need_no_event_loop_and_are_new_each_time() -> None:
    profile = Profile(name="p", settings=Settings())
    first, second = profile.session_kwargs(), profile.session_kwargs()
    assert first["vad"] is not second["vad"]
    assert first["turn_handling"]["endpointing"] is not second["turn_handling"]["endpointing"]


def test_a_name_cannot_break_out_of_the_snippet() -> None:
    code = Profile(name="x\nraise SystemExit #\u2028", settings=Settings()).snippet()
    assert code.splitlines()[2].startswith("from livekit.agents import")


def test_another_livekit_release_warns(saved: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_profile(saved).session_kwargs()
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace("livekit_agents: 1.8.9", "livekit_agents: 1.9.0"), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"livekit_agents: measured on 1\.9\.0, .* measures 1\.8\.9") as told:
        profile = load_profile(saved)
    assert told[0].filename == __file__, "the line that loads it is named"
    with pytest.warns(UserWarning, match=r"measured on livekit-agents 1\.9\.0; 1\.8\.9 is installed") as told:
        profile.session_kwargs()
    assert told[0].filename == __file__


BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"matplotlib", "jupyterlab", "IPython", "ipywidgets", "ipympl", "pandas"}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Block())
from lab_utils.profile import load_profile
profile = load_profile(sys.argv[1])
assert not any(name.split(".")[0] == "livekit" for name in sys.modules), "livekit was imported"
print(sorted(profile.session_kwargs()["turn_handling"]))
"""


@pytest.mark.slow
def test_loading_needs_no_plotting_jupyter_or_data_package(saved: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(saved)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(module.__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['endpointing', 'interruption', 'preemptive_generation', 'turn_detection']"


def test_text_is_what_is_saved(saved: Path) -> None:
    assert to_yaml(support_line()) == saved.read_text(encoding="utf-8")


def test_thresholds_by_language_are_kept_and_given_to_livekit(tmp_path) -> None:
    settings = Settings().replace(unlikely_threshold={"de": 0.3, "en": 0.45})
    profile = Profile(name="two languages", settings=settings)
    save_profile(profile, tmp_path / "p.yaml")
    again = load_profile(tmp_path / "p.yaml")
    assert again.settings == settings
    detector = again.session_kwargs()["turn_handling"]["turn_detection"]
    assert detector._opts.thresholds.lookup(LanguageCode("de")) == 0.3
    assert "unlikely_threshold={'de': 0.3, 'en': 0.45}" in again.snippet()
    assert 'unlikelyThreshold: {"de": 0.3, "en": 0.45}' in again.node_snippet()
    text = (tmp_path / "p.yaml").read_text(encoding="utf-8").replace("de: 0.3", "German: 0.3")
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadProfile, match=r"unlikely_threshold: 'German' is no language code"):
        load_profile(tmp_path / "p.yaml")

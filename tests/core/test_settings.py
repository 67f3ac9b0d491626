"""Settings: LiveKit's own defaults, and refusals that name the knob."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from livekit.agents import inference
from livekit.agents.inference.eot import base as eot_base
from livekit.agents.inference.eot import transports
from livekit.agents.inference.eot.languages import LOCAL_LANGUAGES
from livekit.agents.voice import audio_recognition, turn
from livekit.agents.voice.room_io import AudioInputOptions
from livekit.plugins import silero
from pydantic import ValidationError

from lab_utils.core.detectors import STREAMING_DETECTOR_MIN_SILENCE_S
from lab_utils.core.knobs import KNOBS
from lab_utils.core.languages import ENGLISH_UNLIKELY_THRESHOLD
from lab_utils.core.policies import SHAPES
from lab_utils.core.settings import (
    Conditions,
    Settings,
    VadSettings,
    default_deactivation,
    livekit_defaults,
    parse_settings,
    parse_with_conditions,
)
from lab_utils.core.timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES
from lab_utils.core.traces import BUFFER_SAMPLES
from lab_utils.turns.replay.pauses import PREDICTION_SILENCE_S


def defaults_of(function) -> dict[str, object]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


# --- LiveKit's defaults -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detector", "theirs"),
    [
        ("v1-mini", turn._STREAMING_ENDPOINTING_DEFAULTS),
        ("vad", turn._ENDPOINTING_DEFAULTS),
        ("stt", turn._ENDPOINTING_DEFAULTS),
    ],
)
def test_endpointing_defaults_are_livekits_for_the_detector(detector, theirs):
    assert livekit_defaults("livekit", detector).endpointing.model_dump() == theirs


def test_the_endpointing_defaults_follow_the_kind_of_detector_as_in_livekit():
    streaming = turn._resolve_endpointing(None, turn_detection=inference.TurnDetector(version="v1-mini"))
    assert livekit_defaults(detector="v1-mini").endpointing.model_dump() == streaming
    for mode in ("vad", "stt"):
        plain = turn._resolve_endpointing(None, turn_detection=mode)
        assert livekit_defaults(detector=mode).endpointing.model_dump() == plain


def test_interruption_defaults_are_livekits():
    ours = Settings().interruption.model_dump()
    assert ours == {name: turn._INTERRUPTION_DEFAULTS[name] for name in ours}


def test_preemptive_generation_defaults_are_livekits():
    assert Settings().preemptive.model_dump() == turn._PREEMPTIVE_GENERATION_DEFAULTS


@pytest.mark.parametrize(
    ("vad", "function"), [("livekit", inference.VAD.__init__), ("silero", silero.VAD.load)]
)
def test_vad_defaults_are_those_of_the_installed_vad(vad, function):
    theirs = defaults_of(function)
    ours = livekit_defaults(vad, "vad").vad
    assert ours.model == vad
    for name in ("min_speech_duration", "min_silence_duration", "activation_threshold"):
        assert getattr(ours, name) == theirs[name], name
    assert ours.deactivation_threshold is None


@pytest.mark.parametrize("activation", [0.05, 0.155, 0.16, 0.3, 0.5, 0.9])
def test_the_deactivation_threshold_follows_the_activation_threshold_as_in_livekit(activation):
    theirs = inference.VAD(activation_threshold=activation)._opts.deactivation_threshold
    assert default_deactivation(activation) == theirs
    assert VadSettings(activation_threshold=activation).deactivation == theirs
    assert VadSettings(activation_threshold=activation, deactivation_threshold=0.2).deactivation == 0.2


def test_the_threshold_is_that_of_v1_mini_for_english():
    assert LOCAL_LANGUAGES["en"] == ENGLISH_UNLIKELY_THRESHOLD
    assert Settings().detector.unlikely_threshold == ENGLISH_UNLIKELY_THRESHOLD


def test_the_silence_that_a_streaming_detector_needs_is_livekits():
    required_s = (eot_base.MIN_SILENCE_DURATION_MS + 50) / 1000
    assert required_s == STREAMING_DETECTOR_MIN_SILENCE_S
    check = inspect.getsource(audio_recognition)
    assert "required = (MIN_SILENCE_DURATION_MS + 50) / 1000" in check
    assert eot_base.MIN_SILENCE_DURATION_MS / 1000 == PREDICTION_SILENCE_S


def test_the_detector_hears_as_much_audio_as_livekit_gives_it():
    assert transports._CLIENT_BUFFER_SAMPLES == BUFFER_SAMPLES
    assert transports._CLIENT_BUFFER_SECONDS == 1.2
    assert eot_base.DEFAULT_SAMPLE_RATE == SAMPLE_RATE_HZ


def test_frames_windows_and_the_prediction_deadline_are_livekits():
    assert AudioInputOptions().frame_size_ms / 1000 == Conditions().frame_duration
    assert inference.VAD().capabilities.update_interval == WINDOW_SAMPLES / SAMPLE_RATE_HZ
    with pytest.raises(ValueError, match="prediction_delay"):
        Conditions(prediction_delay=eot_base.DEFAULT_PREDICTION_TIMEOUT)


def test_what_nobody_sets_is_what_agent_session_does_with_its_default_parts():
    assert Settings() == livekit_defaults("livekit", "v1-mini")


# --- knobs ------------------------------------------------------------------------------------------

VALUES = {
    "vad": "silero",
    "detector": "vad",
    "endpointing_mode": "dynamic",
    "activation_threshold": 0.6,
    "deactivation_threshold": 0.2,
    "min_speech_duration": 0.1,
    "min_silence_duration": 0.4,
    "min_delay": 0.35,
    "max_delay": 1.9,
    "unlikely_threshold": 0.25,
    "wait_shape": None,
    "extra_delay_numbers": 0.0,
    "extra_delay_asked": 0.0,
}


def test_every_knob_can_be_set_and_read_by_its_flat_name():
    assert list(VALUES) == list(KNOBS)
    settings = Settings.from_knobs(VALUES)
    assert settings.knobs() == VALUES
    assert settings == Settings().replace(**VALUES)
    for name, value in (
        VALUES | {"wait_shape": SHAPES["late"], "extra_delay_numbers": 0.7, "extra_delay_asked": 1.2}
    ).items():
        assert Settings().replace(**{name: value}).knobs() == {**Settings().knobs(), name: value}


def test_replace_leaves_everything_else_and_the_original_alone():
    before = Settings()
    dump = before.model_dump()
    after = before.replace(min_delay=0.4)
    assert before.model_dump() == dump
    assert after.endpointing.min_delay == 0.4
    assert after.endpointing.model_copy(update={"min_delay": 0.3}) == before.endpointing
    assert after.interruption == before.interruption


def test_knobs_left_out_or_nan_get_the_defaults_of_the_parts_named():
    settings = Settings.from_knobs(
        {"vad": "silero", "detector": "vad", "max_delay": math.nan, "min_delay": None}
    )
    assert settings == livekit_defaults("silero", "vad")
    assert settings.vad.min_silence_duration == 0.55
    assert (settings.endpointing.min_delay, settings.endpointing.max_delay) == (0.5, 3.0)


def test_settings_are_frozen_and_equal_by_value():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.vad = VadSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.endpointing.min_delay = 1.0
    assert hash(settings) == hash(Settings())


BAD = [
    ("vad", "webrtc", "'silero' or 'livekit'"),
    ("vad", ["silero"], "'silero' or 'livekit'"),
    ("detector", "v2", "'vad', 'stt', 'english', 'multilingual' or 'v1-mini'"),
    ("endpointing_mode", "adaptive", "'fixed' or 'dynamic'"),
    ("activation_threshold", 0.0, "greater than 0"),
    ("activation_threshold", 1.1, "less than or equal to 1"),
    ("deactivation_threshold", 0.0, "greater than 0"),
    ("min_speech_duration", -0.1, "greater than or equal to 0"),
    ("min_silence_duration", 61.0, "less than or equal to 60"),
    ("min_delay", "0.3", "valid number"),
    ("min_delay", True, "valid number"),
    ("min_delay", [0.3], "valid number"),
    ("min_delay", 10**400, "valid number"),
    ("max_delay", math.inf, "finite|less than"),
    ("max_delay", -1, "greater than or equal to 0"),
    ("unlikely_threshold", 1.5, "less than or equal to 1"),
    ("unlikely_threshold", -0.1, "greater than or equal to 0"),
]


@pytest.mark.parametrize("name", list(Conditions.model_fields))
def test_a_condition_is_no_knob(name):
    for change in (Settings().replace, lambda **knobs: Settings.from_knobs(knobs)):
        with pytest.raises(
            ValueError, match=rf"^{name} is a condition, .*not a knob; set it in `Conditions`"
        ):
            change(**{name: 0.3})


def test_values_of_0_1_0_had_the_conditions_within_the_settings():
    before = {"vad": {"min_silence_duration": 0.4}, "conditions": {"transcription_delay": 0.3}}
    assert parse_with_conditions(before) == (
        Settings().replace(min_silence_duration=0.4),
        Conditions(transcription_delay=0.3),
    )
    now = {"endpointing": {"min_delay": 0.4}}
    assert parse_with_conditions(now, {"stt_silence": 0.7})[1] == Conditions(stt_silence=0.7)
    assert parse_with_conditions(now)[1] == Conditions()
    with pytest.raises(ValueError, match=r"^conditions: frame_duration: .*got 2.0"):
        parse_with_conditions(now, {"frame_duration": 2.0})


@pytest.mark.parametrize(("knob", "value", "expected"), BAD)
def test_a_bad_value_is_refused_by_the_knobs_own_name(knob, value, expected):
    for change in (Settings().replace, lambda **knobs: Settings.from_knobs(knobs)):
        with pytest.raises(ValueError, match=rf"^{knob}: .*({expected}).*, got ") as caught:
            change(**{knob: value})
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("knob", [k for k in KNOBS if k not in ("vad", "detector", "endpointing_mode")])
def test_not_a_number_is_no_value(knob):
    with pytest.raises(ValueError, match=f"^{knob}: .*got nan"):
        Settings().replace(**{knob: math.nan})


def test_numpys_numbers_and_whole_numbers_are_numbers():
    settings = Settings().replace(min_delay=np.float64(0.25), max_delay=2)
    assert (settings.endpointing.min_delay, settings.endpointing.max_delay) == (0.25, 2.0)


def test_an_unknown_knob_is_refused_with_the_list_of_knobs():
    for change in (Settings().replace, lambda **knobs: Settings.from_knobs(knobs)):
        with pytest.raises(ValueError, match=r"unknown knob 'min_dealy'; knobs are vad, .*min_delay"):
            change(min_dealy=0.3)


def test_a_least_delay_above_the_longest_is_impossible():
    with pytest.raises(
        ValueError, match=r"min_delay \(2.6 s\) is above max_delay \(2.5 s\); raise max_delay or lower"
    ):
        Settings().replace(min_delay=2.6)
    assert Settings().replace(min_delay=2.5).endpointing.min_delay == 2.5


def test_v1_mini_beside_too_little_silence_is_impossible():
    with pytest.raises(
        ValueError, match=r"min_silence_duration \(0.24 s\) is below 0.25 s.*use detector vad"
    ):
        Settings().replace(min_silence_duration=0.24)
    assert Settings().replace(min_silence_duration=0.24, detector="vad").vad.min_silence_duration == 0.24


def test_nested_values_are_refused_by_their_path():
    with pytest.raises(ValueError, match=r"vad\.min_silnce: unknown key; remove it or correct its spelling"):
        parse_settings({"vad": {"min_silnce": 0.3}})
    with pytest.raises(ValueError, match=r"endpointing\.min_delay: .*valid number, got '0.3'"):
        parse_settings({"endpointing": {"min_delay": "0.3"}})
    with pytest.raises(ValueError, match=r"interruption\.enabled: .*valid boolean, got 1"):
        parse_settings({"interruption": {"enabled": 1}})
    with pytest.raises(ValueError, match=r"interruption\.min_words: .*valid integer"):
        parse_settings({"interruption": {"min_words": 1.0}})


def test_all_errors_are_reported_at_once():
    with pytest.raises(ValueError, match=r"vad\.min_speech_duration.*; endpointing\.min_delay"):
        parse_settings({"vad": {"min_speech_duration": -1.0}, "endpointing": {"min_delay": "x"}})

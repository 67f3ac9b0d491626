"""Settings drawn over the whole knob space, each with its conditions and how it is to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.delays import rng_for
from ...core.detectors import DETECTORS, traits_of
from ...core.languages import ENGLISH_UNLIKELY_THRESHOLD
from ...core.models import Frozen
from ...core.settings import (
    Conditions,
    InterruptionSettings,
    PreemptiveSettings,
    Settings,
    parse_with_conditions,
)
from ...recordings.heard_paths import HEARD_PATHS, HeardPath

PHASES = 4
FRAMES_MS = (10, 20, 32, 50)
WAITS_SHARE = 0.25
"""So many are compared on a branch, where the caller waits: a session on the tape and silence after it."""
LIVE_SHARE = 0.1
"""Of the cases so many run LiveKit's own models instead of reading traces."""


@dataclass(frozen=True)
class Case:
    """One setting to be compared on one recording."""

    number: int
    recording: int
    settings: Settings
    conditions: Conditions
    phase: int
    from_words: bool
    """Whether the STT sends what it would for the labels' words, instead of what a sweep assumes."""
    live: bool
    """Whether LiveKit's own VAD and turn detector run, instead of traces."""
    path: HeardPath = "16k"
    """How the audio reaches the agent."""
    waits: float | None = None
    """On a branch: which one, as a fraction of those it may be about. None: the tape goes on."""


def draw_cases(
    count: int, recordings: int, seed: int = 0, detectors: Sequence[str] = (), instead: str = ""
) -> list[Case]:
    """`count` cases over the whole knob space, spread over the recordings and in their order.

    `detectors`: by their names in settings, taken in turn on each recording instead of being drawn;
    `instead`: takes the place of v1-mini, where that is drawn.
    """
    cases = []
    for number in range(count):
        name = detectors[number % len(detectors)] if detectors else ""
        rng = rng_for(seed, f"case {number}")
        settings, conditions = _draw_settings(rng, name)
        beside = _draw_interruption(rng_for(seed, f"case {number} interruption"))
        settings = settings.model_copy(update=beside)
        tells = bool(rng_for(seed, f"case {number} stt").random() < 0.5)
        conditions = conditions.replace(stt_tells_end=tells, language=_draw_language(number, seed))
        settings = _by_language(settings, number, seed)
        settings = _shaped(settings, rng_for(seed, f"case {number} policy"))
        settings = _extended(settings, rng_for(seed, f"case {number} extra delays"))
        path, waits = _draw_take(rng_for(seed, f"case {number} take"))
        cases.append(
            Case(
                number=number,
                recording=number // max(len(detectors), 1) % recordings,
                settings=settings,
                conditions=conditions,
                phase=int(rng.integers(PHASES)),
                from_words=bool(rng.random() < 0.5),
                live=bool(rng.random() < LIVE_SHARE),
                path=path,
                waits=waits,
            )
        )
        if name or instead:
            cases[-1] = _with_detector(cases[-1], name or instead)
    return sorted(cases, key=lambda case: (case.recording, case.number))


def _with_detector(case: Case, name: str) -> Case:
    """The case with another detector in place of v1-mini, from its trace."""
    if case.settings.detector.traits.needs != "predictions" or name == "v1-mini":
        return case
    threshold = case.settings.detector.unlikely_threshold
    if traits_of(name).needs == "words":
        threshold = float(threshold)  # the text detectors take no other
    return replace(
        case, settings=case.settings.replace(detector=name, unlikely_threshold=threshold), live=False
    )


def _draw_take(rng: np.random.Generator) -> tuple[HeardPath, float | None]:
    """How the call is heard, and whether the caller waits on it."""
    path: HeardPath = HEARD_PATHS[int(rng.integers(len(HEARD_PATHS)))] if rng.random() < 0.5 else "16k"
    return path, float(rng.random()) if rng.random() < WAITS_SHARE else None


def _draw_settings(rng: np.random.Generator, name: str) -> tuple[Settings, Conditions]:
    """Any setting AgentSession accepts, to the millisecond; a third of the delays is the defaults' or 0.

    `name`: its detector, for which v1-mini stands unless it is silence or the speech-to-text; "" for any.
    """

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    detector = str(rng.choice(["vad", "stt", "v1-mini"], p=[0.3, 0.3, 0.4]))
    if name:
        detector = name if name in ("vad", "stt") else "v1-mini"
    activation = between(0.25, 0.75)
    min_delay = float(rng.choice([0.0, 0.3, 0.5, between(0.0, 1.2), between(0.0, 1.2)]))
    return parse_with_conditions(
        {
            "vad": {
                "model": str(rng.choice(["livekit", "silero"])),
                "activation_threshold": activation,
                "deactivation_threshold": None if rng.random() < 0.5 else between(0.05, activation),
                "min_speech_duration": between(0.03, 0.25),
                "min_silence_duration": between(0.25 if DETECTORS[detector].streams else 0.08, 1.0),
            },
            "detector": {"model": detector, "unlikely_threshold": between(0.05, 0.8)},
            "endpointing": {
                "mode": str(rng.choice(["fixed", "dynamic"], p=[0.7, 0.3])),
                "min_delay": min_delay,
                "max_delay": round(min_delay + between(0.0, 2.5), 3),
                "alpha": between(0.5, 0.99),
            },
        },
        {
            "transcription_delay": 0.0 if rng.random() < 0.3 else between(0.05, 1.8),
            "stt_silence": between(0.15, 1.0),
            "prediction_delay": float(rng.choice([0.0, 0.04, between(0.0, 0.3)])),
            "frame_duration": float(rng.choice(FRAMES_MS)) / 1000,
        },
    )


def _draw_language(number: int, seed: int) -> str:
    return str(rng_for(seed, f"case {number} language").choice(["", "en", "de", "ko", "sv"]))


def _by_language(settings: Settings, number: int, seed: int) -> Settings:
    """Half of the settings as they are, the others with LiveKit's calibration or thresholds by language."""
    rng = rng_for(seed, f"case {number} thresholds")
    how, drawn = rng.random(), [round(float(value), 3) for value in rng.uniform(0.05, 0.8, 3)]
    if how < 0.5:
        return settings
    if how < 0.6:
        return settings.replace(unlikely_threshold=ENGLISH_UNLIKELY_THRESHOLD)
    languages = ["en", *rng.choice(["de", "ko", "sv"], size=2, replace=False).tolist()]
    return settings.replace(unlikely_threshold=dict(zip(languages, drawn, strict=True)))


def _shaped(settings: Settings, rng: np.random.Generator) -> Settings:
    """Half of the settings that may have a `wait_shape` with one of up to five points."""
    if rng.random() < 0.5 or settings.detector.model != "v1-mini" or settings.endpointing.mode == "dynamic":
        return settings
    n = int(rng.integers(1, 6))
    x, y = (np.sort(rng.uniform(0, 1, n).round(3)).tolist() for _ in range(2))
    return settings.replace(wait_shape=list(zip(x, y[::-1], strict=True)))


def _extended(settings: Settings, rng: np.random.Generator) -> Settings:
    """Half of the settings whose waits may depend on what was said with one extra delay, or both."""
    if rng.random() < 0.5 or settings.detector.model != "v1-mini" or settings.endpointing.mode == "dynamic":
        return settings
    drawn, which = rng.uniform(0.1, 2.0, 2).round(3).tolist(), int(rng.integers(3))
    numbers_s, asked_s = (0.0 if which == k else value for k, value in enumerate(drawn))
    return settings.replace(extra_delay_numbers=numbers_s, extra_delay_asked=asked_s)


def _draw_interruption(rng: np.random.Generator) -> dict[str, Frozen]:
    """The settings of interruption and preemptive generation; of these only `min_words` can move a commit."""
    timeout_s = round(float(rng.uniform(0.3, 3.0)), 3)
    interruption = InterruptionSettings(
        enabled=bool(rng.random() < 0.8),
        min_words=0 if rng.random() < 0.5 else int(rng.integers(1, 9)),
        min_duration=float(rng.choice([0.0, 0.2, 0.5, 1.0])),
        resume_false_interruption=bool(rng.random() < 0.7),
        false_interruption_timeout=None if rng.random() < 0.2 else timeout_s,
    )
    preemptive = PreemptiveSettings(
        enabled=bool(rng.random() < 0.7),
        preemptive_tts=bool(rng.random() < 0.3),
        max_speech_duration=float(rng.choice([2.0, 10.0])),
        max_retries=int(rng.integers(0, 4)),
    )
    # Drawn last, so that a seed's other draws stay what they were.
    discards = {"discard_audio_if_uninterruptible": bool(rng.random() < 0.7)}
    return {
        "interruption": interruption.model_copy(update=discards),
        "preemptive": preemptive,
    }

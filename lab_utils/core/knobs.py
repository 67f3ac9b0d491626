"""The table of knobs: all that a sweep may vary and a user may turn, one row each.

A row gives a knob's flat name, its place in `Settings`, what it means to LiveKit, the range of its slider,
LiveKit's defaults that depend on the parts, and when it is idle, that is, changes nothing. `RULES` are the
combinations that AgentSession can't use. Rules and idleness are functions of knob values; they take single
values as well as columns of a table, so that each stands once. Hard bounds and plain defaults are those of
the fields in `settings`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .detectors import (
    DETECTORS,
    OWN,
    OWN_TRAITS,
    STREAMING_DETECTOR_MIN_SILENCE_S,
    TEXT_DETECTORS,
    among,
    is_own,
    names_where,
    names_without,
)
from .languages import ByLanguage
from .policies import SHAPES, WaitShape

Values = Mapping[str, Any]
"""Knob name → one value, or a column of values."""


@dataclass(frozen=True)
class Idle:
    """When a knob changes nothing."""

    when: Callable[[Values], Any]
    reason: str
    harmless: Callable[[Values], Any] | None = None
    """A value for the idle knob of one setting that breaks no rule."""


@dataclass(frozen=True)
class Knob:
    """One row of the table."""

    name: str
    """In grid files, sweep tables, and on sliders."""
    group: str
    field: str
    help: str
    label: str = ""
    """On a menu; the name if empty."""
    choices: tuple[str, ...] = ()
    """Names to choose from; without, the knob is a number."""
    unit: str = ""
    slider: tuple[float, float, float] | None = None
    """Least and greatest value and step of its slider; a number without one has no control."""
    default_with: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """LiveKit's default beside a VAD or detector, where it isn't the field's."""
    idle: Idle | None = None

    @property
    def has_control(self) -> bool:
        """Whether the tuner shows it."""
        return bool(self.choices or self.slider)


_JUDGES = "; ".join(f"{one.name}, {one.help}" for one in DETECTORS.values())
_NO_THRESHOLD, _THRESHOLD = names_without("has_threshold"), names_where("has_threshold")
_PLAIN = names_without("streams")
_WHO_JUDGES = f"only {', '.join(_THRESHOLD[:-1])} and {_THRESHOLD[-1]} give a probability to compare with it"

_WHO_EXTENDS = "a wait is extended where a detector is asked; vad and stt ask none"

_ROWS = (
    Knob(
        "vad",
        "vad",
        "model",
        "Which model hears speech: livekit is inference.VAD, LiveKit's default; silero its plugin, smoothed.",
        label="VAD",
        choices=("livekit", "silero"),
    ),
    Knob(
        "detector",
        "detector",
        "model",
        f"What judges the end of a turn: {_JUDGES}.",
        label="turn detector",
        choices=tuple(reversed(DETECTORS)),
    ),
    Knob(
        "endpointing_mode",
        "endpointing",
        "mode",
        "fixed, or dynamic: min_delay is learned from the user's pauses, up to max_delay.",
        label="endpointing",
        choices=("fixed", "dynamic"),
    ),
    Knob(
        "activation_threshold",
        "vad",
        "activation_threshold",
        "Probability of speech from which a window of audio may begin speech.",
    ),
    Knob(
        "deactivation_threshold",
        "vad",
        "deactivation_threshold",
        "Probability of speech up to which a window is silence again; by itself activation_threshold - 0.15, "
        "but at least 0.01.",
    ),
    Knob(
        "min_speech_duration",
        "vad",
        "min_speech_duration",
        "Speech before the VAD reports the start of speech.",
        unit="s",
    ),
    Knob(
        "min_silence_duration",
        "vad",
        "min_silence_duration",
        "Silence before the VAD reports the end of speech.",
        unit="s",
        slider=(0.05, 1.5, 0.05),
        default_with={"silero": 0.55},
    ),
    Knob(
        "min_delay",
        "endpointing",
        "min_delay",
        "Wait, from the last speech, if the end of turn is likely; below min_silence_duration it does "
        "nothing.",
        unit="s",
        slider=(0.0, 3.0, 0.05),
        default_with={name: DETECTORS[name].default_delays_s[0] for name in _PLAIN},
    ),
    Knob(
        "max_delay",
        "endpointing",
        "max_delay",
        "Wait, from the last speech, if the end of turn is unlikely; dynamic endpointing waits no longer.",
        unit="s",
        slider=(0.0, 6.0, 0.1),
        default_with={name: DETECTORS[name].default_delays_s[1] for name in _PLAIN},
        idle=Idle(
            lambda v: among(v["detector"], _NO_THRESHOLD) & (v["endpointing_mode"] == "fixed"),
            f"without {' or '.join(_THRESHOLD)} no end is unlikely, and fixed endpointing has no other use "
            "for it",
            harmless=lambda v: max(v["max_delay"], v["min_delay"]),
        ),
    ),
    Knob(
        "unlikely_threshold",
        "detector",
        "unlikely_threshold",
        "An end of turn with a probability below this is unlikely; 0.36 stands for LiveKit's own in each "
        "language, {de: 0.3} for another in German.",
        slider=(0.0, 1.0, 0.01),
        default_with={OWN: OWN_TRAITS.default_threshold},
        idle=Idle(
            lambda v: among(v["detector"], _NO_THRESHOLD),
            _WHO_JUDGES,
        ),
    ),
    Knob(
        "wait_shape",
        "policy",
        "wait_shape",
        "How the wait falls from max_delay to min_delay while the probability rises to unlikely_threshold: "
        f"{', '.join(SHAPES)}, or points [p / unlikely_threshold, share]; null for LiveKit's two delays.",
        idle=Idle(lambda v: among(v["detector"], _NO_THRESHOLD), _WHO_JUDGES),
    ),
    Knob(
        "extra_delay_numbers",
        "policy",
        "extra_delay_numbers",
        "Added to each wait while the user is giving a number or spelling: by the last words of the turn.",
        unit="s",
        idle=Idle(lambda v: among(v["detector"], _NO_THRESHOLD), _WHO_EXTENDS),
    ),
    Knob(
        "extra_delay_asked",
        "policy",
        "extra_delay_asked",
        "Added to each wait after the agent asked for a number or spelling; of two extra delays the longer "
        "counts.",
        unit="s",
        idle=Idle(lambda v: among(v["detector"], _NO_THRESHOLD), _WHO_EXTENDS),
    ),
)

KNOBS: dict[str, Knob] = {knob.name: knob for knob in _ROWS}
"""Flat knob name → its row, in the order of table columns."""


@dataclass(frozen=True)
class Rule:
    """A combination of knobs that AgentSession can't use."""

    broken: Callable[[Values], Any]
    what: str
    message: str
    """A knob's name in braces stands for the value that came."""


def is_structured(value: Any) -> bool:
    """Whether a knob's value is neither a number nor a name: thresholds by language, or a shape."""
    return isinstance(value, ByLanguage | WaitShape)


def _has_shape(shape: Any) -> Any:
    """Whether there is a shape; for a column, a column of answers."""
    return shape.notna() if hasattr(shape, "notna") else shape is not None


def _differs_by_language(threshold: Any) -> Any:
    """Whether a threshold has a value for each language; for a column, a column of answers."""
    if hasattr(threshold, "map"):
        return threshold.map(lambda one: isinstance(one, Mapping))
    return isinstance(threshold, Mapping)


RULES = (
    Rule(
        lambda v: v["min_delay"] > v["max_delay"],
        "min_delay above max_delay",
        "min_delay ({min_delay} s) is above max_delay ({max_delay} s); raise max_delay or lower min_delay",
    ),
    Rule(
        lambda v: (
            (v["min_silence_duration"] < STREAMING_DETECTOR_MIN_SILENCE_S)
            & ~among(v["detector"], names_without("streams"))
        ),
        f"min_silence_duration below {STREAMING_DETECTOR_MIN_SILENCE_S} s with "
        f"{' or '.join(names_where('streams'))}",
        f"min_silence_duration ({{min_silence_duration}} s) is below {STREAMING_DETECTOR_MIN_SILENCE_S} s, "
        f"the least that AgentSession accepts with {{detector}}; raise it, "
        f"or use detector {' or '.join(_PLAIN)}",
    ),
    Rule(
        lambda v: among(v["detector"], TEXT_DETECTORS) & _differs_by_language(v["unlikely_threshold"]),
        f"thresholds by language with {' or '.join(TEXT_DETECTORS)}",
        "unlikely_threshold ({unlikely_threshold}) differs by language, which {detector} can't be told; give "
        "one number, or 0.36 for its own in each language",
    ),
    Rule(
        lambda v: _has_shape(v["wait_shape"]) & (v["endpointing_mode"] == "dynamic"),
        "a wait_shape with dynamic endpointing",
        "wait_shape ({wait_shape}) can't be kept with endpointing_mode dynamic, which would forget at each "
        "pause what it has learned; make it fixed, or leave wait_shape out",
    ),
    Rule(
        lambda v: (
            ((v["extra_delay_numbers"] > 0) | (v["extra_delay_asked"] > 0))
            & (v["endpointing_mode"] == "dynamic")
        ),
        "an extra delay with dynamic endpointing",
        "extra_delay_numbers ({extra_delay_numbers} s) and extra_delay_asked ({extra_delay_asked} s) can't "
        "be kept with endpointing_mode dynamic, which would forget at each pause what it has learned; make "
        "it fixed, or both 0",
    ),
)


def check_rules(values: Values) -> None:
    """Raise ValueError if one setting's values are a combination that AgentSession can't use."""
    for rule in RULES:
        if rule.broken(values):
            raise ValueError(rule.message.format(**values))


def idle_knobs(values: Values) -> dict[str, str]:
    """The knobs that change nothing in one setting, each with the reason."""
    return {
        name: knob.idle.reason
        for name, knob in KNOBS.items()
        if knob.idle is not None and knob.idle.when(values)
    }


def with_harmless_idle(values: Values) -> dict[str, Any]:
    """One setting's values, its idle knobs changed so far that they break no rule."""
    changed = dict(values)
    for name in idle_knobs(values):
        idle = KNOBS[name].idle
        if idle is not None and idle.harmless is not None:
            changed[name] = idle.harmless(values)
    return changed


def default_with(knob: Knob, vad: str, detector: str, otherwise: Any) -> Any:
    """LiveKit's default of a knob beside these parts; `otherwise` where it doesn't depend on them."""
    for part in (OWN if is_own(detector) else detector, vad):
        if part in knob.default_with:
            return knob.default_with[part]
    return otherwise

"""Speech-to-text services that tell the end of a turn by a confidence, with the services' own knobs.

Goal: a recorded table of confidences (`table`) judged, tuned and handed to a worker in the service's names.
Model: one confidence for each silence. If it reaches the threshold the turn ends after the service's least
silence, else, or if none was recorded, after its longest; all of it counts from the last speech, as LiveKit's
VAD hears it, and nothing is added for the service's own delay, which isn't known. An eager threshold moves no
end of turn: LiveKit takes it for a preflight transcript, on which preemptive generation starts.
Sources: developers.deepgram.com/docs/flux/configuration, assemblyai.com/docs/streaming; parameters and checks
of livekit-plugins-deepgram 1.8.9 (`stt_v2.py`) and livekit-plugins-assemblyai 1.8.9 (`stt.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import InputError
from ...core.settings import Settings

VAD_SILENCE_S = 0.25
"""Silence of the VAD after which a confidence counts: the least that AgentSession takes beside a detector."""
_LEAST_MS = 1000 * VAD_SILENCE_S
_WHY_LEAST = f"; shorter silences can't be told from {_LEAST_MS:g} ms, where the replay's VAD reports one"


@dataclass(frozen=True)
class Option:
    """One of a service's parameters."""

    low: float
    high: float
    knob: str = ""
    """Of this project, which does the same; "" if it moves no commit."""
    values: Sequence[float] = ()
    """What it is tuned to."""
    why: str = ""
    """Of a range narrower than the service's own."""

    @property
    def is_ms(self) -> bool:
        """Whether it is a time, in whole ms; else a confidence."""
        return self.high > 1

    def checked(self, name: str, value: float) -> float:
        """A value that the service takes. Raises InputError for another."""
        if not self.low <= value <= self.high or (self.is_ms and value != int(value)):
            what = "whole ms" if self.is_ms else "a confidence"
            raise InputError(
                f"{name} {value:g}: expected {what} from {self.low:g} to {self.high:g}{self.why}"
            )
        return value


@dataclass(frozen=True)
class SttService:
    """One such service."""

    title: str
    plugin: str
    constructor: str
    """Of the plug-in."""
    model: str
    """That has these parameters."""
    options: Mapping[str, Option]

    def checked(self, given: Mapping[str, float]) -> dict[str, float]:
        """Values of its parameters. Raises InputError for what it doesn't have, or refuses."""
        for name in given:
            if name not in self.options:
                raise InputError(f"{self.title} has no {name}; it has {', '.join(self.options)}")
        found = {name: self.options[name].checked(f"{self.title}: {name}", given[name]) for name in given}
        eager, final = found.get("eager_eot_threshold"), found.get("eot_threshold")
        if final == 1:
            raise InputError(
                f"{self.title}: eot_threshold 1 ends no turn by confidence, which isn't modelled; "
                "give a lower one"
            )
        if eager is not None and final is not None and eager > final:
            raise InputError(
                f"{self.title}: eager_eot_threshold {eager:g} is above eot_threshold {final:g}, "
                "which it refuses"
            )
        self._check_silences(found)
        return found

    def _check_silences(self, fixed: Mapping[str, float]) -> None:
        names = {option.knob: name for name, option in self.options.items()}
        if "min_delay" not in names:
            return
        least, most = names["min_delay"], names["max_delay"]
        shortest, longest = min(self._values(least, fixed)), max(self._values(most, fixed))
        if shortest > longest:
            raise InputError(
                f"{self.title}: {least} {shortest:g} is above {most} {longest:g}; "
                f"give a shorter {least}, or a longer {most}"
            )

    def _values(self, name: str, fixed: Mapping[str, float]) -> list[float]:
        """What a parameter may be."""
        return [fixed[name]] if name in fixed else list(self.options[name].values)

    def grid(self, given: Mapping[str, float]) -> dict[str, list[Any]]:
        """What it may be tuned to, as a grid of this project's knobs; `given` values stay as they are."""
        fixed = self.checked(given)
        grid: dict[str, list[Any]] = {"min_silence_duration": [VAD_SILENCE_S], "min_delay": [0.0]}
        for name, option in self.options.items():
            if option.knob:
                values = self._values(name, fixed)
                if name == "eot_threshold":
                    values = [value for value in values if value >= fixed.get("eager_eot_threshold", 0.0)]
                grid[option.knob] = [value / 1000 if option.is_ms else value for value in values]
        return grid

    def options_of(self, settings: Settings, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """A setting in the service's own names; `given`: what moves no commit."""
        knobs = settings.knobs()
        found = {name: value for name, value in (given or {}).items() if not self.options[name].knob}
        for name, option in self.options.items():
            if option.knob:
                value = float(knobs[option.knob])
                found[name] = round(1000 * value) if option.is_ms else value
        return found

    def worker_code(self, options: Mapping[str, float]) -> str:
        """Python for a worker that sets the plug-in's own parameters, and lets AgentSession add no wait."""
        arguments = "".join(
            f"        {name}={value!r},\n" for name, value in self._arguments(options).items()
        )
        return (
            f"from livekit.agents import AgentSession\nfrom livekit.plugins import {self.plugin}\n\n"
            f"session = AgentSession(\n    stt={self.plugin}.{self.constructor}(\n{arguments}    ),\n"
            '    turn_handling={"turn_detection": "stt", "endpointing": {"min_delay": 0.0}},  # it decides\n'
            "    llm=..., tts=..., vad=...,  # yours\n)\n"
        )

    def _arguments(self, options: Mapping[str, float]) -> dict[str, Any]:
        given = {name: int(value) if self.options[name].is_ms else value for name, value in options.items()}
        return {"model": self.model, **given}


_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
_LONGEST_MS = (800, 1200, 1600, 2000, 2500, 3000, 4000, 5000)

SERVICES: dict[str, SttService] = {
    "flux": SttService(
        "Deepgram Flux",
        "deepgram",
        "STTv2",
        "flux-general-en",
        {
            "eager_eot_threshold": Option(0.3, 0.9),
            "eot_threshold": Option(
                0.5, 1.0, "unlikely_threshold", (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
            ),
            "eot_timeout_ms": Option(500, 60_000, "max_delay", (500, *_LONGEST_MS)),
        },
    ),
    "assemblyai": SttService(
        "AssemblyAI Universal-Streaming",
        "assemblyai",
        "STT",
        "universal-streaming-english",
        {
            "end_of_turn_confidence_threshold": Option(0.0, 1.0, "unlikely_threshold", _THRESHOLDS),
            "min_turn_silence": Option(_LEAST_MS, 60_000, "min_delay", (300, 400, 560, 800), _WHY_LEAST),
            "max_turn_silence": Option(_LEAST_MS, 60_000, "max_delay", _LONGEST_MS, _WHY_LEAST),
        },
    ),
}
"""By the name in `--detector NAME=TABLE`."""

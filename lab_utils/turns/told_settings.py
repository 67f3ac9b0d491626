"""The settings that an imported session tells to have had, and its recording scored under them.

A LiveKit report's `options` lack VAD, detector, threshold and endpointing mode: those are taken from a base,
LiveKit's defaults unless a profile is given, and listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..core.labels import Labels
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.traces import Traced
from .metrics import PerRecording, figures, per_recording
from .replay import Block
from .replay.refusals import word_times
from .sweep import Corpus

_TOLD = ("min_endpointing_delay", "max_endpointing_delay")
"""Without any of these a session tells nothing that a replay can use."""


@dataclass(frozen=True)
class AsRecorded:
    """Recordings under the settings that their own sessions tell."""

    figures: pd.DataFrame
    """As `metrics.figures`."""
    recordings: int
    """How many tell their settings."""
    of: int
    assumed: tuple[str, ...]
    """What they don't tell, and what was taken instead."""

    @property
    def title(self) -> str:
        """What a table calls them."""
        return "as recorded" + (
            "" if self.recordings == self.of else f" ({self.recordings} of {self.of} calls)"
        )


def settings_of_report(
    told: Mapping[str, Any], base: Settings, source: str
) -> tuple[Settings, tuple[str, ...]]:
    """The session's settings from a report's `options`, and what they don't tell, taken from `base`.

    `source`: where `base` comes from, in words.
    """
    knobs = {"min_delay": told.get("min_endpointing_delay"), "max_delay": told.get("max_endpointing_delay")}
    given = {name: float(value) for name, value in knobs.items() if value is not None and _is_number(value)}
    settings = base.replace(**given)
    interruption: dict[str, Any] = {}
    if isinstance(told.get("allow_interruptions"), bool):
        interruption["enabled"] = told["allow_interruptions"]
    if isinstance(told.get("discard_audio_if_uninterruptible"), bool):
        interruption["discard_audio_if_uninterruptible"] = told["discard_audio_if_uninterruptible"]
    if _is_number(told.get("min_interruption_words")):
        interruption["min_words"] = int(told["min_interruption_words"])
    if _is_number(told.get("min_interruption_duration")):
        interruption["min_duration"] = float(told["min_interruption_duration"])
    known = settings.interruption.model_copy(update=interruption)
    settings = settings.model_copy(update={"interruption": known})
    assumed = [f"{name}: {settings.knobs()[name]}" for name in knobs if name not in given]
    if "min_words" not in interruption:
        assumed.append(f"min_words: {known.min_words}")
    detector = settings.detector
    threshold = "" if detector.model != "v1-mini" else f", threshold {detector.unlikely_threshold}"
    vad = ", ".join(f"{name} {value}" for name, value in settings.vad.model_dump().items())
    assumed += [
        f"VAD: {vad}",
        f"detector: {detector.model}{threshold}",
        f"endpointing mode: {settings.endpointing.mode}",
    ]
    return settings, tuple(f"{one} ({source})" for one in assumed)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def own_settings(told: Mapping[str, Any], labels: Labels) -> tuple[Settings, tuple[str, ...]] | None:
    """`settings_of_report` over LiveKit's defaults; None for a session that doesn't tell its delays.

    `min_words` is left out where the labels can't replay it.
    """
    if not any(_is_number(told.get(name)) for name in _TOLD):
        return None
    try:
        settings, assumed = settings_of_report(told, Settings(), "LiveKit's default")
    except ValueError:
        return None
    if settings.interruption.min_words:
        try:
            word_times(labels)
        except ValueError:
            without = settings.interruption.model_copy(update={"min_words": 0})
            settings = settings.model_copy(update={"interruption": without})
            assumed += ("min_words: 0 (no words, or no speech of the agent, are labelled)",)
    return settings, assumed


def as_recorded(corpus: Corpus, conditions: Conditions = USUAL_CONDITIONS) -> AsRecorded | None:
    """The recordings whose sessions tell their settings, each under its own; None if none does.

    Raises MissingTraces as a replay does.
    """
    parts: list[PerRecording] = []
    assumed: dict[str, None] = {}
    for one in corpus.recordings:
        own = own_settings(one.told, one.labels)
        if own is None:
            continue
        parts.append(_alone(one, own[0], conditions))
        assumed |= dict.fromkeys(own[1])
    if not parts:
        return None
    return AsRecorded(figures(parts), len(parts), len(corpus.recordings), tuple(assumed))


def _alone(recording: Traced, settings: Settings, conditions: Conditions) -> PerRecording:
    corpus = Corpus.of([recording])
    block = Block.of(settings, conditions)
    (counts,) = corpus.score(block, corpus.pauses(block.vad, conditions.frame_duration))
    return per_recording(counts, corpus.labelled[0])

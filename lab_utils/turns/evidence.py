"""What a profile's settings rest on: figures with their intervals, and what they were measured on.

Needs pydantic alone, as a profile does in production. Latencies are seconds, rates fractions from 0 to 1.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from ..core.models import Frozen
from ..core.settings import Conditions


def _to_figure(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(float(value), 4) + 0.0


Figure = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_to_figure)]
"""Rounded to four decimals (0.1 ms, 0.01 %) to keep the file readable; None, also from NaN: no data."""
Count = Annotated[int, Field(ge=0)]


class Interval(Frozen, strict=False):
    """A figure from `n` cases with its 95 % interval; a limit that can't be told from so few is None."""

    value: Figure
    low: Figure = None
    high: Figure = None
    n: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected low <= high, got low {self.low} and high {self.high}")
        return self


class Figures(Frozen, strict=False):
    """How one setting did: rates as fractions, latencies in seconds (defined in `metrics`)."""

    false_boundary_rate: Interval
    """Per hold."""
    false_boundary_rate_per_turn: Interval
    latency_mean: Interval
    latency_p50: Interval
    latency_p90: Interval
    latency_p95: Interval
    timeout_rate: Interval
    missed_rate: Interval
    false_boundary_rate_at_most: Interval | None = None
    """Were every pause cut that the recorded agent cut off. None, here and below: of an older version."""
    false_boundary_rate_per_turn_at_most: Interval | None = None
    longest_wait: Interval | None = None
    """In seconds; value None: an end of turn was never answered."""
    coin_flips: Interval | None = None
    commits_in_no_label: Interval | None = None


class EvidenceRecording(Frozen, strict=False):
    """One recording that was measured; `sha256` as in `records.Recording`."""

    name: str
    sha256: str
    duration_s: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Evidence(Frozen, strict=False):
    """What the choice rests on."""

    date: dt.date
    budget: str
    """What was asked for, in plain words: "at most 10 % false boundaries per hold"."""
    recordings: Annotated[tuple[EvidenceRecording, ...], BeforeValidator(_to_tuple), Field(min_length=1)]
    n_holds: Count
    n_turns: Count
    phases: Annotated[int, Field(ge=1)]
    """Audio phases averaged over."""
    conditions: Conditions
    """What the replay assumed."""
    chosen: Figures
    """These settings, on all recordings."""
    defaults: Figures
    """LiveKit's default settings, on all recordings."""
    held_out: Figures | None = None
    """Each recording under the settings chosen on the others; None where there is only one."""
    as_recorded: Figures | None = None
    """The imported sessions, each under the settings that it had; None if none tells them."""
    guarantee: str | None = None
    """What was certified of these settings, in words (`turns.guarantee`)."""
    note: str = ""


class InterruptionFigures(Frozen, strict=False):
    """How one setting of `interruption` did (defined in `barge_in.figures`)."""

    missed_rate: Interval
    """Of the interruptions."""
    yield_mean: Interval
    yield_p95: Interval
    talk_over_mean: Interval
    falsely_stopped_rate: Interval
    """Of the sounds to talk through."""
    stopped_for_good_rate: Interval
    resumed_after_mean: Interval


class InterruptionEvidence(Frozen, strict=False):
    """What the choice of `interruption` rests on."""

    date: dt.date
    budget: str
    """What was asked for, in plain words."""
    n_recordings: Count
    n_interruptions: Count
    n_sounds: Count
    """Sounds that the agent should talk through."""
    phases: Annotated[int, Field(ge=1)]
    conditions: Conditions
    chosen: InterruptionFigures
    defaults: InterruptionFigures
    """LiveKit's default settings of `interruption`."""
    held_out: InterruptionFigures | None = None
    """Each recording under the setting chosen on the others; None where the others tell too little."""

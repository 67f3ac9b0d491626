"""The timeline of one recording: who speaks, what each pause is, what the VAD hears, and the commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation, Text

from ..core.labels import LABEL_KINDS, LabelKind
from ..core.recording import Pcm, Recording
from ..core.settings import Settings
from ..core.sound import envelope
from ..core.timeline import SAMPLE_RATE_HZ, WINDOW_S
from ..core.traces import Traced
from .display import Display
from .style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    blank_figure,
    counted,
    literal,
)

LABEL_NAMES: dict[LabelKind, str] = {
    "hold": "hold",
    "shift": "end of turn",
    "cut_off": "cut off by the agent",
    "backchannel": "backchannel",
}
LABEL_COLOURS: dict[LabelKind, str] = {"hold": SKY, "shift": GREEN, "cut_off": YELLOW, "backchannel": PURPLE}

Span = tuple[float, float]


@dataclass(frozen=True)
class SpeechArtists:
    """Waveforms; the agent's only if it was recorded."""

    user: PolyCollection
    agent: PolyCollection | None


@dataclass(frozen=True)
class PauseArtists:
    """A band for each kind of label; None for one that doesn't occur."""

    hold: PolyCollection | None
    shift: PolyCollection | None
    cut_off: PolyCollection | None
    backchannel: PolyCollection | None


@dataclass(frozen=True)
class VoiceActivityArtists:
    """The VAD's probability and its thresholds."""

    probability: PolyCollection
    activation: Line2D
    deactivation: Line2D


@dataclass(frozen=True)
class DecisionArtists:
    """Commits, and what the detector said; lines stand on both axes."""

    commits: Line2D
    commit_lines: tuple[LineCollection, ...]
    false_boundaries: Line2D
    false_boundary_lines: tuple[LineCollection, ...]
    threshold: Line2D | None
    probabilities: Line2D | None
    texts: tuple[Annotation, ...]

    @property
    def every(self) -> list[Artist]:
        """All of them."""
        found = [self.commits, *self.commit_lines, self.false_boundaries, *self.false_boundary_lines]
        return [*found, *(one for one in (self.threshold, self.probabilities) if one), *self.texts]


@dataclass(frozen=True)
class TimelineArtists:
    """What `timeline` draws."""

    speech: SpeechArtists
    pauses: PauseArtists
    voice_activity: VoiceActivityArtists
    decisions: DecisionArtists
    title: Text


def timeline(
    axes: Sequence[Axes],
    recording: Recording,
    traced: Traced,
    commits: pd.DataFrame,
    settings: Settings,
    phase: int = 0,
    span: Span | None = None,
) -> Display[TimelineArtists]:
    """One recording under one setting, on two axes: who speaks, with labelled pauses; and probabilities.

    `commits`: `metrics.attribute` of the commits at this phase. `span`: seconds to show; None for all.
    """
    speech_ax, vad_ax = axes
    span = span or (0.0, recording.duration_s)
    said, bands = speech(speech_ax, recording, span), pauses(speech_ax, traced)
    heard = voice_activity(vad_ax, traced, settings, phase, span)
    decided = decisions(axes, commits, settings, span, traced.language)
    for ax in axes:
        ax.set_xlim(*span)
    vad_ax.set_xlabel("time (s)")
    speech_ax.tick_params(labelbottom=False)
    title = timeline_title(speech_ax, traced, commits)
    return Display(commits, tuple(axes), TimelineArtists(said, bands, heard, decided, title))


def speech(ax: Axes, recording: Recording, span: Span) -> SpeechArtists:
    """Waveforms: the user's above, the agent's below."""
    user = _waveform(ax, recording.user, span, 1.0, "#333333")
    agent = None if recording.agent is None else _waveform(ax, recording.agent, span, -1.0, "#999999")
    ax.set_yticks([1, -1], ["user", "agent"])
    ax.set_ylim(-2.05 if recording.agent is not None else -0.05, 2.7)
    return SpeechArtists(user, agent)


def _waveform(ax: Axes, pcm: Pcm, span: Span, middle: float, colour: str) -> PolyCollection:
    shape = envelope(pcm, SAMPLE_RATE_HZ, 0.0, span)
    scale = 0.95 / max(1.0, float(np.abs(pcm[:: max(1, len(pcm) // 200_000)].astype(np.float64)).max()))
    low, high = middle + scale * shape.low, middle + scale * shape.high
    return ax.fill_between(shape.time_s, low, high, color=colour, linewidth=0.4)


def pauses(ax: Axes, traced: Traced) -> PauseArtists:
    """The user's labelled pauses as coloured bands."""
    return PauseArtists(
        hold=_band(ax, traced, "hold"),
        shift=_band(ax, traced, "shift"),
        cut_off=_band(ax, traced, "cut_off"),
        backchannel=_band(ax, traced, "backchannel"),
    )


def _band(ax: Axes, traced: Traced, kind: LabelKind) -> PolyCollection | None:
    bars = [(start_s, end_s - start_s) for start_s, end_s in traced.labels.of_kind(kind)]
    if not bars:
        return None
    colour = LABEL_COLOURS[kind]
    return ax.broken_barh(
        bars, (0.02, 1.96), facecolor=colour, edgecolor=colour, linewidth=0.8, alpha=0.55, zorder=0.5
    )


def voice_activity(
    ax: Axes, traced: Traced, settings: Settings, phase: int, span: Span
) -> VoiceActivityArtists:
    """The VAD's speech probability and its two thresholds."""
    trace = traced.vad[settings.vad.model][phase]
    start_s = WINDOW_S - trace.phase_samples / SAMPLE_RATE_HZ
    shape = envelope(trace.probabilities, 1 / WINDOW_S, start_s, span)
    probability = ax.fill_between(shape.time_s, shape.low, shape.high, color=BLUE, linewidth=0.8)
    activation = ax.axhline(settings.vad.activation_threshold, color=BLUE, linestyle="--", linewidth=0.8)
    deactivation = ax.axhline(settings.vad.deactivation, color=BLUE, linestyle=":", linewidth=0.8)
    ax.set_ylim(-0.04, 1.08)
    ax.set_yticks([0, 0.5, 1])
    ax.set_ylabel("probability")
    return VoiceActivityArtists(probability, activation, deactivation)


TEXT_SPAN_S = 25.0
"""Probabilities are written out if no more than this is shown."""


def decisions(
    axes: Sequence[Axes], commits: pd.DataFrame, settings: Settings, span: Span, language: str = ""
) -> DecisionArtists:
    """Commits as vertical lines, false boundaries in red with a cross, and the detector's probabilities."""
    _, vad_ax = axes
    commits = commits[commits["commit_s"].between(*span)]
    false = commits["false_boundary"].to_numpy(np.bool_)
    marks, lines = _commit_marks(axes, commits[~false], BLACK, "v")
    false_marks, false_lines = _commit_marks(axes, commits[false], VERMILLION, "X")
    threshold: Line2D | None = None
    probabilities: Line2D | None = None
    texts: tuple[Annotation, ...] = ()
    if settings.detector.traits.has_threshold:
        asked = commits[commits["probability"].notna()]
        threshold = vad_ax.axhline(settings.detector.threshold_in(language), color=ORANGE, linewidth=1.0)
        (probabilities,) = vad_ax.plot(
            asked["commit_s"], asked["probability"], linestyle="", marker="o", markersize=6, color=ORANGE,
            markeredgecolor=BLACK, markeredgewidth=0.6, zorder=4,
        )  # fmt: skip
        if span[1] - span[0] <= TEXT_SPAN_S:
            texts = tuple(_probability(vad_ax, row) for row in asked.to_dict("records"))
    return DecisionArtists(marks, lines, false_marks, false_lines, threshold, probabilities, texts)


def _commit_marks(
    axes: Sequence[Axes], commits: pd.DataFrame, colour: str, marker: str
) -> tuple[Line2D, tuple[LineCollection, ...]]:
    """A mark for each commit on the first axes, and a line through each of the axes."""
    times = commits["commit_s"].to_numpy(np.float64)
    lines = tuple(
        ax.vlines(times, 0, 1, transform=ax.get_xaxis_transform(), color=colour, linewidth=1.3, zorder=3)
        for ax in axes
    )
    (marks,) = axes[0].plot(times, np.full(len(times), 2.4), linestyle="", marker=marker, markersize=7)
    marks.set(color=colour, zorder=4)
    return marks, lines


def _probability(ax: Axes, commit: dict[Any, Any]) -> Annotation:
    box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
    return ax.annotate(
        f"{commit['probability']:.2f}", (commit["commit_s"], commit["probability"]), xytext=(6, 0),
        textcoords="offset points", va="center", fontsize=9, bbox=box, zorder=5,
    )  # fmt: skip


def timeline_legend(figure: Figure, traced: Traced, settings: Settings) -> Artist:
    """What colours and markers mean, in one strip below the axes."""
    kinds = {label.kind for label in traced.labels.labels}
    handles: list[Any] = [
        Patch(color=LABEL_COLOURS[kind], alpha=0.55, label=LABEL_NAMES[kind])
        for kind in LABEL_KINDS
        if kind in kinds
    ]
    handles += [
        Line2D([], [], color=BLACK, marker="v", label="commit"),
        Line2D([], [], color=VERMILLION, marker="X", label="false boundary"),
        Line2D([], [], color=BLUE, label=f"VAD speech ({settings.vad.model})"),
    ]
    if settings.detector.traits.has_threshold:
        text = f"{settings.detector.model} end of turn, and its threshold"
        handles.append(Line2D([], [], color=ORANGE, marker="o", markeredgecolor=BLACK, label=text))
    return figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)


def timeline_title(ax: Axes, traced: Traced, commits: pd.DataFrame) -> Text:
    """What the recording holds and what the setting makes of it."""
    of_kind = {kind: len(traced.labels.of_kind(kind)) for kind in LABEL_KINDS}
    parts = [literal(traced.name), *counted({"holds": of_kind["hold"], "turns": of_kind["shift"]})]
    n_false = int(commits["false_boundary"].sum())
    noun = "false boundary" if n_false == 1 else "false boundaries"
    text = "; ".join([*parts, f"{len(commits)} commits, {n_false} {noun}"])
    return ax.set_title(text, loc="left", fontsize=10)


def timeline_axes(figure: Figure) -> tuple[Axes, Axes]:
    """The two axes of a timeline, with a common time axis."""
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    return upper, lower


def timeline_figure(
    recording: Recording,
    traced: Traced,
    commits: pd.DataFrame,
    settings: Settings,
    phase: int = 0,
    span: Span | None = None,
    size_in: tuple[float, float] = (10.0, 4.2),
) -> Figure:
    """`timeline` on a figure of its own, with a legend."""
    figure = blank_figure(size_in)
    timeline(timeline_axes(figure), recording, traced, commits, settings, phase, span)
    timeline_legend(figure, traced, settings)
    return figure

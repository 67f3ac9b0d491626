"""The timeline of one recording: who speaks, what each pause is, what the VAD hears, and the commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.labels import LABEL_KINDS, LabelKind
from ..core.recording import Recording
from ..core.settings import Settings
from ..core.timeline import SAMPLE_RATE_HZ, WINDOW_S, Floats
from ..core.traces import Traced
from .style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, Layers, blank_figure, counted

LABEL_NAMES: dict[LabelKind, str] = {
    "hold": "hold",
    "shift": "end of turn",
    "cut_off": "cut off by the agent",
    "backchannel": "backchannel",
}
LABEL_COLOURS: dict[LabelKind, str] = {"hold": SKY, "shift": GREEN, "cut_off": YELLOW, "backchannel": PURPLE}

Span = tuple[float, float]


@dataclass(frozen=True)
class Envelope:
    """A signal's extremes in successive columns; all shape=(columns,)."""

    time_s: Floats
    low: Floats
    high: Floats


def envelope(values: np.ndarray, rate_hz: float, start_s: float, span: Span, columns: int = 1500) -> Envelope:
    """The least and greatest value in each of at most `columns` stretches of `span`; empty without signal.

    `values`: shape=(n,), the first at `start_s`. A signal with fewer values than columns keeps each of them.
    """
    first, last = (int(np.clip(np.ceil((t - start_s) * rate_hz - 1e-6), 0, len(values))) for t in span)
    n = min(columns, last - first)
    if n <= 0:
        return Envelope(np.zeros(0), np.zeros(0), np.zeros(0))
    edges = first + np.arange(n) * (last - first) // n
    part = values[:last]
    low, high = np.minimum.reduceat(part, edges), np.maximum.reduceat(part, edges)
    return Envelope(start_s + edges / rate_hz, low.astype(np.float64), high.astype(np.float64))


def timeline(
    axes: Sequence[Axes],
    recording: Recording,
    traced: Traced,
    commits: pd.DataFrame,
    settings: Settings,
    phase: int = 0,
    span: Span | None = None,
) -> dict[str, Artist]:
    """One recording under one setting, on two axes: who speaks, with labelled pauses; and probabilities.

    `commits`: `metrics.attribute` of the commits at this phase. `span`: seconds to show; None for all.
    """
    speech_ax, vad_ax = axes
    span = span or (0.0, recording.duration_s)
    artists = speech(speech_ax, recording, span) | pauses(speech_ax, traced, span)
    artists |= voice_activity(vad_ax, traced, settings, phase, span)
    artists |= decisions(axes, commits, settings, span)
    for ax in axes:
        ax.set_xlim(*span)
    vad_ax.set_xlabel("time (s)")
    speech_ax.tick_params(labelbottom=False)
    artists["title"] = timeline_title(speech_ax, traced, commits)
    return artists


def speech(ax: Axes, recording: Recording, span: Span) -> dict[str, Artist]:
    """Waveforms: the user's above, the agent's below."""
    artists: dict[str, Artist] = {}
    lanes = (("user", recording.user, 1.0, "#333333"), ("agent", recording.agent, -1.0, "#999999"))
    for name, pcm, middle, colour in lanes:
        if pcm is None:
            continue
        shape = envelope(pcm, SAMPLE_RATE_HZ, 0.0, span)
        scale = 0.95 / max(1.0, float(np.abs(pcm[:: max(1, len(pcm) // 200_000)].astype(np.float64)).max()))
        artists[name] = ax.fill_between(
            shape.time_s, middle + scale * shape.low, middle + scale * shape.high, color=colour, linewidth=0.4
        )
    ax.set_yticks([1, -1], ["user", "agent"])
    ax.set_ylim(-2.05 if recording.agent is not None else -0.05, 2.7)
    return artists


def pauses(ax: Axes, traced: Traced, span: Span) -> dict[str, Artist]:
    """The user's labelled pauses as coloured bands; one artist per kind that occurs."""
    artists: dict[str, Artist] = {}
    for kind in LABEL_KINDS:
        spans = traced.labels.of_kind(kind)
        if len(spans):
            bars = [(start_s, end_s - start_s) for start_s, end_s in spans]
            colour = LABEL_COLOURS[kind]
            artists[kind] = ax.broken_barh(
                bars, (0.02, 1.96), facecolor=colour, edgecolor=colour, linewidth=0.8, alpha=0.55, zorder=0.5
            )
    return artists


def voice_activity(ax: Axes, traced: Traced, settings: Settings, phase: int, span: Span) -> dict[str, Artist]:
    """The VAD's speech probability and its two thresholds."""
    trace = traced.vad[settings.vad.model][phase]
    start_s = WINDOW_S - trace.phase_samples / SAMPLE_RATE_HZ
    shape = envelope(trace.probabilities, 1 / WINDOW_S, start_s, span)
    artists: dict[str, Artist] = {
        "vad": ax.fill_between(shape.time_s, shape.low, shape.high, color=BLUE, linewidth=0.8),
    }
    for name, value, style in (
        ("activation", settings.vad.activation_threshold, "--"),
        ("deactivation", settings.vad.deactivation, ":"),
    ):
        artists[name] = ax.axhline(value, color=BLUE, linestyle=style, linewidth=0.8)
    ax.set_ylim(-0.04, 1.08)
    ax.set_yticks([0, 0.5, 1])
    ax.set_ylabel("probability")
    return artists


TEXT_SPAN_S = 25.0
"""Probabilities are written out if no more than this is shown."""


def decisions(
    axes: Sequence[Axes], commits: pd.DataFrame, settings: Settings, span: Span
) -> dict[str, Artist]:
    """Commits as vertical lines, false boundaries in red with a cross, and the detector's probabilities."""
    speech_ax, vad_ax = axes
    commits = commits[commits["commit_s"].between(*span)]
    false = commits["false_boundary"].to_numpy(np.bool_)
    artists: dict[str, Artist] = {}
    for name, chosen, colour, marker in (
        ("commits", commits[~false], BLACK, "v"),
        ("false_boundaries", commits[false], VERMILLION, "X"),
    ):
        times = chosen["commit_s"].to_numpy(np.float64)
        for k, ax in enumerate(axes):
            artists[f"{name}_lines_{k}"] = ax.vlines(
                times, 0, 1, transform=ax.get_xaxis_transform(), color=colour, linewidth=1.3, zorder=3
            )
        (artists[name],) = speech_ax.plot(
            times, np.full(len(times), 2.4), linestyle="", marker=marker, markersize=7, color=colour, zorder=4
        )
    asked = commits[commits["probability"].notna()]
    if settings.detector.traits.has_threshold:
        threshold = settings.detector.unlikely_threshold
        artists["threshold"] = vad_ax.axhline(threshold, color=ORANGE, linewidth=1.0)
        (artists["probabilities"],) = vad_ax.plot(
            asked["commit_s"], asked["probability"], linestyle="", marker="o", markersize=6, color=ORANGE,
            markeredgecolor=BLACK, markeredgewidth=0.6, zorder=4,
        )  # fmt: skip
        if span[1] - span[0] <= TEXT_SPAN_S:
            for row in asked.itertuples():
                artists[f"text_{row.Index}"] = vad_ax.annotate(
                    f"{row.probability:.2f}",
                    (float(row.commit_s), float(row.probability)),  # type: ignore[arg-type]
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=9,
                    bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
                    zorder=5,
                )
    return artists


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


def timeline_title(ax: Axes, traced: Traced, commits: pd.DataFrame) -> Artist:
    """What the recording holds and what the setting makes of it."""
    of_kind = {kind: len(traced.labels.of_kind(kind)) for kind in LABEL_KINDS}
    parts = [traced.name, *counted({"holds": of_kind["hold"], "turns": of_kind["shift"]})]
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


class LiveTimeline:
    """A timeline on which the commits change; waveform, pauses and voice activity are drawn once."""

    def __init__(
        self,
        recording: Recording,
        traced: Traced,
        settings: Settings,
        span: Span | None = None,
        size_in: tuple[float, float] = (10.0, 3.8),
        dpi: int = 130,
    ) -> None:
        figure = blank_figure(size_in, dpi)
        self.axes = timeline_axes(figure)
        self._traced = traced
        self._span = span or (0.0, recording.duration_s)
        none = pd.DataFrame({"commit_s": [], "probability": [], "false_boundary": []}, dtype=np.float64)
        moving = timeline(self.axes, recording, traced, none, settings, span=self._span)
        for name in ("threshold", "probabilities"):
            if name in moving:
                moving[name].remove()
        timeline_legend(figure, traced, settings)
        self._layers = Layers(figure, [moving["title"]])

    def png(self, commits: pd.DataFrame, settings: Settings) -> bytes:
        """The picture with these commits; `settings` may have other delays and another threshold."""
        moving = decisions(self.axes, commits, settings, self._span)
        title = timeline_title(self.axes[0], self._traced, commits)
        picture = self._layers.png([*moving.values(), title])
        for artist in moving.values():
            artist.remove()
        return picture

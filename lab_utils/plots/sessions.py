"""The timeline of a session: caller, transcripts, predictions, commits, models and agent."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ..core.labels import LabelKind, Labels
from ..core.session_log import SessionEventKind, SessionLog
from ..core.timeline import SAMPLE_RATE_HZ
from ..session.metrics.spans import activities, playouts
from .recordings import LABEL_COLOURS, Span, envelope
from .style import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION, YELLOW

LANES = {
    "caller": 9.0,
    "transcript": 7.0,
    "prediction": 5.3,
    "LLM": 4.05,
    "tool": 3.2,
    "TTS": 2.35,
    "agent": 0.6,
}
"""Height of each lane's middle; waveforms reach 0.95 to either side, the prediction's lane is 1 high."""
BOTTOM, TOP, COMMIT_Y, TROUBLE_Y = -0.95, 11.0, 10.45, 1.72
SHADED: tuple[LabelKind, ...] = ("hold", "shift")
CAUSE_MARKERS = {
    "detector": "v", "max_delay": "s", "vad": "o", "late_transcript": "D", "stt": "^", "unknown": "P",
}  # fmt: skip
CAUSE_NAMES = {
    "detector": "detector", "max_delay": "max_delay ran out", "vad": "VAD silence",
    "late_transcript": "late transcript", "stt": "STT", "unknown": "unknown",
}  # fmt: skip
RUN_LANES: tuple[tuple[str, SessionEventKind, str], ...] = (
    ("LLM", "llm_starts", PURPLE), ("TTS", "tts_starts", GREEN), ("tool", "tool_starts", YELLOW),
)  # fmt: skip
TEXT_SPAN_S = 35.0
"""Probabilities are written out if no more than this is shown."""


def session_timeline(
    ax: Axes, log: SessionLog, commits: pd.DataFrame, labels: Labels | None = None, span: Span | None = None
) -> dict[str, Artist]:
    """One session (or `span` seconds of it) in lanes on one axes; `commits`: `metrics.session_commits`.

    Returns the artists by name; what does not occur in the span has none.
    """
    span = span or (0.0, log.duration_s)
    artists = shading(ax, labels, span) if labels is not None else {}
    lived = (span[0], min(span[1], log.duration_s))
    for draw in (voices, heard_words, predictions, model_runs, agent_speech, troubles):
        artists |= draw(ax, log, lived)
    artists |= commit_marks(ax, commits, lived)
    for y in (7.7, 6.3, 4.6, 1.75):
        ax.axhline(y, color="#DDDDDD", linewidth=0.6, zorder=0.2)
    lanes = [lane for lane in LANES if lane != "tool" or log.of_kind("tool_starts")]
    ax.set_yticks([LANES[lane] for lane in lanes], lanes, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(BOTTOM, TOP)
    ax.set_xlim(*span)
    return artists


def shading(ax: Axes, labels: Labels, span: Span) -> dict[str, Artist]:
    """Labelled holds and ends of turn as pale bands over all lanes."""
    artists: dict[str, Artist] = {}
    for kind in SHADED:
        bars = _bars(labels.of_kind(kind), span)
        if bars:
            artists[kind] = ax.broken_barh(
                bars,
                (BOTTOM, TOP - BOTTOM),
                facecolor=LABEL_COLOURS[kind],
                alpha=0.28,
                linewidth=0,
                zorder=0.1,
            )
    return artists


def voices(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """Waveforms of caller and agent as they were heard, and the caller's speech as the VAD heard it."""
    artists: dict[str, Artist] = {}
    for name, channel, colour in (("caller", 0, "#333333"), ("agent", 1, "#888888")):
        pcm = log.heard[:, channel]
        shape = envelope(pcm, SAMPLE_RATE_HZ, 0.0, span)
        if len(shape.time_s):
            scale = 0.95 / max(1.0, float(np.abs(pcm.astype(np.float64)).max()))
            low, high = (LANES[name] + scale * side for side in (shape.low, shape.high))
            artists[name] = ax.fill_between(shape.time_s, low, high, color=colour, linewidth=0.4, zorder=2)
    speech = np.array([(run.start_s, run.end_s) for run in activities(log, "user_starts")]).reshape(-1, 2)
    bars = _bars(speech, span)
    if bars:
        artists["vad_speech"] = ax.broken_barh(bars, (7.85, 0.18), facecolor=BLUE, linewidth=0, zorder=2.5)
    return artists


def heard_words(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """Transcripts as they reach the agent: short ticks for interim ones, tall for final ones."""
    artists: dict[str, Artist] = {}
    events = [event for event in log.of_kind("transcript") if span[0] <= event.time_s <= span[1]]
    for name, final, half, width in (("interim", False, 0.22, 0.8), ("final", True, 0.42, 1.8)):
        times = [event.time_s for event in events if bool(event.data.get("final")) == final]
        if times:
            y = LANES["transcript"]
            artists[name] = ax.vlines(times, y - half, y + half, color="#333333", linewidth=width, zorder=2)
    return artists


def predictions(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """End-of-turn probabilities in a lane from 0 to 1, with the threshold each was compared with."""
    found = [
        (e.time_s, e.data["probability"], e.data.get("threshold", log.settings.detector.unlikely_threshold))
        for e in log.of_kind("prediction")
        if span[0] <= e.time_s <= span[1] and e.data.get("probability") is not None
    ]
    if not found:
        return {}
    times, p, threshold = np.array(found, dtype=np.float64).T
    base, half_s = LANES["prediction"] - 0.5, 0.008 * (span[1] - span[0])
    artists: dict[str, Artist] = {
        "stems": ax.vlines(times, base, base + p, color=ORANGE, linewidth=1.2, zorder=2)
    }
    artists["threshold"] = ax.hlines(
        base + threshold, times - half_s, times + half_s, color=BLACK, linewidth=1.2, zorder=3
    )  # fmt: skip
    (artists["predictions"],) = ax.plot(
        times, base + p, linestyle="", marker="o", markersize=5, color=ORANGE, markeredgecolor=BLACK,
        markeredgewidth=0.6, zorder=3,
    )  # fmt: skip
    if span[1] - span[0] <= TEXT_SPAN_S:
        crowded = np.diff(times, prepend=span[0]) < 6 * half_s
        for k, (t, value, right) in enumerate(zip(times, p, crowded, strict=True)):
            artists[f"probability_{k}"] = ax.annotate(
                f"{value:.2f}", (t, LANES["prediction"]), xytext=(6 if right else -6, 0),
                textcoords="offset points", ha="left" if right else "right", va="center",
                fontsize=8, zorder=5,
            )  # fmt: skip
    return artists


def model_runs(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """LLM, TTS and tools at work: pale until the first token or audio, full from there on.

    A run whose end was not recorded is drawn up to the next one.
    """
    artists: dict[str, Artist] = {}
    for lane, starts, colour in RUN_LANES:
        runs = activities(log, starts)
        until_s = [*(run.start_s for run in runs[1:]), np.nan]
        runs = tuple(
            replace(run, end_s=next_s) if np.isnan(run.end_s) else run
            for run, next_s in zip(runs, until_s, strict=False)
        )
        waits = [run.waiting_s for run in runs]
        works = [run.working_s for run in runs if run.working_s is not None]
        for name, spans, alpha in ((f"{lane}_waits", waits, 0.4), (f"{lane}_works", works, 1.0)):
            bars = _bars(np.array(spans).reshape(-1, 2), span)
            if bars:
                artists[name] = ax.broken_barh(
                    bars, (LANES[lane] - 0.3, 0.6), facecolor=colour, alpha=alpha, edgecolor=colour,
                    linewidth=0.8, zorder=2,
                )  # fmt: skip
    return artists


def agent_speech(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """Below the agent's waveform: playouts as bars, pauses hatched, a cross where one was interrupted."""
    artists: dict[str, Artist] = {}
    played = playouts(log)
    y, height = -0.5, 0.2
    bars = _bars(np.array([(one.start_s, one.end_s) for one in played]).reshape(-1, 2), span)
    if bars:
        artists["playouts"] = ax.broken_barh(bars, (y, height), facecolor=BLACK, linewidth=0, zorder=2.5)
    paused = _bars(np.concatenate([np.zeros((0, 2)), *(one.pauses for one in played)]), span)
    if paused:
        artists["pauses"] = ax.broken_barh(
            paused, (y, height), facecolor="white", edgecolor=BLACK, hatch="//////", linewidth=0.6, zorder=2.6
        )
    cut = [one.end_s for one in played if one.interrupted and span[0] <= one.end_s <= span[1]]
    if cut:
        (artists["interrupted"],) = ax.plot(
            cut, [y + height / 2] * len(cut), linestyle="", marker="X", markersize=8, color=VERMILLION,
            markeredgecolor="white", markeredgewidth=0.6, zorder=4,
        )  # fmt: skip
    return artists


def commit_marks(ax: Axes, commits: pd.DataFrame, span: Span) -> dict[str, Artist]:
    """Commits as lines with a marker by cause; dashed and red where they are false boundaries."""
    artists: dict[str, Artist] = {}
    shown = commits[commits["commit_s"].between(*span)]
    for (cause, is_false), part in shown.groupby(["cause", "false_boundary"]):
        false = bool(is_false)
        times = part["commit_s"].to_numpy(np.float64)
        colour = VERMILLION if false else BLACK
        name = f"{'false' if false else 'commit'}_{cause}"
        artists[f"{name}_lines"] = ax.vlines(
            times, BOTTOM, COMMIT_Y, color=colour, linewidth=1.2, linestyle="--" if false else "-", zorder=3
        )
        (artists[name],) = ax.plot(
            times, np.full(len(times), COMMIT_Y), linestyle="", marker=CAUSE_MARKERS.get(str(cause), "P"),
            markersize=7, color=colour, zorder=4,
        )  # fmt: skip
    return artists


def troubles(ax: Axes, log: SessionLog, span: Span) -> dict[str, Artist]:
    """Errors and limits as a red star and a word or two."""
    artists: dict[str, Artist] = {}
    events = [event for event in log.of_kind("error", "limit") if span[0] <= event.time_s <= span[1]]
    if events:
        times = [event.time_s for event in events]
        artists["error_lines"] = ax.vlines(
            times, TROUBLE_Y, TOP, color=VERMILLION, linestyle=":", linewidth=1.2
        )
        (artists["errors"],) = ax.plot(
            times,
            [TROUBLE_Y] * len(times),
            linestyle="",
            marker="*",
            markersize=11,
            color=VERMILLION,
            zorder=5,
        )
    for k, event in enumerate(events):
        named = [value for value in event.data.values() if isinstance(value, str)]  # a text may be left out
        text = ": ".join([event.kind, *named[:1]])
        late = event.time_s > span[0] + 0.7 * (span[1] - span[0])
        artists[f"error_{k}"] = ax.annotate(
            textwrap.shorten(text, 48, placeholder="…"), (event.time_s, TROUBLE_Y),
            xytext=(-8 if late else 8, 0),            textcoords="offset points",
            ha="right" if late else "left", va="center", fontsize=8, color=VERMILLION,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1}, zorder=5,
        )  # fmt: skip
    return artists


def _bars(spans: np.ndarray, view: Span) -> list[tuple[float, float]]:
    """Spans as (start, width) cut to the view, empty ones left out; one without an end lasts to its edge."""
    found = []
    for start_s, end_s in spans:
        left, right = max(start_s, view[0]), min(view[1] if np.isnan(end_s) else end_s, view[1])
        if right > left:
            found.append((float(left), float(right - left)))
    return found

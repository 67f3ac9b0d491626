"""The timeline of a session: caller, transcripts, predictions, commits, models and agent, in lanes.

The record is a `session.metrics.SessionTimeline`. Artists of what does not occur are None, or an empty tuple.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, FillBetweenPolyCollection, LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Transform

from ..core.sound import Envelope
from ..core.timeline import Floats
from ..session.metrics.timeline import Predictions, Runs, SessionTimeline
from .agg.axes import name_ticks
from .display import Display
from .recordings import LABEL_COLOURS
from .style import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION, YELLOW, literal

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
CAUSE_MARKERS = {
    "detector": "v", "max_delay": "s", "vad": "o", "late_transcript": "D", "stt": "^", "unknown": "P",
}  # fmt: skip
CAUSE_NAMES = {
    "detector": "detector", "max_delay": "max_delay ran out", "vad": "VAD silence",
    "late_transcript": "late transcript", "stt": "STT", "unknown": "unknown",
}  # fmt: skip
Many = TypeVar("Many", bound=Collection)

TEXT_SPAN_S = 35.0
"""Probabilities are written out if no more than this is shown."""


@dataclass(frozen=True)
class LabelArtists:
    """Labelled holds and ends of turn as pale bands over all lanes."""

    holds: PolyCollection | None
    ends_of_turn: PolyCollection | None


@dataclass(frozen=True)
class VoiceArtists:
    """Waveforms of caller and agent as they were heard, and the caller's speech as the VAD heard it."""

    caller: PolyCollection | None
    agent: PolyCollection | None
    vad_speech: PolyCollection | None


@dataclass(frozen=True)
class TranscriptArtists:
    """Transcripts as they reach the agent: short ticks for interim ones, tall for final ones."""

    interim: LineCollection | None
    final: LineCollection | None


@dataclass(frozen=True)
class PredictionArtists:
    """End-of-turn probabilities in a lane from 0 to 1, each with the threshold that it was compared with."""

    stems: LineCollection
    thresholds: LineCollection
    points: Line2D
    texts: tuple[Annotation, ...]


@dataclass(frozen=True)
class RunArtists:
    """An LLM, a TTS or a tool at work: pale until the first token or audio, full from there on."""

    waits: PolyCollection | None
    works: PolyCollection | None


@dataclass(frozen=True)
class PlayoutArtists:
    """Below the agent's waveform: playouts, pauses hatched, a cross where one was interrupted."""

    playouts: PolyCollection | None
    pauses: PolyCollection | None
    interrupted: Line2D | None


@dataclass(frozen=True)
class CommitArtists:
    """Commits of one cause: lines with a marker at their top; dashed and red for false boundaries."""

    cause: str
    false_boundary: bool
    lines: LineCollection
    markers: Line2D


@dataclass(frozen=True)
class TroubleArtists:
    """Errors and limits: a red star and a word or two each."""

    lines: LineCollection
    stars: Line2D
    texts: tuple[Annotation, ...]


@dataclass(frozen=True)
class SessionArtists:
    """What `session_timeline` draws, lane by lane."""

    labels: LabelArtists
    voices: VoiceArtists
    transcripts: TranscriptArtists
    predictions: PredictionArtists | None
    llm: RunArtists
    tts: RunArtists
    tool: RunArtists
    playouts: PlayoutArtists
    commits: tuple[CommitArtists, ...]
    troubles: TroubleArtists | None


def session_timeline(ax: Axes, record: SessionTimeline) -> Display[SessionArtists]:
    """One session, or a stretch of it, in lanes on one axes."""
    ax.set(xlim=record.span, ylim=(BOTTOM, TOP), autoscale_on=False)  # first: artists needn't be measured
    artists = SessionArtists(
        labels=LabelArtists(
            _bars(ax, record.holds, BOTTOM, TOP, LABEL_COLOURS["hold"], alpha=0.28, zorder=0.1),
            _bars(ax, record.ends_of_turn, BOTTOM, TOP, LABEL_COLOURS["shift"], alpha=0.28, zorder=0.1),
        ),
        voices=VoiceArtists(
            _waveform(ax, record.caller, LANES["caller"], "#333333"),
            _waveform(ax, record.agent, LANES["agent"], "#888888"),
            _bars(ax, record.vad_speech, 7.85, 8.03, BLUE, zorder=2.5),
        ),
        transcripts=TranscriptArtists(
            _ticks(ax, record.interim_s, 0.22, 0.8), _ticks(ax, record.final_s, 0.42, 1.8)
        ),
        predictions=_predictions(ax, record.predictions, record.lasted),
        llm=_runs(ax, record.llm, LANES["LLM"], PURPLE),
        tts=_runs(ax, record.tts, LANES["TTS"], GREEN),
        tool=_runs(ax, record.tool, LANES["tool"], YELLOW),
        playouts=_playouts(ax, record),
        commits=tuple(_commits(ax, record)),
        troubles=_troubles(ax, record),
    )
    lines = [[(0.0, y), (1.0, y)] for y in (7.7, 6.3, 4.6, 1.75)]
    _add(ax, LineCollection(lines, color="#DDDDDD", linewidth=0.6, zorder=0.2), ax.get_yaxis_transform())
    lanes = [lane for lane in LANES if lane != "tool" or record.uses_tools]
    name_ticks(ax.yaxis, [LANES[lane] for lane in lanes], lanes)
    ax.tick_params(axis="y", length=0, labelsize=9)
    ax.yaxis.set_label_coords(0.0, 0.5)  # it has none: so no place is looked for
    return Display(record, ax, artists)


def _bars(
    ax: Axes,
    spans: Floats,
    bottom: float,
    top: float,
    colour: str,
    *,
    alpha: float = 1.0,
    edge: str = "none",
    hatch: str | None = None,
    zorder: float = 2.0,
) -> PolyCollection | None:
    """Spans, shape=(n, 2), as bars between two heights; None without any."""
    if not len(spans):
        return None
    corners = [[(a, bottom), (a, top), (b, top), (b, bottom)] for a, b in spans.tolist()]
    bars = PolyCollection(
        corners,
        facecolor=colour,
        edgecolor=edge,
        alpha=alpha,
        hatch=hatch,
        linewidth=0 if edge == "none" else 0.7,
        zorder=zorder,
    )
    return _add(ax, bars)


def _add(ax: Axes, artists: Many, transform: Transform | None = None) -> Many:
    """Put artists on axes whose limits are set."""
    if transform is not None:
        artists.set_transform(transform)
    ax.add_collection(artists, autolim=False)
    return artists


def _strokes(ax: Axes, x: Floats, low: Any, high: Any, **style: Any) -> LineCollection:
    """A vertical stroke at each place, as `Axes.vlines` draws them."""
    ends = np.broadcast_arrays(x, low, high)
    lines = [[(at, a), (at, b)] for at, a, b in zip(*(of.tolist() for of in ends), strict=True)]
    return _add(ax, LineCollection(lines, **style))


def _waveform(ax: Axes, shape: Envelope, middle: float, colour: str) -> FillBetweenPolyCollection | None:
    if not len(shape.time_s):
        return None
    low, high = (middle + 0.95 * side for side in (shape.low, shape.high))
    return ax.fill_between(shape.time_s, low, high, color=colour, linewidth=0.4, zorder=2)


def _ticks(ax: Axes, times_s: Floats, half: float, width: float) -> LineCollection | None:
    if not len(times_s):
        return None
    y = LANES["transcript"]
    return _strokes(ax, times_s, y - half, y + half, color="#333333", linewidth=width, zorder=2)


def _predictions(ax: Axes, said: Predictions, lasted: tuple[float, float]) -> PredictionArtists | None:
    times, p = said.time_s, said.probability
    if not len(times):
        return None
    length_s = lasted[1] - lasted[0]
    base, half_s = LANES["prediction"] - 0.5, 0.008 * length_s
    stems = _strokes(ax, times, base, base + p, color=ORANGE, linewidth=1.2, zorder=2)
    levels = zip((base + said.threshold).tolist(), times.tolist(), strict=True)
    thresholds = [[(t - half_s, y), (t + half_s, y)] for y, t in levels]
    limits = _add(ax, LineCollection(thresholds, color=BLACK, linewidth=1.2, zorder=3))
    (points,) = ax.plot(
        times, base + p, linestyle="", marker="o", markersize=5, color=ORANGE, markeredgecolor=BLACK,
        markeredgewidth=0.6, zorder=3,
    )  # fmt: skip
    texts = []
    if length_s <= TEXT_SPAN_S:
        crowded = np.diff(times, prepend=lasted[0]) < 6 * half_s
        for t, value, right in zip(times, p, crowded, strict=True):
            text = ax.annotate(
                f"{value:.2f}", (t, LANES["prediction"]), xytext=(6 if right else -6, 0),
                textcoords="offset points", ha="left" if right else "right", va="center",
                fontsize=8, zorder=5,
            )  # fmt: skip
            texts.append(text)
    return PredictionArtists(stems, limits, points, tuple(texts))


def _runs(ax: Axes, runs: Runs, middle: float, colour: str) -> RunArtists:
    low, high = middle - 0.3, middle + 0.3
    return RunArtists(
        _bars(ax, runs.waits, low, high, colour, alpha=0.4, edge=colour),
        _bars(ax, runs.works, low, high, colour, edge=colour),
    )


def _playouts(ax: Axes, record: SessionTimeline) -> PlayoutArtists:
    low, high = -0.5, -0.3
    interrupted = None
    if len(record.interrupted_s):
        (interrupted,) = ax.plot(
            record.interrupted_s, np.full(len(record.interrupted_s), (low + high) / 2), linestyle="",
            marker="X", markersize=8, color=VERMILLION, markeredgecolor="white", markeredgewidth=0.6,
            zorder=4,
        )  # fmt: skip
    return PlayoutArtists(
        _bars(ax, record.playouts, low, high, BLACK, zorder=2.5),
        _bars(ax, record.pauses, low, high, "white", edge=BLACK, hatch="//////", zorder=2.6),
        interrupted,
    )


def _commits(ax: Axes, record: SessionTimeline) -> Iterator[CommitArtists]:
    for (cause, is_false), part in record.commits.groupby(["cause", "false_boundary"]):
        false = bool(is_false)
        times = part["commit_s"].to_numpy(np.float64)
        colour, stroke = (VERMILLION, "--") if false else (BLACK, "-")
        style = {"color": colour, "linewidth": 1.2, "linestyle": stroke, "zorder": 3}
        lines = _strokes(ax, times, BOTTOM, COMMIT_Y, **style)
        (markers,) = ax.plot(
            times, np.full(len(times), COMMIT_Y), linestyle="", marker=CAUSE_MARKERS.get(str(cause), "P"),
            markersize=7, color=colour, zorder=4,
        )  # fmt: skip
        yield CommitArtists(str(cause), false, lines, markers)


def _troubles(ax: Axes, record: SessionTimeline) -> TroubleArtists | None:
    if not record.troubles:
        return None
    times = [time_s for time_s, _ in record.troubles]
    start_s, end_s = record.lasted
    lines = _strokes(ax, np.array(times), TROUBLE_Y, TOP, color=VERMILLION, linestyle=":", linewidth=1.2)
    (stars,) = ax.plot(
        times, [TROUBLE_Y] * len(times), linestyle="", marker="*", markersize=11, color=VERMILLION, zorder=5
    )
    texts = []
    for time_s, words in record.troubles:
        late = time_s > start_s + 0.7 * (end_s - start_s)
        text = ax.annotate(
            literal(textwrap.shorten(words, 48, placeholder="…")), (time_s, TROUBLE_Y),
            xytext=(-8 if late else 8, 0), textcoords="offset points",
            ha="right" if late else "left", va="center", fontsize=8, color=VERMILLION,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1}, zorder=5,
        )  # fmt: skip
        texts.append(text)
    return TroubleArtists(lines, stars, tuple(texts))

"""Figures of sessions: timelines of one or several runs, stacked, with title and legend."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.labels import LabelKind, Labels
from ..core.session_log import SessionLog
from ..session.metrics.spans import session_commits
from ..session.metrics.timeline import session_timeline_of
from .agg.axes import QUICK, label_at, tick_names
from .recordings import LABEL_COLOURS, LABEL_NAMES, Span
from .sessions import CAUSE_MARKERS, CAUSE_NAMES, SessionArtists, session_timeline
from .style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILLION,
    YELLOW,
    Margins,
    blank_figure,
    lines_in,
    literal,
)

MOST_OF_ROW = 1.15
"""A row may be so much longer, rather than that the last is nearly empty."""
LEGEND_COLUMNS = 5
LEGEND_ROW_IN = 0.185
TIME_AXIS_IN = 0.56
"""Below the last axes: its numbers and what they are, and some space."""
X_LABEL_IN = 0.26
DIGIT_IN = 0.08
TITLE_PAD_IN = 0.09


def session_title(
    log: SessionLog,
    name: str = "",
    commits: pd.DataFrame | None = None,
    width: int = 120,
    counted: str = "",
) -> str:
    """Recording, mode and clock; with `commits` their number (in what: `counted`); why the run failed."""
    mode = {"open_loop": "open loop", "reactive": "reactive"}[log.mode]
    parts = [": ".join(filter(None, (name, log.recording))), mode, f"{log.clock} clock"]
    if commits is not None:
        n, n_false = len(commits), int(commits["false_boundary"].sum())
        parts.append(f"{counted}{n} commit{'' if n == 1 else 's'}")
        if "label" in commits:
            parts.append(f"{n_false} false boundar{'y' if n_false == 1 else 'ies'}")
    if log.failure:
        parts.append("FAILED: " + textwrap.shorten(log.failure, 140, placeholder="…"))
    return "\n".join(textwrap.wrap("; ".join(parts), width))


def named(
    logs: SessionLog | Sequence[SessionLog], names: Sequence[str] | None
) -> list[tuple[SessionLog, str]]:
    """Each log with its name, "" where none are given."""
    several = [logs] if isinstance(logs, SessionLog) else list(logs)
    if not several:
        raise ValueError("no session to draw; expected at least one SessionLog")
    if names is not None and len(names) != len(several):
        raise ValueError(f"{len(names)} names for {len(several)} sessions; give one name per session")
    return list(zip(several, names if names is not None else [""] * len(several), strict=True))


def session_figure(
    logs: SessionLog | Sequence[SessionLog],
    span_s: Span | None = None,
    labels: Labels | None = None,
    names: Sequence[str] | None = None,
    row_s: float = 30.0,
    width_in: float = 10.0,
) -> Figure:
    """`session_timeline` of one or several sessions of a recording, stacked on a common time axis.

    `names` head them ("LiveKit's defaults", …). What is longer than two rows of `row_s` seconds is
    broken into rows.
    """
    pairs = named(logs, names)
    counted = "whole call: " if span_s else ""
    span_s = span_s or (0.0, max(log.duration_s for log, _ in pairs))
    spans = time_rows(span_s, row_s)
    figure = blank_figure((width_in, 1.1 + 2.7 * len(spans) * len(pairs)), by_margins=True)
    axes = figure.subplots(len(spans) * len(pairs), 1, squeeze=False, subplot_kw=QUICK)[:, 0]
    drawn = []
    for k, (log, name) in enumerate(pairs):
        commits = session_commits(log, labels)
        for row, span in enumerate(spans):
            ax = axes[row * len(pairs) + k]
            drawn.append(session_timeline(ax, session_timeline_of(log, commits, labels, span)).artists)
            title = session_title(log, name, commits, counted=counted) if row == 0 else name
            ax.set_title(
                literal(title),
                loc="left",
                y=1.0,
                fontsize=10,
                color=VERMILLION if log.failure and row == 0 else BLACK,
            )
            ax.tick_params(labelbottom=k == len(pairs) - 1, labelsize=9)
    axes[-1].set_xlabel("time (s)")
    label_at(axes[-1], below_in=X_LABEL_IN)
    legend = session_legend(figure, drawn)
    titles = [ax.get_title(loc="left") for ax in axes]
    heads = TITLE_PAD_IN + max(lines_in(10, title) for title in titles[1:]) if any(titles[1:]) else 0.0
    Margins(
        left=0.74,
        right=max(0.16, 0.01 + DIGIT_IN / 2 * max(map(len, tick_names(axes[-1].xaxis)))),
        top=TITLE_PAD_IN + lines_in(10, titles[0]),
        bottom=TIME_AXIS_IN + LEGEND_ROW_IN * -(-len(legend.legend_handles) // LEGEND_COLUMNS),
        between=0.31 + heads,
    ).set(figure, len(axes))
    return figure


def time_rows(span_s: Span, row_s: float = 30.0) -> list[Span]:
    """The span itself up to two rows' length, else equal rows of at most `MOST_OF_ROW` times `row_s`."""
    if not span_s[1] > span_s[0]:
        raise ValueError(f"span_s is {span_s}; expected (start, end) in seconds with the end after the start")
    if row_s <= 0:
        raise ValueError(f"row_s is {row_s}; expected seconds above 0")
    if span_s[1] - span_s[0] <= 2 * row_s:
        return [span_s]
    rows = math.ceil((span_s[1] - span_s[0]) / (MOST_OF_ROW * row_s) - 1e-9)
    return list(pairwise(np.linspace(*span_s, rows + 1).tolist()))


def session_legend(figure: Figure, drawn: Sequence[SessionArtists]) -> Legend:
    """What colours and markers mean, of those that occur, in one strip below the axes."""
    commits = [commit for one in drawn for commit in one.commits]
    causes = {commit.cause for commit in commits}
    handles: list[tuple[bool, Patch | Line2D]] = [
        (any(one.labels.holds for one in drawn), _band("hold")),
        (any(one.labels.ends_of_turn for one in drawn), _band("shift")),
        (any(one.voices.vad_speech for one in drawn), _bar("VAD hears speech", BLUE)),
        (any(one.transcripts.interim for one in drawn), _stroke("interim transcript", "#333333", 6, 0.8)),
        (any(one.transcripts.final for one in drawn), _stroke("final transcript", "#333333", 11, 1.8)),
        (any(one.predictions for one in drawn), _dot("end-of-turn probability", "o", ORANGE, edge=BLACK)),
        (any(one.predictions for one in drawn), _bar("threshold", BLACK, 1.2)),
        *(
            (cause in causes, _dot(f"commit: {CAUSE_NAMES[cause]}", marker, BLACK))
            for cause, marker in CAUSE_MARKERS.items()
        ),
        (any(one.false_boundary for one in commits), _bar("false boundary", VERMILLION, 1.5, "--")),
        (any(one.llm.waits for one in drawn), _patch("LLM, to first token", PURPLE, 0.4)),
        (any(one.llm.works for one in drawn), _patch("LLM writes", PURPLE)),
        (any(one.tts.waits for one in drawn), _patch("TTS, to first audio", GREEN, 0.4)),
        (any(one.tts.works for one in drawn), _patch("TTS synthesises", GREEN)),
        (any(one.tool.works for one in drawn), _patch("tool", YELLOW)),
        (any(one.playouts.playouts for one in drawn), _bar("playout", BLACK)),
        (
            any(one.playouts.pauses for one in drawn),
            Patch(facecolor="white", edgecolor=BLACK, hatch="//////", label="playout paused"),
        ),
        (any(one.playouts.interrupted for one in drawn), _dot("interrupted", "X", VERMILLION)),
        (any(one.troubles for one in drawn), _dot("error or limit", "*", VERMILLION)),
    ]
    occurring = [handle for occurs, handle in handles if occurs]
    return figure.legend(
        handles=occurring,
        loc="lower center",
        ncols=LEGEND_COLUMNS,
        fontsize=8.5,
        columnspacing=1.4,
        frameon=False,
    )


def _band(kind: LabelKind) -> Patch:
    return Patch(color=LABEL_COLOURS[kind], alpha=0.28, label=LABEL_NAMES[kind])


def _patch(text: str, colour: str, alpha: float = 1.0) -> Patch:
    return Patch(facecolor=colour, edgecolor=colour, alpha=alpha, label=text)


def _bar(text: str, colour: str, width: float = 3.0, stroke: Literal["-", "--"] = "-") -> Line2D:
    return Line2D([], [], color=colour, linewidth=width, linestyle=stroke, label=text)


def _dot(text: str, marker: str, colour: str, edge: str | None = None) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker=marker,
        markersize=7,
        color=colour,
        markeredgecolor=edge or colour,
        label=text,
    )


def _stroke(text: str, colour: str, size: float, width: float) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker="|", markersize=size, color=colour, markeredgewidth=width, label=text
    )

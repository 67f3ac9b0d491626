"""Where the time of each reply went: one stacked bar each, from the user's last speech to the first audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation

from ..core.session_log import SessionLog
from ..core.stages import STAGES
from ..core.timeline import Floats
from ..session.metrics.stages import VISIBLE, ReplyStages
from .agg.axes import QUICK, label_at, name_ticks, tick_names
from .display import Display
from .session_figures import named, session_title
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT_GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    YELLOW,
    Margins,
    blank_figure,
    lines_in,
    literal,
)

STAGE_NAMES = {stage.name: stage.words for stage in STAGES if stage.in_sum} | {"other": "other"}
STAGE_COLOURS = dict(zip(VISIBLE, (BLUE, YELLOW, PURPLE, GREEN, ORANGE, LIGHT_GREY), strict=True))
TEXT_ROWS = 40
"""Totals are written out, and every reply is named, if there are no more replies than this."""
HATCHES = {"other": "////"}
BAR = 0.72
LEGEND_COLUMNS, LEGEND_ROW_IN = 4, 0.195
CHARACTER_IN = 0.062
"""Of the names of replies, on average."""
CROSS = "\N{MULTIPLICATION X}"
"""Marks a reply that was interrupted."""


@dataclass(frozen=True)
class PercentileArtists:
    """A percentile of the total: its line, and its value above the axes."""

    line: Line2D
    text: Annotation


@dataclass(frozen=True)
class StageArtists:
    """What `stage_bars` draws; None for what doesn't occur."""

    stages: tuple[PolyCollection | None, ...]
    """In the order of `VISIBLE`."""
    totals: LineCollection
    saved: PolyCollection | None
    texts: tuple[Annotation, ...]
    """One per reply; none of many."""
    final: LineCollection
    p50: PercentileArtists | None
    p95: PercentileArtists | None


def stage_bars(ax: Axes, record: ReplyStages, title: str = "") -> Display[StageArtists]:
    """One bar per reply, the first on top; x: seconds after the user's last speech.

    The stages end at the total (black stroke); what ran behind the wait for the end of turn follows it as an
    empty dashed bar; a white line inside the end of turn marks the final transcript. Vertical lines: p50 and
    p95. Replies without a total are named and have no bar. "other" stands after the stages: where in between
    it passed is not known.
    """
    table = record.table
    rows = np.arange(len(table), dtype=np.float64)
    total, saved = (table[name].to_numpy(np.float64) for name in ("e2e_latency", "saved"))
    heard, less = np.isfinite(total), saved > 0
    inside = np.isfinite(record.final_s)
    stages = tuple(_stage(ax, record, rows, name) for name in VISIBLE)
    artists = StageArtists(
        stages=stages,
        totals=ax.vlines(
            total[heard], rows[heard] - 0.46, rows[heard] + 0.46, color=BLACK, linewidth=2.2, zorder=4
        ),
        saved=_bars(
            ax, rows[less], total[less], saved[less], 0.6 * BAR, facecolor="none", edgecolor=GREY,
            linestyle="--",
        ) if less.any() else None,
        texts=tuple(_texts(ax, record, rows)) if len(table) <= TEXT_ROWS else (),
        final=ax.vlines(
            record.final_s[inside], rows[inside] - BAR / 2, rows[inside] + BAR / 2, color="white",
            linewidth=1.4, zorder=3,
        ),
        p50=_percentile(ax, "p50", record.p50_s, "-", "right", -2),
        p95=_percentile(ax, "p95", record.p95_s, "--", "left", 2),
    )  # fmt: skip
    _frame(ax, table)
    ax.set_title(literal(title), loc="left", y=1.0, fontsize=10, pad=18)
    return Display(record, ax, artists)


def _stage(ax: Axes, record: ReplyStages, rows: Floats, name: str) -> PolyCollection | None:
    length, start = (frame[name].to_numpy(np.float64) for frame in (record.lengths, record.starts))
    known = np.isfinite(length)
    if not known.any():
        return None
    return _bars(
        ax, rows[known], start[known], length[known], BAR, facecolor=STAGE_COLOURS[name], edgecolor="white",
        linewidth=0.5, hatch=HATCHES.get(name), label=STAGE_NAMES[name],
    )  # fmt: skip


def _bars(ax: Axes, rows: Floats, start: Floats, length: Floats, high: float, **style: Any) -> PolyCollection:
    """Horizontal bars as one artist, which `Axes.barh` makes of one each; none where there is no start."""
    x, y = np.stack((start, start + length), axis=1), np.stack((rows - high / 2, rows + high / 2), axis=1)
    corners = np.stack((x[:, [0, 0, 1, 1]], y[:, [0, 1, 1, 0]]), axis=2)
    bars = PolyCollection(list(corners), zorder=1, **style)
    ax.add_collection(bars)
    return bars


def _texts(ax: Axes, record: ReplyStages, rows: Floats) -> Iterator[Annotation]:
    """Beside each bar its figures in words."""
    table = record.table
    figures = zip(rows, record.ends_s, table["e2e_latency"], table["saved"], table["missing"], strict=True)
    for row, end_s, total_s, saved_s, missing in figures:
        yield ax.annotate(
            _words(total_s, saved_s, missing), (end_s, row), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8.5, zorder=6, color=GREY if np.isnan(total_s) else BLACK,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.6},
        )  # fmt: skip


def _words(total_s: float, saved_s: float, missing: str) -> str:
    """What stands beside a bar: the total, what was saved, and which stages LiveKit did not report."""
    notes = [f"{saved_s:.2f} saved"] if saved_s >= 0.005 else []
    if missing:
        notes.append(
            "not reported: " + ", ".join(STAGE_NAMES[name].split(",")[0] for name in missing.split())
        )
    return ("no total" if np.isnan(total_s) else f"{total_s:.2f}") + (
        f" ({'; '.join(notes)})" if notes else ""
    )


def _percentile(
    ax: Axes, name: str, x: float | None, style: str, side: str, shift: float
) -> PercentileArtists | None:
    """A percentile of the total, named above the axes on one side of its line."""
    if x is None:
        return None
    line = ax.axvline(x, color=VERMILLION, linestyle=style, linewidth=1.2, zorder=3.5)
    text = ax.annotate(
        f"{name} {x:.2f} s", (x, 1.0), xycoords=ax.get_xaxis_transform(), xytext=(shift, 3),
        textcoords="offset points", ha=side, va="bottom", color=VERMILLION, fontsize=9,
    )  # fmt: skip
    return PercentileArtists(line, text)


def _frame(ax: Axes, table: pd.DataFrame) -> None:
    """Scales, names of the replies, grid."""
    n = len(table)
    names = [
        f"{int(k) + 1}: at {t:.1f} s" + (f" {CROSS}" if cut else "")
        for k, t, cut in zip(table["reply"], table["commit_s"], table["interrupted"], strict=True)
    ]
    step = 1 if n <= TEXT_ROWS else 5
    name_ticks(ax.yaxis, np.arange(0, n, step), names[::step])
    ax.tick_params(axis="y", labelsize=8.5)
    ax.set_ylim(max(n, 1) - 0.4, -0.6)
    ax.set_ylabel("reply: time of its commit")
    ax.set_xlabel("time after the user's last speech (s)")
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    if not n:
        ax.text(0.5, 0.5, "no replies", transform=ax.transAxes, ha="center", va="center", color=GREY)


def latency_figure(
    logs: SessionLog | Sequence[SessionLog],
    names: Sequence[str] | None = None,
    size_in: tuple[float, float] | None = None,
) -> Figure:
    """`stage_bars` of one or several logs side by side on one scale; `names` head them."""
    pairs = named(logs, names)
    records = [ReplyStages.of(log) for log, _ in pairs]
    n = max(len(record.table) for record in records)
    size_in = size_in or (5.2 * len(pairs) if len(pairs) > 1 else 9.0, min(max(2.6, 1.6 + 0.27 * n), 12.0))
    alone = len(pairs) == 1
    figure = blank_figure(size_in, by_margins=alone)
    axes = figure.subplots(1, len(pairs), sharex=True, squeeze=False, subplot_kw=QUICK if alone else {})[0]
    width = 100 if alone else 56
    drawn = []
    for ax, record, (log, name) in zip(axes, records, pairs, strict=True):
        title = session_title(log, width=width)
        drawn.append(stage_bars(ax, record, f"{name}\n{title}" if name else title))
        if log.failure:
            ax.set_title(ax.get_title(loc="left"), loc="left", y=1.0, fontsize=10, pad=18, color=VERMILLION)
    longest_s = max((float(record.ends_s.max(initial=0.5)) for record in records), default=0.5)
    axes[0].set_xlim(0, (1.3 if alone else 1.4) * longest_s)
    legend = stage_legend(figure, drawn)
    if alone:
        longest = max(map(len, tick_names(axes[0].yaxis)), default=0)
        legend.set_loc("lower center")
        left = 0.42 + CHARACTER_IN * longest
        label_at(axes[0], below_in=0.26, left_in=left - 0.26)
        Margins(
            left=left,
            right=0.06,
            top=0.33 + lines_in(10, axes[0].get_title(loc="left")),
            bottom=0.58 + LEGEND_ROW_IN * -(-len(legend.legend_handles) // LEGEND_COLUMNS),
        ).set(figure)
    return figure


def stage_legend(figure: Figure, drawn: Sequence[Display[StageArtists]]) -> Legend:
    """What the colours and strokes that occur mean, in one strip below the axes."""
    handles: list[Patch | Line2D] = [
        Patch(
            facecolor=STAGE_COLOURS[name],
            edgecolor="white",
            hatch=HATCHES.get(name),
            label=text,
        )
        for place, (name, text) in enumerate(STAGE_NAMES.items())
        if any(one.artists.stages[place] for one in drawn)
    ]
    if any(one.artists.saved for one in drawn):
        handles.append(
            Patch(facecolor="none", edgecolor=GREY, linestyle="--", label="saved: ran during the wait")
        )
    if any(one.artists.p50 for one in drawn):
        for text, colour, line, size, edge in (
            ("total (e2e_latency)", "none", 0, 11, BLACK),
            ("final transcript", BLUE, 7, 9, "white"),
        ):
            handle = Line2D([], [], color=colour, linewidth=line, marker="|", markersize=size, label=text)
            handle.set(markeredgecolor=edge, markeredgewidth=1.8)
            handles.append(handle)
    if any(one.data.table["interrupted"].any() for one in drawn):
        cross = Line2D([], [], color="none", marker="x", markersize=6, label="reply was interrupted")
        cross.set(markeredgecolor=BLACK)
        handles.append(cross)
    return figure.legend(
        handles=handles, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=9, frameon=False
    )

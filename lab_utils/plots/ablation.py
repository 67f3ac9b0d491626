"""What each latency technique saves: the stack as a waterfall, and each technique alone against left out.

All figures come from `ablation.summary` (`waterfall`, `alone_and_left_out`) in seconds and are
drawn in ms; intervals are 95 %. A step of the waterfall reaches from one level to the next, so that steps add
up to the whole; the number beside it is the saving over the turns that were answered in both, which can
differ a little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.timeline import Floats
from .display import Display
from .style import BLACK, BLUE, GREY, LIGHT_GREY, ORANGE, VERMILLION, blank_figure, literal

TITLES = {
    "turn_total_s": "end of the caller's turn to first audio",
    "after_commit_s": "commit to first audio",
}
ROW_IN = 0.34


def _names(names: Iterable[str]) -> list[str]:
    return [literal(name.replace("_", " ")) for name in names]


def _in_ms(table: pd.DataFrame) -> pd.DataFrame:
    """All figures of a table of times, times 1,000."""
    return table.assign(**{str(name): 1000 * table[name] for name in table.select_dtypes("number")})


def _spread(table: pd.DataFrame, name: str) -> Floats:
    """How far the interval of a figure reaches to both sides; 0 where that can't be told. shape=(2, rows)."""
    value, low, high = (table[f"{name}{end}"].to_numpy(np.float64) for end in ("", "_low", "_high"))
    return np.nan_to_num(np.maximum(np.vstack((value - low, high - value)), 0))


@dataclass(frozen=True)
class WaterfallArtists:
    """What `stack_waterfall` draws: the first bar of each kind, and the intervals."""

    level: Patch | None
    saves: Patch | None
    costs: Patch | None
    interval: LineCollection | None


@dataclass(frozen=True)
class DumbbellArtists:
    """What `saving_dumbbells` draws: the marks."""

    alone: Line2D
    left_out: Line2D


def stack_waterfall(ax: Axes, steps: pd.DataFrame, percentile: int) -> Display[WaterfallArtists]:
    """The stack as a waterfall, top to bottom, of one percentile: whole bars at its ends, steps between.

    `steps`: `ablation.summary.waterfall`, whose last row is LiveKit's default. Whiskers are the intervals of
    the levels, on the sides that can be told; the number beside a step is what it saves.
    """
    record, steps, name = steps, _in_ms(steps), f"p{percentile}"
    level = steps[name].to_numpy(np.float64)
    before = np.append(np.nan, level[:-1])
    rows = np.arange(len(steps), dtype=np.float64)
    last = len(rows) - 2  # of the stack: a whole bar and a step, all twelve
    whole = np.isin(rows, (0, last, len(rows) - 1))
    low, high = np.fmin(before, level), np.fmax(before, level)
    width = high - low
    saving = level <= before
    level_bar = _bars(ax, rows[whole], np.zeros(whole.sum()), level[whole], LIGHT_GREY)
    saves = _bars(ax, rows[~whole & saving], low[~whole & saving], width[~whole & saving], BLUE)
    costs = _bars(ax, rows[~whole & ~saving], low[~whole & ~saving], width[~whole & ~saving], VERMILLION)
    _bars(ax, rows[[last]], low[[last]], width[[last]], BLUE if saving[last] else VERMILLION)
    interval = None
    spread = _spread(steps, name)
    if spread.any():
        whiskers = ax.errorbar(level, rows, xerr=spread, fmt="none", ecolor=BLACK, elinewidth=1, capsize=2.5)
        interval = whiskers.lines[2][0]
    # An agent that never answered has no level: nothing is drawn of it.
    right_edge = np.nan_to_num(np.fmax(np.fmax(high, level), steps[f"{name}_high"].to_numpy(np.float64)))
    for row, saved in zip(range(len(steps)), steps[f"saved_{name}"], strict=True):
        text = _step_text(float(level[row]), float(saved), row == last)
        ax.annotate(
            text, (right_edge[row], row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    ax.axhline(last + 0.5, color=GREY, linewidth=0.8, linestyle=":")
    labels = ["+ " + text for text in _names(steps["name"])]
    labels[0], labels[-1] = literal(str(steps["name"].iloc[0])), literal(str(steps["name"].iloc[-1]))
    ax.set_yticks(rows, labels)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1.16 * right_edge.max() or 1.0)
    ax.set_xlabel(f"{name} (ms)")
    ax.spines[["top", "right"]].set_visible(False)
    return Display(record, ax, WaterfallArtists(level_bar, saves, costs, interval))


def _bars(ax: Axes, rows: Floats, left: Floats, width: Floats, colour: str) -> Patch | None:
    """A bar in each row; the first of them, or None."""
    bars = ax.barh(rows, width, left=left, height=0.62, color=colour)
    return bars[0] if len(rows) else None


def _step_text(level: float, saved: float, last: bool) -> str:
    """What stands beside a step: what it saves, or its level."""
    if not np.isfinite(level):
        return "never answered"
    text = f"{level:.0f}" if not np.isfinite(saved) else f"{-round(saved):+d}".replace("+0", "0")
    return (text + f" → {level:.0f}" if last else text).replace("-", "−")


def saving_dumbbells(ax: Axes, savings: pd.DataFrame, percentile: int) -> Display[DumbbellArtists]:
    """What each technique saves alone (circle) and what leaving it out of all twelve costs (square).

    `savings`: `ablation.summary.alone_and_left_out`.
    """
    rows = np.arange(len(savings))
    record, savings, name = savings, _in_ms(savings), f"p{percentile}"
    alone, left_out = savings[f"alone_{name}"], savings[f"left_out_{name}"]
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.hlines(rows, alone, left_out, color=LIGHT_GREY, linewidth=3, zorder=1)
    marks: list[Line2D] = []
    for view, values, marker, colour, shift in (
        ("alone", alone, "o", ORANGE, -0.12),
        ("left_out", left_out, "s", BLUE, 0.12),
    ):
        spread = _spread(savings, f"{view}_{name}")
        drawn = ax.errorbar(
            values,
            rows + shift,
            xerr=spread if spread.any() else None,
            fmt=marker,
            color=colour,
            markeredgecolor=BLACK,
            markeredgewidth=0.6,
            markersize=6,
            elinewidth=1,
            capsize=2,
        )
        marks.append(drawn.lines[0])
    ax.set_yticks(rows, _names(savings["technique"]))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(f"saved at {name} (ms)")
    ax.grid(axis="x", color=LIGHT_GREY, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return Display(record, ax, DumbbellArtists(*marks))


def waterfall_figure(
    steps: pd.DataFrame,
    measure: str,
    counted: str = "",
    *,
    title: str = "The twelve techniques, stacked",
    floor: tuple[float, float] | None = None,
) -> Figure:
    """The stack as waterfalls of p50 and p95. `counted`: on what, for the title ("1,010 turns of 12
    recordings"). `floor`: p50 and p95 (s) of a perfect detector with everything on, a line each."""
    figure = blank_figure((11.0, 1.5 + ROW_IN * len(steps)))
    axes = figure.subplots(1, 2, sharey=True)
    drawn = [
        stack_waterfall(ax, steps, percentile).artists for ax, percentile in zip(axes, (50, 95), strict=True)
    ]
    _title(figure, f"{title}: {TITLES.get(measure, measure)}", counted)
    handles: list[Any] = []
    if floor is not None:
        lines = [
            ax.axvline(1000 * level, color=BLACK, linewidth=1.2, linestyle="--", zorder=0)
            for ax, level in zip(axes, floor, strict=True)
        ]
        lines[0].set_label("floor: perfect detector")
        handles.append(lines[0])
    if any(one.saves for one in drawn):
        handles.append(Patch(color=BLUE, label="faster by"))
    if any(one.costs for one in drawn):
        handles.append(Patch(color=VERMILLION, label="slower by"))
    handles.append(Patch(color=LIGHT_GREY, label="level"))
    if any(one.interval for one in drawn):
        words = "95 % interval of the level, by recording"
        handles.append(Line2D([], [], color=BLACK, linewidth=1, label=words))
    _legend(figure, handles)
    return figure


def savings_figure(
    savings: pd.DataFrame, measure: str, counted: str = "", *, kind: str = "technique"
) -> Figure:
    """What each technique (or lever: `kind`) saves alone and left out, at p50 and p95."""
    figure = blank_figure((11.0, 1.5 + ROW_IN * len(savings)))
    axes = figure.subplots(1, 2, sharey=True)
    for ax, percentile in zip(axes, (50, 95), strict=True):
        saving_dumbbells(ax, savings, percentile)
    _title(figure, f"What each {kind} saves: {TITLES.get(measure, measure)}", counted)
    handles = [
        _mark("o", ORANGE, "alone: none of the others"),
        _mark("s", BLUE, "left out: all of the others"),
        Line2D([], [], color=BLACK, linewidth=1, label="95 % interval, by recording"),
    ]
    _legend(figure, handles)
    return figure


def _mark(marker: str, colour: str, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker=marker, color=colour, markeredgecolor=BLACK, markersize=7, label=label
    )


def _title(figure: Figure, title: str, counted: str) -> None:
    figure.suptitle(f"{title}\n{literal(counted)}" if counted else title, fontsize=11)


def _legend(figure: Figure, handles: list[Any]) -> None:
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8.5, frameon=False)

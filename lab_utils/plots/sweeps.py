"""The trade-off of a sweep: false-boundary rate against latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from ..core.detectors import DETECTORS
from ..turns.choose import Latency, answering, frontier
from .display import Display
from .style import (
    BLACK,
    BLUE,
    GREEN,
    LIGHT_GREY,
    PURPLE,
    VERMILLION,
    YELLOW,
    Margins,
    blank_figure,
    counted,
)

RATE_LABEL = "false boundaries per hold (%)"
FLOOR_WAIT = "floor: a perfect detector's mean wait,\nwith the agent of the least e2e"
LATENCY_LABELS: dict[Latency, str] = {
    "latency_mean": "mean latency of an end of turn (s)",
    "latency_p50": "median latency of an end of turn (s)",
    "latency_p90": "90th percentile of latency (s)",
    "latency_p95": "95th percentile of latency (s)",
}
MARGINS = Margins(left=0.6, right=0.1, top=0.25, bottom=0.5)
RATE_TICKS = (0, 1, 5, 10, 20, 30, 40, 60, 80, 100)


@dataclass(frozen=True)
class TradeoffArtists:
    """What `tradeoff` draws."""

    settings: PathCollection | None
    unanswering: PathCollection | None
    baseline: Line2D | None
    frontier: Line2D
    defaults: Line2D
    chosen: Line2D | None
    own: Line2D | None
    floor: Line2D | None
    legend: Legend


def tradeoff(
    ax: Axes,
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    defaults: pd.DataFrame,
    chosen: pd.DataFrame | None = None,
    own: pd.DataFrame | None = None,
    latency: Latency = "latency_mean",
    counts: Mapping[str, int] | None = None,
    floor_s: float | None = None,
    of: int | None = None,
) -> Display[TradeoffArtists]:
    """Latency (x, s) against false-boundary rate per hold (y, %, square-root scale) of a sweep's settings.

    `table`: `Sweep.table`; `frontier_rows`: `choose.frontier`; `defaults`, `chosen`: `sweep.score_one` of
    LiveKit's defaults and of the chosen setting, `own` of imported sessions' settings; `counts`: for the
    title (recordings, holds, turns); `floor_s`: a perfect detector's mean wait, a line; `of`: of how many
    settings the table has the best; it then lacks those of VAD alone, and those that leave turns unanswered.
    """
    rate_scale(ax)
    usable = answering(table)
    told = "settings tried" if of is None else f"best of {of:,} settings"
    tried = _dots(ax, table[usable], latency, "o", LIGHT_GREY, told)
    unanswering, baseline_line, baseline = None, None, list[int]()
    if of is None:
        unanswering = _dots(ax, table[~usable], latency, "x", "#EFC9A8", "leave too many turns unanswered")
        baseline = _vad_only(table, latency)
        baseline_line = _steps(ax, table.iloc[baseline], latency, PURPLE, "s", "best with VAD alone")
    best_line = _steps(ax, table.iloc[list(frontier_rows)], latency, BLUE, "o", "best of all (frontier)")
    defaults_mark = mark(ax, defaults, VERMILLION, "D", "LiveKit's defaults", latency)
    chosen_mark = None if chosen is None else mark(ax, chosen, GREEN, "*", "chosen setting", latency)
    own_mark = None if own is None else mark(ax, own, YELLOW, "P", "as recorded", latency)
    floor = None if floor_s is None else floor_line(ax, floor_s, FLOOR_WAIT)
    in_sight = [*frontier_rows, *baseline]
    marked = [f.loc[[str(latency)], ["value", "high"]] for f in (defaults, chosen, own) if f is not None]
    edges = [edge for of in marked for edge in of.to_numpy(np.float64).ravel() if np.isfinite(edge)]
    ax.set_xlim(0, 1.12 * np.nanmax([*table[latency].iloc[in_sight], *edges, 0.5]))
    ax.set_xlabel(LATENCY_LABELS[latency])
    ax.set_ylabel(RATE_LABEL)
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_title("; ".join(counted(counts)), loc="left", fontsize=10)
    legend = ax.legend(loc="upper right", fontsize=9, framealpha=0.95)
    artists = TradeoffArtists(
        tried, unanswering, baseline_line, best_line, defaults_mark, chosen_mark, own_mark, floor, legend
    )
    return Display(table, ax, artists)


def _dots(
    ax: Axes, part: pd.DataFrame, latency: Latency, marker: str, colour: str, text: str
) -> PathCollection | None:
    """A small mark for each setting; None without any."""
    if not len(part):
        return None
    size, width, height = (5, 0.0, 1.0) if marker == "o" else (8, 0.5, 0.9)
    x, y = part[latency], 100 * part["false_boundary_rate"]
    dots = ax.scatter(x, y, s=size, color=colour, marker=marker, linewidths=width)
    dots.set(rasterized=True, zorder=height, label=f"{text} (n = {len(part):,})")
    return dots


def _steps(ax: Axes, part: pd.DataFrame, latency: Latency, colour: str, marker: str, text: str) -> Line2D:
    """The settings of a frontier, joined by steps."""
    best = part.sort_values(latency)
    (drawn,) = ax.plot(best[latency], 100 * best["false_boundary_rate"], drawstyle="steps-post", color=colour)
    drawn.set(linewidth=1.4, marker=marker, markersize=4, label=text)
    return drawn


def rate_scale(ax: Axes) -> None:
    """A y axis of per cents that gives the low rates, where one chooses, more room."""
    ax.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    ax.set_ylim(0, 102)
    ax.yaxis.set_major_locator(FixedLocator(RATE_TICKS))
    ax.yaxis.set_minor_locator(NullLocator())


def mark(
    ax: Axes, figures: pd.DataFrame, colour: str, marker: str, text: str, latency: Latency = "latency_mean"
) -> Line2D:
    """One setting as a big marker, with error bars where the frame has a 95 % interval."""
    rate, delay = (figures.loc[name].to_dict() for name in ("false_boundary_rate", str(latency)))
    x, y = delay["value"], 100 * rate["value"]
    with_interval = bool(np.isfinite([rate["low"], rate["high"], delay["low"], delay["high"]]).all())
    if with_interval:
        text += " (95 % interval)"
        ax.plot([delay["low"], delay["high"]], [y, y], color=colour, linewidth=1.6, zorder=4)
        ax.plot([x, x], [100 * rate["low"], 100 * rate["high"]], color=colour, linewidth=1.6, zorder=4)
    return point(ax, x, y, colour, marker, text)


def floor_line(ax: Axes, latency_s: float, text: str = "floor: perfect detector") -> Line2D:
    """A perfect detector's latency."""
    return ax.axvline(latency_s, color=BLACK, linewidth=1.2, linestyle="--", label=text)


def point(ax: Axes, x: float, y: float, colour: str, marker: str, text: str) -> Line2D:
    """A big marker."""
    (drawn,) = ax.plot([x], [y], linestyle="", marker=marker, color=colour, zorder=5, label=text)
    drawn.set_markersize(16 if marker == "*" else 10)
    drawn.set_markeredgecolor(BLACK)
    return drawn


def _vad_only(table: pd.DataFrame, latency: Latency) -> list[int]:
    """The frontier's rows among the settings whose detector is silence alone."""
    silent = [name for name, traits in DETECTORS.items() if traits.needs == "transcripts"]
    rows = np.flatnonzero(table["detector"].isin(silent))
    return [int(row) for row in rows[frontier(table.iloc[rows], latency)]]


def tradeoff_figure(
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    defaults: pd.DataFrame,
    chosen: pd.DataFrame | None = None,
    own: pd.DataFrame | None = None,
    latency: Latency = "latency_mean",
    counts: Mapping[str, int] | None = None,
    floor_s: float | None = None,
    of: int | None = None,
    size_in: tuple[float, float] = (8.0, 5.0),
) -> Figure:
    """`tradeoff` on a figure of its own."""
    figure = blank_figure(size_in, by_margins=True)
    ax = figure.subplots()
    MARGINS.set(figure)
    tradeoff(
        ax,
        table,
        frontier_rows,
        defaults=defaults,
        chosen=chosen,
        own=own,
        latency=latency,
        counts=counts,
        floor_s=floor_s,
        of=of,
    )
    return figure


def listener_figure(
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    defaults: pd.DataFrame,
    same_turns: pd.DataFrame,
    listener: pd.DataFrame | None,
    counts: Mapping[str, int] | None = None,
) -> Figure:
    """`tradeoff` with a person who pressed a key where turns were over, once they have.

    `same_turns`: figures of LiveKit's defaults on the turns that the person heard.
    """
    figure = blank_figure((8.0, 5.4))
    ax = figure.subplots()
    drawn = tradeoff(ax, table, frontier_rows, defaults=defaults, counts=counts)
    marks = [(same_turns, YELLOW, "d", "LiveKit's defaults, turns you heard")]
    if listener is not None:
        marks.append((listener, GREEN, "*", "you"))
    for of, colour, marker, text in marks:
        if np.isfinite(of.loc[["false_boundary_rate", "latency_mean"], "value"].to_numpy(np.float64)).all():
            mark(ax, of, colour, marker, text).set_clip_on(False)
            furthest_s = np.nanmax(of.loc["latency_mean", ["value", "high"]].to_numpy(np.float64))
            ax.set_xlim(0, max(ax.get_xlim()[1], 1.12 * furthest_s))
    drawn.artists.legend.remove()  # below, where it hides nobody
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure

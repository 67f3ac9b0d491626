"""Detectors side by side: their frontiers, and what their probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from .display import Display
from .style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, blank_figure, counted, in_legend
from .sweeps import LATENCY_LABELS, RATE_LABEL, rate_scale

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class FrontierArtists:
    """What `frontiers` draws, by detector."""

    frontiers: dict[str, Line2D]
    held_out: dict[str, Line2D]
    legend: Legend


def frontiers(
    ax: Axes,
    table: pd.DataFrame,
    points: pd.DataFrame | None,
    names: Sequence[str],
    counts: Mapping[str, int] | None = None,
) -> Display[FrontierArtists]:
    """Each detector's frontier, as tuned on all recordings, and hollow its operating points, held out.

    `table`: `Comparison.frontiers`; `points`: `Comparison.points`, or None to draw none.
    """
    rate_scale(ax)
    lines, marks = {}, {}
    for k, name in enumerate(names):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        best = table[table["of"] == name].sort_values("latency_mean")
        (lines[name],) = ax.plot(
            best["latency_mean"], 100 * best["false_boundary_rate"], drawstyle="steps-post", color=colour
        )
        lines[name].set(linewidth=1.5, label=in_legend(name))
        if points is None:
            continue
        there = points[(points["detector"] == name) & points["gets_there"].astype(bool)]
        (marks[name],) = ax.plot(there["latency_mean"], 100 * there["false_boundary_rate"], linestyle="")
        marks[name].set(marker=marker, color=colour, markerfacecolor="white", markersize=7)
    longest_s = table["latency_mean"].to_numpy(np.float64)
    ax.set_xlim(0, 1.05 * float(np.nanmax([0.5, *longest_s[np.isfinite(longest_s)]])))
    ax.set_xlabel(LATENCY_LABELS["latency_mean"])
    ax.set_ylabel(RATE_LABEL)
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    hollow = [] if points is None else ["hollow: operating points, held out"]
    ax.set_title("; ".join([*counted(counts), *hollow]), loc="left", fontsize=10)
    legend = ax.legend(loc="upper right", fontsize=9, framealpha=0.95)
    return Display(table, ax, FrontierArtists(lines, marks, legend))


@dataclass(frozen=True)
class ReliabilityArtists:
    """What `reliability` draws."""

    diagonal: Line2D
    curves: dict[str, Line2D]
    legend: Legend | None


def reliability(ax: Axes, bins: Mapping[str, pd.DataFrame]) -> Display[ReliabilityArtists]:
    """The share of ends of turn (y) among pauses of a mean probability (x), by tenths of the scale.

    `bins`: `Calibration.bins` by detector.
    """
    (diagonal,) = ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.0, label="as said")
    curves = {}
    for k, (name, one) in enumerate(bins.items()):
        (curves[name],) = ax.plot(one["said"], one["ended"], color=COLOURS[k % len(COLOURS)], linewidth=1.4)
        n = int(one["n"].sum())
        curves[name].set(
            marker=MARKERS[k % len(MARKERS)], markersize=5, label=in_legend(f"{name} (n = {n:,})")
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_xlabel("probability of an end of turn, as said")
    ax.set_ylabel("share of ends of turn")
    ax.grid(color="#E6E6E6", linewidth=0.7)
    legend = ax.legend(loc="upper left", fontsize=9, framealpha=0.95)
    return Display(dict(bins), ax, ReliabilityArtists(diagonal, curves, legend))


def frontiers_figure(
    table: pd.DataFrame,
    points: pd.DataFrame | None,
    names: Sequence[str],
    counts: Mapping[str, int] | None = None,
    size_in: tuple[float, float] = (8.0, 5.0),
) -> Figure:
    """`frontiers` on a figure of its own."""
    figure = blank_figure(size_in)
    frontiers(figure.subplots(), table, points, names, counts)
    return figure


def reliability_figure(bins: Mapping[str, pd.DataFrame], size_in: tuple[float, float] = (5.5, 5.5)) -> Figure:
    """`reliability` on a figure of its own."""
    figure = blank_figure(size_in)
    reliability(figure.subplots(), bins)
    return figure

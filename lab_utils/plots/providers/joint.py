"""The trade-off of a joint search: false boundaries, the wait for the agent's first sound, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...latency.joint.configuration import DOLLARS
from ..display import Display
from ..style import BLACK, GREEN, LIGHT_GREY, VERMILLION, blank_figure
from ..sweeps import RATE_LABEL, floor_line, point, rate_scale

LABELS = {"e2e_p50": "median", "e2e_p95": "95th percentile"}


@dataclass(frozen=True)
class JointArtists:
    """What `joint_tradeoff` draws."""

    tried: PathCollection
    frontier: PathCollection
    chosen: Line2D
    default: Line2D
    floor: Line2D
    budget: Line2D


def joint_tradeoff(
    ax: Axes,
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    least: str,
    chosen: int,
    default: Mapping[str, float],
    floor: Mapping[str, float],
    most_cut: float,
) -> Display[JointArtists]:
    """Latency (x, s) against false boundaries per hold (y, %); the frontier's colour is money.

    `table`: of a joint search; `default`, `floor`: figures by name, of which the floor's latency is a line;
    `most_cut`: the budget of false boundaries, a line too.
    """
    rate_scale(ax)
    shown = table[np.isfinite(table[least])]
    tried = ax.scatter(shown[least], 100 * shown["false_boundary_rate"], s=5, color=LIGHT_GREY)
    tried.set_label(f"tried (n = {len(table):,})")
    best = table.iloc[list(frontier_rows)]
    money = ax.scatter(best[least], 100 * best["false_boundary_rate"], s=24, c=best[DOLLARS], cmap="viridis")
    money.set(label="frontier", zorder=3)
    row = table.iloc[chosen]
    star = point(ax, row[least], 100 * row["false_boundary_rate"], GREEN, "*", "chosen")
    rate = 100 * default.get("false_boundary_rate", np.nan)
    diamond = point(ax, default[least], rate, VERMILLION, "D", "LiveKit's default")
    line = floor_line(ax, floor[least])
    budget = ax.axhline(100 * most_cut, color=BLACK, linewidth=0.8, linestyle=":", label="budget")
    ax.set_xlabel(f"end of turn to the agent's first sound, {LABELS[least]} (s)")
    ax.set_ylabel(RATE_LABEL)
    ax.set_xlim(left=0)
    ax.legend(loc="upper right", fontsize=9, framealpha=0.95)
    return Display(table, ax, JointArtists(tried, money, star, diamond, line, budget))


def joint_figure(
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    least: str,
    chosen: int,
    default: Mapping[str, float],
    floor: Mapping[str, float],
    most_cut: float,
) -> Figure:
    """`joint_tradeoff` as a figure, with a scale of money."""
    figure = blank_figure((9, 5.5))
    ax = figure.add_subplot()
    drawn = joint_tradeoff(
        ax,
        table,
        frontier_rows,
        least=least,
        chosen=chosen,
        default=default,
        floor=floor,
        most_cut=most_cut,
    )
    figure.colorbar(drawn.artists.frontier, ax=ax, label="$ per 1,000 turns (LLM, TTS)")
    return figure

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
from ..style import BLACK, GREEN, GREY, LIGHT_GREY, VERMILLION, blank_figure
from ..sweeps import RATE_LABEL, floor_line, point, rate_scale

Figures = Mapping[str, tuple[float, float, float]]
"""By name: the value and the limits of its 95 % interval, NaN where one can't be told."""
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
    held_out: Line2D | None
    """The choice on other recordings, with its intervals; None if nothing is held out."""


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
    judged: Sequence[Figures] = (),
    held_out: Figures | None = None,
) -> Display[JointArtists]:
    """Latency (x, s) against false boundaries per hold (y, %); the frontier's colour is money.

    `table`: of a joint search; `default`, `floor`: figures by name, of which the floor's latency is a line;
    `most_cut`: the budget of false boundaries, a line too; `judged`: the frontier's figures with their
    intervals, which are drawn thinly; `held_out`: the choice's on other recordings.
    """
    rate_scale(ax)
    shown = table[np.isfinite(table[least])]
    tried = ax.scatter(shown[least], 100 * shown["false_boundary_rate"], s=5, color=LIGHT_GREY)
    best = table.iloc[list(frontier_rows)]
    money = ax.scatter(best[least], 100 * best["false_boundary_rate"], s=24, c=best[DOLLARS], cmap="viridis")
    money.set(label="frontier (95 % intervals)" if judged else "frontier", zorder=3)
    for one in judged:
        _cross(ax, one, least, GREY, 0.6)
    row = table.iloc[chosen]
    star = point(ax, row[least], 100 * row["false_boundary_rate"], GREEN, "*", "chosen")
    hollow = None
    if held_out is not None:
        _cross(ax, held_out, least, GREEN, 1.4)
        x, y = held_out[least][0], 100 * held_out["false_boundary_rate"][0]
        hollow = point(ax, x, y, "none", "*", "chosen, on other calls")
        hollow.set_markeredgecolor(GREEN)
    rate = 100 * default.get("false_boundary_rate", np.nan)
    diamond = point(ax, default[least], rate, VERMILLION, "D", "LiveKit's default")
    line = floor_line(ax, floor[least])
    budget = ax.axhline(100 * most_cut, color=BLACK, linewidth=0.8, linestyle=":", label="budget")
    ax.set_xlabel(f"end of turn to the agent's first sound, {LABELS[least]} (s)")
    ax.set_ylabel(RATE_LABEL)
    furthest = 1.1 * max(default[least], row[least], best[least].max(), *_highest(held_out, least))
    ax.set_xlim(0, furthest)
    beyond = int((table[least] > furthest).sum())
    tried.set_label(f"tried (n = {len(table):,}{f', {beyond:,} further right' if beyond else ''})")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=9, frameon=False)
    return Display(table, ax, JointArtists(tried, money, star, diamond, line, budget, hollow))


def _highest(of: Figures | None, least: str) -> list[float]:
    """The upper limit of the latency, if there is one."""
    return [] if of is None or np.isnan(of[least][2]) else [of[least][2]]


def _cross(ax: Axes, of: Figures, least: str, colour: str, width: float) -> None:
    """Both intervals of a configuration, each only if both of its limits can be told."""
    (x, *x_limits), (y, *y_limits) = of[least], of["false_boundary_rate"]
    for along, across in ((x_limits, [100 * y] * 2), ([x, x], [100 * limit for limit in y_limits])):
        if not np.isnan([*along, *across]).any():
            ax.plot(along, across, color=colour, linewidth=width, zorder=1)


def joint_figure(
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    *,
    least: str,
    chosen: int,
    default: Mapping[str, float],
    floor: Mapping[str, float],
    most_cut: float,
    judged: Sequence[Figures] = (),
    held_out: Figures | None = None,
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
        judged=judged,
        held_out=held_out,
    )
    figure.colorbar(drawn.artists.frontier, ax=ax, label="$ per 1,000 turns (LLM, TTS)")
    return figure

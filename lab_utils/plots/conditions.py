"""How settings hold on bad lines: false boundaries against latency, one mark per channel condition."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from ..turns.choose import Latency
from .display import Display
from .style import BLUE, GREEN, ORANGE, PURPLE, VERMILLION, blank_figure, in_legend, literal
from .sweeps import LATENCY_LABELS, RATE_LABEL, rate_scale

_MARKS = ((VERMILLION, "D"), (GREEN, "*"), (BLUE, "o"), (PURPLE, "s"), (ORANGE, "^"))


@dataclass(frozen=True)
class ChannelConditionArtists:
    """What `channel_condition_tradeoff` draws: a line for each setting, in the frame's order."""

    settings: tuple[Line2D, ...]
    legend: Legend


def channel_condition_tradeoff(
    ax: Axes, frame: pd.DataFrame, *, latency: Latency = "latency_mean"
) -> Display[ChannelConditionArtists]:
    """Latency (x, s) against false-boundary rate per hold (y, %) of each setting under each condition.

    `frame`: of `score_conditions`. A setting's marks are joined in the order given, which is no time order
    but shows how far they lie apart; each mark bears its condition's number, told in the legend.
    """
    rate_scale(ax)
    numbers = {line: k for k, line in enumerate(frame["channel_condition"].unique(), start=1)}
    lines: list[Line2D] = []
    for k, name in enumerate(frame["setting"].unique()):
        colour, marker = _MARKS[k % len(_MARKS)]
        own = frame[frame["setting"] == name]
        wide = own.pivot(index="channel_condition", columns="metric", values="value")
        wide = wide.loc[list(numbers)]
        x, y = wide[latency], 100 * wide["false_boundary_rate"]
        (drawn,) = ax.plot(
            x, y, color=colour, marker=marker, linewidth=0.8, linestyle=":", label=in_legend(str(name))
        )
        drawn.set(markersize=13 if marker == "*" else 8, label=in_legend(str(name)))
        lines.append(drawn)
        for line, number in numbers.items():
            if x[line] == x[line]:
                place = (x[line], y[line])
                ax.annotate(str(number), place, xytext=(6, 4), textcoords="offset points", fontsize=8)
    for line, number in numbers.items():
        ax.plot([], [], linestyle="", label=f"{number}  {literal(str(line))}")
    ax.set_xlim(left=0)
    ax.margins(x=0.15)
    ax.set_xlabel(LATENCY_LABELS[latency])
    ax.set_ylabel(RATE_LABEL)
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    legend = ax.legend(loc="upper right", fontsize=9)
    return Display(frame, ax, ChannelConditionArtists(tuple(lines), legend))


def channel_condition_figure(
    frame: pd.DataFrame, *, latency: Latency = "latency_mean", size_in: tuple[float, float] = (8.0, 5.0)
) -> Figure:
    """`channel_condition_tradeoff` on a figure of its own."""
    figure = blank_figure(size_in)
    channel_condition_tradeoff(figure.subplots(), frame, latency=latency)
    return figure

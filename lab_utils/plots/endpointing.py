"""What dynamic endpointing learned over one recording, pause by pause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from .display import Display
from .style import BLACK, BLUE, GREY, VERMILLION, blank_figure


@dataclass(frozen=True)
class LearningArtists:
    """What `learned_delays` draws."""

    delay: Line2D
    right: PathCollection
    wrong: PathCollection
    untold: PathCollection
    legend: Legend


def learned_delays(
    ax: Axes, table: pd.DataFrame, min_delay: float, max_delay: float, end_s: float
) -> Display[LearningArtists]:
    """The `min_delay` in force (s) over the recording's time (s), and each pause that it was learned from.

    `table`: `turns.metrics.lessons.lesson_table`; `end_s`: where the line ends. A pause stands where it was
    learned, at its length; wrong lessons are crosses.
    """
    steps = np.concatenate(([min_delay], np.minimum(table["after_s"].to_numpy(np.float64), max_delay)))
    times = np.concatenate(([0.0], table["at_s"].to_numpy(np.float64), [end_s]))
    delays = np.append(steps, steps[-1])
    (line,) = ax.plot(times, delays, drawstyle="steps-post", color=BLUE, linewidth=1.6)
    line.set_label("min_delay in force")

    def dots(chosen: pd.Series, colour: str, marker: str, text: str) -> PathCollection:
        part = table[chosen]
        drawn = ax.scatter(part["at_s"], part["pause_s"], s=36, color=colour, marker=marker, zorder=3)
        drawn.set_label(f"{text} (n = {len(part)})")
        return drawn

    told = table["what"] != ""
    right = dots(told & ~table["wrong"], BLACK, "o", "a pause inside a turn")
    wrong = dots(table["wrong"], VERMILLION, "X", "wrong lesson: no pause inside a turn")
    untold = dots(~told, GREY, ".", "no label tells")
    marked = table[table["wrong"]]
    for what, at_s, pause_s in zip(marked["what"], marked["at_s"], marked["pause_s"], strict=True):
        text = ax.annotate(what, (at_s, pause_s), xytext=(5, 4), textcoords="offset points")
        text.set(fontsize=8, color=VERMILLION)
    ax.set(xlabel="time (s)", ylabel="length of the pause; min_delay (s)", xlim=(0, end_s), ylim=(0, None))
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9, frameon=False)
    return Display(table, ax, LearningArtists(line, right, wrong, untold, legend))


def learned_delays_figure(
    table: pd.DataFrame,
    min_delay: float,
    max_delay: float,
    end_s: float,
    size_in: tuple[float, float] = (9.0, 4.0),
) -> Figure:
    """`learned_delays` on a figure of its own."""
    figure = blank_figure(size_in)
    learned_delays(figure.subplots(), table, min_delay, max_delay, end_s)
    return figure

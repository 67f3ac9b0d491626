"""A provider profile at a glance: each stage's median and 95th percentile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...session.providers.stages import Stage
from ..display import Display
from ..style import BLUE, GREY, VERMILLION, blank_figure, literal


@dataclass(frozen=True)
class StageDelayArtists:
    """What `stage_delays` draws: bars to p95, and dots at p50."""

    spread: LineCollection
    sourced: Line2D | None
    assumed: Line2D | None


def stage_delays(ax: Axes, stages: Sequence[Stage]) -> Display[StageDelayArtists]:
    """One row a stage, first on top: a dot at p50, a bar to p95 (x, ms); assumed figures are hollow."""
    rows = range(len(stages))
    p50 = [1000 * stage.delay.p50_s for stage in stages]
    p95 = [1000 * (stage.delay.p95_s or stage.delay.p50_s) for stage in stages]
    spread = ax.hlines(list(rows), p50, p95, color=BLUE, linewidth=4, alpha=0.45)
    dots: list[Line2D | None] = []
    for assumed, face in ((False, BLUE), (True, "white")):
        chosen = [row for row in rows if stages[row].origin.assumed == assumed]
        x = [p50[row] for row in chosen]
        dots += ax.plot(x, chosen, "o", color=BLUE, markerfacecolor=face, zorder=3) if chosen else [None]
    for row, stage in enumerate(stages):
        words = f"{p50[row]:.0f}" if stage.delay.p95_s is None else f"{p50[row]:.0f} / {p95[row]:.0f}"
        ax.annotate(
            words, (p95[row], row), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5,
            color=VERMILLION if stage.origin.assumed else GREY,
        )  # fmt: skip
    ax.set_yticks(list(rows), [stage.does for stage in stages])
    ax.set_ylim(len(stages) - 0.5, -0.5)
    ax.set_xlim(0, 1.18 * max(p95, default=1.0))
    ax.set_xlabel("delay (ms): p50 to p95 of a log-normal; constant without a p95")
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    return Display(tuple(stages), ax, StageDelayArtists(spread, dots[0], dots[1]))


def provider_figure(name: str, stages: Sequence[Stage], size_in: tuple[float, float] = (8.0, 4.4)) -> Figure:
    """`stage_delays` of a profile with title and key."""
    figure = blank_figure(size_in)
    ax = figure.subplots()
    artists = stage_delays(ax, stages).artists
    named = {"p50, from a source": artists.sourced, "p50, assumed": artists.assumed, "to p95": artists.spread}
    drawn = {text: artist for text, artist in named.items() if artist is not None}
    ax.legend(list(drawn.values()), list(drawn), loc="lower right", fontsize=9)
    ax.set_title(f"provider profile {literal(name)}", loc="left", fontsize=10)
    return figure

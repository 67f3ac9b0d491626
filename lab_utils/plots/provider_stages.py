"""A provider profile at a glance: each stage's median and 95th percentile."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..session.providers.stages import Stage
from .style import BLUE, GREY, VERMILLION, blank_figure


def stage_delays(ax: Axes, stages: Sequence[Stage]) -> dict[str, Artist]:
    """One row a stage, first on top: a dot at p50, a bar to p95 (x, ms); assumed figures are hollow.

    Artists: "spread", and "sourced" and "assumed" dots (missing if there are none).
    """
    rows = range(len(stages))
    p50 = [1000 * stage.delay.p50_s for stage in stages]
    p95 = [1000 * (stage.delay.p95_s or stage.delay.p50_s) for stage in stages]
    artists: dict[str, Artist] = {
        "spread": ax.hlines(list(rows), p50, p95, color=BLUE, linewidth=4, alpha=0.45)
    }
    for name, assumed, face in (("sourced", False, BLUE), ("assumed", True, "white")):
        chosen = [row for row in rows if stages[row].origin.assumed == assumed]
        if chosen:
            (artists[name],) = ax.plot(
                [p50[row] for row in chosen], chosen, "o", color=BLUE, markerfacecolor=face, zorder=3
            )
    for row, stage in enumerate(stages):
        spread = f"{p50[row]:.0f}" if stage.delay.p95_s is None else f"{p50[row]:.0f} / {p95[row]:.0f}"
        ax.annotate(
            spread, (p95[row], row), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5,
            color=VERMILLION if stage.origin.assumed else GREY,
        )  # fmt: skip
    ax.set_yticks(list(rows), [stage.does for stage in stages])
    ax.set_ylim(len(stages) - 0.5, -0.5)
    ax.set_xlim(0, 1.18 * max(p95, default=1.0))
    ax.set_xlabel("delay (ms): p50 to p95 of a log-normal; constant without a p95")
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    return artists


def provider_figure(name: str, stages: Sequence[Stage], size_in: tuple[float, float] = (8.0, 4.4)) -> Figure:
    """`stage_delays` of a profile with title and key."""
    figure = blank_figure(size_in)
    ax = figure.subplots()
    artists = stage_delays(ax, stages)
    words = {"sourced": "p50, from a source", "assumed": "p50, assumed", "spread": "to p95"}
    shown = [key for key in words if key in artists]
    ax.legend([artists[key] for key in shown], [words[key] for key in shown], loc="lower right", fontsize=9)
    ax.set_title(f"provider profile {name}", loc="left", fontsize=10)
    return figure

"""How long holds are: what was seen, and what is estimated with those that the recorded agent cut off."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..recordings.labels.hold_lengths import HoldLengths
from .style import BLUE, VERMILLION, blank_figure


def hold_curves(ax: Axes, lengths: HoldLengths) -> dict[str, Artist]:
    """Length (x, s) against the share of holds that are longer (y, %), naive and estimated.

    A tick on the estimated curve marks where each cut-off pause was cut off. Artists by curve, "cut" and
    "legend".
    """
    artists: dict[str, Artist] = {}
    x = np.concatenate(([0.0], lengths.length_s))
    for name, share, colour, text in (
        ("naive", lengths.naive, BLUE, f"as seen: the {lengths.holds} holds that came to their end"),
        (
            "estimated",
            lengths.estimated,
            VERMILLION,
            f"with the {lengths.cut_offs} that the recorded agent cut off (at least)",
        ),
    ):
        y = 100 * np.concatenate(([1.0] if lengths.holds else [np.nan], share))
        (artists[name],) = ax.plot(x, y, drawstyle="steps-post", color=colour, linewidth=1.5, label=text)
    shares = [100 * lengths.longer_than(float(one))[1] for one in lengths.cut_s]
    (artists["cut"],) = ax.plot(
        lengths.cut_s, shares, linestyle="", marker="|", markersize=9, color=VERMILLION, label="cut off here"
    )
    ax.set_title("How long callers pause inside a turn", fontsize=10)
    ax.set_xlim(left=0)
    ax.set_ylim(0, 102)
    ax.set_xlabel("length of the hold (s)")
    ax.set_ylabel("holds that are longer (%)")
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    artists["legend"] = ax.legend(loc="upper right", fontsize=9)
    return artists


def hold_lengths_figure(lengths: HoldLengths, *, size_in: tuple[float, float] = (7.0, 4.0)) -> Figure:
    """`hold_curves` on a figure of its own."""
    figure = blank_figure(size_in)
    hold_curves(figure.subplots(), lengths)
    return figure

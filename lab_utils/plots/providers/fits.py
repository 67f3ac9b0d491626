"""Measured latencies of each stage and the log-normal fitted to them: one panel each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from ..display import Display
from ..style import BLUE, GREY, ORANGE, VERMILLION, blank_figure

if TYPE_CHECKING:
    from ...latency.fitting import Fit, StageFit

STAGE_TITLES = {
    "stt.final": "STT: end of speech to final transcript",
    "large.ttft": "LLM: request to first token",
    "small.ttft": "small LLM: request to first token",
    "tts.first_audio": "TTS: text to first audio",
}
TICKS = (1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class PercentileArtists:
    """A percentile of the fit: its mark, its 95 % interval as a bar at that height, its figures in words."""

    mark: Line2D
    interval: LineCollection
    text: Annotation


@dataclass(frozen=True)
class StageFitArtists:
    """What `stage_fit` draws."""

    measured: Line2D
    fitted: Line2D
    p50: PercentileArtists
    p95: PercentileArtists
    text: Text


def stage_fit(ax: Axes, fitted: StageFit) -> Display[StageFitArtists]:
    """Share of the turns (y, %) up to each latency (x, s, logarithmic): measured steps, fitted curve."""
    measured = ax.ecdf(fitted.seconds, color=BLUE, linewidth=1.8, label="measured")
    x, share = fitted.curve()
    (curve,) = ax.plot(x, share, color=ORANGE, linewidth=1.8, linestyle="--", label="log-normal, fitted")
    delay = fitted.delay
    p50 = _percentile(ax, "p50", 0.5, delay.p50_s, fitted.p50_interval_s, "o")
    p95 = _percentile(ax, "p95", 0.95, delay.p95_s or delay.p50_s, fitted.p95_interval_s, "D")
    badly = "" if fitted.log_normal else "\nnot log-normal"
    text = ax.text(
        0.98, 0.04,
        f"n = {fitted.n}\nKS distance {fitted.ks:.3f}\n(19 of 20 below {fitted.ks_limit:.3f}){badly}",
        transform=ax.transAxes, ha="right", va="bottom", fontsize=8.5,
        color=GREY if fitted.log_normal else VERMILLION,
    )  # fmt: skip
    _frame(ax, fitted, (x[0], x[-1]))
    return Display(fitted, ax, StageFitArtists(measured, curve, p50, p95, text))


def _percentile(
    ax: Axes, name: str, height: float, at_s: float, interval_s: tuple[float, float], marker: str
) -> PercentileArtists:
    low_s, high_s = interval_s
    interval = ax.hlines(height, low_s, high_s, color=VERMILLION, linewidth=3.2, zorder=3, alpha=0.8)
    (mark,) = ax.plot([at_s], [height], marker, color=VERMILLION, markersize=6)
    mark.set(markeredgecolor="white", zorder=4)
    # Left of its mark and above, where a distribution function never is.
    text = ax.annotate(
        f"{name} {1000 * at_s:.0f} ms\n({1000 * low_s:.0f}–{1000 * high_s:.0f})", (low_s, height),
        xytext=(-8, 2), textcoords="offset points", ha="right", va="center", fontsize=8.5,
        color=VERMILLION, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
    )  # fmt: skip
    return PercentileArtists(mark, interval, text)


def _frame(ax: Axes, fitted: StageFit, ends_s: Sequence[float]) -> None:
    ax.set_xscale("log")
    ax.set_xlim(ends_s[0], ends_s[1])
    ax.xaxis.set_major_locator(LogLocator(10, TICKS))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(0.0, 1.06)
    ax.set_xlabel("latency (s)")
    ax.set_ylabel("share of turns up to this latency")
    ax.set_title(STAGE_TITLES[fitted.stage], loc="left", fontsize=10)
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)


def fit_figure(fitted: Fit, size_in: tuple[float, float] | None = None) -> Figure:
    """`stage_fit` of every stage, side by side."""
    n = len(fitted.stages)
    figure = blank_figure(size_in or (max(4.6 * n, 5.8), 4.2))
    axes = figure.subplots(1, n, squeeze=False)[0]
    for ax, stage in zip(axes, fitted.stages, strict=True):
        artists = stage_fit(ax, stage).artists
        if ax is not axes[0]:
            ax.set_ylabel("")
    handles = [artists.measured, artists.fitted, artists.p95.interval]
    labels = ["measured", "log-normal, fitted", "p50 and p95 of the fit, 95 % interval"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure

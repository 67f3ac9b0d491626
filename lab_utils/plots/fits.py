"""Measured latencies of each stage and the log-normal fitted to them: one panel each."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from ..latency.fitting import Fit, StageFit
from .style import BLUE, GREY, ORANGE, VERMILLION, blank_figure

STAGE_TITLES = {
    "stt.final": "STT: end of speech to final transcript",
    "large.ttft": "LLM: request to first token",
    "small.ttft": "small LLM: request to first token",
    "tts.first_audio": "TTS: text to first audio",
}
TICKS = (1.0, 2.0, 3.0, 5.0)


def stage_fit(ax: Axes, fitted: StageFit) -> dict[str, Artist]:
    """Share of the turns (y, %) up to each latency (x, s, logarithmic): measured steps, fitted curve.

    Artists: "measured", "fitted", and for p50 and p95 of the fit "p50", "p95" with their 95 % intervals
    "p50_interval", "p95_interval" as bars at that height.
    """
    artists: dict[str, Artist] = {}
    artists["measured"] = ax.ecdf(fitted.seconds, color=BLUE, linewidth=1.8, label="measured")
    x, share = fitted.curve()
    (artists["fitted"],) = ax.plot(
        x, share, color=ORANGE, linewidth=1.8, linestyle="--", label="log-normal, fitted"
    )
    delay = fitted.delay
    marks = {
        "p50": (0.5, delay.p50_s, fitted.p50_interval_s, "o"),
        "p95": (0.95, delay.p95_s or delay.p50_s, fitted.p95_interval_s, "D"),
    }
    for name, (height, at_s, (low_s, high_s), marker) in marks.items():
        artists[f"{name}_interval"] = ax.hlines(
            height, low_s, high_s, color=VERMILLION, linewidth=3.2, zorder=3, alpha=0.8
        )
        (artists[name],) = ax.plot(
            [at_s], [height], marker, color=VERMILLION, markersize=6, markeredgecolor="white", zorder=4
        )
        # Left of its mark and above, where a distribution function never is.
        artists[f"{name}_text"] = ax.annotate(
            f"{name} {1000 * at_s:.0f} ms\n({1000 * low_s:.0f}–{1000 * high_s:.0f})", (low_s, height),
            xytext=(-8, 2), textcoords="offset points", ha="right", va="center", fontsize=8.5,
            color=VERMILLION, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
        )  # fmt: skip
    badly = "" if fitted.log_normal else "\nnot log-normal"
    artists["text"] = ax.text(
        0.98, 0.04,
        f"n = {fitted.n}\nKS distance {fitted.ks:.3f}\n(19 of 20 below {fitted.ks_limit:.3f}){badly}",
        transform=ax.transAxes, ha="right", va="bottom", fontsize=8.5,
        color=GREY if fitted.log_normal else VERMILLION,
    )  # fmt: skip
    _frame(ax, fitted, (x[0], x[-1]))
    return artists


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
        artists = stage_fit(ax, stage)
        if ax is not axes[0]:
            ax.set_ylabel("")
    handles = [artists["measured"], artists["fitted"], artists["p95_interval"]]
    labels = ["measured", "log-normal, fitted", "p50 and p95 of the fit, 95 % interval"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure

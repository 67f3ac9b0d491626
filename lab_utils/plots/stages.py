"""Where the time of each reply went: one stacked bar each, from the user's last speech to the first audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.session_log import SessionLog
from ..core.stages import STAGES
from ..session.metrics.stages import VISIBLE, stage_summary, stage_table, visible
from .session_figures import named, session_title
from .style import BLACK, BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, PURPLE, VERMILLION, YELLOW, blank_figure

STAGE_NAMES = {stage.name: stage.words for stage in STAGES if stage.in_sum} | {"other": "other"}
STAGE_COLOURS = dict(zip(VISIBLE, (BLUE, YELLOW, PURPLE, GREEN, ORANGE, LIGHT_GREY), strict=True))
TEXT_ROWS = 40
"""Totals are written out, and every reply is named, if there are no more replies than this."""
HATCHES = {"other": "////"}
BAR = 0.72
CROSS = "\N{MULTIPLICATION X}"
"""Marks a reply that was interrupted."""
Drawn = Artist | BarContainer


def stage_bars(ax: Axes, table: pd.DataFrame, title: str = "") -> dict[str, Drawn]:
    """One bar per reply of a `metrics.stage_table`, the first on top; x: seconds after the last speech.

    The stages end at the total (black stroke); what ran behind the wait for the end of turn follows it as an
    empty dashed bar; a white line inside the end of turn marks the final transcript. Vertical lines: p50 and
    p95. Replies without a total are named and have no bar. "other" stands after the stages: where in between
    it passed is not known.
    """
    rows = np.arange(len(table), dtype=np.float64)
    artists: dict[str, Drawn] = {}
    parts = visible(table)
    left = np.zeros(len(table))
    for name in VISIBLE:
        width = parts[name].to_numpy(np.float64)
        known = np.isfinite(width) & (width > 0)
        if known.any():
            artists[name] = ax.barh(
                rows[known], width[known], BAR, left=left[known], color=STAGE_COLOURS[name],
                edgecolor="white", linewidth=0.5, hatch=HATCHES.get(name), label=STAGE_NAMES[name],
            )  # fmt: skip
        left = left + np.where(known, width, 0.0)
    artists |= _totals(ax, table, rows)
    final = table["transcription_delay"].to_numpy(np.float64)
    inside = np.isfinite(final) & table["e2e_latency"].notna().to_numpy() & (final > 0)
    artists["final"] = ax.vlines(
        final[inside], rows[inside] - BAR / 2, rows[inside] + BAR / 2, color="white", linewidth=1.4, zorder=3
    )
    artists |= _percentiles(ax, table)
    _frame(ax, table)
    artists["title"] = ax.set_title(title, loc="left", fontsize=10, pad=18)
    return artists


def _totals(ax: Axes, table: pd.DataFrame, rows: np.ndarray) -> dict[str, Drawn]:
    """A stroke at each total, what was saved beyond it, and the figures in words."""
    total, saved = (table[name].to_numpy(np.float64) for name in ("e2e_latency", "saved"))
    heard = np.isfinite(total)
    artists: dict[str, Drawn] = {
        "totals": ax.vlines(
            total[heard], rows[heard] - 0.46, rows[heard] + 0.46, color=BLACK, linewidth=2.2, zorder=4
        )
    }
    less = heard & (saved > 0)
    if less.any():
        artists["saved"] = ax.barh(
            rows[less],
            saved[less],
            0.6 * BAR,
            left=total[less],
            facecolor="none",
            edgecolor=GREY,
            linestyle="--",
        )
    if len(table) <= TEXT_ROWS:
        texts = [_words(*one) for one in zip(total, saved, table["missing"], strict=True)]
        ends = np.where(heard, total + np.where(less, saved, 0.0), 0.0)
        for row, x, text, known in zip(rows, ends, texts, heard, strict=True):
            artists[f"text_{row:.0f}"] = ax.annotate(
                text, (x, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.5,
                zorder=6, color=BLACK if known else GREY,
                bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.6},
            )  # fmt: skip
    return artists


def _words(total_s: float, saved_s: float, missing: str) -> str:
    """What stands beside a bar: the total, what was saved, and which stages LiveKit did not report."""
    notes = [f"{saved_s:.2f} saved"] if saved_s >= 0.005 else []
    if missing:
        notes.append(
            "not reported: " + ", ".join(STAGE_NAMES[name].split(",")[0] for name in missing.split())
        )
    return ("no total" if np.isnan(total_s) else f"{total_s:.2f}") + (
        f" ({'; '.join(notes)})" if notes else ""
    )


def _percentiles(ax: Axes, table: pd.DataFrame) -> dict[str, Drawn]:
    """p50 and p95 of the total, named above the axes on either side of their lines."""
    total = stage_summary(table).loc["e2e_latency"].to_dict()
    artists: dict[str, Drawn] = {}
    if not total["n"]:
        return artists
    for name, style, side, shift in (("p50", "-", "right", -2), ("p95", "--", "left", 2)):
        x = total[name]
        artists[name] = ax.axvline(x, color=VERMILLION, linestyle=style, linewidth=1.2, zorder=3.5)
        artists[f"{name}_text"] = ax.annotate(
            f"{name} {x:.2f} s", (x, 1.0), xycoords=ax.get_xaxis_transform(), xytext=(shift, 3),
            textcoords="offset points", ha=side, va="bottom", color=VERMILLION, fontsize=9,
        )  # fmt: skip
    return artists


def _frame(ax: Axes, table: pd.DataFrame) -> None:
    """Scales, names of the replies, grid."""
    n = len(table)
    names = [
        f"{int(k) + 1}: at {t:.1f} s" + (f" {CROSS}" if cut else "")
        for k, t, cut in zip(table["reply"], table["commit_s"], table["interrupted"], strict=True)
    ]
    step = 1 if n <= TEXT_ROWS else 5
    ax.set_yticks(np.arange(0, n, step), names[::step], fontsize=8.5)
    ax.set_ylim(max(n, 1) - 0.4, -0.6)
    ax.set_ylabel("reply: time of its commit")
    ax.set_xlabel("time after the user's last speech (s)")
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    if not n:
        ax.text(0.5, 0.5, "no replies", transform=ax.transAxes, ha="center", va="center", color=GREY)


def latency_figure(
    logs: SessionLog | Sequence[SessionLog],
    names: Sequence[str] | None = None,
    size_in: tuple[float, float] | None = None,
) -> Figure:
    """`stage_bars` of one or several logs side by side on one scale; `names` head them."""
    pairs = named(logs, names)
    tables = [stage_table(log) for log, _ in pairs]
    n = max(len(table) for table in tables)
    size_in = size_in or (5.2 * len(pairs) if len(pairs) > 1 else 9.0, min(max(2.6, 1.6 + 0.27 * n), 12.0))
    figure = blank_figure(size_in)
    axes = figure.subplots(1, len(pairs), sharex=True, squeeze=False)[0]
    drawn: dict[str, Drawn] = {}
    width = 56 if len(pairs) > 1 else 100
    for ax, table, (log, name) in zip(axes, tables, pairs, strict=True):
        title = session_title(log, width=width)
        bars = stage_bars(ax, table, f"{name}\n{title}" if name else title)
        drawn = bars | drawn
        if log.failure:
            ax.set_title(ax.get_title(loc="left"), loc="left", fontsize=10, pad=18, color=VERMILLION)
    ends = [(t["e2e_latency"] + t["saved"]).max() for t in tables if t["e2e_latency"].notna().any()]
    axes[0].set_xlim(0, (1.3 if len(pairs) == 1 else 1.4) * max([*ends, 0.5]))
    stage_legend(figure, drawn, interrupted=any(table["interrupted"].any() for table in tables))
    return figure


def stage_legend(figure: Figure, drawn: dict[str, Drawn], interrupted: bool = False) -> Artist:
    """What the colours and strokes that occur mean, in one strip below the axes."""
    handles: list[Patch | Line2D] = [
        Patch(
            facecolor=STAGE_COLOURS[name],
            edgecolor="white",
            hatch=HATCHES.get(name),
            label=text,
        )
        for name, text in STAGE_NAMES.items()
        if name in drawn
    ]
    if "saved" in drawn:
        handles.append(
            Patch(facecolor="none", edgecolor=GREY, linestyle="--", label="saved: ran during the wait")
        )
    if "p50" in drawn:
        for text, colour, line, size, edge in (
            ("total (e2e_latency)", "none", 0, 11, BLACK),
            ("final transcript", BLUE, 7, 9, "white"),
        ):
            handle = Line2D([], [], color=colour, linewidth=line, marker="|", markersize=size, label=text)
            handle.set(markeredgecolor=edge, markeredgewidth=1.8)
            handles.append(handle)
    if interrupted:
        cross = Line2D([], [], color="none", marker="x", markersize=6, label="reply was interrupted")
        cross.set(markeredgecolor=BLACK)
        handles.append(cross)
    return figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)

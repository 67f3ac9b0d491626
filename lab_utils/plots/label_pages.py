"""A page on which labels are checked by eye: one row each, its sound at the left, its words at the right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from ..core.labels import LABEL_KINDS, LabelKind, Labels
from ..core.recording import Pcm, Recording
from ..core.sound import envelope
from ..core.timeline import SAMPLE_RATE_HZ
from ..recordings.labels.checks import LabelCheck
from .display import Display
from .recordings import LABEL_COLOURS, LABEL_NAMES
from .style import BLACK, GREY, VERMILLION, blank_figure

AROUND_S = 1.5
"""Shown before a label and, at least, after it."""
LONGEST_S = 4.0
"""Of a longer label only the beginning is seen."""
UNSURE_BELOW = 0.9
"""Confidence below which a label is pointed at."""
LINE_WIDTH = 68


@dataclass(frozen=True)
class LabelStripArtists:
    """What `label_strip` draws."""

    user: PolyCollection
    agent: PolyCollection | None
    label: PolyCollection
    frame: Line2D
    others: tuple[PolyCollection, ...]


@dataclass(frozen=True)
class LabelWordsArtists:
    """What `label_words` writes."""

    head: Text
    confidence: Text
    words: Text
    reason: Text


def label_strip(
    ax: Axes, recording: Recording, check: LabelCheck, labels: Labels, ahead_s: float
) -> Display[LabelStripArtists]:
    """Who is heard around a label: the user above, the agent below; seconds count from the label's start.

    Its own silence is a framed band; the other labels in view are paler bands without a frame.
    """
    start_s = check.label.start_s
    span = (start_s - AROUND_S, start_s + ahead_s)
    user = _waveform(ax, recording.user, span, start_s, 1.0, "#333333")
    agent = None
    if recording.agent is not None:
        agent = _waveform(ax, recording.agent, span, start_s, -1.0, "#999999")
    others = tuple(
        ax.broken_barh(
            [(other.start_s - start_s, other.end_s - other.start_s)],
            (0.02, 1.96),
            zorder=0.4,
            **_band_style(other.kind, 0.25),
        )
        for other in labels.labels
        if other != check.label and other.end_s >= span[0] and other.start_s <= span[1]
    )
    own = [(0.0, max(check.label.end_s - start_s, 0.02))]  # from 0, so that the length is the end
    label = ax.broken_barh(own, (-2.0, 4.0), zorder=0.6, **_band_style(check.label.kind, 0.5))
    (frame,) = ax.plot(
        np.array(own[0])[[0, 0, 1, 1, 0]], [-2.0, 2.0, 2.0, -2.0, -2.0], color=BLACK, linewidth=1.0, zorder=3
    )
    ax.set_xlim(-AROUND_S, ahead_s)
    ax.set_ylim(-2.05, 2.05)
    ax.set_yticks([1, -1], ["user", "agent"], fontsize=7)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return Display(check, ax, LabelStripArtists(user, agent, label, frame, others))


def _waveform(
    ax: Axes, pcm: Pcm, span: tuple[float, float], start_s: float, middle: float, colour: str
) -> PolyCollection:
    shape = envelope(pcm, SAMPLE_RATE_HZ, 0.0, span, columns=600)
    first, last = (max(0, round(at_s * SAMPLE_RATE_HZ)) for at_s in span)
    scale = 0.95 / max(300.0, float(np.abs(pcm[first:last].astype(np.float64)).max(initial=0.0)))
    low, high = middle + scale * shape.low, middle + scale * shape.high
    return ax.fill_between(shape.time_s - start_s, low, high, color=colour, linewidth=0.4)


def label_words(ax: Axes, check: LabelCheck) -> Display[LabelWordsArtists]:
    """What a label is, what is said before and after it, and why it was given; an axes without frame."""
    label = check.label
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    length_s = label.end_s - label.start_s
    head = f"{check.number}   {label.start_s:.2f} s   {LABEL_NAMES[label.kind]}, {length_s:.2f} s"
    sure = "corrected by hand" if label.edited else f"confidence {label.confidence:.2f}"
    unsure = not label.edited and label.confidence < UNSURE_BELOW
    shown = f"\N{BLACK RIGHT-POINTING TRIANGLE} {sure}" if unsure else sure
    return Display(
        check,
        ax,
        LabelWordsArtists(
            head=ax.text(0.0, 0.98, head, va="top", fontsize=9, weight="bold"),
            confidence=ax.text(
                0.98, 0.98, shown, va="top", ha="right", fontsize=9, color=VERMILLION if unsure else BLACK,
                weight="bold" if unsure else "normal",
            ),
            words=ax.text(0.0, 0.68, _said(check), va="top", fontsize=8.5, linespacing=1.1, parse_math=False),
            reason=ax.text(
                0.0, 0.0, _fitting(label.reason, 84), va="bottom", fontsize=7.5, color=GREY, parse_math=False
            ),
        ),
    )  # fmt: skip


def label_page(
    recording: Recording,
    labels: Labels,
    checks: Sequence[LabelCheck],
    title: str = "",
    width_in: float = 10.0,
) -> Figure:
    """Some labels of a recording, one row each, on a common scale of time."""
    figure = blank_figure((width_in, 0.9 + 0.72 * len(checks)))
    longest_s = max((check.label.end_s - check.label.start_s for check in checks), default=0.0)
    ahead_s = min(longest_s, LONGEST_S) + AROUND_S
    grid = figure.subplots(len(checks), 2, squeeze=False, width_ratios=(1, 1.12))
    for check, (strip, words) in zip(checks, grid, strict=True):
        label_strip(strip, recording, check, labels, ahead_s)
        label_words(words, check)
        strip.tick_params(labelbottom=False)
    if checks:
        grid[-1, 0].tick_params(labelbottom=True)
        grid[-1, 0].set_xlabel("seconds from the end of the user's speech (framed: the label)", fontsize=9)
    kinds = [kind for kind in LABEL_KINDS if len(labels.of_kind(kind))]
    handles = [Patch(label=LABEL_NAMES[kind], **_band_style(kind, 0.5)) for kind in kinds]
    figure.legend(handles=handles, loc="outside upper right", ncols=4, fontsize=9, frameon=False)
    figure.suptitle(title or recording.name, x=0.01, ha="left", fontsize=10, parse_math=False)
    return figure


def _band_style(kind: LabelKind, alpha: float) -> dict[str, Any]:
    """Ends of turn are hatched, so that they can be told from holds without colour."""
    colour = LABEL_COLOURS[kind]
    return {
        "facecolor": (colour, alpha),
        "edgecolor": (colour, min(1.0, 2 * alpha)),
        "hatch": "////" if kind == "shift" else None,
        "linewidth": 0.0,
    }


def _said(check: LabelCheck) -> str:
    gap = f"[{check.label.end_s - check.label.start_s:.2f} s]"
    before = check.before or "(no words known)"
    after = check.after or "(no words known)"
    if check.speaker_after == "agent":
        return f"user: {_tail(before)} {gap}\nagent: {_fitting(after, LINE_WIDTH)}"
    text = f"user: … {before} {gap} {after} …"
    return "\n".join(textwrap.wrap(text, LINE_WIDTH, max_lines=2, placeholder=" …"))


def _fitting(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …") if text else ""


def _tail(text: str) -> str:
    """The end of a text, as much as one line holds."""
    room = LINE_WIDTH - 10
    return text if len(text) <= room else "… " + text[-room:].split(" ", 1)[-1]

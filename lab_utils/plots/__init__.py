"""Pictures of records: the trade-off of a sweep, and the timeline of one recording.

A primitive (`tradeoff`, `mark`, `timeline`, …) draws on given axes and returns its artists; a composer
(`*_figure`) makes the figure, without pyplot, so that no backend or style is touched. Figures are sized to be
read at 100 % in a notebook. Colours: Okabe and Ito's, told apart by colour-blind readers too.
"""

from .ink import DPI, Layers, blank_figure, png
from .recordings import (
    Envelope,
    LiveTimeline,
    decisions,
    envelope,
    timeline,
    timeline_axes,
    timeline_figure,
    timeline_legend,
    timeline_title,
)
from .sweeps import LiveTradeoff, mark, tradeoff, tradeoff_figure

__all__ = [
    "DPI",
    "Envelope",
    "Layers",
    "LiveTimeline",
    "LiveTradeoff",
    "blank_figure",
    "decisions",
    "envelope",
    "mark",
    "png",
    "timeline",
    "timeline_axes",
    "timeline_figure",
    "timeline_legend",
    "timeline_title",
    "tradeoff",
    "tradeoff_figure",
]

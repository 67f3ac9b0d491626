"""Pictures of records: sweeps, timelines of recordings and sessions, latencies.

A primitive (`tradeoff`, `mark`, `timeline`, …) draws on given axes and returns its artists; a composer
(`*_figure`) makes the figure, without pyplot, so that no backend or style is touched. Figures are sized to be
read at 100 % in a notebook. Colours: Okabe and Ito's, told apart by colour-blind readers too.
"""

from .ablation import saving_dumbbells, savings_figure, stack_waterfall, waterfall_figure
from .agg.raster import png
from .barge_in import barge_in_figure, barge_in_tradeoff
from .conditions import channel_condition_figure, channel_condition_tradeoff
from .detectors import frontiers, frontiers_figure, reliability, reliability_figure
from .endpointing import learned_delays, learned_delays_figure
from .hold_lengths import hold_curves, hold_lengths_figure
from .label_pages import label_page, label_strip, label_words
from .picture import Picture
from .providers.fits import fit_figure, stage_fit
from .providers.joint import joint_figure, joint_tradeoff
from .providers.provider_stages import provider_figure, stage_delays
from .recordings import (
    decisions,
    timeline,
    timeline_axes,
    timeline_figure,
    timeline_legend,
    timeline_title,
)
from .session_figures import session_figure, session_legend, session_title, time_rows
from .sessions import session_timeline
from .stages import latency_figure, stage_bars, stage_legend
from .style import DPI, blank_figure
from .sweeps import listener_figure, mark, tradeoff, tradeoff_figure

__all__ = [
    "DPI",
    "Picture",
    "barge_in_figure",
    "barge_in_tradeoff",
    "blank_figure",
    "channel_condition_figure",
    "channel_condition_tradeoff",
    "decisions",
    "fit_figure",
    "frontiers",
    "frontiers_figure",
    "hold_curves",
    "hold_lengths_figure",
    "joint_figure",
    "joint_tradeoff",
    "label_page",
    "label_strip",
    "label_words",
    "latency_figure",
    "learned_delays",
    "learned_delays_figure",
    "listener_figure",
    "mark",
    "png",
    "provider_figure",
    "reliability",
    "reliability_figure",
    "saving_dumbbells",
    "savings_figure",
    "session_figure",
    "session_legend",
    "session_timeline",
    "session_title",
    "stack_waterfall",
    "stage_bars",
    "stage_delays",
    "stage_fit",
    "stage_legend",
    "time_rows",
    "timeline",
    "timeline_axes",
    "timeline_figure",
    "timeline_legend",
    "timeline_title",
    "tradeoff",
    "tradeoff_figure",
    "waterfall_figure",
]

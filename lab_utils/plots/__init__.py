"""Pictures of records: sweeps, timelines of recordings and sessions, latencies.

A primitive (`tradeoff`, `mark`, `timeline`, …) draws on given axes and returns its artists; a composer
(`*_figure`) makes the figure, without pyplot, so that no backend or style is touched. Figures are sized to be
read at 100 % in a notebook. Colours: Okabe and Ito's, told apart by colour-blind readers too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_NAMES = {
    "ablation": (
        "saving_dumbbells",
        "savings_figure",
        "stack_waterfall",
        "waterfall_figure",
    ),
    "agg.raster": ("png",),
    "barge_in": (
        "barge_in_figure",
        "barge_in_tradeoff",
    ),
    "conditions": (
        "channel_condition_figure",
        "channel_condition_tradeoff",
    ),
    "detectors": (
        "frontiers",
        "frontiers_figure",
        "reliability",
        "reliability_figure",
    ),
    "endpointing": (
        "learned_delays",
        "learned_delays_figure",
    ),
    "hold_lengths": (
        "hold_curves",
        "hold_lengths_figure",
    ),
    "label_pages": (
        "label_page",
        "label_strip",
        "label_words",
    ),
    "picture": ("Picture",),
    "providers.fits": (
        "fit_figure",
        "stage_fit",
    ),
    "providers.joint": (
        "joint_figure",
        "joint_tradeoff",
    ),
    "providers.provider_stages": (
        "provider_figure",
        "stage_delays",
    ),
    "recordings": (
        "decisions",
        "timeline",
        "timeline_axes",
        "timeline_figure",
        "timeline_legend",
        "timeline_title",
    ),
    "session_figures": (
        "session_figure",
        "session_legend",
        "session_title",
        "time_rows",
    ),
    "sessions": ("session_timeline",),
    "stages": (
        "latency_figure",
        "stage_bars",
        "stage_legend",
    ),
    "style": (
        "DPI",
        "blank_figure",
    ),
    "sweeps": (
        "listener_figure",
        "mark",
        "tradeoff",
        "tradeoff_figure",
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

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


def __getattr__(name: str) -> Any:
    """A name, with its module imported when it is first asked for (PEP 562): most commands draw one kind."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

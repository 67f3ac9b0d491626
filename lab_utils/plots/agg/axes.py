"""Axes whose ticks are drawn without objects for each.

Matplotlib makes five artists for a tick and measures each label, which takes longer than to draw all that a
session holds. Here an axis draws its marks as one path, and its labels one by one with the same text. So it
doesn't know how much room they take: `label_at` says where the axis's own label stands.

That is for ticks as they are drawn here. Whoever asks for more of them, as with `tick_params(colors="red")`,
`minorticks_on` or `get_xticklabels`, gets matplotlib's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams, rcParamsDefault
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Affine2D, ScaledTranslation, Transform

from ..style import BLACK

MARK_PT, PAD_PT, LINE_PT, NAME_SIZE = 3.5, 3.5, 0.8, "medium"
"""Length of a mark, from there to its name, width of lines, size of names; unless `tick_params` says else."""
QUICKLY_DRAWN = {"gridOn", "grid_color", "grid_linewidth", "length", "labelsize"}
"""What `tick_params` may set, besides where ticks and their names are."""
OWN_STYLE = {
    name: value for name, value in rcParamsDefault.items() if name.startswith(("xtick.", "ytick.", "grid."))
}
"""Matplotlib's settings of ticks, unless the user has others."""


class QuickAxes(Axes):
    """Axes with marks and labels below and on the left, and with grid lines where they are switched on."""

    def _init_axis(self) -> None:
        self.xaxis, self.yaxis = _QuickX(self, clear=False), _QuickY(self, clear=False)
        for name, spine in self.spines.items():
            spine.register_axis(self.xaxis if name in ("bottom", "top") else self.yaxis)

    def clear(self) -> None:
        super().clear()
        for spine in self.spines.values():
            spine.set_position(("outward", 0.0))  # matplotlib does so when a tick asks for its place
        self.ticklabel_format(useOffset=False, style="plain")  # 36001, not 1 with +3.6e4 at the end


QUICK = {"axes_class": QuickAxes}
"""For `subplot_kw`."""


def name_ticks(axis: Axis, at: Sequence[float] | np.ndarray, names: Sequence[str]) -> None:
    """As `Axes.set_yticks`, which makes the ticks at once."""
    axis.set_major_locator(FixedLocator(list(at)))
    axis.set_major_formatter(FixedFormatter(names))


def tick_names(axis: Axis) -> list[str]:
    """What the ticks are called, those outside of the limits too."""
    return axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))


def label_at(ax: Axes, *, below_in: float | None = None, left_in: float | None = None) -> None:
    """Put the labels of x and y so far, in inches, below and left of the axes."""
    inches = figure_of(ax).dpi_scale_trans
    if below_in is not None:
        ax.xaxis.set_label_coords(0.5, 0.0, ax.transAxes + ScaledTranslation(0, -below_in, inches))
    if left_in is not None:
        ax.yaxis.set_label_coords(0.0, 0.5, ax.transAxes + ScaledTranslation(-left_in, 0, inches))


def figure_of(artist: Artist) -> Figure:
    """The figure that an artist is in."""
    figure = artist.get_figure(root=True)
    assert figure is not None
    return figure


class _QuickAxis(Axis):
    def reset_ticks(self) -> None:
        if all(rcParams[name] == value for name, value in OWN_STYLE.items()):
            self.majorTicks, self.minorTicks = [], []  # matplotlib makes one of each as soon as it looks
        else:
            super().reset_ticks()

    def get_ticks_position(self) -> Any:
        self.get_major_ticks(1)  # which matplotlib takes for granted
        self.get_minor_ticks(1)
        return super().get_ticks_position()  # type: ignore[misc]  # XAxis and YAxis have it

    def draw(self, renderer: RendererBase) -> None:
        if not self.get_visible():
            return
        places, names = self._shown()
        if not self._is_plain():
            super().draw(renderer)
            return
        style = self.get_tick_params()
        if style["gridOn"]:
            self._draw_grid(renderer, places, style)
        length = float(style.get("length", MARK_PT))
        if length:
            self._draw_marks(renderer, places, length)
        if style["labelbottom" if isinstance(self, XAxis) else "labelleft"]:
            self._draw_names(renderer, places, names, length, style.get("labelsize", NAME_SIZE))
        self.label.draw(renderer)
        self.stale = False

    def _is_plain(self) -> bool:
        """Whether all that was asked for is drawn quickly; once ticks have their names."""
        near, far = ("bottom", "top") if isinstance(self, XAxis) else ("left", "right")
        style = self.get_tick_params()
        return (
            not self.majorTicks  # nobody has changed one
            and style.keys() <= QUICKLY_DRAWN | {near, far, f"label{near}", f"label{far}"}
            and style.get(near, False)
            and f"label{near}" in style
            and not (style.get(far, True) or style.get(f"label{far}", True))
            and isinstance(self.get_minor_locator(), NullLocator)
            and not self.get_major_formatter().get_offset()
            and self.axes.spines[near].get_position() == ("outward", 0.0)
            and not (self.label.get_text() and getattr(self, "_autolabelpos", True))
        )

    def _shown(self) -> tuple[np.ndarray, list[str]]:
        """Where ticks are, shape=(n,), and what they are called; within the limits."""
        at = np.asarray(self.get_majorticklocs(), dtype=np.float64)
        names = tick_names(self)
        low, high = sorted(self.get_view_interval())
        room = 1e-9 * (high - low)
        shown = (at >= low - room) & (at <= high + room)
        return at[shown], [name for name, is_shown in zip(names, shown.tolist(), strict=False) if is_shown]

    def _points(self, places: np.ndarray, across: float) -> np.ndarray:
        """Points, shape=(n, 2), in the coordinates of `_along`."""
        other = np.full(len(places), across)
        return np.stack((places, other) if isinstance(self, XAxis) else (other, places), axis=1)

    def _along(self) -> Transform:
        """From data along the axis, and axes across."""
        ax = self.axes
        return ax.get_xaxis_transform() if isinstance(self, XAxis) else ax.get_yaxis_transform()

    def _draw_grid(self, renderer: RendererBase, places: np.ndarray, style: dict[str, Any]) -> None:
        ends = np.stack((self._points(places, 0.0), self._points(places, 1.0)), axis=1).reshape(-1, 2)
        gc = renderer.new_gc()
        gc.set_foreground(to_rgba(style.get("grid_color", OWN_STYLE["grid.color"])), isRGBA=True)
        gc.set_linewidth(style.get("grid_linewidth", LINE_PT))
        gc.set_snap(True)
        renderer.draw_path(gc, Path(ends, [Path.MOVETO, Path.LINETO] * len(places)), self._along())
        gc.restore()

    def _draw_marks(self, renderer: RendererBase, places: np.ndarray, length: float) -> None:
        length_px = _pixels(renderer, length)
        mark = Path([(0.0, 0.0), (0.0, -length_px) if isinstance(self, XAxis) else (-length_px, 0.0)])
        gc = renderer.new_gc()
        gc.set_foreground(to_rgba(BLACK), isRGBA=True)
        gc.set_linewidth(LINE_PT)
        gc.set_snap(True)
        renderer.draw_markers(gc, mark, Affine2D(), Path(self._points(places, 0.0)), self._along())
        gc.restore()

    def _draw_names(
        self, renderer: RendererBase, places: np.ndarray, names: list[str], length: float, size: Any
    ) -> None:
        is_x = isinstance(self, XAxis)
        text = Text(fontsize=size, color=BLACK)
        text.set_figure(figure_of(self))
        text.set(ha="center", va="top") if is_x else text.set(ha="right", va="center_baseline")
        away = _pixels(renderer, length + PAD_PT)
        at_px = self._along().transform(self._points(places, 0.0)) - ((0, away) if is_x else (away, 0))
        for place, name in zip(at_px, names, strict=True):
            text.set_position(place)
            text.set_text(name)
            text.draw(renderer)


class _QuickX(_QuickAxis, XAxis):
    pass


class _QuickY(_QuickAxis, YAxis):
    pass


def _pixels(renderer: RendererBase, points: float) -> float:
    return float(np.asarray(renderer.points_to_pixels(points)))

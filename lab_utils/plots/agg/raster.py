"""Figures as pixels: matplotlib's Agg renderer, with each text rasterised once per process.

Shaping a text and rendering its glyphs takes matplotlib longer than all else in a picture, and most texts
come again: names of lanes, numbers of axes, legends. A text stands on whole pixels here, so that one image of
it serves wherever it is drawn, until the user's fonts change.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib import rcParams, rcParamsDefault
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

from ..style import DPI

Rgba = tuple[float, float, float, float]

TEXTS = 512
"""So many images of texts are kept, and as many sizes."""
MOST_PX = 20_000
"""A larger text isn't kept, such as 40 characters of 10 points at 160 dpi: it hardly comes again."""
PAD_PX = 3
"""Glyphs may reach beyond a text's measured box."""
LEVEL = 3
"""Of zlib. More takes half as long again, and saves a tenth of the file."""
OF_TEXTS: list[Any] = [name for name in rcParamsDefault if name.startswith(("font.", "text."))]
OF_FILES: list[Any] = ["savefig.bbox", "savefig.transparent", "savefig.facecolor", "savefig.edgecolor"]
"""Matplotlib's settings that a text and a file depend on."""


def png(figure: Figure, dpi: float = DPI) -> bytes:
    """A figure as a PNG file; by matplotlib's `savefig` if the user has settings of it."""
    if any(rcParams[name] != rcParamsDefault[name] for name in OF_FILES):
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi)
        return file.getvalue()
    own, canvas = figure.dpi, figure.canvas
    figure.dpi = dpi
    try:
        drawn = _Canvas(figure)
        drawn.draw()
        return png_file(np.asarray(drawn.buffer_rgba()), dpi)
    finally:
        figure.dpi = own
        figure.set_canvas(canvas)


def png_file(pixels: np.ndarray, dpi: float) -> bytes:
    """Pixels, shape=(height, width, 4), as a PNG file; without the alpha channel if all are opaque.

    Pillow tries five filters on each row, which takes longer than zlib, and makes charts no smaller.
    """
    channels = 3 if (pixels[..., 3] == 255).all() else 4
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # the first byte: no filter
    rows[:, 1:] = pixels[..., :channels].reshape(height, -1)
    per_m = round(dpi / 0.0254)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", per_m, per_m, 1)),
        (b"IDAT", zlib.compress(rows.tobytes(), LEVEL)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class _Canvas(FigureCanvasAgg):
    def get_renderer(self) -> RendererAgg:
        if not isinstance(getattr(self, "renderer", None), _Renderer):
            self.renderer = _Renderer(*self.get_width_height(physical=True), self.figure.dpi)
        return self.renderer


class _Renderer(RendererAgg):
    """Agg, with texts from images."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        # A text's own properties name "sans-serif", and not which fonts that stands for.
        self._fonts = repr([len(fontManager.ttflist), *(rcParams[name] for name in OF_TEXTS)])

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        if ismath or angle % 90 or not self._is_kept(s, prop):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        colour = (*gc.get_rgb()[:3], gc.get_alpha())
        smooth = bool(gc.get_antialiased())
        image, left, below = _text_image(s, prop.copy(), self.dpi, self._fonts, angle, colour, smooth)
        self.draw_image(gc, round(x) + left, round(self.height - y) + below, image)

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        if ismath or not self._is_kept(s, prop):
            return super().get_text_width_height_descent(s, prop, ismath)
        return _text_size(s, prop.copy(), self.dpi, self._fonts)

    def _is_kept(self, s: str, prop: FontProperties) -> bool:
        return len(s) * (prop.get_size_in_points() * self.dpi / 72) ** 2 <= MOST_PX


@lru_cache(TEXTS)
def _text_size(s: str, prop: FontProperties, dpi: float, fonts: str) -> tuple[float, float, float]:
    """Width, height and descent of a text in pixels. `fonts`: matplotlib's settings."""
    return RendererAgg(1, 1, dpi).get_text_width_height_descent(s, prop, False)


@lru_cache(TEXTS)
def _text_image(
    s: str, prop: FontProperties, dpi: float, fonts: str, angle: float, colour: Rgba, smooth: bool
) -> tuple[np.ndarray, int, int]:
    """A text, shape=(height, width, 4), its lowest row first; and where it lies from its origin, in pixels.

    `angle`: in degrees, a multiple of 90. `fonts`: matplotlib's settings.
    """
    width, height, descent = _text_size(s, prop, dpi, fonts)
    turn = np.exp(1j * np.radians(angle))
    corners = turn * np.array([complex(x, y) for x in (0, width) for y in (-descent, height - descent)])
    left, right = math.floor(corners.real.min()) - PAD_PX, math.ceil(corners.real.max()) + PAD_PX
    below, above = math.floor(corners.imag.min()) - PAD_PX, math.ceil(corners.imag.max()) + PAD_PX
    alone = RendererAgg(right - left, above - below, dpi)
    gc = alone.new_gc()
    gc.set_foreground(colour, isRGBA=True)
    gc.set_alpha(colour[3])
    gc.set_antialiased(smooth)
    alone.draw_text(gc, -left, above, s, prop, angle)
    return np.asarray(alone.buffer_rgba())[::-1].copy(), left, below

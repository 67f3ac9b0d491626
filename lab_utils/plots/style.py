"""Colours, figures that belong to nobody, and their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

BLACK, ORANGE, SKY, GREEN, YELLOW = "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, GREY, LIGHT_GREY = "#0072B2", "#D55E00", "#CC79A7", "#777777", "#C8C8C8"

DPI = 100


def counted(counts: Mapping[str, int] | None) -> list[str]:
    """Counts in words, with their plurals; what is not counted is left out."""
    names = {"recordings": "recording", "holds": "hold", "turns": "end of turn"}
    plurals = {"turns": "ends of turn"}
    found = [(name, counts[name]) for name in names if name in counts] if counts else []
    return [f"{n} {names[name] if n == 1 else plurals.get(name, names[name] + 's')}" for name, n in found]


class Layers:
    """A figure whose lasting part is drawn once; what moves is drawn onto it, in milliseconds."""

    def __init__(self, figure: Figure, moving: Iterable[Artist] = ()) -> None:
        for artist in moving:
            artist.set_animated(True)
        self._canvas = FigureCanvasAgg(figure)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def png(self, moving: Iterable[Artist]) -> bytes:
        """The lasting part and these artists, as a PNG file."""
        self._canvas.restore_region(self._still)  # type: ignore[attr-defined]
        for artist in sorted(moving, key=lambda a: a.get_zorder()):
            self._canvas.figure.draw_artist(artist)
        buffer = BytesIO()
        imsave(buffer, np.asarray(self._canvas.buffer_rgba()), format="png", pil_kwargs={"compress_level": 1})
        return buffer.getvalue()


def literal(text: str) -> str:
    """A text that comes from a file or a user, drawn as it is: dollars begin no formula."""
    return text.replace("$", r"\$")


def in_legend(text: str) -> str:
    """A text that comes from a file or a user, for a legend, which leaves out what begins with "_"."""
    return literal(f"\N{HAIR SPACE}{text}" if text.startswith("_") else text)


def blank_figure(size_in: tuple[float, float], dpi: int = DPI) -> Figure:
    """A figure that belongs to nobody: pyplot does not know it."""
    return Figure(figsize=size_in, dpi=dpi, layout="constrained")


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()

"""Colours, figures that belong to nobody, and their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW = "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, GREY, LIGHT_GREY = "#0072B2", "#D55E00", "#CC79A7", "#777777", "#C8C8C8"

DPI = 100


def counted(counts: Mapping[str, int] | None) -> list[str]:
    """Counts in words, with their plurals; what is not counted is left out."""
    names = {"recordings": "recording", "holds": "hold", "turns": "end of turn"}
    plurals = {"turns": "ends of turn"}
    found = [(name, counts[name]) for name in names if name in counts] if counts else []
    return [f"{n} {names[name] if n == 1 else plurals.get(name, names[name] + 's')}" for name, n in found]


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
    """A figure as a PNG file: what `savefig` writes by default, drawing everything twice to lay it out."""
    buffer, own, canvas = BytesIO(), figure.dpi, figure.canvas
    figure.dpi = dpi
    try:
        FigureCanvasAgg(figure).print_png(buffer)
    finally:
        figure.dpi = own
        figure.set_canvas(canvas)
    return buffer.getvalue()

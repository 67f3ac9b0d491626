"""Colours, and figures that belong to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def blank_figure(size_in: tuple[float, float], dpi: int = DPI, *, by_margins: bool = False) -> Figure:
    """A figure that belongs to nobody: pyplot does not know it.

    Matplotlib lays it out when it is drawn, unless `Margins` are to.
    """
    return Figure(figsize=size_in, dpi=dpi, layout=None if by_margins else "constrained")


@dataclass(frozen=True)
class Margins:
    """What is kept free around the axes of a figure, in inches.

    Setting them takes no time; matplotlib's own layout measures every text, which takes as long as drawing.
    """

    left: float
    right: float
    top: float
    bottom: float
    between: float = 0.0
    """From one row of axes to the next."""

    def set(self, figure: Figure, rows: int = 1) -> None:
        """Lay out a figure (`by_margins`) of so many rows of axes, all of one height."""
        width, height = figure.get_size_inches()
        own = (height - self.top - self.bottom - self.between * (rows - 1)) / rows
        figure.subplots_adjust(
            left=self.left / width,
            right=1 - self.right / width,
            top=1 - self.top / height,
            bottom=self.bottom / height,
            hspace=self.between / own,
        )


def lines_in(points: float, text: str) -> float:
    """The height in inches of a text of some lines."""
    return (text.count("\n") + 1) * 1.2 * points / 72

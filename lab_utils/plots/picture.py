"""A figure as a notebook shows it and a file holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from .agg.raster import png
from .style import DPI

NOTEBOOK_DPI = 160
"""Drawn finer than shown, for sharp text on any screen."""


@dataclass(frozen=True)
class Picture:
    """A drawn figure, which any notebook shows, whatever matplotlib's backend."""

    figure: Figure

    @property
    def axes(self) -> tuple[Any, ...]:
        """All axes of the figure, in the order in which they were made."""
        return tuple(self.figure.axes)

    def png(self, dpi: int = DPI) -> bytes:
        """As a PNG file."""
        return png(self.figure, dpi)

    def save(self, path: str | Path, dpi: int = NOTEBOOK_DPI) -> Path:
        """Write a picture, of the kind that the name's suffix says; returns its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix.lower() == ".png":
            target.write_bytes(self.png(dpi))
        else:
            self.figure.savefig(target, dpi=dpi)
        return target

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width_px = round(self.figure.get_size_inches()[0] * DPI)
        return self.png(NOTEBOOK_DPI), {"width": width_px}

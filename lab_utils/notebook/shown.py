"""How the notebooks show things: pictures that any Jupyter can show, and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from IPython.display import Image
from pandas.io.formats.style import Styler

from .. import plots

IMAGE_DPI = 160
"""Drawn finer than shown, for sharp text on any screen."""


def left(style: Styler) -> Styler:
    """Without numbers of rows, all text at the left."""
    table = style.hide(axis="index")
    # A long path breaks anywhere, so that the table fits its page.
    return table.set_table_styles(
        [
            {"selector": "th, td", "props": "text-align: left"},
            {"selector": "td:first-child", "props": "overflow-wrap: anywhere; min-width: 11em"},
        ]
    )


def below(folder: Path, path: str | Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else str(path)


def image(figure: Any) -> Image:
    return Image(data=plots.png(figure, IMAGE_DPI), width=round(figure.get_size_inches()[0] * plots.DPI))

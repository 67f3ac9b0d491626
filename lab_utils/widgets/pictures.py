"""A figure as an image in a page, with words for those who don't see it."""

from __future__ import annotations

import base64
from html import escape

from matplotlib.figure import Figure

from .. import plots


def picture_html(figure: Figure, text: str) -> str:
    """An `img` element with the picture in it; `text`: what it shows."""
    data = base64.b64encode(plots.png(figure)).decode("ascii")
    return f"<img alt='{escape(text)}' style='max-width:100%' src='data:image/png;base64,{data}'>"

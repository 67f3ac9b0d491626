"""A sign of life: panels of plain ipywidgets say nothing when their kernel is gone; this one does."""

from __future__ import annotations

from typing import Any

import anywidget
import ipywidgets as w

from .timeline import STATIC


class Pulse(anywidget.AnyWidget):
    """Answers whenever the panel that it lies in is used; the browser tells if no answer comes."""

    _esm = STATIC / "pulse.js"
    _css = STATIC / "tuner.css"

    def __init__(self, panel: w.Box) -> None:
        """`panel`: whose use is answered; put this among its children."""
        super().__init__()
        panel.add_class("lab-panel")
        self.on_msg(self._answer)

    def _answer(self, *_: Any) -> None:
        self.send({"kind": "here"})

"""Record yourself: one turn into the browser's microphone, to be measured as any call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from ...core.errors import machine_error_text
from ...core.files.places import Folder
from ...workflows.listener import keep_turn
from ..timeline import STATIC


class Recorder(anywidget.AnyWidget):
    """Records one turn of whoever sits before the browser, and keeps it with its labels in a folder.

    `path` is the last turn that was recorded, or `sample` as long as none was: what uses it works without a
    microphone too. The sound goes to this Python and nowhere else.
    """

    _esm = STATIC / "recorder.js"
    _css = STATIC / "timeline.css"

    said = t.Unicode().tag(sync=True)
    """What became of the last recording."""
    sample = t.Unicode().tag(sync=True)

    def __init__(
        self, sample: str | Path = "", *, folder: str | Path = "out/recordings", cache: Folder | None = None
    ) -> None:
        self.path = str(sample)
        self._folder, self._cache = folder, cache
        super().__init__(sample=str(sample))
        self.on_msg(self._asked)

    def record(self, sound: bytes, mime: str) -> str:
        """Keep a turn that was recorded as a file of a type (`keep_turn`); returns what became of it.

        Raises ValueError for what can't be read or has no speech.
        """
        kept = keep_turn(sound, mime, self._folder, self._cache)
        self.path = str(kept.path)
        return str(kept)

    def _asked(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        if content.get("kind") != "recorded":
            return
        try:
            self.said = f"Recorded {self.record(bytes(buffers[0]), str(content['mime']))}"
        except OSError as error:
            self.said = f"Not recorded: {machine_error_text(error)}"
        except (ValueError, KeyError, IndexError) as error:
            self.said = f"Not recorded: {error}"
        self.send({"kind": "told"})

"""The failures of all calls under one setting: a table, and the timeline of the one that is chosen.

A click shows a failure in the timeline; it is heard as recorded, or as the caller would hear it: with the
agent's reply begun at the commit.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t

from ..core.recording import Recording
from ..core.settings import Settings
from ..core.sound import excerpt, interruption
from ..workflows.study import Study
from ..workflows.study.failures import Failure, failures_of
from .timeline import STATIC, Timeline
from .timeline_data import timeline_data

LEAD_S, TRAIL_S = 4.0, 5.0
"""So much is shown before and after a failure."""
HEARD_BEFORE_S, HEARD_AFTER_S = 3.0, 4.0


class FailureTable(anywidget.AnyWidget):
    """The table alone: rows, which one is chosen, and sounds that the browser asks for."""

    _esm = STATIC / "failures.js"
    _css = STATIC / "timeline.css"

    failures = t.List(t.Dict()).tag(sync=True)
    selected = t.Int(None, allow_none=True).tag(sync=True)


class FailureBrowser(w.VBox):
    """A table of failures with the timeline of the chosen one below."""

    def __init__(self, study: Study, settings: Settings | None = None) -> None:
        self._study = study
        self._load = lru_cache(maxsize=2)(study.load)
        self.table = FailureTable()
        self.table.on_msg(self._hear)
        self.table.observe(self._chosen, "selected")
        super().__init__([self.table])
        self.show(settings or study.defaults)

    def show(self, settings: Settings) -> None:
        """List the failures under another setting. Raises MissingTraces if it isn't traced."""
        self._settings = settings
        self.failures = failures_of(self._study, settings)
        with self.table.hold_sync():
            self.table.selected = None
            self.table.failures = [asdict(one) for one in self.failures]
        self.children = [self.table]

    def follow(self, settings: Settings) -> None:
        """As `show`, but what is chosen stays as long as the setting does."""
        if settings != self._settings:
            self.show(settings)

    @property
    def timeline(self) -> Timeline | None:
        """The timeline of the chosen failure's call."""
        return self.children[1] if len(self.children) > 1 else None

    @property
    def chosen(self) -> Failure | None:
        """The failure that is chosen."""
        number = self.table.selected
        return None if number is None or not 0 <= number < len(self.failures) else self.failures[number]

    def _chosen(self, _: Any) -> None:
        failure = self.chosen
        if failure is None:
            return
        try:
            recording = self._recording(failure)
        except (ValueError, OSError) as error:  # deleted or changed since
            self.table.send({"kind": "problem", "text": str(error)})
            return
        if self.timeline is None or self.timeline.title != recording.name:
            number = self._study.number(failure.recording)
            traced = self._study.corpus.recordings[number]
            commits = self._study.commits(number, self._settings)
            data = timeline_data(recording, traced, commits, self._settings)
            self.children = [self.table, Timeline(recording, data)]
        assert self.timeline is not None
        text = f"{failure.cause} committed {failure.after_s:.2f} s into a pause of {failure.pause_s:.2f} s"
        self.timeline.show(failure.commit_s - LEAD_S, failure.commit_s + TRAIL_S, failure.commit_s, text)

    def _recording(self, failure: Failure) -> Recording:
        return self._load(self._study.number(failure.recording))

    def _hear(self, _: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        if content.get("kind") != "hear":
            return
        try:
            failure = self.failures[int(content["number"])]
            recording = self._recording(failure)
            if content["what"] == "interrupted":
                sound = interruption(recording, failure.commit_s, HEARD_BEFORE_S)
                text = "As the caller would hear it: the agent replies at the commit"
            else:
                from_s, to_s = failure.commit_s - HEARD_BEFORE_S, failure.commit_s + HEARD_AFTER_S
                sound = excerpt(recording, max(0.0, from_s), to_s)
                text = "As recorded"
        except (ValueError, OSError, KeyError, IndexError, TypeError) as error:
            self.table.send({"kind": "problem", "text": str(error)})
            return
        answer = {"kind": "sound", "mime": "audio/wav", "text": f"{text}; caller left, agent right"}
        self.table.send(answer, buffers=[sound.wav])

"""The failures of all calls under one setting: a table, and the timeline of the one that is chosen.

A click shows a failure in the timeline; it is heard as recorded, or as the caller would hear it: with the
agent's reply begun at the commit.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t

from ..core.errors import machine_error_text
from ..core.recording import Recording
from ..core.settings import Settings
from ..core.sound import excerpt, interruption
from ..turns.pins import PINS_FILE, SAME_S, add_pin, read_pins, remove_pin
from ..turns.sweep import Corpus
from ..workflows.study import Study
from ..workflows.study.failures import Failure, failures_of, pin_of
from .label_editor import label_editor
from .timeline import STATIC, Timeline
from .timeline_data import timeline_data
from .tuner import Tuner

LEAD_S, TRAIL_S = 4.0, 5.0
"""So much is shown before and after a failure."""
HEARD_BEFORE_S, HEARD_AFTER_S = 3.0, 4.0
REST_S = 0.4
"""A tuner that is followed has rested so long before its failures are listed."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class FailureTable(anywidget.AnyWidget):
    """The table alone: rows, which one is chosen, and sounds that the browser asks for."""

    _esm = STATIC / "failures.js"
    _css = STATIC / "timeline.css"

    failures = t.List(t.Dict()).tag(sync=True)
    selected = t.Int(None, allow_none=True).tag(sync=True)


class FailureBrowser(w.VBox):
    """A table of failures with the timeline of the chosen one below."""

    def __init__(
        self,
        study: Study,
        settings: Settings | None = None,
        *,
        folder: str | Path = "out",
        who: str = "",
        on_label: Callable[[str, float], None] | None = None,
        now: Callable[[], dt.datetime] = _now,
    ) -> None:
        """`folder`: where pins are kept (`turns.pins`), with `who` pinned them.

        `on_label` opens the label at a moment of a recording; without it a label editor is opened below.
        """
        self._study, self._folder, self._who, self._now = study, Path(folder), who, now
        self._on_label = on_label or self._edit_below
        self._load = lru_cache(maxsize=2)(study.load)
        self._wait: Callable[[], None] = lambda: None
        self.table = FailureTable()
        self.table.on_msg(self._asked)
        self.table.observe(self._chosen, "selected")
        super().__init__([self.table])
        self.show(settings or study.defaults)

    def show(self, settings: Settings) -> None:
        """List the failures under another setting. Raises MissingTraces if it isn't traced."""
        self._settings = settings
        self.failures = failures_of(self._study, settings)
        with self.table.hold_sync():
            self.table.selected = None
            self.table.failures = self._rows()
        self.children = [self.table]

    def follow(self, settings: Settings, corpus: Corpus) -> None:
        """As `show`, but what is chosen stays as long as the setting does; `corpus`: with what it needs."""
        if settings != self._settings:
            self._study = replace(self._study, corpus=corpus)
            self.show(settings)

    def follow_tuner(self, tuner: Tuner) -> FailureBrowser:
        """Follow what a tuner says, whenever it rests; returns itself."""

        def rested() -> None:
            if tuner.settled is not None:
                self.follow(tuner.settled, tuner.scorer.corpus)

        def changed(_: Any) -> None:
            self._wait()
            self._wait = _later(rested)

        tuner.observe(changed, "settled")
        rested()
        return self

    @property
    def timeline(self) -> Timeline | None:
        """The timeline of the chosen failure's call, or its label editor."""
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
            told = machine_error_text(error) if isinstance(error, OSError) else str(error)
            self.table.send({"kind": "problem", "text": told})
            return
        if self.timeline is None or self.timeline.title != recording.name or self.timeline.editable:
            number = self._study.number(failure.recording)
            traced = self._study.corpus.recordings[number]
            commits = self._study.commits(number, self._settings)
            data = timeline_data(recording, traced, commits, self._settings)
            self.children = [self.table, Timeline(recording, data)]
        assert self.timeline is not None
        text = f"{failure.cause} committed {failure.after_s:.2f} s into a pause of {failure.pause_s:.2f} s"
        self.timeline.show(failure.commit_s - LEAD_S, failure.commit_s + TRAIL_S, failure.commit_s, text)

    def _recording(self, failure: Failure) -> Recording:
        """The call. Raises ValueError if its audio isn't what was measured, OSError if it is gone."""
        return self._load(self._study.number(failure.recording))

    def _rows(self) -> list[dict[str, Any]]:
        """The failures as the table shows them; a file of pins that can't be read is told."""
        try:
            pinned = [(one.call.name, one.label.start_s) for one in read_pins(self._folder)]
        except ValueError as error:
            self.table.send({"kind": "problem", "text": str(error)})
            pinned = []
        return [
            asdict(one)
            | {
                "pinned": any(
                    name == one.recording and abs(start_s - one.pause_start_s) <= SAME_S
                    for name, start_s in pinned
                )
            }
            for one in self.failures
        ]

    def _asked(self, _: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        """What a button asks for; what can't be done is said in the table."""
        acts = {"hear": self._hear, "pin": self._pin, "label": self._correct}
        act = acts.get(str(content.get("kind")))
        if act is None:
            return
        try:
            act(self.failures[int(content["number"])], content)
        except OSError as error:
            self.table.send({"kind": "problem", "text": machine_error_text(error)})
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.table.send({"kind": "problem", "text": str(error)})

    def _pin(self, failure: Failure, _: dict[str, Any]) -> None:
        """Pin a failure, or let go of one that is pinned."""
        pin = pin_of(self._study, failure, self._settings, self._who, self._now())
        held = any(one.same_place(pin) for one in read_pins(self._folder))
        pins = remove_pin(self._folder, pin) if held else add_pin(self._folder, pin)
        self.table.failures = self._rows()
        what = "Let go" if held else "Pinned"
        text = f"{what}; {len(pins)} pinned in {self._folder / PINS_FILE}"
        self.table.send({"kind": "told", "text": text})

    def _correct(self, failure: Failure, _: dict[str, Any]) -> None:
        self._on_label(failure.recording, failure.pause_start_s)
        self.table.send({"kind": "told", "text": "Opened in the label editor"})

    def _edit_below(self, recording: str, at_s: float) -> None:
        files = self._study.files[self._study.number(recording)]
        editor = label_editor(files.user, self._who or "me", channels=self._study.channels)
        self.children = [self.table, editor]
        editor.go_to(at_s)

    def _hear(self, failure: Failure, content: dict[str, Any]) -> None:
        recording = self._recording(failure)
        if content["what"] == "interrupted":
            sound = interruption(recording, failure.commit_s, HEARD_BEFORE_S)
            text = "As the caller would hear it: the agent replies at the commit"
        else:
            from_s, to_s = failure.commit_s - HEARD_BEFORE_S, failure.commit_s + HEARD_AFTER_S
            sound = excerpt(recording, max(0.0, from_s), to_s)
            text = "As recorded"
        answer = {"kind": "sound", "mime": "audio/wav", "text": f"{text}; caller left, agent right"}
        self.table.send(answer, buffers=[sound.wav])


def _later(call: Callable[[], None]) -> Callable[[], None]:
    """Call when the event loop has run for a while, or at once without one; returns what prevents it."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        call()
        return lambda: None
    return loop.call_later(REST_S, call).cancel

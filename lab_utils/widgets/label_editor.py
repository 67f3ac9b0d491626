"""A label editor in the timeline: move, split, merge, retype, add and remove labels, hearing each.

The browser says what was done; this side makes a `Change` of it and writes it to the label file at once, with
its history and under its lock. What can't be done is said in the widget, and the picture goes back to what
the file says.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import traitlets as t

from ..core.errors import machine_error_text
from ..core.files.places import Folder
from ..core.labels import Label, LabelKind, Labels
from ..core.recording import Recording
from ..core.settings import Settings
from ..plots.recordings import LABEL_NAMES
from ..recordings.find import find_recordings, load_recording
from ..recordings.labels.agreement import places
from ..recordings.labels.checks import label_checks, least_sure_first
from ..recordings.labels.edits import Change, edit_labels, undo_edit
from ..recordings.labels.file import ROUNDING_S, read_labels
from ..turns.tracing import TraceCache, Tracer
from ..workflows.label import LabelledFile, open_labels
from .timeline import Timeline
from .timeline_data import label_items, timeline_data

SPLIT_S = 0.1
"""A pause is split by so much speech: two pauses with nothing between would be one."""
NEW_S = 0.3
"""Length of a label that is added."""
AROUND_S = 4.0
"""So much is shown before and after a moment."""
LABEL_WORDS: dict[str, str] = {str(kind): name for kind, name in LABEL_NAMES.items()}
KINDS: tuple[LabelKind, ...] = get_args(LabelKind)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class LabelEditor(Timeline):
    """A timeline whose labels can be corrected; every correction is in the label file at once."""

    who: str
    """Kept with every edit."""
    editable = t.Bool(True).tag(sync=True)
    can_redo = t.Bool(False).tag(sync=True)
    order = t.List(t.Int()).tag(sync=True)
    """Numbers of the labels, the least sure first."""
    compared = t.Bool(False).tag(sync=True)
    """Whether another annotator's labels are at hand."""
    differences = t.List(t.Dict()).tag(sync=True)
    """Where they differ: at_s, end_s, text."""
    saved = t.Unicode().tag(sync=True)
    """Where the labels are, and how many edits stand there: those undone aren't counted."""

    def __init__(
        self,
        recording: Recording,
        file: LabelledFile,
        tracer: Tracer,
        who: str,
        now: Callable[[], dt.datetime] = _now,
        other: Labels | None = None,
    ) -> None:
        """`other`: another annotator's labels, whose differences are stepped through."""
        settings = Settings()
        recording = replace(recording, labels=file.labels)
        traced = tracer.trace_session(recording, settings)
        none = pd.DataFrame({"commit_s": [], "cause": [], "false_boundary": [], "probability": []})
        data = timeline_data(recording, traced, none, settings)
        super().__init__(recording, replace(data, threshold=None))  # no setting is judged here
        self.who = who
        self._file, self._now = file.file, now
        self._undone: list[list[Change]] = []
        self._other, self.compared = other, other is not None
        self._show_labels(file.labels)

    def go_to(self, at_s: float, text: str = "") -> None:
        """Bring a moment into view, and choose the label that it lies in, if there is one."""
        here = [one for one in self.labels if one["start_s"] <= at_s <= one["end_s"]]
        with self.hold_sync():
            if here:
                self.selected = min(here, key=lambda one: one["end_s"] - one["start_s"])["number"]
            self.show(max(0.0, at_s - AROUND_S), at_s + AROUND_S, at_s, text)

    def _answer(self, widget: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        if content.get("kind") != "edit":
            super()._answer(widget, content, buffers)
            return
        try:
            labels = self._edited(content)
        except OSError as error:  # a full disk, say: the file is as it was
            self.send({"kind": "problem", "text": f"Not saved. {machine_error_text(error)}"})
            labels = self._shown
        except (ValueError, KeyError, TypeError) as error:
            self.send({"kind": "problem", "text": str(error)})
            labels = self._file_or_shown()
        self._show_labels(labels)

    def _edited(self, content: dict[str, Any]) -> Labels:
        """The labels after what the browser asked for; it is in the file."""
        what = content["what"]
        if what == "undo":
            labels, entry = undo_edit(self._file, self.who, self._now())
            again = [Change(_label(one.before), _label(one.after), one.why) for one in entry.changes]
            self._undone.append(again)
            return labels
        if what == "redo":
            if not self._undone:
                raise ValueError("nothing was undone since the last edit")
            changes = self._undone[-1]
            labels = edit_labels(self._file, changes, self.who, self._now())
            self._undone.pop()
            return labels
        changes = changes_of(self._known(), what, content)
        labels = edit_labels(self._file, changes, self.who, self._now(), estimated=self._known())
        self._undone.clear()
        return labels

    def _known(self) -> Labels:
        """What the file says, or the estimate as long as there is none."""
        if self._file.exists():
            return read_labels(self._file)
        assert self.recording.labels is not None
        return self.recording.labels

    def _edits(self, labels: Labels) -> int:
        try:
            return sum(edit.undone is None for edit in LabelledFile(self._file, labels).history)
        except (ValueError, OSError):
            return 0

    def _file_or_shown(self) -> Labels:
        """What the file says, or what is shown if it can't be read any more."""
        try:
            return self._known()
        except (ValueError, OSError):
            return self._shown

    def _show_labels(self, labels: Labels) -> None:
        self._shown = labels
        numbers = {id(label): number for number, label in enumerate(labels.labels)}
        checks = least_sure_first(label_checks(labels, KINDS))
        edits = self._edits(labels)
        with self.hold_sync():
            self.labels = []  # what was dragged in vain goes back, too
            self.labels = label_items(labels)
            self.order = [numbers[id(check.label)] for check in checks]
            self.differences = differences_of(labels, self._other)
            self.can_redo = bool(self._undone)
            there = f"{edits} edit{'' if edits == 1 else 's'} in" if self._file.exists() else "not yet in"
            self.saved = f"{there} {self._file.name}"


def changes_of(labels: Labels, what: str, content: dict[str, Any]) -> list[Change]:
    """The changes that an act in the browser means.

    `what`: "move" (start_s, end_s), "retype" (to), "split" (at_s), "merge" (with the next label), "remove",
    each with the `label` it is about as the browser shows it (kind, start_s, end_s); "add" (to, at_s). Raises
    ValueError for what can't be done, also for a label that is no longer there: another editor may have
    changed it.
    """
    if what == "add":
        at_s = float(content["at_s"])
        end_s = min(at_s + NEW_S, labels.duration_s)
        return [Change(None, Label(_kind(content["to"]), at_s, end_s))]
    number = _number(labels, content["label"])
    label = labels.labels[number]
    if what == "move":
        return [
            Change(label, replace(label, start_s=float(content["start_s"]), end_s=float(content["end_s"])))
        ]
    if what == "retype":
        return [Change(label, replace(label, kind=_kind(content["to"])))]
    if what == "remove":
        return [Change(label, None)]
    if what == "split":
        at_s = float(content["at_s"])
        first, second = at_s - SPLIT_S / 2, at_s + SPLIT_S / 2
        if not label.start_s < first < second < label.end_s:
            raise ValueError(f"a label is split at the playhead; put it inside the {label.kind} first")
        parts = replace(label, end_s=first), replace(label, start_s=second)
        return [Change(label, parts[0]), Change(None, parts[1])]
    if what == "merge":
        if number + 1 >= len(labels.labels):
            raise ValueError("there is no later label to merge with")
        after = labels.labels[number + 1]
        return [Change(after, None), Change(label, replace(label, end_s=max(label.end_s, after.end_s)))]
    raise ValueError(f"unknown edit {what!r}")


def differences_of(labels: Labels, other: Labels | None) -> list[dict[str, Any]]:
    """Where another annotator's labels differ, as the browser steps through them; none without `other`."""
    if other is None:
        return []
    found = []
    for place in places(labels, other):
        if not place.agree:
            first, second = (LABEL_WORDS.get(word, word) for word in place.words)
            text = f"You say {first}, the other says {second}"
            found.append({"at_s": place.start_s, "end_s": place.end_s, "text": text})
    return found


def _number(labels: Labels, seen: dict[str, Any]) -> int:
    """Where the label stands that the browser shows."""
    for number, label in enumerate(labels.labels):
        away_s = max(abs(label.start_s - seen["start_s"]), abs(label.end_s - seen["end_s"]))
        if label.kind == seen["kind"] and away_s <= ROUNDING_S:
            return number
    raise ValueError(f"the {seen['kind']} at {seen['start_s']:.2f} s has been changed elsewhere; look again")


def _kind(text: str) -> LabelKind:
    if text not in KINDS:
        raise ValueError(f"unknown kind {text!r}; expected one of {', '.join(KINDS)}")
    return text


def _label(span: Any) -> Label | None:
    return None if span is None else Label(span.kind, span.start_s, span.end_s)


def label_editor(
    path: str | Path,
    who: str,
    *,
    other: str | Path | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    cache: Folder | None = None,
) -> LabelEditor:
    """A label editor for one recording; `who` is kept with every edit.

    `other`: another annotator's label file, to step through where the two differ. Raises ValueError for what
    has no labels and no agent channel to estimate them by.
    """
    file = open_labels(Path(path), channels, cache)
    recording = load_recording(find_recordings(path, user=channels[0], agent=channels[1])[0])
    theirs = None if other is None else read_labels(other)
    return LabelEditor(recording, file, Tracer(TraceCache.at(cache)), who, other=theirs)

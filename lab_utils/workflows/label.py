"""The labels of one recording: its own or estimated ones, to list, to correct and to take back."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.files import replacing
from ..core.files.places import Folder
from ..core.labels import LABEL_KINDS, Label, LabelKind, Labels
from ..recordings.audio import BadRecording, is_local
from ..recordings.find import find_recordings, load_recording
from ..recordings.labels.agreement import Agreement
from ..recordings.labels.checks import label_checks, least_sure_first
from ..recordings.labels.edits import Change, edit_labels, label_at, undo_edit
from ..recordings.labels.file import SUFFIX, ChangeEntry, EditEntry, read_label_file
from ..turns.tracing import TraceCache, Tracer


@dataclass(frozen=True)
class LabelledFile:
    """A recording's labels and the file that holds them, or will when they are corrected."""

    file: Path
    labels: Labels

    @property
    def history(self) -> tuple[EditEntry, ...]:
        """Who changed what, the oldest edit first."""
        return (read_label_file(self.file).edits or ()) if self.file.exists() else ()

    @property
    def ordered(self) -> list[Label]:
        """All labels, the least sure first."""
        return [check.label for check in least_sure_first(label_checks(self.labels, LABEL_KINDS))]

    def undo(self, who: str, when: dt.datetime) -> tuple[LabelledFile, tuple[ChangeEntry, ...]]:
        """Take back the last edit; also returns its changes."""
        labels, undone = undo_edit(self.file, who, when)
        return replace(self, labels=labels), undone.changes

    def correct(
        self,
        who: str,
        when: dt.datetime,
        *,
        at_s: float | None = None,
        kind: LabelKind | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        remove: bool = False,
        why: str = "",
    ) -> tuple[LabelledFile, tuple[ChangeEntry, ...]]:
        """Change or remove the label at a moment, or without one add a label; also returns the changes.

        What is None stays as it was; a new label needs kind, start and end. Raises ValueError if there is no
        label at `at_s`, or the result contradicts itself.
        """
        before = None if at_s is None else label_at(self.labels, at_s)
        after = None if remove else _corrected(before, kind, start_s, end_s)
        labels = edit_labels(self.file, [Change(before, after, why)], who, when, estimated=self.labels)
        corrected = replace(self, labels=labels)
        return corrected, corrected.history[-1].changes

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "file": str(self.file),
            "exists": self.file.exists(),
            "source": self.labels.source,
            "labels": [vars(one) for one in self.ordered],
            "edits": [edit.model_dump(mode="json", exclude={"replaced"}) for edit in self.history],
        }


UNDECIDED = "undecided"
"""A kind that no label has: a skeleton can't be used before each pause has been decided."""


def write_skeleton(
    path: Path, channels: tuple[str, str] = ("caller", "agent"), cache: Folder | None = None
) -> tuple[Path, int]:
    """Write a label file to fill in: where speech is, and each pause as undecided; returns it and their
    number.

    For a recording of one channel, whose speech is all put down to the user. Raises ValueError if there are
    labels already, or no speech.
    """
    found = find_recordings(path, user=channels[0], agent=channels[1])
    if len(found) != 1:
        raise ValueError(f"{path}: holds {len(found)} recordings; name one of them")
    (files,) = found
    if not is_local(files.user):
        raise BadRecording.of(files.user, "isn't on this machine", "copy it here to label it")
    if files.label_path.exists():
        raise BadRecording.of(files.label_path, "is there already", "correct it, or move it away")
    recording = load_recording(files)
    speech = Tracer(TraceCache.at(cache)).speech_only(recording)
    if not speech.ipus:
        raise BadRecording.of(recording.path, "has no speech", "nothing to label")
    ends = [*(ipu.start_s for ipu in speech.ipus[1:]), recording.duration_s]
    pauses = [
        {"kind": UNDECIDED, "start_s": ipu.end_s, "end_s": end_s, "reason": "hold or shift?"}
        for ipu, end_s in zip(speech.ipus, ends, strict=True)
        if end_s > ipu.end_s
    ]
    content = {
        "format": "turn-labels",
        "version": 1,
        "recording": recording.name,
        "duration_s": recording.duration_s,
        "source": "by hand",
        "ipus": [
            {"speaker": ipu.speaker, "start_s": ipu.start_s, "end_s": ipu.end_s, "text": ""}
            for ipu in speech.ipus
        ],
        "labels": pauses,
    }
    with replacing(files.label_path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return files.label_path, len(pauses)


def open_labels(
    path: Path, channels: tuple[str, str] = ("caller", "agent"), cache: Folder | None = None
) -> LabelledFile:
    """The labels of a recording, or those in a label file. Raises ValueError for what has none."""
    if path.name.endswith((SUFFIX, SUFFIX.lstrip("."))):
        return LabelledFile(path, read_label_file(path).to_labels())
    found = find_recordings(path, user=channels[0], agent=channels[1])
    if len(found) != 1:
        raise ValueError(f"{path}: holds {len(found)} recordings; name one of them, or its label file")
    if not is_local(found[0].user):
        raise BadRecording.of(found[0].user, "isn't on this machine", "copy it here to label it")
    recording = Tracer(TraceCache.at(cache)).labelled(load_recording(found[0]))
    assert recording.labels is not None
    return LabelledFile(found[0].label_path, recording.labels)


def compare_labels(first: Path, second: Path) -> Agreement:
    """Two annotators' label files of one recording, or two folders of such files with the same names.

    Raises ValueError for a file that can't be read, for folders without a name in common, and for a file
    beside a folder.
    """
    if first.is_dir() != second.is_dir():
        raise ValueError(f"{first}, {second}: one is a folder, the other a file; name two of a kind")
    files = {"": (first, second)}
    if first.is_dir():
        files = {
            path.name: (path, second / path.name)
            for path in sorted(first.glob(f"*{SUFFIX}"))
            if (second / path.name).exists()
        }
        if not files:
            raise ValueError(f"{first}, {second}: no label file (*{SUFFIX}) of the same name in both")
    found = []
    for one, other in files.values():
        ours, theirs = read_label_file(one), read_label_file(other)
        if ours.recording != theirs.recording:
            raise ValueError(
                f"{other}: is about {theirs.recording}, {one} about {ours.recording}; "
                "name files of one recording"
            )
        found.append((ours.recording, ours.to_labels(), theirs.to_labels()))
    return Agreement.of(found)


def _corrected(
    before: Label | None, kind: LabelKind | None, start_s: float | None, end_s: float | None
) -> Label:
    if before is None:
        if kind is None or start_s is None or end_s is None:
            raise ValueError("a new label needs a kind, a start and an end; or name the one to change")
        return Label(kind, start_s, end_s)
    return replace(
        before,
        kind=kind or before.kind,
        start_s=before.start_s if start_s is None else start_s,
        end_s=before.end_s if end_s is None else end_s,
    )

"""Corrections of labels by a person: stored with who, when and what, and kept by later estimates.

Conventions: a `Change` identifies a label by its kind and its times in the file (to 10 ms). An edited label
has confidence 1 and `edited` set. The time of an edit is an argument and must have a time zone.

The user's IPUs are adapted to a corrected silence. IPUs that reach into it are trimmed. If a label was moved,
an IPU that touched its old edge is extended or trimmed to the new edge. Words are left as they are.

Undoing an edit puts labels and IPUs back as they were. It stays in the history, with who undid it and when.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.labels import Ipu, Label, LabelKind, Labels
from .file import (
    ROUNDING_S,
    SILENCES,
    SUFFIX,
    BadLabels,
    ChangeEntry,
    EditedSpan,
    EditEntry,
    IpuEntry,
    LabelEntry,
    LabelFile,
    Replaced,
    Undone,
    read_label_file,
)
from .update import update_label_file


@dataclass(frozen=True)
class Change:
    """One correction: no `before` adds a label, no `after` removes one."""

    before: Label | None
    after: Label | None
    why: str = ""

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ValueError("a change has neither before nor after; give the label to add, remove or change")


def label_at(labels: Labels, at_s: float) -> Label:
    """The label at a time, to within 10 ms; the shortest if there are several.

    Raises ValueError, naming the nearest, if there is none.
    """

    def away_s(label: Label) -> float:
        return max(label.start_s - at_s, at_s - label.end_s, 0.0)

    if not labels.labels:
        raise ValueError(f"no label at {at_s:g} s: there are no labels; add one by its kind, start and end")
    near = [label for label in labels.labels if away_s(label) <= ROUNDING_S]
    if not near:
        one = min(labels.labels, key=away_s)
        nearest = f"the nearest is a {one.kind} from {one.start_s:.2f} to {one.end_s:.2f} s"
        raise ValueError(f"no label at {at_s:g} s: {nearest}; give a time in it, or add a label")
    return min(near, key=lambda label: (label.end_s - label.start_s, label.start_s))


def edit_labels(
    path: str | Path,
    changes: Sequence[Change],
    who: str,
    when: dt.datetime,
    estimated: Labels | None = None,
) -> Labels:
    """Apply a person's changes to a label file, all or none, and return the resulting labels.

    The history gets one more entry. `estimated`: the labels to begin with if the file doesn't exist yet.
    Raises BadLabels if a label to change isn't in the file or if the result would contradict itself, and
    ValueError without changes, a name or a time zone.
    """
    _check_person(who, when)
    if not changes:
        raise ValueError("no changes; nothing to edit")

    def edited(content: LabelFile | None) -> LabelFile:
        if content is None:
            begun = None if estimated is None else LabelFile.of(estimated, _recording(path))
            content = begun or read_label_file(path)  # raises: no such file
        before = labels = content.to_labels()
        for change in changes:
            labels = _applied(path, labels, change)
        entry = EditEntry(
            who=who.strip(),
            when=when,
            changes=tuple(_entry(change) for change in changes),
            replaced=_difference(before, labels),
        )
        return _replaced(content, labels, (*(content.edits or ()), entry))

    return update_label_file(path, edited).to_labels()


def undo_edit(path: str | Path, who: str, when: dt.datetime) -> tuple[Labels, EditEntry]:
    """Undo the last edit of a label file that isn't undone yet; returns the resulting labels and that edit.

    Raises BadLabels if there is none, or if the labels and IPUs that it made have changed since, and
    ValueError without a name or a time zone.
    """
    _check_person(who, when)
    taken_back: list[EditEntry] = []

    def undone(content: LabelFile | None) -> LabelFile:
        content = content or read_label_file(path)
        edits = list(content.edits or ())
        last = max((k for k, edit in enumerate(edits) if edit.undone is None), default=None)
        if last is None:
            raise BadLabels.of(path, "has no edit to undo", "see its history")
        replaced = edits[last].replaced
        labels = None if replaced is None else _put_back(content.to_labels(), replaced)
        if labels is None:
            finding = "has changed since its last edit, which can't be undone any more"
            raise BadLabels.of(path, finding, "change the label back with another edit")
        edits[last] = edits[last].model_copy(update={"undone": Undone(who=who.strip(), when=when)})
        taken_back.append(edits[last])
        return _replaced(content, labels, tuple(edits))

    return update_label_file(path, undone).to_labels(), taken_back[0]


def update_labels(path: str | Path, estimated: Labels) -> Labels:
    """Write an estimate to a label file without losing a person's edits there; returns the result.

    Without a file, or without edits in it, the estimate is written as it is. The history stays.
    """

    def updated(content: LabelFile | None) -> LabelFile:
        if content is None:
            return LabelFile.of(estimated, _recording(path))
        merged = merge_edited(estimated, content.to_labels(), content.edits or ())
        return _replaced(content, merged, content.edits)

    return update_label_file(path, updated).to_labels()


def merge_edited(estimated: Labels, known: Labels, edits: Sequence[EditEntry] = ()) -> Labels:
    """The estimate with a person's labels, which replace the estimated ones that they meet.

    Two labels meet if they overlap or start within 10 ms of each other. An estimated label is dropped if it
    meets an edited one. It is also dropped if it meets a label that a person has removed or changed, and has
    that label's old kind.
    """
    own = [label for label in known.labels if label.edited]
    refused = [
        change.before
        for edit in edits
        for change in edit.changes
        if change.before is not None and edit.undone is None
    ]
    kept = [
        label
        for label in estimated.labels
        if not any(_meet(label, one) for one in own)
        and not any(_meet(label, one) and label.kind == one.kind for one in refused)
    ]
    ipus = estimated.ipus
    for label in own:
        if label.kind in SILENCES:
            ipus = _trimmed(ipus, label)
    return replace(
        estimated, ipus=ipus, labels=_in_order([*kept, *own]), words=known.words or estimated.words
    )


def _recording(path: str | Path) -> str:
    return Path(path).name.removesuffix(SUFFIX)


def _check_person(who: str, when: dt.datetime) -> None:
    if not who.strip():
        raise ValueError("who is empty; give the name of the person who edits")
    if when.tzinfo is None:
        raise ValueError(f"when ({when}) has no time zone; use datetime.now(timezone.utc)")


def _difference(before: Labels, after: Labels) -> Replaced:
    labels, new_labels = Counter(before.labels), Counter(after.labels)
    ipus, new_ipus = Counter(before.ipus), Counter(after.ipus)
    return Replaced(
        labels=tuple(LabelEntry.of(label) for label in (labels - new_labels).elements()),
        new_labels=tuple(LabelEntry.of(label) for label in (new_labels - labels).elements()),
        ipus=tuple(IpuEntry(**vars(ipu)) for ipu in (ipus - new_ipus).elements()),
        new_ipus=tuple(IpuEntry(**vars(ipu)) for ipu in (new_ipus - ipus).elements()),
    )


def _put_back(labels: Labels, replaced: Replaced) -> Labels | None:
    """The labels with an edit undone; None if what the edit made has changed since.

    An IPU may have got a text since the edit (`lab transcribe`): that text is kept.
    """
    rest, ipus = list(labels.labels), list(labels.ipus)
    pieces: list[tuple[Ipu, str]] = []  # an IPU, and its text right after the edit
    for entry in replaced.new_labels:
        if (label := entry.to_label()) not in rest:
            return None
        rest.remove(label)
    for new in replaced.new_ipus:
        place = (new.speaker, new.start_s, new.end_s)
        here = [ipu for ipu in ipus if (ipu.speaker, ipu.start_s, ipu.end_s) == place]
        if not here:
            return None
        ipus.remove(here[0])
        pieces.append((here[0], new.text))
    for old in replaced.ipus:
        own = [one for one in pieces if old.start_s <= (one[0].start_s + one[0].end_s) / 2 <= old.end_s]
        text = old.text
        if any(ipu.text != then for ipu, then in own):
            text = " ".join(ipu.text for ipu, _ in own if ipu.text)
        ipus.append(Ipu(old.speaker, old.start_s, old.end_s, text))
    rest += [entry.to_label() for entry in replaced.labels]
    in_order = tuple(sorted(ipus, key=lambda ipu: (ipu.start_s, ipu.end_s)))
    return replace(labels, labels=_in_order(rest), ipus=in_order)


def _applied(path: str | Path, labels: Labels, change: Change) -> Labels:
    rest, ipus = list(labels.labels), labels.ipus
    if change.before is not None:
        found = [label for label in rest if _same(label, change.before)]
        if not found:
            one = change.before
            finding = f"has no {one.kind} from {one.start_s:g} to {one.end_s:g} s"
            raise BadLabels.of(path, finding, "read the file again; it may have been edited since")
        rest.remove(found[0])
    if change.after is not None:
        after = replace(change.after, confidence=1.0, edited=True, reason=change.why or change.after.reason)
        if change.before is not None and {change.before.kind, after.kind} <= set(SILENCES):
            ipus = _moved(ipus, change.before, after)
        if after.kind in SILENCES:
            ipus = _trimmed(ipus, after)
        rest.append(after)
    return replace(labels, labels=_in_order(rest), ipus=ipus)


def _moved(ipus: Sequence[Ipu], before: Label, after: Label) -> tuple[Ipu, ...]:
    """The IPUs; those of the user that touched the old silence now touch the new one."""
    moved = []
    for ipu in ipus:
        if ipu.speaker == "user" and abs(ipu.end_s - before.start_s) <= ROUNDING_S:
            ipu = replace(ipu, end_s=max(ipu.start_s, after.start_s))
        elif (
            ipu.speaker == "user" and abs(ipu.start_s - before.end_s) <= ROUNDING_S and before.kind != "shift"
        ):
            ipu = replace(ipu, start_s=min(ipu.end_s, after.end_s))
        moved.append(ipu)
    return tuple(sorted(moved, key=lambda ipu: (ipu.start_s, ipu.end_s)))


def _trimmed(ipus: Sequence[Ipu], silence: Label) -> tuple[Ipu, ...]:
    """The IPUs with the silence cut out of the user's; if one is split, its first part has the text."""
    kept: list[Ipu] = []
    for ipu in ipus:
        if ipu.speaker != "user" or ipu.end_s <= silence.start_s or ipu.start_s >= silence.end_s:
            kept.append(ipu)
            continue
        if ipu.start_s < silence.start_s:
            kept.append(replace(ipu, end_s=silence.start_s))
        if ipu.end_s > silence.end_s:
            text = "" if ipu.start_s < silence.start_s else ipu.text
            kept.append(replace(ipu, start_s=silence.end_s, text=text))
    return tuple(sorted(kept, key=lambda ipu: (ipu.start_s, ipu.end_s)))


def _same(label: Label, other: Label) -> bool:
    near = max(abs(label.start_s - other.start_s), abs(label.end_s - other.end_s)) <= ROUNDING_S
    return label.kind == other.kind and near


def _meet(label: Label, other: Label | EditedSpan) -> bool:
    overlap = min(label.end_s, other.end_s) - max(label.start_s, other.start_s) > 0
    return overlap or abs(label.start_s - other.start_s) <= ROUNDING_S


def _in_order(labels: Sequence[Label]) -> tuple[Label, ...]:
    return tuple(sorted(labels, key=lambda label: (label.start_s, label.end_s)))


def _entry(change: Change) -> ChangeEntry:
    return ChangeEntry(before=_span(change.before), after=_span(change.after), why=change.why)


def _span(label: Label | None) -> EditedSpan | None:
    if label is None:
        return None
    kind: LabelKind = label.kind
    return EditedSpan(kind=kind, start_s=label.start_s, end_s=label.end_s)


def _replaced(content: LabelFile, labels: Labels, edits: tuple[EditEntry, ...] | None) -> LabelFile:
    new = LabelFile.of(labels, content.recording)
    return new.model_copy(
        update={"condition": content.condition, "voices": content.voices, "edits": edits or None}
    )

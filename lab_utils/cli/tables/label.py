"""What `lab label` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...recordings.labels.file import ChangeEntry, EditedSpan
from ...workflows.label import LabelledFile


def print_labels(known: LabelledFile) -> None:
    """All labels, the least sure first."""
    where = known.file if known.file.exists() else "estimated; an edit writes them to " + str(known.file)
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("from", "to", "confidence"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("kind", "reason"):
        table.add_column(name)
    for one in known.ordered:
        sure = "edited" if one.edited else f"{one.confidence:.2f}"
        table.add_row(f"{one.start_s:.2f}", f"{one.end_s:.2f}", sure, one.kind, escape(one.reason))
    console = Console()
    console.print(table)
    console.print(
        f"{len(known.labels.labels)} label(s), the least sure first: {where}", highlight=False, markup=False
    )


def print_edited(known: LabelledFile, changes: Sequence[ChangeEntry], undone: bool) -> None:
    """What was just changed or taken back."""
    told = ("undone: " if undone else "") + "; ".join(_told(change) for change in changes)
    hint = "" if undone else f"; lab label {known.file} --undo --by NAME takes it back"
    print(f"{told}\nin {known.file}{hint}")


def print_skeleton(file: Path, pauses: int, as_json: bool) -> None:
    """Where the label file to fill in is, and what is left to decide."""
    if as_json:
        print(json.dumps({"file": str(file), "undecided": pauses}))
    else:
        print(f"{file}: {pauses} pause(s) to decide: set each kind to hold (the user goes on) or shift")


def print_history(known: LabelledFile) -> None:
    """Who changed what, when and why, the oldest edit first."""
    edits = known.history
    if not edits:
        print(f"{known.file}: nobody has edited these labels")
    for edit in edits:
        print(f"{edit.when:%Y-%m-%d %H:%M %Z}  {edit.who}")
        for change in edit.changes:
            print(f"  {_told(change)}{': ' * bool(change.why)}{change.why}")
        if edit.undone is not None:
            print(f"  undone {edit.undone.when:%Y-%m-%d %H:%M} by {edit.undone.who}")


def _told(change: ChangeEntry) -> str:
    if change.before is None:
        return f"added: {_span(change.after)}"
    if change.after is None:
        return f"removed: {_span(change.before)}"
    return f"{_span(change.before)} -> {_span(change.after)}"


def _span(span: EditedSpan | None) -> str:
    assert span is not None
    return f"{span.kind} {span.start_s:.2f} to {span.end_s:.2f} s"

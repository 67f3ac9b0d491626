"""What `lab import` prints."""

from __future__ import annotations

import json

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...core.text import printable
from ...recordings.manifest import Entry
from ...workflows.import_ import ImportDone

MOST_ROWS = 200
"""Of a larger folder the first so many recordings are listed."""


def print_import(done: ImportDone) -> None:
    """Every recording with what was found in it, what to do about what is missing, and the manifest."""
    found = done.imported
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("recording", "format", "length", "channels", "labels", "turns", "notes"):
        table.add_column(name, justify="right" if name in ("length", "channels", "turns") else "left")
    for entry in found.entries[:MOST_ROWS]:
        table.add_row(*(escape(printable(cell)) for cell in _cells(entry)))
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table)
    n, minutes = len(found.entries), found.duration_s / 60
    if n > MOST_ROWS:
        print(f"and {n - MOST_ROWS} more; the manifest has all")
    labelled = sum(bool(entry.labels_source) for entry in found.entries)
    print(f"{n} recording(s), {minutes:.1f} min, {labelled} with labels; {len(found.skipped)} skipped")
    for name, count in found.formats.items():
        print(f"  {name}: {count}")
    for note in found.notes:
        print(f"note: {printable(note)}")
    for advice in found.advice:
        print(f"note: {printable(advice)}")
    print(f"manifest: {done.manifest}")
    if done.root is not None:
        print(f"its paths count from {done.root}: find_recordings(manifest, root={str(done.root)!r})")


def _cells(entry: Entry) -> tuple[str, ...]:
    turns = _turns(entry)
    minutes, seconds = divmod(entry.duration_s, 60)
    return (
        entry.files.name,
        entry.files.format,
        f"{minutes:.0f}:{seconds:04.1f}",
        str(entry.channels),
        entry.labels_source or "–",
        str(turns) if turns else "–",
        str(len(entry.notes)) if entry.notes else "–",
    )


def _turns(entry: Entry) -> int:
    """Turns that the system itself saw, by its report or spans."""
    return len(json.loads(entry.provenance)["turns"]) if entry.provenance else 0

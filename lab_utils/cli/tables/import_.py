"""What `lab import` prints."""

from __future__ import annotations

from ...workflows.import_ import ImportDone


def print_import(done: ImportDone) -> None:
    """How many recordings of which formats, and how to use the manifest."""
    found = done.imported
    n, minutes = len(found.entries), found.duration_s / 60
    labelled = sum(bool(entry.labels_source) for entry in found.entries)
    print(f"{n} recording(s), {minutes:.1f} min, {labelled} with labels; {len(found.skipped)} skipped")
    for name, count in found.formats.items():
        print(f"  {name}: {count}")
    for note in found.notes:
        print(f"note: {note}")
    print(f"manifest: {done.manifest}")
    if done.root is not None:
        print(f"its paths count from {done.root}: find_recordings(manifest, root={str(done.root)!r})")

"""One recording with labels: its own, or estimated from its two channels."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.files.places import Folder
from ..core.recording import Recording
from ..recordings.find import find_recordings, load_recording
from ..turns.tracing import TraceCache, Tracer


def load(path: str | Path, number: int = 0, cache: Folder | None = None) -> Recording:
    """The recording in a file, or one of a folder or manifest by its number, with labels.

    Raises ValueError for a number that there isn't and for a recording that can't be read, or has no labels
    and no agent to estimate them by.
    """
    found = find_recordings(path)
    if not 0 <= number < len(found):
        raise InputError(
            f"{path}: has recordings 0 to {len(found) - 1}, asked for {number}; choose one of them"
        )
    return Tracer(TraceCache.at(cache)).labelled(load_recording(found[number]))

"""The cache of traces and transcripts: what is in it, whether it is intact, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.files.places import Folder, Place
from ..recordings.find import find_in, load_recording
from ..session.log.files import session_folder
from ..turns.cache import BadEntry, TraceCache, largest_cache, read_entry
from ..turns.cache.known import of_models


@dataclass(frozen=True)
class CacheStatus:
    """How much is kept."""

    folder: Place
    entries: int
    bytes: int
    largest_bytes: int
    recordings: int


def cache_status(cache: Folder | None = None) -> CacheStatus:
    """What is in a cache."""
    kept = TraceCache.at(cache)
    entries = list(kept.entries())
    recordings = {path.name[:64] for path in of_models(entries)}
    size = sum(path.stat().st_size for path in entries)
    return CacheStatus(kept.folder, len(entries), size, largest_cache(), len(recordings))


def verify_cache(cache: Folder | None = None) -> tuple[int, list[tuple[Place, str]]]:
    """How many entries are intact, and those that aren't, with the reason. Changes nothing."""
    intact, damaged = 0, []
    for path in sorted(TraceCache.at(cache).entries(), key=str):
        try:
            read_entry(path, path.stem)
            intact += 1
        except (BadEntry, OSError) as error:
            damaged.append((path, str(error)))
    return intact, damaged


def prune_cache(cache: Folder | None = None, largest: int | None = None) -> list[Place]:
    """Remove damaged entries, and the least recently used until the rest has at most `largest` bytes.

    `largest`: None for `$LAB_CACHE_MAX`. Returns what was removed.
    """
    kept = TraceCache.at(cache)
    damaged = [path for path, _ in verify_cache(kept.folder)[1]]
    for path in damaged:
        path.unlink(missing_ok=True)
    return damaged + kept.prune(largest_cache() if largest is None else largest)


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what stays because it is the user's own."""

    removed: tuple[Place, ...]
    stays: tuple[Path, ...]


def forget(
    path: str | Path,
    results: Sequence[Path] = (),
    *,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
) -> Forgotten:
    """Remove all that was derived from the recordings of a path: cache entries and results of sessions.

    What finished sessions of killed commands came to goes with them, of all recordings: whose it is isn't
    told. `results`: folders that `lab run` wrote to. The recordings themselves and their label files stay.
    Raises InputError if there is no recording there that can be read: what was made of it couldn't be told.
    """
    found, failed = find_in([Path(path)], channels)
    if not found:
        reason = str(failed[0][1]) if failed else f"{path}: no recording there"
        raise InputError(f"{reason}; what was made of it can't be told, see 'lab cache prune'")
    kept = TraceCache.at(cache)
    removed: list[Place] = kept.finished()
    stays: list[Path] = []
    for files in found:
        recording = load_recording(files)
        removed += kept.of_recording(recording.sha256)
        for folder in results:
            own = session_folder(folder, files.name)
            removed += sorted(one for one in own.rglob("*") if one.is_file()) if own.is_dir() else []
        stays += [one for one in (files.user, files.agent, files.labels) if one is not None]
    for one in removed:
        one.unlink(missing_ok=True)
        if one.suffix != ".npz" and not any(one.parent.iterdir()):
            one.parent.rmdir()
    return Forgotten(tuple(removed), tuple(dict.fromkeys(stays)))

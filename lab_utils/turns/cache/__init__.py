"""Arrays on disk by address: traces and transcripts, which are slow to make.

An entry (`entries.py`) that isn't exactly what was asked is made again, and that is said once. What the cache
lacks of the project's own samples, the package has (`shipped.py`).

Entries are the user's alone (folder 0700, files 0600). The least recently used go first when all together are
larger than `$LAB_CACHE_MAX`. The folder may also be one of a store that fsspec knows, such as S3: there the
store says who may read it, an entry is written by one request, and those written first go first.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from ...core.errors import InputError, is_full
from ...core.files import write_whole
from ...core.files.places import Folder, Place, place_of
from .entries import BadEntry as BadEntry
from .entries import entry_bytes
from .entries import read_entry as read_entry
from .shipped import shipped_arrays

log = logging.getLogger(__name__)

MAX_CACHE_BYTES = 20_000_000_000
"""Unless `$LAB_CACHE_MAX` says otherwise; a traced hour of calls takes about 10 MB."""
LENT = "-lent-"
"""In addresses of what lies there for workers, as long as their work takes (`lent.py`)."""
FINISHED = "-finished"
"""The end of addresses of what finished sessions came to (`finished.py`)."""
BEGUN = f"-begun{FINISHED}"
"""The end of addresses of marks that such sessions are under way."""
FINISHED_S = 7 * 86_400.0
"""Nobody goes on from what is older."""
_LINE = "-line-"
_IS_LENT = re.compile(LENT + r"[0-9a-f]{32}-[0-9]+$")
_LENT_S = 86_400.0
_USED_AGAIN_S = 3600.0
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def default_cache() -> Place:
    """Where traces are kept: `$LAB_CACHE`, a path or a URL, or the user's cache folder."""
    return place_of(os.environ.get("LAB_CACHE") or user_cache_path("livekit-turn-lab"))


def cache_folder(given: Folder | None) -> Place:
    """The folder that a user means; None: the default. Raises InputError for a store that doesn't answer."""
    return default_cache() if given is None else place_of(given)


def largest_cache() -> int:
    """The most bytes that all entries together may have: `$LAB_CACHE_MAX`, such as 5G or 500M."""
    given = os.environ.get("LAB_CACHE_MAX", "").strip().upper().removesuffix("B")
    if not given:
        return MAX_CACHE_BYTES
    number, unit = (given[:-1], given[-1]) if given[-1] in _UNITS else (given, "")
    try:
        size = float(number) * _UNITS[unit]
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise InputError(f"LAB_CACHE_MAX is {given!r}; expected a size, such as 5G or 500M")
    return int(size)


@dataclass(frozen=True)
class TraceCache:
    """Arrays on disk by address; written whole or not at all, checked on reading."""

    folder: Place

    @classmethod
    def at(cls, given: Folder | None) -> TraceCache:
        """In a folder by its path or URL; None: in the default one. Raises InputError like `cache_folder`."""
        return cls(cache_folder(given))

    def load(self, address: str, names: Sequence[str]) -> list[np.ndarray] | None:
        """The arrays stored at an address, here or with the package; None if there is no intact entry."""
        own = self._load(address, names)
        return own if own is not None else shipped_arrays(address, names)

    def _load(self, address: str, names: Sequence[str]) -> list[np.ndarray] | None:
        path = self._path(address)
        try:
            found = read_entry(path, address)
            arrays = [found[name] for name in names]
        except FileNotFoundError:
            return None
        except (BadEntry, KeyError, OSError) as error:
            _say_once(self.folder, path, str(error))
            return None
        if not isinstance(path, Path):
            return arrays
        with suppress(OSError):  # least recently used go first; not on every use, which would be slow
            if abs(time.time() - path.stat().st_mtime) > _USED_AGAIN_S:  # also where the clock was set back
                os.utime(path)
        return arrays

    def store(self, address: str, **arrays: np.ndarray) -> None:
        """Keep arrays, of one dimension and equal length, at an address."""
        path = self._path(address)
        try:
            data = entry_bytes(address, arrays)
            if isinstance(path, Path):
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_whole(path, data, mode=0o600)
            else:
                path.write_bytes(data)
        except OSError as error:
            remedy = "free some space" if is_full(error) else "see that it can be written to"
            raise ValueError(
                f"{self.folder}: traces can't be kept ({error.strerror or error}); {remedy}, or give another "
                "folder with --cache or $LAB_CACHE"
            ) from None

    def remove(self, address: str) -> None:
        """Remove an entry, if it is there."""
        with suppress(OSError):
            self._path(address).unlink(missing_ok=True)

    def entries(self) -> Iterator[Place]:
        """The files of all entries."""
        return (path for path in self.folder.glob("??/*.npz") if path.is_file())

    def of_recording(self, sha256: str) -> list[Place]:
        """The entries that were made of a recording, also as heard over other lines."""
        found: list[Place] = sorted(self.folder.glob(f"{sha256[:2]}/{sha256}-*.npz"), key=str)
        lines = [path.stem.rpartition(_LINE)[2] for path in found if _LINE in path.stem]
        return found + [path for line in lines for path in self.of_recording(line)]

    def finished(self) -> list[Place]:
        """The entries of finished sessions, of all recordings."""
        found = self.folder.glob(f"??/*{FINISHED}.npz")
        return sorted((path for path in found if not path.stem.endswith(BEGUN)), key=str)

    def link(self, sha256: str, heard: str) -> None:
        """Note that `heard` is a recording over another line, so that both are forgotten together."""
        if not self._path(f"{sha256}{_LINE}{heard}").exists():
            self.store(f"{sha256}{_LINE}{heard}", none=np.zeros(0))

    def prune(self, largest: int) -> list[Place]:
        """Remove the least recently used entries until all have at most `largest` bytes; those removed.

        Those from the future are of a clock that was set back since: when they were used isn't known, and
        they go first. Where nothing may be removed, all stay. What was lent to workers in the last day isn't
        counted and stays; what was lent before, by a run that was killed, goes before all else. What sessions
        came to and nobody went on from for a week goes in any case, where the store tells its age.
        """
        known, now_s = [], time.time() + _USED_AGAIN_S
        removed: list[Place] = []
        for path in self.entries():
            with suppress(OSError):
                status = path.stat()
                ages = path.stem.endswith(FINISHED) and status.st_mtime != 0  # some stores don't tell
                if ages and abs(time.time() - status.st_mtime) > FINISHED_S:
                    path.unlink(missing_ok=True)
                    removed.append(path)
                    continue
                lent = _IS_LENT.search(path.stem) is not None
                if lent and abs(time.time() - status.st_mtime) < _LENT_S:
                    continue
                used = not lent, status.st_mtime < now_s, status.st_mtime
                known.append((used, status.st_size, path))
        left = sum(size for _, size, _ in known)
        for _, size, path in sorted(known, key=lambda one: (one[:2], str(one[2]))):
            if left <= largest:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
                removed.append(path)
                left -= size
        return removed

    def _path(self, address: str) -> Place:
        return self.folder / address[:2] / f"{address}.npz"


@functools.cache
def _unusable(folder: Place) -> Iterator[int]:
    """Counts the unusable entries of a folder that this process has met."""
    return itertools.count()


def _say_once(folder: Place, path: Place, why: str) -> None:
    """Tell of the first unusable entry of a folder, and not of the others."""
    if next(_unusable(folder)) == 0:
        log.warning("damaged cache entry %s (%s); it and others like it are computed again", path, why)

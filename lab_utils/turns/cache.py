"""Arrays on disk by address: traces and transcripts, which are slow to make.

An entry is one `.npz` file: its arrays, and in `about.json` its address, each array's type and shape, and a
checksum over all of them. What isn't exactly what was asked is made again, and that is said once. Nothing is
unpickled, and no header is believed: sizes are checked before anything is read.

Entries are the user's alone (folder 0700, files 0600). The least recently used go first when all together are
larger than `$LAB_CACHE_MAX`. The folder may also be a place of any file system that fsspec knows, given as
`UPath`: there the store keeps what is private, and the entries written first go first.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import json
import logging
import math
import os
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from upath import UPath

from ..core.errors import InputError
from ..core.files import write_whole

log = logging.getLogger(__name__)

VERSION = 1
"""Of the entries."""
MAX_ARRAY_BYTES = 64 << 20
"""Of one array; a trace of four hours has 4 MB."""
MAX_CACHE_BYTES = 20_000_000_000
"""Unless `$LAB_CACHE_MAX` says otherwise; a traced hour of calls takes about 10 MB."""
_KINDS = "fiuU"
_ABOUT = "about.json"
_LINE = "-line-"
_USED_AGAIN_S = 3600.0
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


Place = Path | UPath
"""A file or folder here, or of another file system."""


class BadEntry(ValueError):
    """A cache entry that isn't what was asked."""


def default_cache() -> Path:
    """Where traces are kept: `$LAB_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("LAB_CACHE") or user_cache_path("livekit-turn-lab"))


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

    def load(self, address: str, names: Sequence[str]) -> list[np.ndarray] | None:
        """The arrays stored at an address, or None if there is no intact entry."""
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
            if time.time() - path.stat().st_mtime > _USED_AGAIN_S:
                os.utime(path)
        return arrays

    def store(self, address: str, **arrays: np.ndarray) -> None:
        """Keep arrays, of one dimension and equal length, at an address."""
        path = self._path(address)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            data = entry_bytes(address, arrays)
            if isinstance(path, Path):
                write_whole(path, data, mode=0o600)
            else:
                path.write_bytes(data)
        except OSError as error:
            remedy = "free some space, or give another folder with --cache or $LAB_CACHE"
            raise ValueError(f"{self.folder}: traces can't be kept ({error.strerror}); {remedy}") from None

    def entries(self) -> Iterator[Place]:
        """The files of all entries."""
        return (path for path in self.folder.glob("??/*.npz") if path.is_file())

    def of_recording(self, sha256: str) -> list[Place]:
        """The entries that were made of a recording, also as heard over other lines."""
        found: list[Place] = sorted(self.folder.glob(f"{sha256[:2]}/{sha256}-*.npz"), key=str)
        lines = [path.stem.rpartition(_LINE)[2] for path in found if _LINE in path.stem]
        return found + [path for line in lines for path in self.of_recording(line)]

    def link(self, sha256: str, heard: str) -> None:
        """Note that `heard` is a recording over another line, so that both are forgotten together."""
        if not self._path(f"{sha256}{_LINE}{heard}").exists():
            self.store(f"{sha256}{_LINE}{heard}", none=np.zeros(0))

    def prune(self, largest: int) -> list[Place]:
        """Remove the least recently used entries until all have at most `largest` bytes; those removed."""
        known = []
        for path in self.entries():
            with suppress(OSError):
                status = path.stat()
                known.append((status.st_mtime, status.st_size, path))
        left = sum(size for _, size, _ in known)
        removed: list[Place] = []
        for _, size, path in sorted(known, key=lambda one: (one[:2], str(one[2]))):
            if left <= largest:
                break
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


def entry_bytes(address: str, arrays: dict[str, np.ndarray]) -> bytes:
    """What an entry's file holds."""
    about = {"version": VERSION, "address": address, "arrays": _described(arrays), "sha256": _digest(arrays)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, _ABOUT, json.dumps(about).encode())
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            _add(archive, f"{name}.npy", buffer.getvalue())
    return content.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Without the time of day, so that the same traces are the same bytes."""
    archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def read_entry(path: Place, address: str) -> dict[str, np.ndarray]:
    """The arrays of an entry. Raises BadEntry for what isn't exactly what was stored at this address."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if _ABOUT not in archive.namelist():
                raise BadEntry("made by an earlier version")
            about = json.loads(_member(archive, _ABOUT))
            names = list(about["arrays"])
            arrays = {name: _array(_member(archive, f"{name}.npy")) for name in names}
    except (FileNotFoundError, BadEntry):
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError),
        *(RuntimeError, RecursionError, NotImplementedError, AttributeError),
    ) as error:
        raise BadEntry(f"{type(error).__name__}: {error}") from None
    if about.get("version") != VERSION or about.get("address") != address:
        raise BadEntry("made by another version, or for something else")
    if about["arrays"] != _described(arrays) or about.get("sha256") != _digest(arrays):
        raise BadEntry("its checksum is another")
    if any(array.shape != next(iter(arrays.values())).shape for array in arrays.values()):
        raise BadEntry("its arrays are of unequal length")
    return arrays


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_ARRAY_BYTES:
        raise BadEntry(f"{name} is too large")
    return archive.read(name)


def _array(data: bytes) -> np.ndarray:
    """The array of an .npy file's bytes: of one dimension, of plain numbers or text, and complete."""
    stream = io.BytesIO(data)
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.kind not in _KINDS or dtype.hasobject or len(shape) != 1:
        raise BadEntry(f"an array is of type {dtype} and shape {shape}")
    if shape[0] * dtype.itemsize != len(data) - stream.tell():
        raise BadEntry("an array is cut off")
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _described(arrays: dict[str, np.ndarray]) -> dict[str, list[object]]:
    return {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

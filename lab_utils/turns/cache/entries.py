"""One entry of a cache: an `.npz` file with an address.

It holds its arrays, and in `about.json` its address, each array's type and shape, and a checksum over all of
them. Nothing is unpickled, and no header is believed: sizes are checked before anything is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from ...core.files.places import Place

VERSION = 1
"""Of the entries."""
MAX_ARRAY_BYTES = 64 << 20
"""Of one array; a trace of four hours has 4 MB."""
_KINDS = "fiuU"
_ABOUT = "about.json"


class BadEntry(ValueError):
    """A cache entry that isn't what was asked."""


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
    """The arrays of an entry. Raises BadEntry for what isn't exactly what was stored at this address.

    Raises OSError where it can't be read, and for some damaged offsets in the archive.
    """
    if not isinstance(path, Path):
        return entry_in(io.BytesIO(path.read_bytes()), address)  # by one request
    with path.open("rb") as file:
        return entry_in(file, address)


def entry_in(file: IO[bytes], address: str) -> dict[str, np.ndarray]:
    """The arrays of an entry in an open file. Raises BadEntry and OSError like `read_entry`."""
    try:
        with zipfile.ZipFile(file) as archive:
            if _ABOUT not in archive.namelist():
                raise BadEntry("made by an earlier version")
            about = json.loads(_member(archive, _ABOUT))
            names = list(about["arrays"])
            arrays = {name: _array(_member(archive, f"{name}.npy")) for name in names}
    except BadEntry:
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

"""A value in one file, of which the arrays are read as parts of one mapped file.

Mapped for itself, each array would keep a file open, and a process may have no more than a thousand of them.
"""

from __future__ import annotations

import mmap
import pickle
from pathlib import Path
from typing import Any

import numpy as np

_ALIGNED = 64
"""Arrays begin at a multiple of so many bytes, as NumPy's own do."""


def write_handed_on(value: Any, path: Path) -> None:
    """Write a value that can be pickled; its arrays are written as they lie in memory, without a copy."""
    arrays: list[pickle.PickleBuffer] = []
    parts = [memoryview(pickle.dumps(value, protocol=5, buffer_callback=arrays.append))]
    parts += [one.raw() for one in arrays]
    with path.open("wb") as file:
        file.write(np.array([len(parts), *(part.nbytes for part in parts)], dtype=np.int64).tobytes())
        for part in parts:
            file.write(bytes(-file.tell() % _ALIGNED))
            file.write(part)


def read_handed_on(path: Path) -> Any:
    """What `write_handed_on` wrote in this very run; its arrays are read as they are used, and read-only."""
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    count = int(np.frombuffer(mapped, np.int64, 1)[0])
    parts, at = [], 8 * (count + 1)
    for size in np.frombuffer(mapped, np.int64, count, offset=8).tolist():
        at += -at % _ALIGNED
        parts.append(mapped[at : at + size])
        at += size
    return pickle.loads(parts[0], buffers=parts[1:])

"""Arrays that may be longer than memory should hold: short ones in memory, long ones in a mapped file.

Goal: a call of four hours is used like one of four minutes, as NumPy arrays, while only the stretch that is
worked on is resident.
Conventions: arrays grow by rows, shape=(n,) or (n, columns). The file is temporary and has no name: nothing
of a call stays behind, whatever ends the process. It lies in the folder for temporary files (TMPDIR).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)
Block = TypeVar("Block", covariant=True)

IN_MEMORY_BYTES = 32 << 20
"""A longer array lies in a file: 17 minutes of one channel are in memory."""
BLOCK_ROWS = 1_024_000
"""64 s of samples; a whole number of the frames of 160, 320 and 512 samples that are in use."""


class Kept:
    """An array in the making, of which the rows come in blocks."""

    def __init__(self, in_memory_bytes: int | None = None) -> None:
        """`in_memory_bytes`: more lie in a file; default `IN_MEMORY_BYTES`."""
        self._in_memory_bytes = IN_MEMORY_BYTES if in_memory_bytes is None else in_memory_bytes
        self._blocks: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._bytes = 0

    def add(self, block: NDArray[Any]) -> None:
        """The next rows; all blocks have one type and as many columns.

        Raises OSError, naming the folder for temporary files, where they can't be written.
        """
        self._bytes += block.nbytes
        if self._file is None and self._bytes <= self._in_memory_bytes:
            self._blocks.append(block.copy())  # not a view, which would hold all that it is a part of
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="lab-samples-")  # closed by `array`  # noqa: SIM115
                for one in self._blocks:
                    self._file.write(one.data)
                self._blocks = [block[:0].copy()]
            self._file.write(np.ascontiguousarray(block).data)
        except OSError as error:  # a full disk is met while writing, where nobody says in which file
            raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from None

    def array(self) -> NDArray[Any]:
        """All rows; read-only if they lie in a file. Raises ValueError if nothing was added."""
        if not self._blocks:
            raise ValueError("expected at least one block, which tells the array's type; got none")
        if self._file is None:
            return self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)
        with self._file as file:
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        like = self._blocks[0]
        return np.frombuffer(mapped, like.dtype).reshape(-1, *like.shape[1:])


def kept(blocks: Iterable[NDArray[Number]]) -> NDArray[Number]:
    """One array of blocks.

    >>> kept([np.arange(2), np.arange(3)]).tolist()
    [0, 1, 0, 1, 2]
    """
    made = Kept()
    for block in blocks:
        made.add(block)
    return made.array()


def joined(*parts: NDArray[Number]) -> NDArray[Number]:
    """`np.concatenate(parts)`, in bounded memory."""
    return kept(block for part in parts for block in blocks_of(part))


class Rows(Protocol[Block]):
    """An array, or what is read like one."""

    def __len__(self) -> int: ...
    def __getitem__(self, where: slice, /) -> Block: ...


def blocks_of(array: Rows[Block], rows: int | None = None) -> Iterator[Block]:
    """The array in blocks of so many rows, at least one; each is resident only until the next is asked for.

    >>> [block.tolist() for block in blocks_of(np.arange(5), rows=2)]
    [[0, 1], [2, 3], [4]]
    """
    rows = rows or BLOCK_ROWS
    for at in range(0, max(1, len(array)), rows):
        yield array[at : at + rows]
        release(array)


def release(*arrays: Any) -> None:
    """Let go of what is resident of arrays that lie in files; what is used again is read again."""
    for array in arrays:
        owner: Any = array
        while owner is not None and not isinstance(owner, mmap.mmap):
            owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
        if owner is not None and hasattr(owner, "madvise"):
            owner.madvise(mmap.MADV_DONTNEED)


def sum_of_rows(blocks: Iterable[NDArray[Number]]) -> NDArray[Number]:
    """The sum over all rows of blocks of shape=(n, columns), to the last bit as of all of them at once.

    NumPy adds row after row: so the sum so far is put before the next block's first row.

    >>> sum_of_rows([np.ones((2, 3)), np.ones((1, 3))]).tolist()
    [3.0, 3.0, 3.0]
    """
    total: NDArray[Number] | None = None
    for block in blocks:
        rows = block if total is None else np.concatenate((total[None], block))
        total = np.add.reduce(rows, axis=0)
    if total is None:
        raise ValueError("expected at least one block, got none")
    return total

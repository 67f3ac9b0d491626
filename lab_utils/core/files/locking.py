"""One writer at a time: a lock on a folder, held while a file in it is read, changed and written.

The lock is the system's own (`flock` on the folder): it leaves no file behind and ends with its process. It
holds between the processes of one machine. Where the system has no such lock (Windows, some network
folders) writers go on without; what a file was when it was read is compared before it is replaced.
"""

from __future__ import annotations

import errno
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

fcntl: Any = None
with suppress(ImportError):  # Windows has none
    fcntl = importlib.import_module("fcntl")

WAIT_S = 30.0
_EVERY_S = 0.005
_BUSY = (errno.EAGAIN, errno.EACCES)


class Locked(OSError):
    """Another process has been changing files in the folder for too long."""


@contextmanager
def locked(folder: str | os.PathLike[str], wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the folder's lock; waits for whoever has it. Raises Locked after `wait_s`.

    It can't be taken twice by nested blocks of one thread.
    """
    try:
        descriptor = os.open(Path(folder), os.O_RDONLY)
    except OSError:  # not there yet, or Windows
        yield
        return
    try:
        _acquire(descriptor, Path(folder), wait_s)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)  # which gives the lock back


def _acquire(descriptor: int, folder: Path, wait_s: float) -> None:
    if fcntl is None:
        return
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in _BUSY:
                return  # this file system has no locks
        if time.monotonic() > deadline:
            text = "another program is changing files in this folder; try again"
            raise Locked(errno.EAGAIN, text, os.fspath(folder))
        time.sleep(_EVERY_S)

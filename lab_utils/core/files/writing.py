"""Files written whole or not at all, on this machine.

What is written goes to a temporary file beside the target, which is renamed when all of it is there. What a
person made by hand (labels, profiles) is also on the disk before the old file goes (`durable`). A process
that is killed leaves its temporary file; the next write into the folder removes it.
"""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

PREFIX = ".lab-"
SUFFIX = ".tmp"
STALE_AFTER_S = 86_400.0
"""A temporary file of another machine (a shared folder) is taken for left behind after so long."""


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, durable: bool = False, mode: int | None = None
) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed if it doesn't.

    A symbolic link stays one: what it points to is replaced. `durable`: the content is on the disk before
    the old file goes. `mode`: permissions of the file, such as 0o600. OSErrors name `path`.
    """
    target = Path(os.path.realpath(path))
    remove_stale(target.parent)
    temporary = target.with_name(f"{PREFIX}{machine_mark()}-{os.getpid()}-{uuid4().hex[:12]}{SUFFIX}")
    try:
        yield temporary
        if mode is not None:
            os.chmod(temporary, mode)
        if durable:
            _to_disk(temporary)
        os.replace(temporary, target)
        if durable:
            with suppress(OSError):  # not every system can; the rename itself has happened
                _to_disk(target.parent)
    except OSError as error:
        # A full disk is met while writing, where neither Python nor pyarrow says in which file.
        if error.errno is None or error.filename not in (None, os.fspath(temporary)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(
    path: str | os.PathLike[str], content: str | bytes, *, durable: bool = False, mode: int | None = None
) -> None:
    """Write text (UTF-8) or bytes to a file, whole or not at all; as `replacing`.

    Raises OSError if the folder is missing, full or not writable.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, durable=durable, mode=mode) as part:
        part.write_bytes(data)


def remove_stale(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of processes that are gone; does nothing where it may not."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX) and _is_stale(entry):
                with suppress(OSError):
                    os.unlink(entry.path)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    machine, pid = (*entry.name.removeprefix(PREFIX).split("-"), "")[:2]
    if machine == machine_mark() and pid.isdecimal() and os.name == "posix":
        return not is_alive(int(pid))
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_AFTER_S
    return False


def is_alive(pid: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def machine_mark() -> str:
    """Stands for this machine in the names of temporary files."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Folders for as long as a piece of work takes; what killed processes left goes with the next one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .writing import is_alive, machine_mark

_NAME = re.compile(r"\.?lab-[a-z]+-(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]+)-")


@contextmanager
def scratch_folder(kind: str, inside: Path | None = None) -> Iterator[Path]:
    """A new folder that only this user can read, removed with all that is in it when the block ends.

    `kind`: a word for its name. `inside`: where it lies, hidden (default: the folder for temporary files).
    Raises OSError if it can't be made.
    """
    place = Path(tempfile.gettempdir()) if inside is None else inside
    remove_stale_folders(place)
    prefix = f"{'' if inside is None else '.'}lab-{kind}-{machine_mark()}-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_together(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> None:
    """Write a folder's files, each by its name, of which none replaces an older one before all are written.

    A failure leaves what was there; raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder("part", folder if folder.is_dir() else folder.parent) as part:
        for name, write in writers.items():
            write(part / name)
        folder.mkdir(exist_ok=True)
        for name in writers:
            os.replace(part / name, folder / name)


def remove_stale_folders(place: Path) -> None:
    """Remove the folders of processes of this machine that are gone; does nothing where it may not."""
    if os.name != "posix":  # there a process can't be asked for
        return
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            found = _NAME.match(entry.name)
            if found is None or found["machine"] != machine_mark() or is_alive(int(found["pid"])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)

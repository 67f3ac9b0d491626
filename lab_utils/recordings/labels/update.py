"""Change a label file so that nobody's work is lost: read, changed and written under a lock.

Of two writers the second waits for the first and reads what it wrote. If another program (an editor) has
changed the file between reading and writing, nothing is written, and an error says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...core.files.locking import locked
from ..audio import as_path, is_local
from .file import BadLabels, LabelFile, read_label_file, write_label_file


def update_label_file(path: str | Path, change: Callable[[LabelFile | None], LabelFile]) -> LabelFile:
    """Write and return the result of `change`, which gets the file's content (None without a file).

    Raises BadLabels, and writes nothing, if the file can't be read, if the result would contradict itself, or
    if another program has changed the file meanwhile. If `change` raises, the file stays as it is.
    """
    target = as_path(path)
    if not is_local(target):
        return _updated(target, change)
    new_folder = not target.parent.exists()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(target.parent):
            return _updated(target, change)
    finally:
        if new_folder and not target.exists():
            with suppress(OSError):  # somebody else has put something there
                target.parent.rmdir()


def _updated(path: Path, change: Callable[[LabelFile | None], LabelFile]) -> LabelFile:
    before = _content(path)
    known = None if before is None else read_label_file(path)
    new = change(known)
    if _content(path) != before:
        finding = "was changed by another program meanwhile; nothing was written"
        raise BadLabels.of(path, finding, "read the file again and repeat the change")
    if new != known:
        write_label_file(new, path)
    return new


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadLabels.of(path, f"can't be read ({error.strerror})", "check the path") from None

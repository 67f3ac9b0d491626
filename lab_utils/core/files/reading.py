"""Small files that users bring: read up to a size, as text in a Unicode encoding.

Nothing is executed and nothing outside the file is followed.
"""

from __future__ import annotations

import codecs
import errno
import json
from pathlib import Path

from ..text import one_line

MAX_TEXT_BYTES = 64 << 20
"""Of files that tell about a recording, if nothing less is asked for."""


class BadFile(ValueError):
    """What is wrong with a file, and what to do; who reads it puts its name in front."""

    def __init__(self, finding: str, remedy: str) -> None:
        self.finding, self.remedy = one_line(finding), one_line(remedy)
        super().__init__(f"{self.finding}; {self.remedy}")


_MACHINE = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS", "EIO", "ENOMEM", "EMFILE", "ENFILE"),
        *("ENAMETOOLONG", "ESTALE", "ENODEV", "EBUSY"),
    )
    if hasattr(errno, name)
)


def is_machine_error(error: BaseException) -> bool:
    """Whether an error is the machine's (a full disk, no permission), not the program's or the input's."""
    return isinstance(error, OSError) and error.errno in _MACHINE


def read_limited(path: Path, limit: int = MAX_TEXT_BYTES, *, may_be_empty: bool = False) -> bytes:
    """A file's content. Raises BadFile if it can't be read, is empty or larger than `limit` bytes.

    No more than `limit` is ever held, also from a file that grows or a device.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadFile(f"can't be read ({why})", "check the path and its permissions") from None
    if len(data) > limit:
        size = path.stat().st_size  # of a device or a pipe: 0
        found = f"has {_size(size)}, more than" if size > limit else "is larger than"
        raise BadFile(f"{found} the {_size(limit)} that are read", "check that it is the right file")
    if not may_be_empty and not data.strip(b"\x00 \t\r\n"):
        raise BadFile("is empty", "copy or export it again")
    return data


def json_text(data: bytes) -> str:
    """JSON in UTF-8, UTF-16 or UTF-32 as text, without byte-order mark. Raises BadFile for others."""
    return _decoded(data, json.detect_encoding(data)).removeprefix("\ufeff")


def marked_text(data: bytes) -> str:
    """Text in UTF-8, or UTF-16 with its byte-order mark. Raises BadFile for another encoding."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return _decoded(data, "utf-16" if wide else "utf-8-sig")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-SIG")
        raise BadFile(f"is not {name} text (byte {error.start})", "save it again as UTF-8") from None


def _size(n_bytes: int) -> str:
    return f"{n_bytes >> 20:,} MiB" if n_bytes >= 1 << 20 else f"{n_bytes >> 10} KiB"

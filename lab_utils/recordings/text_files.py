"""Reading the small files that tell about recordings: bounded in size, in a Unicode encoding."""

from __future__ import annotations

import json
from pathlib import Path

from .audio import BadRecording

MAX_TEXT_BYTES = 64 << 20
"""Files that tell about a recording are refused if they are larger."""


def read_bytes(path: Path) -> bytes:
    """A small file's content. Raises BadRecording if it can't be read, is empty or larger than 64 MiB."""
    try:
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            finding = f"has {size / (1 << 20):.0f} MiB, at most {MAX_TEXT_BYTES >> 20} are expected"
            raise BadRecording.of(path, finding, "check that it is the right file")
        data = path.read_bytes()
    except OSError as error:
        raise BadRecording.of(path, f"can't be read ({error.strerror or error})", "check the path") from None
    if not data.strip():
        raise BadRecording.of(path, "is empty", "export it again")
    return data


def decoded(path: Path, data: bytes) -> str:
    """JSON text in UTF-8, UTF-16 or UTF-32. Raises BadRecording for another encoding."""
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        finding = f"is not {encoding.upper()} text (byte {error.start})"
        raise BadRecording.of(path, finding, "export it again as UTF-8") from None

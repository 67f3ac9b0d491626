"""JSON files from users: recognises a file's format, and checks its content against a model.

Nothing is executed and nothing outside the file is followed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic_core import from_json, to_jsonable_python

from ..core.files import BadFile, json_text, parse_model, read_limited
from ..core.models import Frozen
from .audio import BadRecording

HEAD_BYTES = 1 << 16
Number = Annotated[float, Field(allow_inf_nan=False)]
T = TypeVar("T")


class Lenient(Frozen, extra="ignore", strict=False):
    """A part of another program's format; keys that aren't needed are ignored."""


def read_text(path: Path) -> str:
    """A small file's text in UTF-8, UTF-16 or UTF-32. Raises BadRecording for anything else."""
    try:
        return json_text(read_limited(path))
    except BadFile as error:
        raise BadRecording.of(path, error.finding, error.remedy) from None


def check_json(path: Path) -> None:
    """Raises BadRecording for a .json or .jsonl file that isn't JSON: its format can't be recognised."""
    text = read_text(path)
    if path.suffix.lower() == ".jsonl":
        text = text.lstrip().partition("\n")[0]
    try:
        from_json(text)
    except ValueError as error:
        finding = f"is damaged or cut off: not JSON ({error})"
        raise BadRecording.of(path, finding, "export or copy it again") from None


def as_json(value: Any) -> Any:
    """A value that JSON (and so a manifest) can hold: null for NaN and infinity, dates and bytes as text."""
    return to_jsonable_python(value, inf_nan_mode="null", bytes_mode="base64", fallback=str)


def head_of(path: Path) -> str:
    """The first 64 KiB of a file as text, whatever its encoding; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            data = file.read(HEAD_BYTES)
    except OSError:
        return ""
    return data.decode(json.detect_encoding(data), errors="replace")


def has_key(head: str, *keys: str) -> bool:
    """Whether one of some keys occurs in the beginning of a JSON text."""
    return any(re.search(rf'"{key}"\s*:', head) for key in keys)


def parse(path: Path, model: type[T], what: str) -> T:
    """A file's content. Raises BadRecording, naming the place, if it isn't what the model describes."""
    return parse_text(path, read_text(path), model, what)


def parse_text(path: Path, text: str, model: type[T], what: str) -> T:
    """As `parse`, for one JSON text of a file."""
    try:
        return parse_model(text, model, what)
    except BadFile as error:
        raise BadRecording.of(path, error.finding, error.remedy) from None

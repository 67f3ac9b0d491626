"""JSON that users bring: which kind a file is, and its content checked against a model.

Nothing is executed and nothing outside the file is followed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_jsonable_python

from .audio import BadRecording
from .text_files import decoded, read_bytes

HEAD_BYTES = 1 << 16
Number = Annotated[float, Field(allow_inf_nan=False)]


class Lenient(BaseModel):
    """A part of somebody else's format: what isn't needed isn't looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def check_json(path: Path) -> None:
    """Raises BadRecording for what is called .json or .jsonl and isn't, so that its kind can't be told."""
    text = decoded(path, read_bytes(path)).removeprefix("\ufeff")
    if path.suffix.lower() == ".jsonl":
        text = text.lstrip().partition("\n")[0]
    try:
        from_json(text)
    except ValueError as error:
        finding = f"is damaged or cut off: not JSON ({error})"
        raise BadRecording.of(path, finding, "export or copy it again") from None


def as_json(value: Any) -> Any:
    """A value as JSON, and so a manifest, can hold it: null for NaN and infinity, dates and bytes as text."""
    return to_jsonable_python(value, inf_nan_mode="null", bytes_mode="base64", fallback=str)


Model = TypeVar("Model", bound=BaseModel)


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


def parse(path: Path, model: type[Model], what: str) -> Model:
    """A file's content. Raises BadRecording, naming the place, if it isn't what the model describes."""
    return parse_text(path, decoded(path, read_bytes(path)), model, what)


def parse_text(path: Path, text: str, model: type[Model], what: str) -> Model:
    """As `parse`, for one JSON text of a file."""
    try:
        return model.model_validate_json(text.removeprefix("\ufeff"))
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        if detail["type"] == "json_invalid":
            finding = f"is damaged or cut off: not JSON ({detail['msg']})"
            raise BadRecording.of(path, finding, "export or copy it again") from None
        where = ".".join(str(part) for part in detail["loc"]) or "the whole"
        got = repr(detail["input"])
        finding = f"{where}: {detail['msg']}, got {got if len(got) <= 60 else got[:57] + '...'}"
        raise BadRecording.of(path, finding, f"expected {what}") from None

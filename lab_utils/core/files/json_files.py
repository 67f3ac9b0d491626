"""JSON that users bring, checked against a model.

Nesting above 200 levels and numbers of thousands of digits are refused by pydantic's parser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from ..models import expected, place
from .reading import BadFile, json_text, read_limited

T = TypeVar("T")


def read_model(path: Path, model: type[T], what: str, limit: int | None = None) -> T:
    """A file's JSON as a model, or a list of models. Raises BadFile as `read_limited` and `parse_model`."""
    data = read_limited(path) if limit is None else read_limited(path, limit)
    return parse_model(json_text(data), model, what)


def parse_model(text: str | bytes, model: type[T], what: str) -> T:
    """A JSON text as a model, or a list of models.

    `what` says for the message what the text should be. Raises BadFile naming the first place that isn't.
    """
    try:
        return TypeAdapter(model).validate_json(text)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        if item["type"] == "json_invalid":
            why = str(item["ctx"]["error"])
            raise BadFile(f"is damaged or cut off: not JSON ({why})", "copy or export it again") from None
        where = place(item["loc"])
        raise BadFile(f"{where}: {expected(item)}" if where else expected(item), f"expected {what}") from None


def read_json(path: Path) -> Any:
    """A file's plain JSON values. Raises BadFile if there are none."""
    text = json_text(read_limited(path))
    try:
        return from_json(text)
    except ValueError as error:
        raise BadFile(f"is damaged or cut off: not JSON ({error})", "copy or export it again") from None

"""Reads the JSON of speech-to-text providers into models; errors are one line."""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from pydantic import Field
from pydantic_core import from_json

from ....core.files import BadFile, parse_model
from ....core.models import Frozen
from ..source import BadAnnotation, Location, read_text
from .kinds import kind_of_json, unwrapped

Seconds = Annotated[float, Field(allow_inf_nan=False)]
"""A finite number of seconds, or of another unit if the model says so."""

T = TypeVar("T")


class Entry(Frozen, extra="ignore"):
    """Part of a provider's answer; what isn't declared is ignored."""


def parse(path: Location, model: type[T], provider: str, kind: str) -> T:
    """A file's content as a model or a list of models. Raises BadAnnotation, naming the place that is wrong.

    `provider` is the name for messages. `kind` is the name in `kinds`: a file of another kind is refused by
    its name.
    """
    text = read_text(path, legacy=False)
    other = kind_of_json(text.encode("utf-8", "replace"))
    if other and other != kind:
        raise BadAnnotation.at(
            path, f"is the JSON of {other}, not of {provider}", "name its own format, or none"
        )
    if kind == "deepgram":
        text = _unwrapped(text)
    try:
        return parse_model(text, model, f"the JSON of {provider}; save the whole answer")
    except BadFile as error:
        raise BadAnnotation.at(path, error.finding, error.remedy) from None


def check_json(path: Location) -> None:
    """Raises BadAnnotation for a file that isn't JSON, so that its program can't be recognised."""
    try:
        from_json(read_text(path, legacy=False))
    except ValueError as error:
        finding = f"not JSON ({str(error)[:80]})"
        raise BadAnnotation.at(path, finding, "is it cut off? save the answer again") from None


def _unwrapped(text: str) -> str:
    """The text of the answer without wrappers; unchanged if it has none or is no JSON."""
    try:
        value = from_json(text)
    except ValueError:
        return text
    inner = unwrapped(value)
    return text if inner is value else json.dumps(inner)


def text_of(head: bytes) -> bytes:
    """The first bytes of a file without byte-order mark and UTF-16's zero bytes, to look for keys in."""
    return head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")

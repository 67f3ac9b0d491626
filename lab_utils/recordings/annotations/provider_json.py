"""JSON of the speech-to-text providers: text to models, with one-line errors."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field

from ...core.files import BadFile, parse_model
from ...core.models import Frozen
from .source import BadAnnotation, Location, read_text

Seconds = Annotated[float, Field(allow_inf_nan=False)]
"""Or another unit of time, as the model says."""

T = TypeVar("T")


class Entry(Frozen, extra="ignore"):
    """Part of a provider's answer; what isn't declared is ignored."""


def parse(path: Location, model: type[T], provider: str) -> T:
    """A file's content as a model, or a list of models; BadAnnotation saying where it isn't one."""
    text = read_text(path, legacy=False)
    try:
        return parse_model(text, model, f"the JSON of {provider}; save the whole answer")
    except BadFile as error:
        raise BadAnnotation.at(path, error.finding, error.remedy) from None


def text_of(head: bytes) -> bytes:
    """The first bytes of a file without those of UTF-16, to look for keys in."""
    return head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")


def has_keys(head: bytes, *keys: str) -> bool:
    """Whether all keys occur in the first bytes of a JSON file."""
    text = text_of(head)
    return text[:1] in (b"{", b"[") and all(f'"{key}"'.encode() in text for key in keys)

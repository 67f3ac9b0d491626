"""JSON of the speech-to-text providers: text to pydantic models, with one-line errors.

Nothing is executed; nesting above 200 levels and numbers of thousands of digits are refused by pydantic's
parser.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .source import BadAnnotation, Location, read_text, short

Seconds = Annotated[float, Field(allow_inf_nan=False)]
"""Or another unit of time, as the model says."""

T = TypeVar("T")


class Entry(BaseModel):
    """Part of a provider's answer; what isn't declared is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def parse(path: Location, expected: type[T], provider: str) -> T:
    """A file's content as a model, or a list of models; BadAnnotation saying where it isn't one."""
    text = read_text(path, legacy=False)
    try:
        return TypeAdapter(expected).validate_json(text)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        where = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]
        ).lstrip(".")
        if detail["type"] == "json_invalid":
            raise BadAnnotation.at(
                path, f"not JSON ({detail['msg']})", "is it cut off? save the answer again"
            ) from None
        message = detail["msg"].removeprefix("Input should be ")
        got = "" if detail["type"] == "missing" else f"got {short(detail['input'])}, expected "
        finding = f"{where}: {got}{message}" if where else f"{got}{message}"
        raise BadAnnotation.at(
            path, finding, f"expected the JSON of {provider}; save the whole answer"
        ) from None


def text_of(head: bytes) -> bytes:
    """The first bytes of a file without those of UTF-16, to look for keys in."""
    return head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")


def has_keys(head: bytes, *keys: str) -> bool:
    """Whether all keys occur in the first bytes of a JSON file."""
    text = text_of(head)
    return text[:1] in (b"{", b"[") and all(f'"{key}"'.encode() in text for key in keys)

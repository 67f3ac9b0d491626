"""The base of all checked data models, and the one text of what is wrong with their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from .text import clip, one_line, printable, quoted

MOST_FINDINGS = 5
LONGEST_FINDING = 300


class Frozen(BaseModel):
    """Frozen, strictly validated values; its ValidationError is a ValueError.

    What reads somebody else's format is more lenient by class keywords: `class Part(Frozen, extra="ignore")`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def describe(
    error: ValidationError,
    names: Mapping[str, str] | None = None,
    *,
    line_of: Callable[[Sequence[int | str]], int | None] | None = None,
) -> str:
    """A validation error as one line: each key (by its name in `names`), what came, what was expected.

    `line_of`: the line of the file at which a value stands, told in front. At most five findings are told.
    """
    return joined(finding(item, names, line_of=line_of) for item in error.errors(include_url=False))


def joined(findings: Iterable[str]) -> str:
    """Findings on one line; those after the fifth are only counted."""
    every = list(findings)
    more = f"; and {len(every) - MOST_FINDINGS} more" if len(every) > MOST_FINDINGS else ""
    return "; ".join(every[:MOST_FINDINGS]) + more


def finding(
    item: ErrorDetails,
    names: Mapping[str, str] | None = None,
    *,
    line_of: Callable[[Sequence[int | str]], int | None] | None = None,
) -> str:
    """One entry of a ValidationError: "line 3: labels[2].start_s: expected a valid number, got 'x'"."""
    where = place(item["loc"])
    parts = [(names or {}).get(where, where), expected(item)]
    if line_of is not None and (line := line_of(item["loc"])) is not None:
        parts.insert(0, f"line {line}")
    return ": ".join(part for part in parts if part)


def place(loc: Sequence[int | str]) -> str:
    """Where a value stands, as "labels[3].start_s".

    >>> place(("labels", 3, "start_s"))
    'labels[3].start_s'
    """
    parts = [f"[{part}]" if isinstance(part, int) else f".{clip(printable(part))}" for part in loc]
    return "".join(parts).removeprefix(".")


def expected(item: ErrorDetails) -> str:
    """What a value should have been, and what it was."""
    kind, message = item["type"], item["msg"]
    if kind == "missing":
        return "missing; add it"
    if kind == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if kind == "json_invalid":
        return f"not JSON ({one_line(str(item['ctx']['error']))}); is it cut off? write or export it again"
    if kind == "value_error":
        return clip(one_line(message.removeprefix("Value error, ")), LONGEST_FINDING)
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        message = "expected keys and values"
    message = clip(one_line(message.replace("Input should be", "expected")), LONGEST_FINDING)
    return f"{message}, got {quoted(item['input'])}"

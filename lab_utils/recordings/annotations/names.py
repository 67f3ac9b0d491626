"""Names of speakers inside texts: "user: hello", as a format without a column for them has it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...core.labels import LABEL_KINDS
from .source import LABEL_TIER

NAMED = re.compile(r"(?P<name>[^:]{0,60}):(?:\s+(?P<text>.*))?", re.DOTALL)
_KIND = re.compile(r"(\S+?)(?:\s+[\d.]+)?")


def named(text: str) -> tuple[str, str] | None:
    """Name and text of "name: text", "name:" or ": text" (no name); None for another text."""
    match = NAMED.fullmatch(text.strip())
    return (match["name"].strip(), (match["text"] or "").strip()) if match else None


def split_labels(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Name and text of each of a file's labels, of which some may lack the name.

    Without a colon it is a label of a pause ("hold") on the label tier; or a name, if all such labels of the
    file are single words; or else the text of a speaker without a name.
    """
    bare = [text for text in labels if named(text) is None and not _is_kind(text)]
    are_names = all(len(text.split()) == 1 for text in bare)
    found = []
    for text in labels:
        if _is_kind(text):
            found.append((LABEL_TIER, text))
        else:
            found.append(named(text) or ((text, "") if are_names else ("", text)))
    return found


def with_name(name: str, text: str) -> str:
    """The text with its speaker's name before it, as `split_labels` understands it."""
    return f"{name.replace(':', '_')}: {text}".strip()


def _is_kind(text: str) -> bool:
    match = _KIND.fullmatch(text.strip())
    return bool(match) and match[1].casefold() in LABEL_KINDS if match else False

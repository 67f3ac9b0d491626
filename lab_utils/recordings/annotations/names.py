"""Names of speakers inside texts: "user: hello", as a format without a column for them has it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...core.labels import LABEL_KINDS
from .source import LABEL_TIER

NAMED = re.compile(r"(?P<name>[^:]{0,60}):(?:\s+(?P<text>.*))?", re.DOTALL)
_BRACKETS = re.compile(r"[\[(](?P<name>[^\[\]()]{1,60})[\])]:?\s+(?P<text>.*)", re.DOTALL)
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


def split_cues(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Name and text of each of a file's captions: "Name: text" or "[Name] text", where most begin so.

    Few names that come again are speakers; "Remember: ..." here and there is not one. A caption without a
    name among those that have one gets none.
    """
    split = [named(text) or _bracketed(text) for text in texts]
    names = [found[0] for found in split if found and found[0]]
    if 3 * len(names) >= 2 * len(texts) and len(set(names)) <= max(2, len(names) // 3):
        return [found if found and found[0] else ("", text) for found, text in zip(split, texts, strict=True)]
    return [("", text) for text in texts]


def _bracketed(text: str) -> tuple[str, str] | None:
    match = _BRACKETS.fullmatch(text.strip())
    return (match["name"].strip(), match["text"].strip()) if match else None


def with_name(name: str, text: str) -> str:
    """The text with its speaker's name before it, as `split_labels` understands it."""
    return f"{name.replace(':', '_')}: {text}".strip()


def _is_kind(text: str) -> bool:
    match = _KIND.fullmatch(text.strip())
    return bool(match) and match[1].casefold() in LABEL_KINDS if match else False

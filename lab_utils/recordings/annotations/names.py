"""Speakers' names inside texts, such as "user: hello", for formats without a column for names."""

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
    """Name and text of each label of a file; some labels may have no name.

    A label without a colon is one of three things. A kind of pause ("hold") goes on the label tier. If all
    other labels without a colon in the file are single words, they are names. Otherwise it is text without a
    name.
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
    """Name and text of each caption of a file, if most captions begin as "Name: text" or "[Name] text".

    Only a few names that occur again and again are taken for speakers, so an occasional "Remember: ..." is
    text. A caption without a name in such a file has the name "".
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

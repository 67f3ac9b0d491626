"""Records as HTML for a notebook: everything that comes from a user's files is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top"

_LONGEST = 24
"""A part of a name (between spaces, underscores, slashes, full stops) breaks only if it is longer."""

_PARTS_END = re.compile(r"(?<=[_/])(?=\w)|(?<=[^\W\d]\.)(?=[^\W\d])")

_INTERVAL = re.compile(r"\([\d.,]+–[\d.,]+\)")


def _cell(tag: str, cell: object) -> str:
    """One cell, escaped: names may break after an underscore, a slash or a full stop; numbers and intervals
    never."""
    text = str(cell)
    if re.fullmatch(r"[\d.,%-]*", text):
        return f"<{tag} style='{_CELL};white-space:nowrap'>{text}</{tag}>"
    parts = _PARTS_END.split(text)
    longest = max(len(word) for part in parts for word in part.split(" "))
    breaks = "anywhere" if longest > _LONGEST else "break-word"
    shown = "<wbr>".join(escape(part) for part in parts)
    shown = _INTERVAL.sub(r"<span style='white-space:nowrap'>\g<0></span>", shown)
    return f"<{tag} style='{_CELL};overflow-wrap:{breaks}'>{shown}</{tag}>"


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table as HTML; every cell is escaped.

    >>> table_html(["name"], [["<b>"]], "1 < 2").count("&lt;")
    2
    """
    top = "".join(_cell("th", cell) for cell in head)
    body = "".join("<tr>" + "".join(_cell("td", cell) for cell in row) + "</tr>" for row in rows)
    above = f"<div>{escape(caption)}</div>" if caption else ""
    return f"{above}<table style='line-height:1.4;border-collapse:collapse'><tr>{top}</tr>{body}</table>"


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """What is known about one thing, a line each; escaped."""
    rows = "".join(
        f"<tr><td style='{_CELL};opacity:0.7'>{escape(name)}</td>{_cell('td', value)}</tr>"
        for name, value in facts
    )
    return f"<b>{escape(title)}</b><table style='line-height:1.4;border-collapse:collapse'>{rows}</table>"

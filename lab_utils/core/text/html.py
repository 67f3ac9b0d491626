"""Records as HTML for a notebook: everything that comes from a user's files is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere"

_WHOLE = 8
"""A word or number of so many characters is never broken, however narrow its column."""


def _style(cell: object) -> str:
    return _CELL + ";white-space:nowrap" * (len(str(cell)) <= _WHOLE)


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table as HTML; every cell is escaped.

    >>> table_html(["name"], [["<b>"]], "1 < 2").count("&lt;")
    2
    """
    top = "".join(f"<th style='{_style(cell)}'>{escape(str(cell))}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_style(cell)}'>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    above = f"<div>{escape(caption)}</div>" if caption else ""
    return f"{above}<table style='line-height:1.4;border-collapse:collapse'><tr>{top}</tr>{body}</table>"


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """What is known about one thing, a line each; escaped."""
    rows = "".join(
        f"<tr><td style='{_CELL};opacity:0.7'>{escape(name)}</td>"
        f"<td style='{_CELL}'>{escape(str(value))}</td></tr>"
        for name, value in facts
    )
    return f"<b>{escape(title)}</b><table style='line-height:1.4;border-collapse:collapse'>{rows}</table>"

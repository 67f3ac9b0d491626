"""What `lab doctor` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.doctor import Check, State

MARKS: dict[State, str] = {"ok": "ok", "optional": "–", "missing": "MISSING"}


def print_checks(checks: Sequence[Check]) -> None:
    """One table; what to do stands below what was found."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("what", overflow="fold", max_width=26)
    table.add_column("found", overflow="fold")
    for one in checks:
        told = one.found + (f"\n→ {one.remedy}" if one.remedy else "")
        style = "bold" if one.state == "missing" else ""
        table.add_row(MARKS[one.state], escape(one.name), escape(told), style=style)
    console = Console()
    console.print(table)
    missing = sum(one.state == "missing" for one in checks)
    optional = sum(one.state == "optional" for one in checks)
    text = "Nothing that is needed is missing." if not missing else f"{missing} needed thing(s) missing."
    console.print(text + (f" {optional} optional one(s) not there." if optional else ""), highlight=False)

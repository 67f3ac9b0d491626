"""What `lab evaluate` prints."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ....core.text import printable
from ....workflows.evaluate import FILES, Evaluation
from ....workflows.evaluate.files import UNKNOWN, call_rows, group_rows, headlines

SHOWN = 20
"""Calls and groups that are printed; files hold all."""


def print_evaluation(found: Evaluation, out: Path) -> None:
    """The figures, the calls, and the failures by cause with what they have in common."""
    console = Console()
    for line in headlines(found):
        console.print(line, highlight=False)
    titles, rows = call_rows(found)
    known = [k for k in range(len(titles)) if any(row[k] != UNKNOWN for row in rows)]
    calls = Table(*(titles[k] for k in known), box=box.SIMPLE)
    for row in rows[:SHOWN]:
        calls.add_row(*(_shown(row[k]) for k in known))
    console.print(calls)
    if len(rows) > SHOWN:
        console.print(f"{len(rows) - SHOWN} more calls in {out}/report.md", highlight=False)
    groups = Table("failures", "calls", "cause", "in common", box=box.SIMPLE)
    for row in group_rows(found)[:SHOWN]:
        groups.add_row(*map(_shown, row[:4]))
    if found.groups:
        console.print(groups)
    console.print(f"results: {out}/: {', '.join(FILES)}", highlight=False, soft_wrap=True)


def _shown(text: str) -> str:
    return escape(printable(text))

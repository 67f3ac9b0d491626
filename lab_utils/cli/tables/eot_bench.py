"""What `lab eot-bench` prints."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.detectors.eot_bench import EotBench, table_rows


def print_table(measured: EotBench, out: Path | None) -> None:
    """What the figures rest on, and the operating points of each detector."""
    console, table = Console(), Table(box=box.SIMPLE_HEAD)
    titles, rows = table_rows(measured.table)
    for k, title in enumerate(titles):
        table.add_column(title, justify="right" if k else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    first = measured.table.iloc[0]
    console.print(f"{first['holds']} holds of 0.2 to 5 s, {first['turns']} ends of turn", highlight=False)
    console.print(table)
    if out is not None:
        console.print(f"results: {out}/", highlight=False)

"""What `lab diarize` prints."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.diarize import Separated


def print_separated(written: Sequence[Separated], out: Path, first: str) -> None:
    """How long each speaker speaks in each recording, and where the files are."""
    table = Table("recording", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("seconds", "user speaks", "agent speaks", "separation"):
        table.add_column(head, justify="right")
    table.add_column("labels")
    for one in written:
        figures = (
            f"{one.duration_s:.1f}",
            f"{one.user_s:.1f}",
            f"{one.agent_s:.1f}",
            f"{one.separation:.2f}",
        )
        table.add_row(escape(one.recording), *figures, escape(one.labels.partition(";")[0]))
    console = Console()
    console.print(table)
    other = "user" if first == "agent" else "agent"
    console.print(
        f"Whoever speaks first is taken as the {first} (else: --first {other}). Listen before you use it.\n"
        f"results: files with two channels and labels in {out}/; lab sweep {shlex.quote(str(out))}",
        highlight=False,
        markup=False,
    )

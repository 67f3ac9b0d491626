"""What `lab transcribe` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_written(written: list[dict[str, Any]], out: Path | None) -> None:
    """How many words each recording got, and where they are."""
    table = Table("recording", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("seconds", "user's words", "agent's words", "added"):
        table.add_column(head, justify="right")
    for one in written:
        counts = (str(one[key]) for key in ("user_words", "agent_words", "added"))
        table.add_row(escape(one["recording"]), f"{one['duration_s']:.1f}", *counts)
    console = Console()
    console.print(table)
    console.print("Words are added where a speaker has neither words nor texts.", highlight=False)
    console.print(
        f"results: label files {f'in {out}/' if out else 'beside the audio'}", highlight=False, markup=False
    )

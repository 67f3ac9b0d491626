"""What `lab sweep`, `lab demo` and `lab export` print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...core.knobs import idle_knobs
from ...workflows.study import FILES
from ...workflows.study.figure_texts import MAIN, NAMES, figure_rows, figure_text
from ...workflows.study.slices import SMALL, slice_rows

ENOUGH_RECORDINGS = 5
"""With fewer, the summary says how little the figures rest on."""


def print_lines(frame: pd.DataFrame) -> None:
    """The defaults and the choice on each line."""
    table = Table(title="On bad lines")
    for title in ("condition", "setting", *(NAMES[metric] for metric in MAIN)):
        table.add_column(title, justify="left" if title in ("condition", "setting") else "right")
    wide = frame.pivot(index=["channel_condition", "setting"], columns="metric", values="value")
    for line, name in frame[["channel_condition", "setting"]].drop_duplicates().itertuples(index=False):
        row = wide.loc[(line, name)]
        known = row.where(row.notna(), None)
        cells = (figure_text(metric, {"value": known[metric], "n": 1}) for metric in MAIN)
        table.add_row(line, name, *cells)
    Console().print(table)


def print_slices(frame: pd.DataFrame) -> None:
    """The choice by slice, beside LiveKit's defaults."""
    for key in frame["by"].unique():
        table = Table(title=f"By {key}")
        for title in (key, "setting", *(NAMES[metric] for metric in MAIN)):
            table.add_column(title, justify="left" if title in (key, "setting") else "right")
        rows, small = slice_rows(frame, key)
        for row in rows:
            table.add_row(*map(escape, row))
        Console().print(table)
        if small:
            print(f"  {SMALL}")


def print_summary(summary: dict[str, Any], out: Path | None) -> None:
    """What the figures rest on, the choice beside LiveKit's defaults, and where the results are."""
    console = Console()
    n = summary["counts"]
    console.print(
        f"{len(summary['recordings'])} recording(s), {n['holds']} holds, {n['turns']} ends of turn, "
        f"{n['backchannels']} backchannels, {n['cut_offs']} cut-off pauses; {summary['settings']} settings, "
        f"{summary['phases']} phases"
    )
    for line in summary["assumed"]:
        console.print(line, highlight=False)
    if summary["hold_lengths"]["cut_offs"]:
        console.print(summary["hold_lengths"]["in_words"], highlight=False)
    if summary["skipped"]:
        console.print(f"[bold]{len(summary['skipped'])} skipped[/bold], see summary.json")
    table = Table(title="False boundaries against latency (95 % interval by recording)", box=box.SIMPLE_HEAD)
    table.add_column("figure")
    columns = [
        ("LiveKit's defaults", summary["defaults"]["figures"]),
        ("chosen", summary["chosen"]["figures"]),
    ]
    own = summary.get("as_recorded")
    if own:
        columns.insert(1, (own["title"], own["figures"]))
    if summary["held_out"]:
        columns.append(("chosen, held out", summary["held_out"]))
    for title, _ in columns:
        table.add_column(title, justify="right")
    table.add_column("n", justify="right")
    for row in figure_rows([figures for _, figures in columns]):
        table.add_row(*row)
    console.print(table)
    if "defaults_note" in summary:
        console.print(summary["defaults_note"], highlight=False)
    for warning in summary.get("warnings", ()):
        console.print(f"[bold]{escape(warning)}[/bold]", highlight=False)
    if own:
        console.print("as recorded: " + "; ".join(own["assumed"]), highlight=False)
    few = len(summary["recordings"])
    if few < ENOUGH_RECORDINGS:
        rest = "no interval and no held-out check" if few == 1 else "intervals are wide or can't be told"
        console.print(f"[bold]Only {few} recording{'s' * (few > 1)}: {rest}. Bring more calls.[/bold]")
    knobs = summary["chosen"]["settings"]
    idle = idle_knobs(knobs)
    shown = [f"{name} {value}" for name, value in knobs.items() if value is not None and name not in idle]
    console.print("chosen: " + ", ".join(shown), highlight=False)
    budget = summary["budget"]
    if not budget["met"]:
        wanted = f"{budget['limit']} <= {budget['most']:g}"
        console.print(f"[bold]No setting has {wanted}; this is the nearest.[/bold]")
    if out is not None:
        console.print(f"results: {out}/: {', '.join(FILES)}", highlight=False)

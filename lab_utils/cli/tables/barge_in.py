"""What `lab barge-in` and `lab verify --barge-in` print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.barge_in import BargeIn, BargeInChoice, SceneProof
from ...workflows.barge_in.files import FILES
from ...workflows.barge_in.texts import figure_rows
from .verify import verdict


def print_barge_in(measured: BargeIn, choice: BargeInChoice, out: Path | None, output: Path | None) -> None:
    """What the figures rest on, the choice beside LiveKit's default, selectivity, where the results are."""
    console = Console()
    n = measured.counts
    lines = [
        f"{n['interruptions']} interruption(s) and {n['sounds']} sound(s) to talk through in "
        f"{n['recordings']} recording(s); {len(measured.tried)} settings, {measured.phases} phases; "
        f"{measured.sessions} results from sessions, the others replayed",
        *[f"{measured.unscored} onset(s) that nobody judges are left out"] * bool(measured.unscored),
    ]
    for line in lines:
        console.print(line, highlight=False)
    console.print(f"words: {escape('; '.join(measured.words))}", highlight=False)
    console.print(measured.conditions.in_words[0], highlight=False)
    table = Table(title="Barge-in (95 % interval by recording)", box=box.SIMPLE_HEAD)
    table.add_column("figure")
    columns = choice.columns
    for title in columns:
        table.add_column(title, justify="right")
    table.add_column("n", justify="right")
    for row in figure_rows(columns):
        table.add_row(*row)
    console.print(table)
    _print_selectivity(console, choice)
    knobs = choice.interruption.model_dump()
    console.print("chosen: " + ", ".join(f"{name} {value}" for name, value in knobs.items()), highlight=False)
    if not choice.met:
        wanted = f"{choice.most_falsely_stopped:.0%}"
        console.print(f"[bold]No setting falsely stops at most {wanted}; this is the nearest.[/bold]")
    if out is not None:
        console.print(f"results: {out}/: {', '.join(FILES)}", highlight=False)
    if output is not None:
        console.print(f"profile: {output}", highlight=False)


def _print_selectivity(console: Console, choice: BargeInChoice) -> None:
    table = Table(title="Selectivity: talked through, by sound", box=box.SIMPLE_HEAD)
    for title in ("sound", "n", "LiveKit's default", "chosen"):
        table.add_column(title, justify="left" if title == "sound" else "right")
    before = choice.selectivity_of_defaults["talked_through"].to_dict()
    for sound, row in choice.selectivity.to_dict(orient="index").items():
        shares = (before[sound], row["talked_through"])
        table.add_row(str(sound), str(int(row["n"])), *(f"{share:.0%}" for share in shares))
    if table.row_count:
        console.print(table)


def print_scene_proofs(proofs: Sequence[SceneProof], again: str) -> None:
    """Every mismatch with its setting, and the verdict."""
    console = Console()
    for one in (one for one in proofs if not one.agrees):
        console.print(f"[bold]case {one.number}[/bold] on {escape(one.scene)}")
        console.print(f"  again: {again} --case {one.number}", markup=False, soft_wrap=True)
        console.print(f"  settings {one.settings.model_dump_json()}", markup=False)
        console.print(f"  conditions {one.conditions.model_dump_json()}", markup=False)
        console.print(f"  replay  {one.replayed}", markup=False)
        console.print(f"  session {one.session if not one.failure else one.failure}", markup=False)
    plain = plain_proofs(proofs)
    console.print(
        f"[bold]{verdict(plain['mismatches'])}[/bold]: "
        f"{plain['settings']} setting(s) on {plain['scenes']} scene(s); "
        f"{plain['stops']} stops and {plain['resumes']} resumptions compared, largest error "
        f"{1000 * plain['largest_error_s']:.4f} ms; {plain['left_to_session']} left to the session",
        highlight=False,
    )


def plain_proofs(proofs: Sequence[SceneProof]) -> dict[str, Any]:
    """The proof in numbers."""
    compared = [one for one in proofs if one.replayed is not None and one.session is not None]
    errors = [one.largest_error_s for one in compared if math.isfinite(one.largest_error_s)]
    sessions = [one.session for one in compared if one.session is not None]
    return {
        "settings": len(proofs),
        "scenes": len({one.scene for one in proofs}),
        "mismatches": sum(not one.agrees for one in proofs),
        "stops": sum(math.isfinite(one.silent_s) for one in sessions),
        "resumes": sum(len(one.pauses) for one in sessions),
        "left_to_session": sum(one.replayed is None and not one.failure for one in proofs),
        "largest_error_s": max(errors, default=0.0),
        "disagree": [one.number for one in proofs if not one.agrees],
    }

"""`lab verify`: the replay against the real session, on drawn settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..recordings.audio import replacing
from ..session.comparison import Moment, Outcome
from ..workflows import verify as proof
from .common import AgentChannel, Cache, Jobs, Json, Paths, UserChannel, app, ending_well


@app.command()
def verify(
    paths: Paths,
    settings: Annotated[int, typer.Option(min=1, help="How many settings to draw.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    case: Annotated[int | None, typer.Option(min=0, help="Run the case of this number alone.")] = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    out: Annotated[Path | None, typer.Option("--out", help="File that receives the result as JSON.")] = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Prove the replay: its commits against those of the real AgentSession, for settings drawn at random."""
    with ending_well():
        if out is not None and out.is_dir():
            raise ValueError(f"{out}: is a folder; name a file with --out")
        proved = proof.prove(
            paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=(user, agent)
        )
        summary = proof.summary_of(proved)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            with replacing(out) as part:
                part.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for reason in proved.skipped:
            print(f"lab: skipped: {reason}", file=sys.stderr)
        if as_json:
            print(json.dumps(summary))
        else:
            _print(proved, summary)
        if proved.mismatches:
            raise typer.Exit(1)


def _print(proved: proof.Proof, summary: dict[str, Any]) -> None:
    console = Console()
    table = Table(title="Replay against AgentSession", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in proof.GROUP_NAMES:
        table.add_column(name, no_wrap=True)
    for name in ("settings", "commits", "differ", "error ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in summary["groups"]:
        table.add_row(*(group[name] for name in proof.GROUP_NAMES), *_figures(group))
    table.add_section()
    table.add_row("all", "", "", "", *_figures(summary))
    console.print(table)
    for outcome in proved.mismatches:
        _print_mismatch(console, proved, outcome)
    n = len(proved.mismatches)
    verdict = "all agree" if not n else f"{n} DISAGREE{'S' * (n == 1)}"
    console.print(
        f"[bold]{verdict}[/bold]: {summary['settings']} setting(s) on {len(summary['recordings'])} "
        f"recording(s), {summary['commits']} commits compared in number, time (within "
        f"{summary['tolerance_ms']:g} ms) and cause; largest error "
        f"{_figures(summary)[-1]} ms; seed {proved.seed}",
        highlight=False,
    )
    console.print(f"excluded: {summary['excluded']} {proof.EXCLUDED}", highlight=False)


def _figures(tally: dict[str, Any]) -> list[str]:
    error = tally["largest_error_ms"]
    return [
        str(tally["settings"]),
        str(tally["commits"]),
        str(tally["mismatches"]),
        "–" if error is None else f"{error:.4f}",
    ]


def _print_mismatch(console: Console, proved: proof.Proof, outcome: Outcome) -> None:
    """The setting, how to repeat it, and both timelines."""
    case = outcome.case
    group = ", ".join(proof.group_of(case))
    console.print(f"[bold]case {case.number}[/bold] on {escape(outcome.recording)}: {group}")
    console.print(
        f"  again: lab verify {' '.join(proved.paths)} --seed {proved.seed} --case {case.number}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(f"  phase {case.phase}; settings {json.dumps(case.settings.model_dump())}", markup=False)
    if outcome.failure:
        console.print(f"  failed: {outcome.failure}", markup=False)
    table = Table("replay", "session", "", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for ours, theirs, agree in proof.side_by_side(outcome):
        table.add_row(_moment(ours), _moment(theirs), "" if agree else "differs")
    if table.row_count:
        console.print(table)


def _moment(moment: Moment | None) -> str:
    return "–" if moment is None else f"{moment.time_s:.4f} s  {moment.cause}"

"""`lab demo`, `lab sweep`, `lab export`: from recordings to a profile."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from ..core.settings import Conditions
from ..core.yaml_files import write_whole
from ..latency.export import worker_code
from ..latency.techniques.choice import parse_techniques
from ..recordings.conditions import LineCondition
from ..session.providers.files import load_providers
from ..turns import grid as grids
from ..turns import profile
from ..turns.choose import Budget
from ..workflows import study as report
from .common import SAMPLES, AgentChannel, Cache, Jobs, Json, Out, Paths, UserChannel, app, ending_well

ENOUGH_RECORDINGS = 5
"""With fewer, the summary says how little the figures rest on."""

Phases = Annotated[int, typer.Option(min=1, max=512, help="Audio phases to average over.")]
FrameMs = Annotated[float, typer.Option(min=1, max=1000, help="Length of the agent's audio frames, in ms.")]


@app.command()
def demo(
    out: Out = Path("out/demo"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Run the main job on the project's own sample conversations."""
    with ending_well():
        if not SAMPLES.is_dir():
            remedy = "run this from a clone, or use 'lab sweep PATH'"
            raise ValueError(f"{SAMPLES}: no sample conversations here; {remedy}")
        _sweep([SAMPLES], None, out, Conditions(), phases, jobs, cache, as_json, ("caller", "agent"))


@app.command()
def sweep(
    paths: Paths,
    grid: Annotated[Path | None, typer.Option(help="YAML file: knob name -> list of values.")] = None,
    out: Out = Path("out/sweep"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    frame_ms: FrameMs = 50.0,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Also judge the choice on a bad line, e.g. noise:10, telephone, loss:0.05:3."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a grid of settings on recordings and choose one."""
    with ending_well():
        conditions = Conditions(frame_duration=frame_ms / 1000)
        lines = [LineCondition.parse(text) for text in condition or ()]
        _sweep(paths, grid, out, conditions, phases, jobs, cache, as_json, (user, agent), lines)


def _sweep(
    paths: list[Path],
    grid: Path | None,
    out: Path,
    conditions: Conditions,
    phases: int,
    jobs: int,
    cache: Path | None,
    as_json: bool,
    channels: tuple[str, str],
    lines: Sequence[LineCondition] = (),
) -> None:
    report.check_folder(out)
    table, impossible = grids.expand(grids.read_grid(grid) if grid else grids.DEFAULT_GRID)
    study = report.run_study(
        paths,
        table,
        impossible=impossible,
        conditions=conditions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        channels=channels,
    )
    choice = report.choose_settings(study, nearest=True)
    summary = report.write_report(study, choice, out, out.resolve().name, dt.date.today())
    for item in study.skipped:
        print(f"lab: skipped: {item.reason}", file=sys.stderr)
    on_lines = report.compare_lines(study, choice, lines, jobs=jobs, cache=cache) if lines else None
    if on_lines is not None:
        report.write_lines(on_lines, out)
        values = on_lines.astype(object).where(on_lines.notna(), None)
        summary = summary | {"lines": values.to_dict("records")}
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        _print_summary(summary, out)
        if on_lines is not None:
            _print_lines(on_lines)


def _print_lines(frame: pd.DataFrame) -> None:
    """The defaults and the choice on each line."""
    table = Table(title="On bad lines")
    rows = [row for row in _ROWS if row[0] in _LINE_FIGURES]
    for title in ("line", "setting", *(label for _, label, *_ in rows)):
        table.add_column(title, justify="left" if title in ("line", "setting") else "right")
    wide = frame.pivot(index=["line", "setting"], columns="metric", values="value")
    for line, name in frame[["line", "setting"]].drop_duplicates().itertuples(index=False):
        row = wide.loc[(line, name)]
        cells = [
            f"{row[key] * scale:.{1 if unit == '%' else 0}f} {unit}" if row[key] == row[key] else "–"
            for key, _, scale, unit in rows
        ]
        table.add_row(line, name, *cells)
    Console().print(table)


WORKER_FILE = "agent.py"


def refuse_to_overwrite(path: Path, text: str) -> None:
    """Raise ValueError if the file is there and says something else: somebody may have worked on it."""
    if path.exists() and path.read_bytes() != text.encode():
        raise ValueError(f"{path}: is there and differs; move it, or name another folder with -o")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Made by 'lab sweep' or 'lab demo'.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the profile.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Profile file to write.")],
    max_false_boundary_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least mean latency with at most this rate per hold.")
    ] = None,
    max_latency_p95: Annotated[
        float | None, typer.Option(min=0, help="Least false-boundary rate with at most this p95 latency (s).")
    ] = None,
    snippet: Annotated[bool, typer.Option(help="Also print the Python to paste into an agent.")] = False,
    techniques: Annotated[
        str | None,
        typer.Option(
            help="Also write agent.py beside the profile, a LiveKit worker with these latency techniques: "
            "all, none, or names with commas."
        ),
    ] = None,
    providers: Annotated[
        str, typer.Option(help="Provider profile of that worker's plug-ins, by name or file.")
    ] = "deepgram-openai-cartesia",
    jobs: Jobs = 2,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Choose a setting under a budget and write it as a profile that AgentSession takes."""
    if (max_false_boundary_rate is None) == (max_latency_p95 is None):
        raise typer.BadParameter("give either --max-false-boundary-rate or --max-latency-p95")
    with ending_well():
        if max_false_boundary_rate is not None:
            budget = Budget.false_boundary_rate(max_false_boundary_rate)
        else:
            budget = Budget.latency_p95(max_latency_p95 or 0.0)
        if output.is_dir():
            raise ValueError(f"{output}: is a folder; name a file with -o")
        worker = None
        if techniques is not None:
            worker = worker_code(output.name, parse_techniques(techniques), load_providers(providers))
            refuse_to_overwrite(output.with_name(WORKER_FILE), worker)
        study = report.reopen_study(folder, jobs=jobs, cache=cache)
        choice = report.choose_settings(study, budget)
        made = report.make_profile(study, choice, name, dt.date.today())
        output.parent.mkdir(parents=True, exist_ok=True)
        profile.save_profile(made, output)
        written = {"profile": str(output)}
        if worker is not None:
            write_whole(output.with_name(WORKER_FILE), worker)
            written["worker"] = str(output.with_name(WORKER_FILE))
        if as_json:
            answer: dict[str, Any] = {**written, **report.summary_of(study, choice)}
            print(json.dumps(answer | ({"snippet": made.snippet()} if snippet else {})))
        else:
            _print_summary(report.summary_of(study, choice), None)
            for what, path in written.items():
                print(f"{what}: {path}")
            if snippet:
                print(made.snippet(), end="")


def _print_summary(summary: dict[str, Any], out: Path | None) -> None:
    console = Console()
    n = summary["counts"]
    console.print(
        f"{len(summary['recordings'])} recording(s), {n['holds']} holds, {n['turns']} ends of turn, "
        f"{n['backchannels']} backchannels, {n['cut_offs']} cut-off pauses; {summary['settings']} settings, "
        f"{summary['phases']} phases"
    )
    if summary["skipped"]:
        console.print(f"[bold]{len(summary['skipped'])} skipped[/bold], see summary.json")
    table = Table(title="False boundaries against latency (95 % interval by recording)")
    table.add_column("figure")
    columns = [
        ("LiveKit's defaults", summary["defaults"]["figures"]),
        ("chosen", summary["chosen"]["figures"]),
    ]
    if summary["held_out"]:
        columns.append(("chosen, held out", summary["held_out"]))
    for title, _ in columns:
        table.add_column(title, justify="right")
    for name, label, scale, unit in _ROWS:
        table.add_row(label, *(_cell(figures[name], scale, unit) for _, figures in columns))
    console.print(table)
    few = len(summary["recordings"])
    if few < ENOUGH_RECORDINGS:
        rest = "no interval and no held-out check" if few == 1 else "intervals and held-out figures are rough"
        console.print(f"[bold]Only {few} recording{'s' * (few > 1)}: {rest}. Bring more calls.[/bold]")
    knobs = summary["chosen"]["settings"]
    idle = {"max_delay", "unlikely_threshold"} if knobs["detector"] != "v1-mini" else set()
    shown = [f"{name} {value}" for name, value in knobs.items() if value is not None and name not in idle]
    console.print("chosen: " + ", ".join(shown), highlight=False)
    budget = summary["budget"]
    if not budget["met"]:
        wanted = f"{budget['limit']} <= {budget['most']:g}"
        console.print(f"[bold]No setting has {wanted}; this is the nearest.[/bold]")
    if out is not None:
        console.print(f"results: {out}/: {', '.join(report.FILES)}", highlight=False)


_LINE_FIGURES = ("false_boundary_rate", "latency_mean", "latency_p95", "missed_rate")
_ROWS = (
    ("false_boundary_rate", "false boundaries per hold", 100, "%"),
    ("false_boundary_rate_per_turn", "false boundaries per turn", 100, "%"),
    ("latency_mean", "latency, mean", 1000, "ms"),
    ("latency_p50", "latency, p50", 1000, "ms"),
    ("latency_p90", "latency, p90", 1000, "ms"),
    ("latency_p95", "latency, p95", 1000, "ms"),
    ("timeout_rate", "ended by max_delay", 100, "%"),
    ("missed_rate", "missed ends of turn", 100, "%"),
)


def _cell(figure: dict[str, Any], scale: float, unit: str) -> str:
    if figure["value"] is None:
        return "–"
    digits = 1 if unit == "%" else 0
    text = f"{figure['value'] * scale:.{digits}f} {unit}"
    if figure["low"] is not None:
        text += f" ({figure['low'] * scale:.{digits}f}–{figure['high'] * scale:.{digits}f})"
    return f"{text}, n={figure['n']}"

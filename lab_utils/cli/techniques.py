"""`lab techniques`: what each of twelve latency techniques saves on recordings, with a provider profile."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ..core.settings import Settings
from ..latency.ablation.claims import View
from ..latency.ablation.files import save_ablation, summary_of
from ..latency.ablation.plan import BASELINE, DEFAULT, FULL
from ..latency.ablation.run import PATIENCE_S, TURNS, Ablation, ablate
from ..latency.ablation.summary import both_ways, by_stage, levels, waterfall
from ..latency.ablation.turns import MEASURES
from ..plots import png, savings_figure, waterfall_figure
from ..recordings.audio import replacing
from ..session.providers.files import load_providers
from ..turns import profile as profiles
from ..workflows import study as report
from .common import AgentChannel, Cache, Jobs, Json, Out, Paths, ProfileFile, UserChannel, app, ending_well

FEW_RECORDINGS = 5
VIEWS: tuple[View, ...] = ("alone", "left out", "stacked")


@app.command()
def techniques(
    paths: Paths,
    profile: ProfileFile = None,
    providers: Annotated[str, typer.Option(help="Provider profile: a built-in name, or a file.")] = "guide",
    turns: Annotated[int, typer.Option(min=1, help="At least so many turns for each configuration.")] = TURNS,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated delays.")] = 0,
    out: Out = Path("out/techniques"),
    patience: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds that the caller waits for an answer.")
    ] = PATIENCE_S,
    greeting: Annotated[
        bool | None,
        typer.Option("--greeting/--no-greeting", help="Whether the agent greets (default: as recorded)."),
    ] = None,
    mistakes: Annotated[bool, typer.Option("--mistakes", help="Add four common mistakes.")] = False,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Measure twelve latency techniques with the real AgentSession: alone, left out, stacked."""
    with ending_well():
        report.check_folder(out)
        found = ablate(
            paths,
            profiles.load_profile(profile) if profile else Settings(),
            load_providers(providers),
            turns=turns,
            seed=seed,
            patience_s=patience,
            greeting=greeting,
            mistakes=mistakes,
            jobs=jobs,
            cache=cache,
            channels=(user, agent_channel),
        )
        save_ablation(found, out)
        _draw(found, out)
        for reason in found.skipped:
            print(f"lab: skipped: {reason}", file=sys.stderr)
        if found.untranscribed:
            print(
                f"lab: {len(found.untranscribed)} of {len(found.recordings)} recordings have no words: what "
                "routing, tool prefetch, short-turn models and the semantic cache save there means nothing; "
                "write words with 'lab transcribe'",
                file=sys.stderr,
            )
        failed = int(found.summary.costs["failed"].sum())
        if failed:
            print(f"lab: {failed} session(s) failed, see sessions.parquet", file=sys.stderr)
        if as_json:
            print(json.dumps(summary_of(found) | {"out": str(out)}))
        else:
            _print(found, out)
        if failed:
            raise typer.Exit(1)


def _draw(found: Ablation, out: Path) -> None:
    for measure in MEASURES:
        suffix = "" if measure == MEASURES[0] else "-after-commit"
        figures = {
            f"waterfall{suffix}.png": waterfall_figure(
                waterfall(found.summary, measure), measure, found.caption
            ),
            f"savings{suffix}.png": savings_figure(both_ways(found.summary, measure), measure, found.caption),
        }
        for name, figure in figures.items():
            with replacing(out / name) as part:
                part.write_bytes(png(figure))


def _print(found: Ablation, out: Path) -> None:
    console = Console()
    console.print(found.caption, highlight=False)
    _print_levels(console, found)
    _print_stages(console, found)
    _print_savings(console, found.summary.savings)
    _print_verdicts(console, found)
    if len(found.recordings) < FEW_RECORDINGS:
        console.print(f"Only {len(found.recordings)} recording(s): the intervals say little.")
    console.print(
        f"results: {out}/: summary.json, turns.parquet, sessions.parquet, waterfall.png, savings.png "
        "(and -after-commit)",
        highlight=False,
    )


def _print_levels(console: Console, found: Ablation) -> None:
    table = Table(
        title="End of the caller's turn to first audio, in ms", box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("configuration")
    for name in ("answered", "p50", "p95", "commit", "after it", "LLM calls", "lost", "$"):
        table.add_column(name, justify="right", no_wrap=True)
    for agent, row in levels(found.summary).iterrows():
        table.add_row(
            "all twelve" if agent == FULL else str(agent),
            f"{row['answered']:.0%}",
            *(f"{row[one]:.0f}" for one in ("p50", "p95", "commit_p95", "after_commit_p95")),
            *(f"{row[one]:.2f}" for one in ("llm_calls", "discarded_replies", "dollars")),
        )
    console.print(table)
    console.print(
        "commit, after it: p95 of either part. LLM calls, and preemptive replies lost, per turn; $ per 1,000."
    )


def _print_stages(console: Console, found: Ablation) -> None:
    """The stages in the guide's names."""
    stages = by_stage(found.summary)
    table = Table(
        title="Stages at p50 / p95, in ms (they overlap, and do not add up)",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for name in ("stage", "the guide", BASELINE, DEFAULT, "all twelve"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in stages.to_dict("records"):
        guide = "" if math.isnan(row["guide"]) else f"{row['guide']:.0f}"
        spans = (
            f"{row[f'{name}, p50']:.0f} / {row[f'{name}, p95']:.0f}" for name in (BASELINE, DEFAULT, FULL)
        )
        table.add_row(str(row["stage"]), guide, *spans)
    console.print(table)


def _print_savings(console: Console, savings: pd.DataFrame) -> None:
    table = Table(title="What each technique saves at p50 / p95, in ms", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("technique")
    for view in VIEWS:
        table.add_column(view, justify="right")
    of = savings[(savings["measure"] == MEASURES[0]) & (savings["on"] == "all")]
    for name, rows in of.groupby("technique", sort=False):
        saved = rows.set_index("view")
        p50, p95 = (saved[f"saved_p{q}"].astype(float) for q in (50, 95))
        table.add_row(str(name), *(f"{p50[view]:.0f} / {p95[view]:.0f}" for view in VIEWS))
    console.print(table)


def _print_verdicts(console: Console, found: Ablation) -> None:
    table = Table(title="The guide's claims", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("claim", "line", "measured", "verdict"):
        table.add_column(name, justify="right" if name == "line" else "left")
    for one in found.summary.verdicts:
        unsure = "" if one.certain else " (uncertain)"
        table.add_row(f"{one.subject}: {one.claim}", str(one.line), one.measured, one.words + unsure)
    console.print(table)

"""`lab export`: a setting under a budget as a profile, and a worker that uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..common import Cache, Jobs, Json, TranscriptionDelay, app, ending_well

if TYPE_CHECKING:
    from ...turns.choose import Budget

MostFalseBoundaries = Annotated[
    float | None, typer.Option(min=0, max=1, help="Least latency with at most this rate per hold.")
]
MostLatency = Annotated[
    float | None, typer.Option(min=0, help="Least false-boundary rate with at most this p95 latency (s).")
]
Objective = Literal["latency_mean", "latency_p50", "latency_p90", "latency_p95"]
Minimize = Annotated[
    Objective | None,
    typer.Option(help="What is made least within --max-false-boundary-rate (default: latency_mean)."),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        help="Confidence, such as 0.9, with which future calls are to keep --max-false-boundary-rate "
        "on average; refused with the number of calls that it would take."
    ),
]
WorkerTechniques = Annotated[
    str | None,
    typer.Option(
        help="Also write agent.py beside the profile, a LiveKit worker with these latency techniques: "
        "all, none, or names with commas."
    ),
]
ProfileLevers = Annotated[
    str,
    typer.Option(
        help="Levers of latency, in the profile and in agent.py, as 'lab techniques --levers' measures them: "
        "all, none, or names with commas."
    ),
]
WorkerProviders = Annotated[
    str | None,
    typer.Option(
        help="Provider profile, by name or file: of that worker's plug-ins, and whose transcripts are "
        "assumed (default: those the sweep assumed)."
    ),
]


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Made by 'lab sweep' or 'lab demo'.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the profile.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Profile file to write.")],
    max_false_boundary_rate: MostFalseBoundaries = None,
    max_latency_p95: MostLatency = None,
    minimize: Minimize = None,
    guarantee: Confidence = None,
    snippet: Annotated[bool, typer.Option(help="Also print the Python to paste into an agent.")] = False,
    snippet_node: Annotated[
        bool, typer.Option(help="Also print TypeScript for the Node SDK, in milliseconds.")
    ] = False,
    techniques: WorkerTechniques = None,
    levers: ProfileLevers = "none",
    max_missed: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the ends of turn that may go unanswered.")
    ] = 0.02,
    transcription_delay: TranscriptionDelay = None,
    providers: WorkerProviders = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Choose a setting under a budget and write it as a profile. AgentSession takes it as it is."""
    with ending_well():
        from ...core.assumed import DEFAULT_PROVIDERS
        from ...workflows import study as studies
        from ...workflows.export import export_files, with_levers, worker_text
        from ..tables import sweep as tables

        budget = _budget(max_false_boundary_rate, max_latency_p95, minimize, max_missed, guarantee)
        worker = worker_text(output, techniques, providers or DEFAULT_PROVIDERS, levers)
        study = studies.reopen_study(
            folder,
            jobs=jobs,
            cache=cache,
            providers=providers,
            transcription_delay=transcription_delay,
        )
        choice = study.choose(budget, guarantee=guarantee)
        made = with_levers(study.profile(choice, name), levers)
        written = export_files(made, output, worker)
        summary = studies.summary_of(study, choice)
        texts = {"snippet": made.snippet()} if snippet else {}
        texts |= {"snippet_node": made.node_snippet()} if snippet_node else {}
        if as_json:
            print(json.dumps({**written, **summary, **texts}))
        else:
            tables.print_summary(summary, None)
            told = {} if choice.guarantee is None else {"guarantee": str(choice.guarantee)}
            print(*(f"{what}: {text}" for what, text in {**told, **written}.items()), sep="\n")
            print(*texts.values(), sep="", end="")


def _budget(
    max_false_boundary_rate: float | None,
    max_latency_p95: float | None,
    minimize: Objective | None,
    missed: float,
    guarantee: float | None,
) -> Budget:
    """Of the rate or of the latency. Raises BadParameter unless exactly one is given."""
    from ...turns.choose import Budget

    if (max_false_boundary_rate is None) == (max_latency_p95 is None):
        raise typer.BadParameter("give either --max-false-boundary-rate or --max-latency-p95")
    if guarantee is not None and max_false_boundary_rate is None:
        raise typer.BadParameter("--guarantee needs --max-false-boundary-rate")
    if max_false_boundary_rate is not None:
        return Budget.false_boundary_rate(max_false_boundary_rate, minimize or "latency_mean", missed)
    if minimize is not None:
        raise typer.BadParameter(
            f"--minimize {minimize} goes with --max-false-boundary-rate; "
            "under --max-latency-p95 the false-boundary rate is made least"
        )
    return Budget.latency_p95(max_latency_p95 or 0.0, missed)

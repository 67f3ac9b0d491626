"""`lab optimize`: a search between the values of a grid, within a budget of work."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Out,
    Pair,
    Paths,
    Phases,
    ProviderProfile,
    Raw,
    Scheduler,
    Swap,
    TranscriptionDelay,
    UserChannel,
    app,
    find_options,
    warn,
    working_on,
)
from .export import Objective
from .sweep import FrameMs, HeardOver, Language

if TYPE_CHECKING:
    from ...turns.choose import Budget
    from ...workflows.study import Study


SpaceFile = Annotated[
    Path | None,
    typer.Option(
        help="YAML file: knob name -> list of values; numbers are looked for from the least to the greatest "
        "(default: those of lab sweep)."
    ),
]
Evaluations = Annotated[
    int | None, typer.Option(min=1, help="Settings to try (default: 500, without --seconds).")
]
Seconds = Annotated[float | None, typer.Option(min=0.001, help="How long to try settings.")]
Least = Annotated[Objective, typer.Option(help="What is made least beside false boundaries.")]
MostMissed = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the ends of turn that may go unanswered.")
]
MostCut = Annotated[
    float, typer.Option(min=0, max=1, help="The setting that is chosen has at most this rate per hold.")
]


@app.command()
def optimize(
    paths: Paths,
    grid: SpaceFile = None,
    evaluations: Evaluations = None,
    seconds: Seconds = None,
    minimize: Least = "latency_mean",
    max_missed: MostMissed = 0.02,
    max_false_boundary_rate: MostCut = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the search.")] = 0,
    out: Out = Path("out/optimize"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    frame_ms: FrameMs = 50.0,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    language: Language = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    path: HeardOver = "",
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Search between the values of a grid, and go on where it ended."""
    with working_on(scheduler):
        from ...recordings.heard_paths import parse_path
        from ...turns.choose import Budget
        from ...turns.grid import read_grid
        from ...workflows import study as studies
        from ...workflows.assumed import conditions_with

        studies.check_folder(out)
        space = read_grid(grid) if grid else None
        conditions = conditions_with(providers, transcription_delay=transcription_delay)
        study = studies.optimize(
            paths,
            space,
            evaluations=evaluations,
            seconds=seconds,
            minimize=minimize,
            most_missed=max_missed,
            seed=seed,
            folder=out,
            conditions=conditions.replace(language=language, frame_duration=frame_ms / 1000),
            phases=phases,
            jobs=jobs,
            cache=cache,
            channels=(user, agent),
            options=find_options((user, agent), pair, raw, swap),
            path=parse_path(path) if path else None,
        )
        warn(*(f"skipped: {item.reason}" for item in study.skipped), *study.foreign)
        budget = Budget.false_boundary_rate(max_false_boundary_rate, minimize, max_missed)
        _tell(study, budget, out, as_json)


def _tell(study: Study, budget: Budget, out: Path, as_json: bool) -> None:
    """Choose, write the folder, and print what came of it."""
    from ...workflows import study as studies
    from ..tables import sweep as tables

    choice = study.choose(budget, nearest=True)
    summary = studies.write_report(study, choice, out, out.resolve().name, dt.date.today())
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        tables.print_summary(summary, out)

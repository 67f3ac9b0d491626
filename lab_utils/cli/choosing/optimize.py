"""`lab optimize`: a search between the values of a grid, within a budget of work."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    going_on,
    results_are_written,
    warn,
    working_on,
)
from .joint import Asked, optimize_joint
from .sweep import FrameMs, HeardOver, Language

if TYPE_CHECKING:
    from ...turns.choose import Budget, Latency
    from ...workflows.study import Study


SpaceFile = Annotated[
    Path | None,
    typer.Option(
        help="YAML file: knob name -> list of values; numbers are looked for from the least to the greatest "
        "(default: those of lab sweep; with e2e, wider ones)."
    ),
]
Evaluations = Annotated[
    int | None, typer.Option(min=1, help="Settings to try (default: 500, without --seconds).")
]
Seconds = Annotated[float | None, typer.Option(min=0.001, help="How long to try settings.")]
Least = Annotated[
    Literal["latency_mean", "latency_p50", "latency_p90", "latency_p95", "e2e_p50", "e2e_p95"],
    typer.Option(
        help="What is made least beside false boundaries. e2e: to the agent's first sound, with techniques "
        "and levers of latency searched too (needs --providers)."
    ),
]
MostCost = Annotated[
    float | None,
    typer.Option(min=0.001, help="With e2e: at most so many dollars per 1,000 turns, LLM and TTS."),
]
MostMedian = Annotated[
    float | None,
    typer.Option(
        "--max-p50", min=0.001, help="With e2e_p95: a p50 of at most so many seconds to the first sound."
    ),
]
MostAnswer = Annotated[
    float | None,
    typer.Option(
        "--max-answer", min=0.001, help="With e2e: the answer itself after at most so many seconds at p95."
    ),
]
Sessions = Annotated[
    int, typer.Option(min=0, max=50, help="With e2e: so many finalists are run as real sessions.")
]
MostMissed = Annotated[
    float,
    typer.Option(
        "--max-missed",
        "--max-no-fire",
        min=0,
        max=1,
        help="Share of the ends of turn that may go unanswered.",
    ),
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
    max_cost: MostCost = None,
    max_p50: MostMedian = None,
    max_answer: MostAnswer = None,
    sessions: Sessions = 4,
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
    with working_on(scheduler), going_on(cache):
        from ...recordings.heard_paths import parse_path
        from ...workflows.assumed import conditions_with

        conditions = conditions_with(providers, transcription_delay=transcription_delay)
        asked = Asked(
            paths,
            grid,
            evaluations,
            seconds,
            seed,
            out,
            phases,
            jobs,
            cache,
            conditions.replace(language=language, frame_duration=frame_ms / 1000),
            (user, agent),
            find_options((user, agent), pair, raw, swap),
            parse_path(path) if path else None,
        )
        most = {"--max-cost": max_cost, "--max-p50": max_p50, "--max-answer": max_answer}
        if minimize == "e2e_p50" or minimize == "e2e_p95":
            cost, p50_s, answer_s = (math.inf if one is None else one for one in most.values())
            limits = max_false_boundary_rate, max_missed, cost, p50_s, answer_s
            optimize_joint(asked, providers, minimize, limits, sessions, as_json=as_json)
        elif given := [option for option, one in most.items() if one is not None]:
            raise typer.BadParameter(f"{given[-1]} goes with --minimize e2e_p50 or e2e_p95, not {minimize}")
        else:
            _optimize_commits(asked, minimize, max_false_boundary_rate, max_missed, as_json=as_json)


def _optimize_commits(
    asked: Asked, minimize: Latency, max_false_boundary_rate: float, max_missed: float, *, as_json: bool
) -> None:
    """Search turn-taking alone."""
    from ...turns.choose import Budget
    from ...turns.grid import read_grid
    from ...workflows import study as studies

    studies.check_folder(asked.out)
    study = studies.optimize(
        asked.paths,
        read_grid(asked.grid) if asked.grid else None,
        evaluations=asked.evaluations,
        seconds=asked.seconds,
        minimize=minimize,
        most_missed=max_missed,
        seed=asked.seed,
        folder=asked.out,
        conditions=asked.conditions,
        phases=asked.phases,
        jobs=asked.jobs,
        cache=asked.cache,
        channels=asked.channels,
        options=asked.options,
        path=asked.path,
    )
    warn(*(f"skipped: {item.reason}" for item in study.skipped), *study.foreign)
    budget = Budget.false_boundary_rate(max_false_boundary_rate, minimize, max_missed)
    _tell(study, budget, asked.out, as_json)


def _tell(study: Study, budget: Budget, out: Path, as_json: bool) -> None:
    """Choose, write the folder, and print what came of it."""
    from ...workflows import study as studies
    from ..tables import sweep as tables

    choice = study.choose(budget, nearest=True)
    summary = studies.write_report(study, choice, out, out.resolve().name, dt.date.today())
    results_are_written()
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        tables.print_summary(summary, out)

"""`lab techniques`: what each of twelve latency techniques saves on recordings, with a provider profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Out,
    Paths,
    ProfileFile,
    Scheduler,
    Seed,
    SomeFailed,
    UserChannel,
    app,
    begin_loading,
    going_on,
    results_are_written,
    warn,
    working_on,
)

if TYPE_CHECKING:
    from ..workflows.techniques import TechniqueStudy


@app.command()
def techniques(
    paths: Paths,
    profile: ProfileFile = None,
    providers: Annotated[str, typer.Option(help="Provider profile: a built-in name, or a file.")] = "guide",
    turns: Annotated[int, typer.Option(min=1, help="At least so many turns for each configuration.")] = 1000,
    seed: Seed = 0,
    out: Out = Path("out/techniques"),
    wait: Annotated[
        float,
        typer.Option(min=0, max=60, help="Seconds that the caller waits for an answer."),
    ] = 8.0,
    greeting: Annotated[
        bool | None,
        typer.Option("--greeting/--no-greeting", help="Whether the agent greets (default: as recorded)."),
    ] = None,
    mistakes: Annotated[bool, typer.Option("--mistakes", help="Add four common mistakes.")] = False,
    levers: Annotated[
        bool, typer.Option("--levers", help="Measure the levers on top of all twelve instead.")
    ] = False,
    cold_caches: Annotated[
        bool, typer.Option("--cold-caches", help="Each call begins with an empty prompt cache.")
    ] = False,
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Measure twelve latency techniques with the real AgentSession. Alone, left out, stacked."""
    with working_on(scheduler), going_on(cache):
        begin_loading(sessions_here=not scheduler)
        from ..turns.profile import load_profile
        from ..workflows.study import check_folder
        from ..workflows.techniques import measure_techniques

        check_folder(out)
        study = measure_techniques(
            paths,
            load_profile(profile) if profile else None,
            providers,
            turns=turns,
            seed=seed,
            wait_s=wait,
            greeting=greeting,
            mistakes=mistakes,
            levers=levers,
            cold_caches=cold_caches,
            jobs=jobs,
            cache=cache,
            channels=(user, agent_channel),
        )
        study.save(out)
        failed = int(study.ablation.summary.costs["failed"].sum())
        if not failed:
            results_are_written()
        _told(study, failed, out, as_json)
        if failed:
            raise SomeFailed


def _told(study: TechniqueStudy, failed: int, out: Path, as_json: bool) -> None:
    """Print what was found, and on stderr what to know about it."""
    from .tables.techniques import print_techniques

    found = study.ablation
    warn(*(f"skipped: {reason}" for reason in found.skipped))
    if found.untranscribed:
        warn(
            f"{len(found.untranscribed)} of {len(found.recordings)} recordings have no words: what "
            "routing, tool prefetch, short-turn models and the semantic cache save there means nothing; "
            "write words with 'lab transcribe'"
        )
    if failed:
        warn(f"{failed} session(s) failed, see sessions.parquet")
    if as_json:
        print(json.dumps(study.summary | {"out": str(out)}))
    else:
        print_techniques(study, out)

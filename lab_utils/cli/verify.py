"""`lab verify`: the replay against the real session, on drawn settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import AgentChannel, Cache, Jobs, Json, Paths, UserChannel, app, ending_well, warn


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
    """Prove the replay against the real AgentSession. Commits are compared, for settings drawn at random."""
    with ending_well():
        from ..core.files import write_whole
        from ..workflows import verify as workflow
        from .tables.verify import print_verification

        if out is not None and out.is_dir():
            raise ValueError(f"{out}: is a folder; name a file with --out")
        proved = workflow.verify(
            paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=(user, agent)
        )
        summary = workflow.summary_of(proved)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_whole(out, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        warn(*(f"skipped: {reason}" for reason in proved.skipped))
        if as_json:
            print(json.dumps(summary))
        else:
            print_verification(proved, summary)
        if proved.mismatches:
            raise typer.Exit(1)

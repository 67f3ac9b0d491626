"""`lab diarize`: recordings of one channel taken apart, by who speaks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..common import Cache, Jobs, Json, Paths, Scheduler, app, going_on, results_are_written, warn, working_on

if TYPE_CHECKING:
    from ...workflows.diarize import Separated

Speaker = Literal["agent", "user"]


@app.command()
def diarize(
    paths: Paths,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files with two channels.")] = Path(
        "out/diarized"
    ),
    first: Annotated[Speaker, typer.Option(help="Who speaks first in these recordings.")] = "agent",
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Tell two speakers of one channel apart by voice. Writes files with a channel each, and labels."""
    with working_on(scheduler), going_on(cache):
        from ...workflows.diarize import diarize_folders
        from ..tables.diarize import print_separated

        written: list[Separated] = []
        skipped: list[str] = []
        for result in diarize_folders(paths, out, first=first, cache=cache, jobs=jobs):
            if isinstance(result, ValueError):
                skipped.append(str(result))
            else:
                written.append(result)
        results_are_written()
        warn(*(f"skipped: {reason}" for reason in skipped))
        if not written:
            raise ValueError("no recording could be taken apart" if skipped else "no recording found")
        if as_json:
            recordings = [asdict(one) for one in written]
            print(json.dumps({"recordings": recordings, "skipped": skipped, "out": str(out)}))
        else:
            print_separated(written, out, first)

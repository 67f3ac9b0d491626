"""`lab pin`: pinned failures with their calls, without the sound, as a file that CI can check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..common import (
    Cache,
    Jobs,
    Json,
    Paths,
    Phases,
    ProviderProfile,
    Scheduler,
    TranscriptionDelay,
    app,
    working_on,
)

Pins = Annotated[Path, typer.Option(help="Folder with the pinned failures (pins.json).", show_default=False)]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="File to write, *.pinned.json.", show_default=False)
]


@app.command()
def pin(
    paths: Paths,
    pins: Pins,
    output: Output,
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Write pinned failures and what the models heard of their calls. lab check needs no sound then."""
    with working_on(scheduler):
        from ...turns.pins import SUFFIX
        from ...workflows.assumed import conditions_with
        from ...workflows.check import pin_calls

        if not output.name.endswith(SUFFIX):
            raise typer.BadParameter(f"the file's name must end in {SUFFIX}, so that lab check knows it")
        made = pin_calls(
            paths,
            pins,
            output,
            conditions=conditions_with(providers, transcription_delay=transcription_delay),
            phases=phases,
            jobs=jobs,
            cache=cache,
        )
        told = {"pins": len(made.pins), "calls": len(made.calls), "out": str(output)}
        print(json.dumps(told) if as_json else f"{output}: {told['pins']} pins on {told['calls']} calls")

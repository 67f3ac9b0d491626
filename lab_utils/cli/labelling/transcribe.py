"""`lab transcribe`: the words of recordings, into label files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..common import AgentChannel, Cache, Jobs, Json, Paths, Scheduler, UserChannel, app, warn, working_on


@app.command()
def transcribe(
    paths: Paths,
    model: Annotated[str, typer.Option(help="faster-whisper's name, or a model's folder.")] = "tiny.en",
    language: Annotated[
        str | None, typer.Option(help="Code such as 'de', for a multilingual model (default: detected).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the label files (default: beside the audio).")
    ] = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Write each recording's words into a label file. Words that it has stay; Ctrl-C keeps what is done."""
    with working_on(scheduler):
        from ...workflows.study import check_folder
        from ...workflows.transcribe import transcribe_folders
        from ..tables.words.transcribe import print_written

        if out is not None:
            check_folder(out)
        written: list[dict[str, Any]] = []
        skipped: list[str] = []
        for result in transcribe_folders(
            paths, out, model=model, language=language, cache=cache, jobs=jobs, channels=(user, agent)
        ):
            if isinstance(result, ValueError):
                skipped.append(str(result))
            else:
                written.append(result)
        warn(*(f"skipped: {reason}" for reason in skipped))
        if not written:
            raise ValueError("no recording could be transcribed" if skipped else "no recording found")
        if as_json:
            folder = None if out is None else str(out)
            print(json.dumps({"recordings": written, "skipped": skipped, "out": folder}))
        else:
            print_written(written, out)

"""`lab import`: recordings as users have them, listed in a manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import (
    Cache,
    Jobs,
    Json,
    Pair,
    Raw,
    Scheduler,
    Swap,
    UserChannel,
    app,
    going_on,
    results_are_written,
    warn,
    working_on,
)


@app.command("import")
def import_(
    folder: Annotated[str, typer.Argument(help="Folder, file or fsspec URL.", show_default=False)],
    out: Annotated[
        str | None, typer.Option(help="Manifest to write (default: FOLDER/manifest.parquet).")
    ] = None,
    user: UserChannel = "caller",
    agent: Annotated[
        str, typer.Option(help="Name of the agent's channel, or its LiveKit identity.")
    ] = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    redact: Annotated[str, typer.Option(help="Words to mute in copies: WORD[,WORD ...].")] = "",
    redact_spans: Annotated[
        Path | None, typer.Option(help="Annotation file whose segments (or tier 'redact') are muted.")
    ] = None,
    redacted_to: Annotated[Path | None, typer.Option(help="New folder for the redacted copies.")] = None,
    jobs: Jobs = 1,
    cache: Cache = None,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """List the recordings of a folder, of any known format. A manifest keeps what was found."""
    if bool(redact or redact_spans) != (redacted_to is not None):
        raise typer.BadParameter("--redacted-to goes with --redact or --redact-spans")
    with working_on(scheduler), going_on(cache):
        from ..recordings.recording_files import FindOptions, parse_raw
        from ..workflows.import_ import Redaction, import_recordings
        from .tables.import_ import print_import

        phrases = [phrase.strip() for phrase in redact.split(",")] if redact else []
        redaction = None if redacted_to is None else Redaction(redacted_to, phrases, redact_spans)
        options = FindOptions(user, agent, pair, parse_raw(raw) if raw else None, swap)
        done = import_recordings(folder, out, options, redaction, jobs=jobs, quiet=as_json)
        results_are_written()
        warn(*(f"skipped: {item.reason}" for item in done.imported.skipped))
        warn(*(f"not found, so nothing was muted for it: {phrase}" for phrase in done.unmatched))
        if as_json:
            print(json.dumps(done.plain()))
        else:
            print_import(done)

"""`lab transcribe`: the words of recordings, into label files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..recordings.transcripts import DEFAULT_MODEL
from ..workflows import study as report
from ..workflows import transcribe as transcribing
from .common import AgentChannel, Cache, Jobs, Json, Paths, UserChannel, app, ending_well


@app.command()
def transcribe(
    paths: Paths,
    model: Annotated[str, typer.Option(help="faster-whisper's name, or a model's folder.")] = DEFAULT_MODEL,
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
    as_json: Json = False,
) -> None:
    """Write each recording's words into a label file, where it has none yet; Ctrl-C keeps what is done."""
    with ending_well():
        if out is not None:
            report.check_folder(out)
        written: list[dict[str, Any]] = []
        skipped: list[str] = []
        for result in transcribing.transcribe_folders(
            paths, out, model=model, language=language, cache=cache, jobs=jobs, channels=(user, agent)
        ):
            if isinstance(result, ValueError):
                skipped.append(str(result))
            else:
                written.append(result)
        for reason in skipped:
            print(f"lab: skipped: {reason}", file=sys.stderr)
        if not written:
            raise ValueError("no recording could be transcribed" if skipped else "no recording found")
        if as_json:
            print(
                json.dumps(
                    {"recordings": written, "skipped": skipped, "out": None if out is None else str(out)}
                )
            )
        else:
            _print(written, out)


def _print(written: list[dict[str, Any]], out: Path | None) -> None:
    table = Table("recording", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("seconds", "user's words", "agent's words", "added"):
        table.add_column(head, justify="right")
    for one in written:
        counts = (str(one[key]) for key in ("user_words", "agent_words", "added"))
        table.add_row(escape(one["recording"]), f"{one['duration_s']:.1f}", *counts)
    console = Console()
    console.print(table)
    console.print("Words are added where a speaker has neither words nor texts.", highlight=False)
    console.print(
        f"results: label files {f'in {out}/' if out else 'beside the audio'}", highlight=False, markup=False
    )

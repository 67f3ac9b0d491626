"""`lab report`: a page about a sweep, to send to somebody who has nothing installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import Cache, Jobs, Json, ProviderProfile, Slices, TranscriptionDelay, app, ending_well


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Made by 'lab sweep' or 'lab demo'.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")] = Path("report.html"),
    name: Annotated[str, typer.Option(help="Title of the page.")] = "report",
    max_false_boundary_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Least mean latency with at most this rate per hold.")
    ] = 0.10,
    failures: Annotated[int, typer.Option(min=0, max=100, help="So many of the worst failures.")] = 10,
    sound: Annotated[
        bool, typer.Option(help="Let the failures be heard: callers' voices will be in the file.")
    ] = False,
    words: Annotated[
        bool, typer.Option(help="Say what callers had just said: their words will be in the file.")
    ] = False,
    by: Slices = None,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Write one page to send: verdict, trade-off, figures, failures."""
    with ending_well():
        from ..turns.choose import Budget
        from ..workflows.report import report_page, verdict, write_page
        from ..workflows.study import check_slices, reopen_study

        if output.is_dir():
            raise ValueError(f"{output}: is a folder; name a file with -o")
        check_slices(by or ())
        study = reopen_study(
            folder, jobs=jobs, cache=cache, providers=providers, transcription_delay=transcription_delay
        )
        choice = study.choose(Budget.false_boundary_rate(max_false_boundary_rate), nearest=True)
        page = report_page(study, choice, name=name, failures=failures, sound=sound, words=words, by=by or ())
        written = write_page(page, output)
        if as_json:
            print(
                json.dumps({"report": str(written), "verdict": verdict(choice), "bytes": len(page.encode())})
            )
        else:
            print(verdict(choice))
            print(f"report: {written} ({len(page.encode()) / 1e6:.1f} MB)")

"""`lab fit`: provider profiles from the reports of real sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import Json, app, ending_well, warn


@app.command()
def fit(
    reports: Annotated[
        list[Path],
        typer.Argument(help="Session reports, OTLP span dumps, or folders of them.", show_default=False),
    ],
    base: Annotated[str, typer.Option(help="Provider profile, by name or file, that gives everything else.")],
    out: Annotated[Path, typer.Option("--out", help="Provider profile to write (YAML).")],
    plot: Annotated[Path | None, typer.Option(help="PNG to draw the fit into.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the latencies of STT, LLM and TTS to your sessions. They are written as a provider profile."""
    with ending_well():
        from ..workflows.fit import fit_providers, summary_of
        from .tables.fit import print_fit

        fitted, before = fit_providers(reports, base, out, plot)
        warn(*(f"skipped: {item.reason}" for item in fitted.figures.skipped))
        if as_json:
            written = {"profile": str(out)} | ({"plot": str(plot)} if plot else {})
            print(json.dumps(summary_of(fitted) | written))
        else:
            print_fit(fitted, before, out, plot)

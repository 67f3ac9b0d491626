"""`lab fetch`: public corpora, and the weights of a detector."""

from __future__ import annotations

import dataclasses
import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .common import Json, app, ending_well


@app.command()
def fetch(
    corpus: Annotated[
        str,
        typer.Argument(
            help="One of harper-valley, eot-bench, ami; or smart-turn, for its weights.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder that receives the corpus, or the weights.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="A mirror: any fsspec URL; a wheel of pipecat-ai.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files of each part.")] = None,
    as_json: Json = False,
) -> None:
    """Download a public corpus. Under which licence it comes is said first."""
    with ending_well():
        from ..recordings import fetch as corpora

        tell = partial(print, file=sys.stderr)
        if corpus == "smart-turn":
            from ..workflows.detectors.weights import fetch_smart_turn

            files = fetch_smart_turn(source, out, tell)
            print(
                json.dumps({"files": [str(one) for one in files]}) if as_json else "\n".join(map(str, files))
            )
            return
        chosen = corpora.corpus_named(corpus)
        if out is None:
            raise ValueError(f"--out: name a folder that receives {corpus}")
        made = corpora.fetch(chosen, out, source=source, limit=limit, quiet=as_json, tell=tell)
        if as_json:
            print(json.dumps({"files": len(made), "folder": str(out), "corpus": dataclasses.asdict(chosen)}))
        else:
            print(f"{len(made)} file(s) in {out}; next: lab import {out}")

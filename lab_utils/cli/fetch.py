"""`lab fetch`: public corpora."""

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
    corpus: Annotated[str, typer.Argument(help="One of harper-valley, eot-bench, ami.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder that receives the corpus.")],
    source: Annotated[str | None, typer.Option(help="A mirror: any fsspec URL.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files of each part.")] = None,
    as_json: Json = False,
) -> None:
    """Download a public corpus. Under which licence it comes is said first."""
    with ending_well():
        from ..recordings import fetch as corpora

        chosen = corpora.corpus_named(corpus)
        tell = partial(print, file=sys.stderr)
        made = corpora.fetch(chosen, out, source=source, limit=limit, quiet=as_json, tell=tell)
        if as_json:
            print(json.dumps({"files": len(made), "folder": str(out), "corpus": dataclasses.asdict(chosen)}))
        else:
            print(f"{len(made)} file(s) in {out}; next: lab import {out}")

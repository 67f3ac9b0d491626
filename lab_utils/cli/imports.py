"""`lab import`, `lab fetch`: recordings as users have them, listed in a manifest; public corpora."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..recordings.fetch import CORPORA, corpus_named, fetch
from ..recordings.importing import Imported, import_folder, save_import
from ..recordings.recording_files import FindOptions, parse_raw
from ..recordings.redact import read_spans
from ..recordings.redacted_import import check_folder_for_copies, write_redacted
from .common import Json, UserChannel, app, ending_well


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
    pair: Annotated[str, typer.Option(help="Names of pairs, such as '{name}_{channel:rx|tx}.wav'.")] = "",
    raw: Annotated[str, typer.Option(help="Coding of .raw and .pcm: ENCODING[,RATE_HZ[,CHANNELS]].")] = "",
    swap: Annotated[bool, typer.Option("--swap", help="Exchange user and agent.")] = False,
    redact: Annotated[str, typer.Option(help="Words to mute in copies: WORD[,WORD ...].")] = "",
    redact_spans: Annotated[
        Path | None, typer.Option(help="Annotation file whose segments (or tier 'redact') are muted.")
    ] = None,
    redacted_to: Annotated[Path | None, typer.Option(help="New folder for the redacted copies.")] = None,
    as_json: Json = False,
) -> None:
    """Find recordings of any known format in a folder and list them in a manifest."""
    if bool(redact or redact_spans) != (redacted_to is not None):
        raise typer.BadParameter("--redacted-to goes with --redact or --redact-spans")
    with ending_well():
        spans = read_spans(redact_spans) if redact_spans else None
        phrases = [phrase.strip() for phrase in redact.split(",")] if redact else []
        if redacted_to is not None:
            check_folder_for_copies(redacted_to, folder)
        options = FindOptions(user, agent, pair, parse_raw(raw) if raw else None, swap)
        imported = import_folder(folder, options, quiet=as_json)
        unmatched: tuple[str, ...] = ()
        if redacted_to is not None and imported.entries:
            copies = write_redacted(imported, redacted_to, phrases=phrases, spans=spans, quiet=as_json)
            imported, unmatched = copies.imported, copies.unmatched
        for item in imported.skipped:
            print(f"lab: skipped: {item.reason}", file=sys.stderr)
        for phrase in unmatched:
            print(f"lab: not found, so nothing was muted for it: {phrase}", file=sys.stderr)
        base = imported.folder if imported.folder.is_dir() else imported.folder.parent
        target = out if out is not None else str(base / "manifest.parquet")
        root = save_import(imported, target)
        if as_json:
            print(json.dumps(_summary(imported) | {"manifest": target, "root": root and str(root)}))
        else:
            _tell(imported, target, root)


def _summary(imported: Imported) -> dict[str, object]:
    return {
        "recordings": len(imported.entries),
        "duration_s": imported.duration_s,
        "formats": imported.formats,
        "notes": list(imported.notes),
        "skipped": [item.reason for item in imported.skipped],
    }


def _tell(imported: Imported, target: str, root: Path | None) -> None:
    n, minutes = len(imported.entries), imported.duration_s / 60
    labelled = sum(bool(entry.labels_source) for entry in imported.entries)
    print(f"{n} recording(s), {minutes:.1f} min, {labelled} with labels; {len(imported.skipped)} skipped")
    for name, count in imported.formats.items():
        print(f"  {name}: {count}")
    for note in imported.notes:
        print(f"note: {note}")
    print(f"manifest: {target}")
    if root is not None:
        print(f"its paths count from {root}: find_recordings(manifest, root={str(root)!r})")


@app.command("fetch")
def fetch_(
    corpus: Annotated[str, typer.Argument(help=f"One of {', '.join(CORPORA)}.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder that receives the corpus.")],
    source: Annotated[str | None, typer.Option(help="A mirror: any fsspec URL.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files of each part.")] = None,
    as_json: Json = False,
) -> None:
    """Download a public corpus, after saying under which licence it comes."""
    with ending_well():
        chosen = corpus_named(corpus)
        made = fetch(
            chosen,
            out,
            source=source,
            limit=limit,
            quiet=as_json,
            tell=lambda line: print(line, file=sys.stderr),
        )
        if as_json:
            print(json.dumps({"files": len(made), "folder": str(out), "corpus": dataclasses.asdict(chosen)}))
        else:
            print(f"{len(made)} file(s) in {out}; next: lab import {out}")

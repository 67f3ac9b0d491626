"""`lab label`: a recording's labels, the least sure first; corrections of one, their history, and undoing."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from .common import AgentChannel, Cache, Json, UserChannel, app, ending_well

Kind = Literal["hold", "shift", "cut_off", "backchannel"]
"""`core.labels.LabelKind`, which would bring numpy."""
Seconds = Annotated[
    float | None, typer.Option(min=0, max=1e6, help="In s: of the label at --at, or of a new one.")
]


@app.command()
def label(
    recording: Annotated[Path, typer.Argument(help="Recording, or its label file.", show_default=False)],
    at: Annotated[
        float | None, typer.Option(min=0, max=1e6, help="A moment in the label to correct, in s.")
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="What it is; with --start and --end alone: a new label.")
    ] = None,
    start: Seconds = None,
    end: Seconds = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the label at --at.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last edit.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show who changed what, when and why.")] = False,
    skeleton: Annotated[
        bool,
        typer.Option("--skeleton", help="Write a label file to fill in, of speech and undecided pauses."),
    ] = False,
    by: Annotated[str, typer.Option(help="Your name; it is kept with what you change.")] = "",
    because: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """List a recording's labels, or correct one of them. The least sure stand first."""
    edits = at is not None or kind is not None or start is not None or end is not None or remove
    if edits + undo + history + skeleton > 1:
        raise typer.BadParameter("an edit, --undo, --history and --skeleton go one at a time")
    if (edits or undo) and not by.strip():
        raise typer.BadParameter("say who you are: --by NAME")
    if remove and (at is None or kind is not None or start is not None or end is not None):
        raise typer.BadParameter("--remove goes with --at, and with no new kind or times")
    if edits and at is None and None in (kind, start, end):
        raise typer.BadParameter("name the label by --at; for a new one give --kind, --start and --end")
    if edits and at is not None and not remove and kind is None and start is None and end is None:
        raise typer.BadParameter("say what is wrong with it: --kind, --start, --end or --remove")
    with ending_well():
        from ..workflows.label import open_labels, write_skeleton
        from .tables.label import print_edited, print_history, print_labels, print_skeleton

        if skeleton:
            print_skeleton(*write_skeleton(recording, (user, agent), cache), as_json)
            return
        known, changes = open_labels(recording, (user, agent), cache), None
        now = dt.datetime.now(dt.UTC)
        if undo:
            known, changes = known.undo(by, now)
        elif edits:
            known, changes = known.correct(
                by, now, at_s=at, kind=kind, start_s=start, end_s=end, remove=remove, why=because
            )
        if as_json:
            print(json.dumps(known.plain()))
        elif changes is not None:
            print_edited(known, changes, undone=undo)
        elif history:
            print_history(known)
        else:
            print_labels(known)

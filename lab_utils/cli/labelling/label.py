"""`lab label`: a recording's labels, the least sure first; corrections of one, their history, and undoing."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..common import AgentChannel, Cache, Json, UserChannel, app, ending_well

if TYPE_CHECKING:
    from ...workflows.label import LabelledFile

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
    compare: Annotated[
        Path | None,
        typer.Option(help="Another annotator's labels of it: how far both agree, and where they differ."),
    ] = None,
    by: Annotated[str, typer.Option(help="Your name; it is kept with what you change.")] = "",
    because: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """List, correct or compare a recording's labels. The least sure stand first."""
    edits = at is not None or kind is not None or start is not None or end is not None or remove
    if edits + undo + history + skeleton + (compare is not None) > 1:
        raise typer.BadParameter("an edit, --undo, --history, --skeleton and --compare go one at a time")
    if (edits or undo) and not by.strip():
        raise typer.BadParameter("say who you are: --by NAME")
    if edits:
        _check_edit(at, kind, start, end, remove)
    with ending_well():
        from ...workflows.label import compare_labels, open_labels, write_skeleton
        from ..tables.label import print_edited, print_skeleton

        if compare is not None:
            from ..tables.agreement import print_agreement

            print_agreement(compare_labels(recording, compare), as_json)
            return
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
        if changes is not None and not as_json:
            print_edited(known, changes, undone=undo)
        else:
            _print(known, history=history, as_json=as_json)


def _print(known: LabelledFile, *, history: bool, as_json: bool) -> None:
    from ..tables.label import print_history, print_labels

    if as_json:
        print(json.dumps(known.plain()))
    elif history:
        print_history(known)
    else:
        print_labels(known)


def _check_edit(
    at: float | None, kind: Kind | None, start: float | None, end: float | None, remove: bool
) -> None:
    """Raise BadParameter for options that don't say one edit."""
    changed = kind is not None or start is not None or end is not None
    if remove and (at is None or changed):
        raise typer.BadParameter("--remove goes with --at, and with no new kind or times")
    if at is None and None in (kind, start, end):
        raise typer.BadParameter("name the label by --at; for a new one give --kind, --start and --end")
    if at is not None and not remove and not changed:
        raise typer.BadParameter("say what is wrong with it: --kind, --start, --end or --remove")

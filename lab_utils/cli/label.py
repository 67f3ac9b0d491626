"""`lab label`: a recording's labels, the least sure first; corrections of one, their history, and undoing."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.labels import LABEL_KINDS, Label, LabelKind, Labels
from ..recordings.audio import BadRecording, is_local
from ..recordings.find import find_recordings, load_recording
from ..recordings.labels.checks import label_checks, least_sure_first
from ..recordings.labels.edits import Change, edit_labels, label_at, undo_edit
from ..recordings.labels.file import SUFFIX, ChangeEntry, EditedSpan, EditEntry, read_label_file
from ..turns.tracing import TraceCache, Tracer, default_cache
from .common import AgentChannel, Cache, Json, UserChannel, app, ending_well

Seconds = Annotated[
    float | None, typer.Option(min=0, max=1e6, help="In s: of the label at --at, or of a new one.")
]


@dataclass(frozen=True)
class _Labelled:
    """A recording's labels and the file that holds them, or will when they are corrected."""

    file: Path
    labels: Labels

    @property
    def history(self) -> tuple[EditEntry, ...]:
        return (read_label_file(self.file).edits or ()) if self.file.exists() else ()


@app.command()
def label(
    recording: Annotated[Path, typer.Argument(help="Recording, or its label file.", show_default=False)],
    at: Annotated[
        float | None, typer.Option(min=0, max=1e6, help="A moment in the label to correct, in s.")
    ] = None,
    kind: Annotated[
        LabelKind | None, typer.Option(help="What it is; with --start and --end alone: a new label.")
    ] = None,
    start: Seconds = None,
    end: Seconds = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the label at --at.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last edit.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show who changed what, when and why.")] = False,
    by: Annotated[str, typer.Option(help="Your name; it is kept with what you change.")] = "",
    because: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """List a recording's labels, the least sure first, or correct one of them."""
    edits = at is not None or kind is not None or start is not None or end is not None or remove
    if edits + undo + history > 1:
        raise typer.BadParameter("an edit, --undo and --history go one at a time")
    if (edits or undo) and not by.strip():
        raise typer.BadParameter("say who you are: --by NAME")
    if remove and (at is None or kind is not None or start is not None or end is not None):
        raise typer.BadParameter("--remove goes with --at, and with no new kind or times")
    if edits and at is None and None in (kind, start, end):
        raise typer.BadParameter("name the label by --at; for a new one give --kind, --start and --end")
    if edits and at is not None and not remove and kind is None and start is None and end is None:
        raise typer.BadParameter("say what is wrong with it: --kind, --start, --end or --remove")
    with ending_well():
        known = _labelled(recording, user, agent, cache)
        now = dt.datetime.now(dt.UTC)
        done = ""
        if undo:
            labels, undone = undo_edit(known.file, by, now)
            known = replace(known, labels=labels)
            done = "undone: " + "; ".join(_told(change) for change in undone.changes)
        elif edits:
            before = None if at is None else label_at(known.labels, at)
            after = None if remove else _corrected(before, kind, start, end)
            labels = edit_labels(
                known.file, [Change(before, after, because)], by, now, estimated=known.labels
            )
            known = replace(known, labels=labels)
            done = "; ".join(_told(change) for change in known.history[-1].changes)
        if as_json:
            print(json.dumps(_summary(known)))
        elif done:
            hint = "" if undo else f"; lab label {known.file} --undo --by NAME takes it back"
            print(f"{done}\nin {known.file}{hint}")
        elif history:
            _print_history(known)
        else:
            _print(known)


def _labelled(path: Path, user: str, agent: str, cache: Path | None) -> _Labelled:
    if path.name.endswith((SUFFIX, SUFFIX.lstrip("."))):
        return _Labelled(path, read_label_file(path).to_labels())
    found = find_recordings(path, user=user, agent=agent)
    if len(found) != 1:
        raise ValueError(f"{path}: holds {len(found)} recordings; name one of them, or its label file")
    if not is_local(found[0].user):
        raise BadRecording.of(found[0].user, "isn't on this machine", "copy it here to label it")
    file = found[0].label_path
    recording = Tracer(TraceCache(cache or default_cache())).labelled(load_recording(found[0]))
    assert recording.labels is not None
    return _Labelled(file, recording.labels)


def _corrected(
    before: Label | None, kind: LabelKind | None, start_s: float | None, end_s: float | None
) -> Label:
    if before is None:
        assert kind is not None
        assert start_s is not None
        assert end_s is not None
        return Label(kind, start_s, end_s)
    return replace(
        before,
        kind=kind or before.kind,
        start_s=before.start_s if start_s is None else start_s,
        end_s=before.end_s if end_s is None else end_s,
    )


def _ordered(labels: Labels) -> list[Label]:
    return [check.label for check in least_sure_first(label_checks(labels, LABEL_KINDS))]


def _summary(known: _Labelled) -> dict[str, Any]:
    return {
        "file": str(known.file),
        "exists": known.file.exists(),
        "source": known.labels.source,
        "labels": [vars(one) for one in _ordered(known.labels)],
        "edits": [edit.model_dump(mode="json", exclude={"replaced"}) for edit in known.history],
    }


def _print(known: _Labelled) -> None:
    where = known.file if known.file.exists() else "estimated; an edit writes them to " + str(known.file)
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("from", "to", "confidence"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("kind", "reason"):
        table.add_column(name)
    for one in _ordered(known.labels):
        sure = "edited" if one.edited else f"{one.confidence:.2f}"
        table.add_row(f"{one.start_s:.2f}", f"{one.end_s:.2f}", sure, one.kind, escape(one.reason))
    console = Console()
    console.print(table)
    console.print(
        f"{len(known.labels.labels)} label(s), the least sure first: {where}", highlight=False, markup=False
    )


def _print_history(known: _Labelled) -> None:
    edits = known.history
    if not edits:
        print(f"{known.file}: nobody has edited these labels")
    for edit in edits:
        print(f"{edit.when:%Y-%m-%d %H:%M %Z}  {edit.who}")
        for change in edit.changes:
            print(f"  {_told(change)}{': ' * bool(change.why)}{change.why}")
        if edit.undone is not None:
            print(f"  undone {edit.undone.when:%Y-%m-%d %H:%M} by {edit.undone.who}")


def _told(change: ChangeEntry) -> str:
    if change.before is None:
        return f"added: {_span(change.after)}"
    if change.after is None:
        return f"removed: {_span(change.before)}"
    return f"{_span(change.before)} -> {_span(change.after)}"


def _span(span: EditedSpan | None) -> str:
    assert span is not None
    return f"{span.kind} {span.start_s:.2f} to {span.end_s:.2f} s"

"""The label editor: what the browser asks for is in the label file at once, or is refused in words."""

from __future__ import annotations

import datetime as dt
import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from paths import SAMPLES

import lab_utils as lab
from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.recordings.labels.file import read_label_file, read_labels
from lab_utils.widgets import label_editor
from lab_utils.widgets.label_editor import LabelEditor, changes_of

pytestmark = pytest.mark.slow

NAME = "02_lost_parcel"
NOW = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
LABELS = Labels(
    20.0,
    tuple(Ipu("user", start_s, start_s + 1.0) for start_s in (0.0, 2.0, 4.0)),
    (Label("hold", 1.0, 2.0), Label("hold", 3.0, 4.0), Label("shift", 5.0, 7.0)),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for suffix in (".flac", ".labels.json"):
        shutil.copy(SAMPLES / f"{NAME}{suffix}", tmp_path)
    return tmp_path


@pytest.fixture
def editor(folder: Path, cache: Path) -> LabelEditor:
    return lab.label_editor(folder / f"{NAME}.flac", "Ada", cache=cache)


def ask(editor: LabelEditor, what: str, **more: Any) -> list[dict[str, Any]]:
    """Do as the browser does; what the widget says of it."""
    said: list[dict[str, Any]] = []
    send, editor.send = editor.send, lambda content, buffers=None: said.append(content)
    if "number" in more:
        more["label"] = editor.labels[more.pop("number")]
    editor._answer(editor, {"kind": "edit", "what": what, **more}, [])
    editor.send = send
    return said


def spans(editor: LabelEditor) -> list[tuple[str, float, float]]:
    return [(one["kind"], round(one["start_s"], 3), round(one["end_s"], 3)) for one in editor.labels]


def in_file(folder: Path) -> list[tuple[str, float, float]]:
    labels = read_labels(folder / f"{NAME}.labels.json").labels
    return [(one.kind, round(one.start_s, 3), round(one.end_s, 3)) for one in labels]


def test_a_moved_label_is_in_the_file_at_once_with_who_moved_it(editor: LabelEditor, folder: Path) -> None:
    kind, start_s, end_s = spans(editor)[0]
    assert not ask(editor, "move", number=0, start_s=start_s + 0.1, end_s=end_s)
    assert spans(editor)[0] == (kind, round(start_s + 0.1, 3), end_s)
    assert in_file(folder) == spans(editor)
    (entry,) = read_label_file(folder / f"{NAME}.labels.json").edits or ()
    assert entry.who == "Ada"
    assert editor.saved == f"1 edit in {NAME}.labels.json"


def test_undo_and_redo_go_back_and_forth(editor: LabelEditor, folder: Path) -> None:
    before = spans(editor)
    ask(editor, "retype", number=0, to="backchannel")
    ask(editor, "remove", number=3)
    after = spans(editor)
    for _ in range(2):
        ask(editor, "undo")
        ask(editor, "undo")
        assert spans(editor) == before == in_file(folder)
        assert editor.can_redo
        ask(editor, "redo")
        ask(editor, "redo")
        assert spans(editor) == after == in_file(folder)
        assert not editor.can_redo
    ask(editor, "undo")
    ask(editor, "add", to="hold", at_s=before[1][2] + 0.2)
    assert not editor.can_redo
    (said,) = ask(editor, "redo")
    assert "nothing was undone" in said["text"]


def test_two_editors_of_one_file_lose_nothing(editor: LabelEditor, folder: Path, cache: Path) -> None:
    other = lab.label_editor(folder / f"{NAME}.flac", "Grace", cache=cache)
    before = in_file(folder)
    ask(editor, "remove", number=0)
    (said,) = ask(other, "retype", number=0, to="backchannel")  # she still sees it
    assert "has been changed elsewhere; look again" in said["text"]
    assert spans(other) == in_file(folder) == before[1:]
    ask(other, "remove", number=0)
    assert in_file(folder) == before[2:]
    edits = read_label_file(folder / f"{NAME}.labels.json").edits or ()
    assert [entry.who for entry in edits] == ["Ada", "Grace"]


def test_what_contradicts_itself_is_refused_and_put_back(editor: LabelEditor, folder: Path) -> None:
    before = spans(editor)
    (said,) = ask(editor, "move", number=0, start_s=5.0, end_s=4.0)
    assert said["kind"] == "problem"
    assert spans(editor) == before == in_file(folder)
    for odd in ({"what": "fly"}, {"what": "retype", "number": 0, "to": "x"}, {"what": "move", "number": 0}):
        assert ask(editor, **odd)[0]["kind"] == "problem"
    assert in_file(folder) == before


def test_it_starts_at_the_least_sure(folder: Path, cache: Path) -> None:
    (folder / f"{NAME}.labels.json").unlink()
    editor = lab.label_editor(folder / f"{NAME}.flac", "Ada", cache=cache)
    assert editor.saved == f"not yet in {NAME}.labels.json"
    sure = [editor.labels[number]["confidence"] for number in editor.order]
    assert sure == sorted(sure)
    assert len(set(editor.order)) == len(editor.labels)
    ask(editor, "retype", number=editor.order[0], to="backchannel")
    assert in_file(folder) == spans(editor)


def seen(number: int) -> dict[str, Any]:
    return vars(LABELS.labels[number])


def test_a_split_leaves_two_pauses_with_speech_between() -> None:
    changes = changes_of(LABELS, "split", {"label": seen(0), "at_s": 1.5})
    assert [(one.after.start_s, one.after.end_s) for one in changes if one.after] == [
        (1.0, 1.45),
        (1.55, 2.0),
    ]
    with pytest.raises(ValueError, match="put it inside the hold first"):
        changes_of(LABELS, "split", {"label": seen(0), "at_s": 3.5})


def test_a_merge_takes_the_next_label_in() -> None:
    removed, grown = changes_of(LABELS, "merge", {"label": seen(0)})
    assert (removed.before, removed.after) == (LABELS.labels[1], None)
    assert grown.after == Label("hold", 1.0, 4.0)
    with pytest.raises(ValueError, match="no later label"):
        changes_of(LABELS, "merge", {"label": seen(2)})


def test_a_full_disk_is_told_and_nothing_is_lost(
    editor: LabelEditor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spans(editor)
    ask(editor, "retype", number=0, to="backchannel")
    saved = in_file(folder)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"{NAME}.labels.json")

    with monkeypatch.context() as patched:
        patched.setattr(label_editor, "edit_labels", full)
        (said,) = ask(editor, "remove", number=1)
    assert said["text"].startswith("Not saved. ")
    assert "free some space" in said["text"]
    assert in_file(folder) == saved == spans(editor)
    assert len(saved) == len(before)
    (folder / f"{NAME}.labels.json").write_text("{")  # spoilt by another program
    (said,) = ask(editor, "remove", number=1)
    assert "labels.json" in said["text"]
    assert spans(editor) == saved


def test_differences_from_another_annotator_are_stepped_through(folder: Path, cache: Path) -> None:
    other = folder / "other.labels.json"
    shutil.copy(folder / f"{NAME}.labels.json", other)
    lab.label_editor(folder / f"{NAME}.flac", "Ada", cache=cache)
    content = json.loads(other.read_text())
    content["labels"][0]["kind"] = "backchannel"
    gone = content["labels"].pop()
    other.write_text(json.dumps(content))
    editor = lab.label_editor(folder / f"{NAME}.flac", "Ada", other=other, cache=cache)
    assert editor.compared
    assert [one["text"] for one in editor.differences] == [
        "You say hold, the other says backchannel",
        f"You say {'end of turn' if gone['kind'] == 'shift' else gone['kind']}, the other says nothing",
    ]
    ask(editor, "retype", number=0, to="backchannel")  # now both say the same
    assert len(editor.differences) == 1
    assert not lab.label_editor(folder / f"{NAME}.flac", "Ada", cache=cache).compared

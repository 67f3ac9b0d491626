"""Corrections by a person: kept with who, when and what, and stronger than any estimate."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from lab_utils.corpus.label_edits import Change, edit_labels, update_labels
from lab_utils.corpus.label_file import BadLabels, read_label_file, read_labels, write_labels
from lab_utils.records import Ipu, Label, Labels

NOON = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)
HOLD = Label("hold", 2.0, 3.0, 0.8, "estimated")
SHIFT = Label("shift", 4.0, 4.5, 0.9, "estimated")
LABELS = Labels(
    10.0,
    (Ipu("user", 1.0, 2.0, "my"), Ipu("user", 3.0, 4.0, "name"), Ipu("agent", 4.5, 8.0)),
    (HOLD, SHIFT),
    source="two channels",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "call.labels.json"
    write_labels(LABELS, path)
    return path


def test_an_edit_is_kept_with_who_when_and_what(path):
    after = Label("cut_off", 2.0, 3.0)
    labels = edit_labels(path, [Change(HOLD, after, "the agent coughs")], "Ada", NOON)
    assert labels == read_labels(path)
    assert labels.labels[0] == Label("cut_off", 2.0, 3.0, 1.0, "the agent coughs", edited=True)
    (edit,) = read_label_file(path).edits or ()
    assert (edit.who, edit.when) == ("Ada", NOON)
    (change,) = edit.changes
    assert change.before is not None
    assert change.after is not None
    assert (change.before.kind, change.after.kind, change.why) == ("hold", "cut_off", "the agent coughs")


def test_a_second_edit_is_added_to_the_history(path):
    edit_labels(path, [Change(HOLD, None, "no pause")], "Ada", NOON)
    edit_labels(path, [Change(None, Label("hold", 2.1, 2.9))], "Bo", NOON + dt.timedelta(hours=1))
    assert [edit.who for edit in read_label_file(path).edits or ()] == ["Ada", "Bo"]
    assert [label.start_s for label in read_labels(path).labels] == [2.1, 4.0]


def test_a_moved_edge_moves_who_speaks_when(path):
    labels = edit_labels(path, [Change(SHIFT, Label("shift", 3.8, 4.5))], "Ada", NOON)
    assert labels.spans("user").tolist() == [[1, 2], [3, 3.8]]
    labels = edit_labels(path, [Change(HOLD, Label("hold", 2.2, 2.9))], "Ada", NOON)
    assert labels.spans("user").tolist() == [[1, 2.2], [2.9, 3.8]]
    labels = edit_labels(path, [Change(None, Label("hold", 1.3, 1.6))], "Ada", NOON)
    assert labels.spans("user").tolist() == [[1, 1.3], [1.6, 2.2], [2.9, 3.8]]


def test_an_edited_label_wins_over_an_estimate_and_a_refused_one_stays_away(path):
    edit_labels(path, [Change(SHIFT, Label("hold", 4.0, 4.4))], "Ada", NOON)
    edit_labels(path, [Change(HOLD, None)], "Ada", NOON)
    merged = update_labels(path, LABELS)
    assert [(label.kind, label.edited) for label in merged.labels] == [("hold", True)]
    assert read_labels(path) == merged
    assert len(read_label_file(path).edits or ()) == 2


def test_an_estimate_is_written_as_it_is_where_nobody_has_edited(path, tmp_path):
    assert update_labels(tmp_path / "new.labels.json", LABELS) == LABELS
    assert update_labels(path, LABELS) == LABELS
    assert read_labels(path) == LABELS


def test_a_file_without_edits_has_no_new_keys(path):
    content = json.loads(path.read_text())
    assert "edits" not in content
    assert all("edited" not in label for label in content["labels"])


@pytest.mark.parametrize(
    ("changes", "who", "when", "error", "message"),
    [
        ([Change(HOLD, None)], " ", NOON, ValueError, "who is empty"),
        ([Change(HOLD, None)], "Ada", dt.datetime(2026, 1, 1), ValueError, "no time zone"),
        ([], "Ada", NOON, ValueError, "no changes"),
        ([Change(Label("hold", 7, 8), None)], "Ada", NOON, BadLabels, "has no hold from 7 to 8 s"),
        ([Change(None, Label("hold", 8, 12))], "Ada", NOON, BadLabels, "after the end of the recording"),
        ([Change(None, Label("shift", 2.5, 3.5))], "Ada", NOON, BadLabels, "one silence has one label"),
    ],
)
def test_an_impossible_edit_changes_nothing(path, changes, who, when, error, message):
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        edit_labels(path, changes, who, when)
    assert path.read_bytes() == before


def test_a_change_changes_something():
    with pytest.raises(ValueError, match="neither before nor after"):
        Change(None, None)


def test_a_history_without_a_name_or_a_time_zone_is_refused(path):
    content = json.loads(path.read_text())
    entry = {"who": "Ada", "when": "2026-05-04T12:00:00", "changes": [{"why": "x"}]}
    for broken in (entry, {**entry, "when": "2026-05-04T12:00:00Z", "who": ""}):
        path.write_text(json.dumps({**content, "edits": [broken]}))
        with pytest.raises(BadLabels, match=r"edits\[0\]\.(when|who)"):
            read_labels(path)

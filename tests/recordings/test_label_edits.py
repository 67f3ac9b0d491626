"""Corrections by a person: kept with who, when and what, and stronger than any estimate."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.labels import LABEL_KINDS, Ipu, Label, LabelKind, Labels, Word
from lab_utils.recordings.labels.edits import (
    Change,
    edit_labels,
    label_at,
    merge_edited,
    undo_edit,
    update_labels,
)
from lab_utils.recordings.labels.file import (
    BadLabels,
    read_label_file,
    read_labels,
    write_label_file,
    write_labels,
)

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


def test_a_silence_cut_out_of_speech_leaves_the_text_to_what_comes_first(path):
    labels = edit_labels(path, [Change(None, Label("hold", 1.3, 1.6))], "Ada", NOON)
    said = [(one.start_s, one.end_s, one.text) for one in labels.ipus if one.speaker == "user"]
    assert said == [(1.0, 1.3, "my"), (1.6, 2.0, ""), (3.0, 4.0, "name")]
    labels = edit_labels(path, [Change(HOLD, None), Change(None, Label("hold", 2.9, 3.2))], "Ada", NOON)
    assert [one.text for one in labels.ipus if one.start_s == 3.2] == ["name"]


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


def test_the_shortest_label_at_a_moment_is_meant_and_without_one_the_nearest_is_named():
    inside = Label("backchannel", 2.4, 2.6)
    labels = replace(LABELS, labels=(HOLD, inside, SHIFT))
    assert label_at(labels, 2.2) == HOLD
    assert label_at(labels, 2.5) == inside
    assert label_at(labels, 3.005) == HOLD, "give or take a rounding"
    with pytest.raises(ValueError, match=r"no label at 3.4 s: the nearest is a hold from 2.00 to 3.00 s"):
        label_at(labels, 3.4)
    with pytest.raises(ValueError, match="there are no labels; add one"):
        label_at(replace(LABELS, labels=()), 3.4)


def test_an_edit_of_an_estimate_begins_the_file_and_a_bad_one_leaves_none(tmp_path):
    path = tmp_path / "new.labels.json"
    with pytest.raises(BadLabels, match="has no hold from 7 to 8 s"):
        edit_labels(path, [Change(Label("hold", 7.0, 8.0), None)], "Ada", NOON, estimated=LABELS)
    assert not path.exists()
    edit_labels(path, [Change(HOLD, None)], "Ada", NOON, estimated=LABELS)
    assert read_labels(path) == replace(LABELS, labels=(SHIFT,))
    assert read_label_file(path).recording == "new"
    edit_labels(path, [Change(SHIFT, None)], "Ada", NOON, estimated=LABELS)
    assert read_labels(path).labels == (), "what is in the file counts, not the estimate"


@st.composite
def edits(draw):
    """A label of `LABELS` changed, moved or removed, or a new one where the user talks."""
    start_s = draw(st.integers(100, 380)) / 100
    new = Label(draw(st.sampled_from(LABEL_KINDS)), start_s, start_s + draw(st.integers(0, 60)) / 100)
    before = draw(st.sampled_from([None, HOLD, SHIFT]))
    return Change(before, None if before is not None and draw(st.booleans()) else new, "because")


@given(st.lists(edits(), min_size=1, max_size=3))
def test_undoing_goes_back_edit_by_edit_to_the_labels_as_they_were(changes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.labels.json"
        write_labels(LABELS, path)
        states = [LABELS]
        for change in changes:
            try:
                states.append(edit_labels(path, [change], "Ada", NOON))
            except BadLabels:  # it contradicts the others
                assert read_labels(path) == states[-1]
        made = len(states) - 1
        for k in range(made):
            labels, undone = undo_edit(path, "Bo", NOON + dt.timedelta(hours=k))
            assert labels == read_labels(path) == states[-2 - k]
            assert undone.undone is not None
            assert (undone.who, undone.undone.who) == ("Ada", "Bo")
        assert len(read_label_file(path).edits or ()) == made, "the history keeps what was undone"
        with pytest.raises(BadLabels, match="has no edit to undo"):
            undo_edit(path, "Bo", NOON)


@pytest.mark.parametrize(
    ("who", "when", "message"), [(" ", NOON, "who is empty"), ("Bo", dt.datetime(2026, 1, 1), "no time")]
)
def test_nobody_undoes_an_edit_at_no_time(path, who, when, message):
    edit_labels(path, [Change(HOLD, None)], "Ada", NOON)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        undo_edit(path, who, when)
    assert path.read_bytes() == before


def test_without_a_file_there_is_nothing_to_undo(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match=r"none\.labels\.json"):
        undo_edit(tmp_path / "none.labels.json", "Ada", NOON)


def test_an_estimate_may_say_again_what_was_refused_once_the_refusal_is_undone(path):
    edit_labels(path, [Change(HOLD, None)], "Ada", NOON)
    undo_edit(path, "Ada", NOON)
    assert HOLD in update_labels(path, LABELS).labels


def test_a_refusal_keeps_away_what_meets_it_and_is_of_its_kind_and_nothing_else(path):
    """Not another hold, and not what another estimate calls the same silence."""
    edit_labels(path, [Change(HOLD, None)], "Ada", NOON)
    other_hold, other_kind = Label("hold", 3.4, 3.7), Label("cut_off", 2.0, 3.0)
    ipus = (Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 3.4), Ipu("user", 3.7, 4.0), Ipu("agent", 4.5, 8.0))
    again = replace(LABELS, ipus=ipus, labels=(HOLD, other_hold, SHIFT))
    assert update_labels(path, again).labels == (other_hold, SHIFT)
    assert update_labels(path, replace(LABELS, labels=(other_kind, SHIFT))).labels == (other_kind, SHIFT)


def test_a_label_is_meant_up_to_ten_milliseconds_from_where_it_is_said_to_be(path):
    write_labels(replace(LABELS, labels=(Label("hold", 0.01, 0.5), SHIFT)), path)
    with pytest.raises(ValueError, match="no hold"):
        edit_labels(path, [Change(Label("hold", 0.0, 0.48), None)], "Ada", NOON)
    assert edit_labels(path, [Change(Label("hold", 0.0, 0.5), None)], "Ada", NOON).labels == (SHIFT,)


def test_texts_that_came_after_an_edit_outlive_its_undoing(path):
    edit_labels(path, [Change(None, Label("hold", 1.3, 1.6))], "Ada", NOON)
    content = read_label_file(path)
    said = {1.0: "my", 1.6: "own"}
    ipus = tuple(ipu.model_copy(update={"text": said.get(ipu.start_s, ipu.text)}) for ipu in content.ipus)
    write_label_file(content.model_copy(update={"ipus": ipus}), path)
    labels, _ = undo_edit(path, "Ada", NOON)
    assert labels.ipus[0] == Ipu("user", 1.0, 2.0, "my own")


def test_an_edit_whose_place_has_changed_since_is_not_undone(path):
    edit_labels(path, [Change(SHIFT, Label("shift", 3.8, 4.5))], "Ada", NOON)
    other = replace(LABELS, ipus=(Ipu("user", 0.5, 2.0), Ipu("user", 3.0, 3.7), Ipu("agent", 4.6, 8.0)))
    update_labels(path, other)
    before = path.read_bytes()
    with pytest.raises(BadLabels, match="can't be undone any more; change the label back"):
        undo_edit(path, "Ada", NOON)
    assert path.read_bytes() == before


def test_words_of_the_file_stay_and_those_of_the_estimate_fill_an_empty_one():
    one, other = Word("user", 0.5, 0.9, "one"), Word("user", 1.0, 1.4, "other")
    with_one, with_other = replace(LABELS, words=(one,)), replace(LABELS, words=(other,))
    assert merge_edited(with_other, with_one).words == (one,)
    assert merge_edited(with_other, LABELS).words == (other,)
    assert merge_edited(LABELS, with_one).words == (one,)


def test_a_time_that_is_just_as_far_from_a_label_as_times_are_rounded_is_in_it() -> None:
    labels = Labels(9.0, (), (Label("hold", 0.01, 0.5),))
    assert label_at(labels, 0.0) is labels.labels[0]


@pytest.mark.parametrize(
    ("kind", "user"), [("hold", [(1.0, 2.0), (3.0, 5.0)]), ("backchannel", [(1.0, 5.0)])]
)
def test_a_silence_that_a_person_has_labelled_is_cut_out_of_estimated_speech(
    kind: LabelKind, user: list[tuple[float, float]]
) -> None:
    mark = replace(Label(kind, 2.0, 3.0), edited=True)
    merged = merge_edited(Labels(9.0, (Ipu("user", 1.0, 5.0),), ()), Labels(9.0, (), (mark,)))
    assert [(ipu.start_s, ipu.end_s) for ipu in merged.ipus] == user
    assert merged.labels == (mark,)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (Ipu("user", 2.0, 4.0, "x"), [(3.0, 4.0, "x")]),  # begins with the silence: nothing is split
        (Ipu("user", 1.0, 3.0, "x"), [(1.0, 2.0, "x")]),
        (Ipu("user", 2.0, 3.0, "x"), []),
        (Ipu("user", 1.0, 2.0, "x"), [(1.0, 2.0, "x")]),
        (Ipu("user", 3.0, 4.0, "x"), [(3.0, 4.0, "x")]),
        (Ipu("agent", 1.0, 4.0, "x"), [(1.0, 4.0, "x")]),
    ],
)
def test_a_silence_leaves_no_pieces_without_length(said: Ipu, left: list[tuple[float, float, str]]) -> None:
    silence = Label("hold", 2.0, 3.0, edited=True)
    merged = merge_edited(Labels(9.0, (said,), ()), Labels(9.0, (), (silence,)))
    assert [(ipu.start_s, ipu.end_s, ipu.text) for ipu in merged.ipus] == left


@pytest.mark.parametrize(
    ("estimated", "stays"),
    [
        (Label("cut_off", 2.9, 3.5), False),  # a tenth of a second in common
        (Label("cut_off", 3.0, 3.5), True),
        (Label("backchannel", 1.5, 2.0), True),
        (Label("shift", 2.0, 2.0), False),  # no length, but the same start
        (Label("shift", 1.995, 1.995), False),
        (Label("shift", 1.98, 1.98), True),
    ],
)
def test_labels_meet_if_they_share_some_time_or_begin_together(estimated: Label, stays: bool) -> None:
    own = Label("hold", 2.0, 3.0, edited=True)
    merged = merge_edited(Labels(9.0, (), (estimated,)), Labels(9.0, (), (own,)))
    assert (estimated in merged.labels) is stays
    first, begins = replace(own, start_s=0.01), Label("shift", 0.0, 0.0)  # ten milliseconds, to the last bit
    assert merge_edited(Labels(9.0, (), (begins,)), Labels(9.0, (), (first,))).labels == (first,)


def test_speech_ten_milliseconds_from_a_silence_moves_with_it(path: Path) -> None:
    """Just as much as times are rounded by; the user's next speech doesn't move with the end of a shift."""
    ipus = (Ipu("user", 0.0, 0.01), Ipu("agent", 0.02, 3.0), Ipu("user", 4.0, 5.0))
    write_labels(Labels(9.0, ipus, (Label("hold", 0.02, 1.0), Label("shift", 3.0, 4.0))), path)
    first = edit_labels(path, [Change(Label("hold", 0.02, 1.0), Label("hold", 0.03, 1.0))], "Ada", NOON)
    assert first.spans("user").tolist() == [[0.0, 0.03], [4.0, 5.0]]
    assert first.spans("agent").tolist() == [[0.02, 3.0]]
    second = edit_labels(path, [Change(Label("shift", 3.0, 4.0), Label("shift", 3.0, 3.5))], "Ada", NOON)
    assert second.spans("user").tolist() == [[0.0, 0.03], [4.0, 5.0]]
    write_labels(Labels(9.0, (Ipu("user", 0.02, 2.0),), (Label("hold", 0.0, 0.01),)), path)
    third = edit_labels(path, [Change(Label("hold", 0.0, 0.01), Label("hold", 0.0, 0.005))], "Ada", NOON)
    assert third.spans("user").tolist() == [[0.005, 2.0]]


def test_a_label_that_a_person_has_added_refuses_nothing(path: Path) -> None:
    added = Label("hold", 1.3, 1.6)
    edit_labels(path, [Change(None, added)], "Ada", NOON)
    assert [label.start_s for label in update_labels(path, LABELS).labels] == [1.3, 2.0, 4.0]

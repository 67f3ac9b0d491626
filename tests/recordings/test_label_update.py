"""Of two writers of a label file none loses an edit that was reported done."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from lab_utils.core.files.locking import Locked, locked
from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.recordings.labels.edits import Change, edit_labels
from lab_utils.recordings.labels.file import BadLabels, LabelFile, read_labels, write_labels
from lab_utils.recordings.labels.update import update_label_file

NOW = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)


def label_file(folder: Path) -> Path:
    """Two pauses of a user that can be corrected independently."""
    ipus = tuple(Ipu("user", start_s, start_s + 1.0, "") for start_s in (0.0, 2.0, 4.0))
    labels = (Label("hold", 1.0, 2.0), Label("hold", 3.0, 4.0))
    path = folder / "call.labels.json"
    write_labels(Labels(duration_s=6.0, ipus=ipus, labels=labels), path)
    return path


def edit_often(path: Path, number: int, edits: int, done: multiprocessing.Queue) -> None:
    count = 0
    for _ in range(edits):
        try:
            label = sorted(read_labels(path).labels, key=lambda one: one.start_s)[number]
            other = "cut_off" if label.kind == "hold" else "hold"
            edit_labels(path, [Change(label, replace(label, kind=other))], f"writer {number}", NOW)
            count += 1
        except BadLabels:  # refused, and says so: not reported done
            pass
    done.put(count)


@pytest.mark.slow
def test_two_writers_lose_no_edit(tmp_path: Path) -> None:
    path = label_file(tmp_path)
    context = multiprocessing.get_context("fork")
    done: multiprocessing.Queue = context.Queue()
    writers = [context.Process(target=edit_often, args=(path, number, 25, done)) for number in (0, 1)]
    for writer in writers:
        writer.start()
    reported = sum(done.get() for _ in writers)
    for writer in writers:
        writer.join()
    assert reported == 50
    assert len(json.loads(path.read_text())["edits"]) == 50
    assert [one.name for one in tmp_path.iterdir()] == [path.name]  # no lock or temporary file is left


def test_what_another_program_writes_meanwhile_is_noticed_and_kept(tmp_path: Path) -> None:
    path = label_file(tmp_path)

    def slowly(content: LabelFile | None) -> LabelFile:
        assert content is not None
        path.write_text(path.read_text().replace('"labels": [', '"labels":  ['))  # as an editor would
        return content.model_copy(update={"source": "changed"})

    with pytest.raises(BadLabels, match=r"changed by another program meanwhile; nothing was written; read"):
        update_label_file(path, slowly)
    assert '"labels":  [' in path.read_text()


def test_a_lock_that_is_not_given_back_is_told(tmp_path: Path) -> None:
    def again() -> None:
        with locked(tmp_path, wait_s=0.05):
            pass

    with locked(tmp_path), pytest.raises(Locked, match="another program is changing files in this folder"):
        again()
    again()  # given back by now

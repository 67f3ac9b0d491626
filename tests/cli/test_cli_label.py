"""`lab label`: labels listed, corrected, told about and put back from the command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import soundfile
from paths import FIXTURES as FIXTURE_FILES
from paths import SAMPLES
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.labels.file import read_label_file, read_labels

pytestmark = pytest.mark.slow

ANN = ("--by", "Ann")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """20 s of a sample call, without labels."""
    path = tmp_path / "call.wav"
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=20 * 16_000)
    soundfile.write(path, audio, rate)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for path in SAMPLES.glob("01_table_booking.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "01_table_booking.flac"


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["label", *map(str, arguments)])


def told(*arguments: object) -> dict:
    result = lab(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_labels_are_listed_the_least_sure_first_and_nothing_is_written(call, cache):
    listed = told(call, "--cache", cache)
    confidences = [one["confidence"] for one in listed["labels"]]
    assert len(confidences) > 3
    assert confidences == sorted(confidences)
    assert listed["exists"] is False
    lines = lab(call, "--cache", cache).stdout.splitlines()
    (first, *_) = [line.split()[0] for line in lines if line.strip()[:1].isdigit()]
    assert first == f"{listed['labels'][0]['start_s']:.2f}"
    assert [path.name for path in call.parent.iterdir()] == ["call.wav"]


def test_the_first_correction_of_an_estimate_writes_all_of_it_with_the_correction(call, cache):
    listed = told(call, "--cache", cache)
    hold = next(one for one in listed["labels"] if one["kind"] == "hold")
    middle = (hold["start_s"] + hold["end_s"]) / 2
    edit = ("--at", middle, "--kind", "cut_off", *ANN, "--because", "the agent coughs", "--cache", cache)
    assert lab(call, *edit).exit_code == 0
    file = call.with_name("call.labels.json")
    labels = read_labels(file)
    assert len(labels.labels) == len(listed["labels"])
    (changed,) = [one for one in labels.labels if one.edited]
    assert (changed.kind, changed.start_s, changed.reason) == ("cut_off", hold["start_s"], "the agent coughs")
    (files,) = find_recordings(call)
    assert load_recording(files).labels == labels, "the recording is loaded with it"
    history = lab(call, "--history").stdout
    for part in ("Ann", "hold", "cut_off", "the agent coughs"):
        assert part in history


def test_undo_puts_back_what_was_there_and_says_so_in_the_history(labelled):
    file = labelled.with_name("01_table_booking.labels.json")
    before = read_labels(file)
    at = before.of_kind("hold")[0].mean()
    assert lab(labelled, "--at", at, "--remove", *ANN).exit_code == 0
    assert len(read_labels(file).labels) == len(before.labels) - 1
    result = lab(labelled, "--undo", "--by", "Bo")
    assert result.exit_code == 0
    assert "undone: removed: hold" in result.stdout
    assert read_labels(file) == before
    assert "by Bo" in lab(file, "--history").stdout, "a label file may be named itself"
    result = lab(labelled, "--undo", "--by", "Bo")
    assert result.exit_code == 1
    assert "has no edit to undo" in result.stderr


def test_a_label_is_added_and_moved(labelled):
    file = labelled.with_name("01_table_booking.labels.json")
    condition = read_label_file(file).condition
    ipu = max(read_labels(file).spans("user"), key=lambda span: span[1] - span[0])
    start, end = ipu[0] + 0.4, ipu[0] + 0.6
    assert lab(labelled, "--kind", "hold", "--start", start, "--end", end, *ANN).exit_code == 0
    assert lab(labelled, "--at", (start + end) / 2, "--end", end + 0.1, *ANN).exit_code == 0
    (added,) = [one for one in read_labels(file).labels if one.edited]
    assert (added.kind, added.start_s, added.end_s) == (
        "hold",
        pytest.approx(start),
        pytest.approx(end + 0.1),
    )
    assert read_label_file(file).condition == condition
    assert len(told(labelled)["edits"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "finding"),
    [
        (["--at", 1, "--kind", "hold"], 2, "--by NAME"),
        (["--undo"], 2, "--by NAME"),
        (["--kind", "hold", "--start", 1, *ANN], 2, "--start and --end"),
        (["--at", 1, *ANN], 2, "say what is wrong"),
        (["--remove", *ANN], 2, "--remove goes with --at"),
        (["--undo", "--history", *ANN], 2, "one at a time"),
        (["--at", 1, "--kind", "nonsense", *ANN], 2, "nonsense"),
        (["--at", 9999, "--kind", "hold", *ANN], 1, "no label at 9999 s: the nearest is"),
        (["--kind", "hold", "--start", 5, "--end", 4, *ANN], 1, "is before start_s"),
    ],
)
def test_what_can_not_be_done_changes_nothing_and_says_why(labelled, arguments, code, finding):
    file = labelled.with_name("01_table_booking.labels.json")
    before = file.read_bytes()
    result = lab(labelled, *arguments)
    assert result.exit_code == code
    assert finding in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert file.read_bytes() == before


def test_a_folder_of_recordings_is_not_labelled_at_once():
    result = lab(SAMPLES / "calls" / "demo")
    assert result.exit_code == 1
    assert "holds 12 recordings; name one" in result.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["call.wav"], "call.labels.json"),
        (["x_caller.wav", "x_agent.wav"], "x.labels.json"),
        (["caller.wav", "agent.wav"], "labels.json"),
        (["x_caller.ulaw", "x_agent.ulaw"], "x.labels.json"),
    ],
)
def test_the_label_file_lies_where_loading_looks_for_it(names, expected, tmp_path):
    for name in names:
        path = tmp_path / name
        if path.suffix == ".ulaw":
            path.write_bytes(bytes(range(256)) * 40)
        else:
            pcm, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=32_000)
            soundfile.write(path, pcm if len(names) == 1 else pcm[:, names.index(name)], rate)
    (files,) = find_recordings(tmp_path)
    assert files.label_path == tmp_path / expected
    (tmp_path / expected).write_text("{}")
    (again,) = find_recordings(tmp_path)
    assert again.labels == tmp_path / expected


def test_a_corpus_own_labels_are_corrected_in_a_file_that_then_wins(tmp_path, cache):
    folder = tmp_path / "calls"
    shutil.copytree(FIXTURE_FILES / "recordings" / "harper_valley", folder)
    given = load_recording(find_recordings(folder)[0]).labels.labels
    wrong = given[0]
    middle_s = (wrong.start_s + wrong.end_s) / 2
    told(folder, "--cache", cache, "--at", f"{middle_s:.3f}", "--kind", "cut_off", *ANN)
    corrected = load_recording(find_recordings(folder)[0]).labels.labels
    assert wrong.kind != "cut_off"
    assert [label.kind for label in corrected if label.start_s == wrong.start_s] == ["cut_off"]
    assert len(corrected) == len(given)

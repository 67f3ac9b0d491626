"""Transcripts of folders: cached by channel, taken up again after a kill, written beside what was known."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import SAMPLES
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.core.labels import Ipu, Label, Labels, Word
from lab_utils.recordings.audio import BadRecording, write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.labels.edits import Change, edit_labels
from lab_utils.recordings.labels.file import read_label_file, read_labels, write_labels
from lab_utils.workflows import transcribe as transcribing
from lab_utils.workflows.transcribe import Transcriber, transcribe_recordings, write_transcript

pytestmark = pytest.mark.slow


def fake(pcm, trace, speaker, model, **_) -> tuple[Word, ...]:
    return (Word(speaker, 1.0, 1.5, "Hello,"), Word(speaker, 1.5, 2.0, "naïve…"))


def forbid(*_: object, **__: object) -> tuple[Word, ...]:
    raise AssertionError("the model was asked although the answer is in the cache")


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three stereo cuts of 8 s of a sample call, without labels."""
    recording = load_recording(find_recordings(SAMPLES)[0])
    folder = tmp_path / "calls"
    folder.mkdir()
    both = np.stack((recording.user, recording.agent), axis=1)
    for k in range(3):
        write_wav(folder / f"call{k}.wav", both[k * 64_000 : k * 64_000 + 128_000])
    return folder


def test_a_second_transcript_comes_from_the_cache(calls, tmp_path, monkeypatch) -> None:
    recording = load_recording(find_recordings(calls)[0])
    transcriber = Transcriber.of(cache=tmp_path / "cache")
    monkeypatch.setattr(transcribing, "transcribe_channel", fake)
    first = transcriber.words(recording)
    assert [word.speaker for word in first] == ["user", "user", "agent", "agent"]
    monkeypatch.setattr(transcribing, "transcribe_channel", forbid)
    assert transcriber.words(recording) == first
    for other in (
        replace(transcriber, language="en"),
        replace(transcriber, model=replace(first_model(), version="2")),
    ):
        with pytest.raises(AssertionError, match="in the cache"):
            other.words(recording)


def first_model():
    return transcribing.find_model("tiny.en")


def test_no_words_are_an_answer_too_and_a_damaged_entry_is_made_again(calls, tmp_path, monkeypatch) -> None:
    recording = replace(load_recording(find_recordings(calls)[0]), agent=None)
    transcriber = Transcriber.of(cache=tmp_path / "cache")
    monkeypatch.setattr(transcribing, "transcribe_channel", lambda *_, **__: ())
    assert transcriber.words(recording) == ()
    monkeypatch.setattr(transcribing, "transcribe_channel", forbid)
    assert transcriber.words(recording) == ()
    (entry,) = (tmp_path / "cache").rglob("*-words-*.npz")
    entry.write_bytes(entry.read_bytes()[:100])
    monkeypatch.setattr(transcribing, "transcribe_channel", fake)
    assert len(transcriber.words(recording)) == 2


CHILD = """
import sys, time
from pathlib import Path
from lab_utils.workflows import transcribe as transcribing
from lab_utils.recordings.find import find_recordings

real, done = transcribing.transcribe_channel, []
def stuck_at_the_fourth(*args, **more):
    if len(done) == 3:
        time.sleep(600)
    done.append(1)
    return real(*args, **more)
transcribing.transcribe_channel = stuck_at_the_fourth
calls, cache = find_recordings(sys.argv[1]), Path(sys.argv[2])
list(transcribing.transcribe_recordings(calls, cache=cache, jobs=1, quiet=True))
"""


def test_after_a_kill_only_what_is_missing_is_done(calls, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "cache"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(calls), str(cache)])
    try:
        deadline_s = time.monotonic() + 240
        while len(list(cache.rglob("*-words-*.npz"))) < 3:
            assert child.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    asked = []

    def counted(*args, **more) -> tuple[Word, ...]:
        asked.append(args[2])
        return fake(*args, **more)

    monkeypatch.setattr(transcribing, "transcribe_channel", counted)
    results = list(transcribe_recordings(find_recordings(calls), cache=cache, jobs=1, quiet=True))
    assert asked == ["agent", "user", "agent"]
    # What the killed process had finished is Whisper's own, not the stand-in's.
    assert "evening," in [word.text for word in results[0].words]


def test_one_bad_file_does_not_stop_the_others_in_workers(calls, tmp_path) -> None:
    (calls / "call1.wav").write_bytes(b"RIFF")
    found = find_recordings(calls)
    results = list(transcribe_recordings(found, cache=tmp_path / "cache", jobs=2, quiet=True))
    by_name = {Path(files.user).stem: result for files, result in zip(found, results, strict=True)}
    assert isinstance(by_name["call1"], ValueError)
    assert "call1.wav" in str(by_name["call1"])
    assert "evening," in [word.text for word in by_name["call0"].words]
    assert by_name["call0"].labels.source.endswith("tiny.en")


def test_a_model_that_is_not_here_stops_the_work_at_once(calls, tmp_path) -> None:
    with pytest.raises(ValueError, match="unknown model 'huge'"):
        next(transcribe_recordings(find_recordings(calls), model="huge", cache=tmp_path, quiet=True))


# --- label files


@pytest.fixture
def one(calls, tmp_path, monkeypatch):
    """The files of one call, and its transcript."""
    monkeypatch.setattr(transcribing, "transcribe_channel", fake)
    files = find_recordings(calls / "call0.wav")[0]
    return files, Transcriber.of(cache=tmp_path / "cache").transcript(load_recording(files))


def test_estimated_labels_are_written_with_the_words(one, tmp_path) -> None:
    files, transcript = one
    path, added = write_transcript(transcript, files, tmp_path / "out")
    assert added == 4
    assert path == tmp_path / "out" / "call0.labels.json"
    told = read_labels(path)
    assert len(told.words) == 4
    assert told.source == f"two channels; {Transcriber.of().source}"
    assert any("Hello," in ipu.text for ipu in told.ipus)


def test_a_correction_by_hand_is_never_written_over(one, tmp_path) -> None:
    files, transcript = one
    path, _ = write_transcript(transcript, files, tmp_path / "out")
    content = json.loads(path.read_text())
    content["words"][0]["text"] = "Hallo,"
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    assert write_transcript(transcript, files, tmp_path / "out") == (path, 0)
    assert path.read_bytes() == before


def test_an_imported_transcript_wins_and_the_rest_of_its_file_is_kept(one, calls, tmp_path) -> None:
    files, transcript = one
    known = Labels(8.0, (Ipu("user", 0.9, 2.1, "Imported."), Ipu("agent", 0.9, 2.1)), (), (), "by hand")
    beside = calls / "call0.labels.json"
    write_labels(known, beside)
    content = json.loads(beside.read_text()) | {"condition": "noise-10dB", "voices": {"user": "me"}}
    beside.write_text(json.dumps(content))
    path, _ = write_transcript(transcript, replace(files, labels=beside), tmp_path / "out")
    told = read_label_file(path)
    assert [ipu.text for ipu in told.ipus] == ["Imported.", "Hello, naïve…"]
    assert (told.condition, told.voices) == ("noise-10dB", {"user": "me"})
    assert told.source == f"by hand; {Transcriber.of().source}"
    assert json.loads(beside.read_text()) == content


def test_words_that_came_with_an_import_are_not_counted_as_added(one, tmp_path) -> None:
    files, transcript = one
    imported = Labels(8.0, (Ipu("user", 0.9, 2.1),), (), (Word("user", 1.0, 2.0, "Imported."),), "a corpus")
    _, added = write_transcript(replace(transcript, labels=imported), files, tmp_path / "out")
    assert added == 0


def test_the_history_of_label_edits_is_kept(one, calls, tmp_path) -> None:
    files, transcript = one
    hold = Label("hold", 2.1, 3.0)
    ipus = (Ipu("user", 0.9, 2.1), Ipu("user", 3.0, 4.0))
    beside = calls / "call0.labels.json"
    write_labels(Labels(8.0, ipus, (hold,), (), "by hand"), beside)
    change = Change(hold, replace(hold, start_s=2.2), "breath")
    edit_labels(beside, [change], "Ada", dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    path, added = write_transcript(transcript, replace(files, labels=beside), tmp_path / "out")
    told = read_label_file(path)
    assert added > 0
    assert told.edits == read_label_file(beside).edits
    assert told.edits is not None
    assert [bool(label.edited) for label in told.labels] == [True]


def test_a_user_alone_without_labels_has_nothing_to_write_into(one, tmp_path) -> None:
    files, transcript = one
    with pytest.raises(BadRecording, match="has no labels to put the words into; add a label file"):
        write_transcript(replace(transcript, labels=None), files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the command


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["transcribe", *map(str, arguments), "--jobs", "1"])


def test_the_command_writes_label_files_and_says_what_it_skipped(calls, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(transcribing, "transcribe_channel", fake)
    (calls / "call1.wav").write_bytes(b"RIFF")
    options = (calls, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    result = lab(*options, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    told = [
        (one["recording"], one["user_words"], one["agent_words"], one["added"])
        for one in summary["recordings"]
    ]
    assert told == [("call0", 2, 2, 4), ("call2", 2, 2, 4)]
    assert "call1.wav" in summary["skipped"][0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "call0.labels.json",
        "call2.labels.json",
    ]
    beside = lab(calls, "--cache", tmp_path / "cache")
    assert "beside the audio" in beside.stdout
    assert [files.labels and files.labels.name for files in find_recordings(calls)] == [
        "call0.labels.json",
        None,
        "call2.labels.json",
    ]
    again = lab(*options)
    assert "call0" in again.stdout
    assert "lab: skipped: " in again.stderr


def test_the_command_says_in_one_line_what_is_wrong(calls, tmp_path) -> None:
    for arguments, message in (
        ((tmp_path / "none",), "no such file or folder"),
        ((calls, "--model", "huge"), "unknown model 'huge'"),
    ):
        result = lab(*arguments, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
        assert result.exit_code == 1
        assert message in result.stderr
        assert "Traceback" not in result.output

"""Redaction: what is listed can't be heard or read any more, and the originals stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calls import SAMPLES
from recording_fixtures import one_line
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.core.files.writing import machine_mark
from lab_utils.core.labels import Ipu, Label, Labels, Word, as_spans
from lab_utils.core.recording import ObservedTurn, Provenance, Recording
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.recordings.audio import BadRecording, write_flac
from lab_utils.recordings.find import audio_sha256, find_recordings, load_recording
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.redact import REDACTED, found, read_spans, redacted
from lab_utils.recordings.redacted_import import check_folder_for_copies, write_redacted


def recording(*words: Word, ipus: tuple[Ipu, ...] = (), agent: bool = True, **more) -> Recording:
    """Four seconds of a constant in both channels."""
    user = np.full(4 * SAMPLE_RATE_HZ, 1000, np.int16)
    other = user.copy() if agent else None
    labels = Labels(4.0, ipus, (), words) if words or ipus else None
    return Recording("call", "call.wav", user, other, audio_sha256(user, other), labels, **more)


def said(text: str, speaker="user", start_s: float = 1.0) -> tuple[Word, ...]:
    """A word each half second."""
    parts = text.split()
    return tuple(Word(speaker, start_s + k / 2, start_s + (k + 1) / 2, part) for k, part in enumerate(parts))


@pytest.mark.parametrize(
    ("text", "phrase", "spans"),
    [
        ("I'm Anna.", "anna", [(1.5, 2.0)]),
        ("I'm Anna's friend", "ANNA", [(1.5, 2.0)]),
        ("Mr O'Brien, yes", "o brien", [(1.5, 2.0)]),
        ("Mr O Brien yes", "O'Brien", [(1.5, 2.5)]),
        ("five five five one", "five five", [(1.0, 2.0), (1.5, 2.5)]),
        ("call 555 1234 now", "5551234", [(1.5, 2.5)]),
        ("Hannah Annabel", "Anna", []),
        ("in der Straße", "STRASSE", [(2.0, 2.5)]),
        ("Main Avenue Street", "main street", []),
    ],
)
def test_phrases_are_found_whatever_their_case_and_punctuation(text, phrase, spans) -> None:
    assert found(recording(*said(text)).labels, phrase) == spans


def test_a_phrase_is_not_put_together_from_two_speakers() -> None:
    words = (Word("user", 1.0, 1.5, "Main"), Word("agent", 1.5, 2.0, "Street"))
    assert found(recording(*words).labels, "Main Street") == []


def test_both_channels_are_zero_within_and_untouched_beyond_the_fades() -> None:
    before = recording(*said("I'm Anna there"))
    after = redacted(before, phrases=["Anna"])
    for pcm in (after.user, after.agent):
        assert not pcm[24_000:32_000].any()
        assert (pcm[: 24_000 - 160] == 1000).all()
        assert (pcm[32_000 + 160 :] == 1000).all()
        assert (np.diff(pcm[24_000 - 160 : 24_001]) < 0).all()
        assert (np.diff(pcm[31_999:32_160]) > 0).all()
    assert after.sha256 == audio_sha256(after.user, after.agent) != before.sha256
    assert (before.user == 1000).all(), "pure"
    assert after.notes == ("redacted: 1 span(s) muted, 0.50 s",)


def test_text_goes_from_words_ipus_reasons_and_provenance() -> None:
    words = (*said("I'm Anna Lee"), Word("agent", 1.9, 2.1, "Yes?"))
    ipus = (Ipu("user", 1.0, 2.5, "I'm Anna Lee."), Ipu("agent", 1.9, 2.1, "Yes?"))
    provenance = Provenance("livekit_report", (ObservedTurn("user", 1.0, 2.5, "I'm Anna Lee"),))
    before = recording(*words, ipus=ipus, provenance=provenance)
    labels = replace(before.labels, labels=(Label("shift", 2.5, 3.0, reason="after 'Anna Lee'"),))
    after = redacted(replace(before, labels=labels), phrases=["anna lee"])
    assert [word.text for word in after.labels.words] == ["I'm", REDACTED, REDACTED, REDACTED]
    assert [ipu.text for ipu in after.labels.ipus] == [f"I'm {REDACTED} {REDACTED}", REDACTED]
    assert "anna" not in repr(replace(after, user=None, agent=None)).lower()


def test_speech_of_which_only_the_text_is_known_is_muted_whole() -> None:
    ipus = (Ipu("user", 1.0, 2.0, "My name is Anna"), Ipu("user", 2.5, 3.0, "Hello"))
    after = redacted(recording(ipus=ipus), phrases=["Anna"])
    assert not after.user[16_000:32_000].any()
    assert after.user[40_000:].all()
    assert [ipu.text for ipu in after.labels.ipus] == [REDACTED, "Hello"]


def test_a_name_that_the_text_holds_twice_and_the_words_once_is_muted_with_all_around_it() -> None:
    ipus = (Ipu("user", 1.0, 3.0, "Anna, I said Anna"),)
    after = redacted(recording(*said("Anna"), ipus=ipus), phrases=["Anna"])
    assert not after.user[16_000:48_000].any()


def test_a_word_of_no_length_is_muted_and_redacted() -> None:
    after = redacted(recording(Word("user", 1.0, 1.0, "Anna")), phrases=["Anna"])
    assert not after.user[14_400:17_600].any()
    assert after.labels.words[0].text == REDACTED


def test_what_could_not_be_searched_is_told_or_refused() -> None:
    with pytest.raises(BadRecording, match=r"has no words in which.*lab transcribe") as error:
        redacted(recording(), phrases=["Anna"])
    one_line(error.value)
    agent = (Ipu("agent", 3.0, 3.5),)
    with pytest.raises(BadRecording, match="no words of the agent"):
        redacted(recording(*said("I'm Anna"), ipus=agent), phrases=["Anna"])
    partly = redacted(
        recording(*said("I'm Anna"), ipus=(Ipu("user", 1, 2), Ipu("user", 3, 3.5))), phrases=["Anna"]
    )
    assert partly.notes[0].startswith("0.5 s of speech have no words")
    with pytest.raises(ValueError, match="has no letter or digit"):
        redacted(recording(*said("I'm Anna")), phrases=["?!"])
    named = redacted(replace(recording(*said("I'm Anna")), name="anna_lee"), phrases=["Anna"])
    assert "the recording's name holds a phrase to redact: rename it" in named.notes


def test_spans_are_merged_and_checked() -> None:
    after = redacted(recording(), spans=as_spans([(1.0, 2.0), (1.5, 2.5), (3.5, 4.05)]))
    assert not after.user[16_000:40_000].any()
    assert not after.user[56_000:].any()
    assert after.notes == ("redacted: 2 span(s) muted, 2.00 s",)
    with pytest.raises(ValueError, match="lies outside the recording"):
        redacted(recording(), spans=as_spans([(3.0, 9.0)]))
    with pytest.raises(ValueError, match="has no length"):
        redacted(recording(), spans=as_spans([(3.0, 3.0)]))


def test_only_segments_named_redact_count_if_there_are_any(tmp_path: Path) -> None:
    file = tmp_path / "spans.txt"
    file.write_text("1.0\t2.0\tuser\n2.5\t3.0\tredact\n")
    assert read_spans(file).tolist() == [[2.5, 3.0]]
    file.write_text("1.0\t2.0\tuser\n2.5\t3.0\tagent\n")
    assert read_spans(file).tolist() == [[1.0, 2.0], [2.5, 3.0]]


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    for path in SAMPLES.glob("01_*"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.slow
def test_lab_import_writes_redacted_copies_and_a_manifest_of_them(calls: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in calls.iterdir()}
    safe = tmp_path / "safe"
    result = lab(
        "import", calls, "--redact", "Wednesday,harbour grill,zebra", "--redacted-to", safe, "--json"
    )
    assert result.exit_code == 0, result.stderr
    assert {path.name: path.read_bytes() for path in calls.iterdir()} == before
    assert "not found, so nothing was muted for it: zebra" in result.stderr
    assert "harbour" not in result.stderr.lower()
    manifest = safe / "manifest.parquet"
    assert json.loads(result.stdout)["manifest"] == str(manifest)
    (files,) = find_recordings(manifest)
    assert files.user.parent == safe
    assert files.labels is not None
    for text in (files.labels.read_text().lower(), pd.read_parquet(manifest).to_csv().lower()):
        assert "wednesday" not in text
        assert "harbour" not in text
    copy, original = load_recording(files), load_recording(find_recordings(calls)[0])
    for phrase in ("Wednesday", "Harbour Grill"):
        for start, end in found(original.labels, phrase):
            span = slice(int(start * 16_000) + 1, int(end * 16_000))
            assert original.user[span].any() or original.agent[span].any()
            assert not copy.user[span].any()
            assert not copy.agent[span].any()
    again = lab("import", calls, "--redact", "Wednesday", "--redacted-to", safe)
    assert again.exit_code == 1
    assert "is not an empty folder" in again.stderr
    inside = lab("import", calls, "--redact", "Wednesday", "--redacted-to", calls / "safe")
    assert inside.exit_code == 1
    assert "lies in the folder that is imported" in inside.stderr
    assert lab("import", calls, "--redact", "Wednesday").exit_code == 2


@pytest.mark.slow
def test_no_copy_is_there_before_all_are_and_what_a_killed_run_left_is_no_hindrance(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(next(SAMPLES.glob("02_*.flac")), calls)
    shutil.copy(next(SAMPLES.glob("02_*.labels.json")), calls)
    imported, safe, written = import_folder(calls, quiet=True), tmp_path / "safe", []

    def stopped_at_the_second(path: Path, audio: Any) -> None:
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        write_flac(path, audio)

    with monkeypatch.context() as patched:
        patched.setattr("lab_utils.recordings.redacted_import.write_flac", stopped_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            write_redacted(imported, safe, phrases=["Wednesday"], quiet=True)
    assert not list(safe.iterdir())
    assert not list(tmp_path.glob(".lab-*"))
    nobody = subprocess.Popen([sys.executable, "-c", ""])
    nobody.wait()
    left = tmp_path / f".lab-part-{machine_mark()}-{nobody.pid}-x"
    left.mkdir()
    (left / "01_table_booking.flac").touch()
    copies = write_redacted(imported, safe, phrases=["Wednesday"], quiet=True).imported
    assert not left.exists()
    assert [one.files.user for one in copies.entries] == sorted(safe.glob("*.flac"))
    assert [one.files.labels for one in copies.entries] == sorted(safe.glob("*.labels.json"))
    assert [load_recording(one.files).sha256 for one in copies.entries] == [
        one.sha256 for one in copies.entries
    ]


def test_a_folder_that_cannot_be_replaced_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    with pytest.raises(ValueError, match=r"is a mount point.*; name a new folder in it"):
        check_folder_for_copies(tmp_path, SAMPLES)


KILLED = """
import os, pathlib, sys
place, *command = sys.argv[1:]
def kill(*_): os._exit(9)
if place == "before the manifest":
    import lab_utils.recordings.importing as importing
    importing.write_manifest = kill
elif place == "before all is shown":
    pathlib.Path.rename = kill
sys.argv = ["lab", *command]
from lab_utils.cli import app
app()
"""
"""A `lab` command that is gone at a place, without a chance to tidy up."""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="elsewhere what a process has left stays")
@pytest.mark.parametrize("place", ["before the manifest", "before all is shown"])
@pytest.mark.parametrize("out", ["safe/manifest.parquet", "manifest.parquet", "other/manifest.parquet"])
def test_redacted_copies_are_made_by_the_command_that_was_killed(
    calls: Path, tmp_path: Path, place: str, out: str
) -> None:
    safe, manifest = tmp_path / "safe", tmp_path / out
    command = ["import", calls, "--redact", "Wednesday", "--redacted-to", safe, "--out", manifest]
    command += ["--cache", tmp_path / "cache"]
    killed = subprocess.run([sys.executable, "-c", KILLED, place, *map(str, command)], capture_output=True)
    assert killed.returncode == 9, killed.stderr
    assert not safe.exists() or not list(safe.iterdir())
    result = lab(*command)
    assert result.exit_code == 0, result.stderr
    (files,) = find_recordings(manifest) if out != "other/manifest.parquet" else find_recordings(safe)
    assert files.user == safe / "01_table_booking.flac"
    assert load_recording(files).labels is not None
    assert manifest.is_file()
    assert safe.stat().st_mode == calls.stat().st_mode
    assert not list(tmp_path.glob(".lab-*"))


@pytest.mark.slow
def test_spans_are_of_one_recording_and_a_call_without_words_gets_no_copy(
    calls: Path, tmp_path: Path
) -> None:
    spans = tmp_path / "spans.txt"
    spans.write_text("1.0\t2.0\tname\n")
    (calls / "01_table_booking.labels.json").unlink()
    result = lab("import", calls, "--redact-spans", spans, "--redacted-to", tmp_path / "one")
    assert result.exit_code == 0, result.stderr
    assert "redacted: 1 span(s) muted, 1.00 s" in result.stdout
    result = lab("import", calls, "--redact", "Wednesday", "--redacted-to", tmp_path / "none")
    assert result.exit_code == 1
    assert "lab transcribe" in result.stderr
    assert not list((tmp_path / "none").iterdir())
    assert not list(tmp_path.glob(".lab-*"))
    shutil.copy(next(SAMPLES.glob("02_*.flac")), calls)
    with pytest.raises(ValueError, match="2 recordings were found"):
        write_redacted(import_folder(calls, quiet=True), tmp_path / "two", spans=as_spans([(1.0, 2.0)]))


@pytest.mark.slow
def test_sweep_and_export_write_none_of_the_words(calls: Path, tmp_path: Path) -> None:
    words = {"zyxwabra", "quuxfoo"}
    path = calls / "01_table_booking.labels.json"
    content = json.loads(path.read_text())
    for entries in (content["words"], content["ipus"]):
        for entry in entries:
            entry["text"] = "Zyxwabra quuxfoo"
    path.write_text(json.dumps(content))
    (calls / "grid.yaml").write_text("min_delay: [0.3, 0.8]\n")
    out, cache = tmp_path / "out", tmp_path / "cache"
    options = ("--phases", 1, "--jobs", 1, "--cache", cache)
    result = lab("sweep", calls, "--grid", calls / "grid.yaml", "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    profile = tmp_path / "exported.yaml"
    exported = lab(
        "export", out, "--name", "one", "-o", profile, "--max-false-boundary-rate", 1.0, "--cache", cache
    )
    assert exported.exit_code == 0, exported.stderr
    written = [*(one for one in out.rglob("*") if one.is_file()), profile]
    assert {"commits.parquet", "summary.json", "profile.yaml"} <= {one.name for one in written}
    for one in written:
        text = (
            pd.read_parquet(one).to_csv() if one.suffix == ".parquet" else one.read_bytes().decode("latin-1")
        )
        assert not any(word in text.lower() for word in words), one.name

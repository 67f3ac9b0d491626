"""Importing a folder, manifests and their paths, remote folders."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_fixtures import RECORDINGS, copied, one_line
from typer.testing import CliRunner
from upath import UPath

from lab_utils.cli import app
from lab_utils.recordings.audio import BadRecording, write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.importing import import_folder, save_import
from lab_utils.recordings.manifest import SCHEMA, Entry, is_manifest, read_manifest, write_manifest
from lab_utils.recordings.recording_files import FindOptions, RecordingFiles

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """All fixtures in one folder, and some that can't be used."""
    made = tmp_path / "calls"
    shutil.copytree(RECORDINGS, made)
    (made / "broken.wav").write_text("not audio")
    (made / "empty.ogg").write_bytes(b"")
    (made / "notes.txt").write_text("nothing to do with it")
    return made


def saved(folder, path=None):
    imported = import_folder(folder, FindOptions(pair="{name}_{channel:rx|tx}.wav"), quiet=True)
    path = path or folder / "manifest.parquet"
    return imported, path, save_import(imported, path)


def test_an_import_tells_what_was_found_and_what_was_skipped(folder):
    imported, _, root = saved(folder)
    assert root is None
    assert imported.formats == {
        "ami": 2, "eot_bench": 2, "raw": 2, "livekit_egress": 1, "harper_valley": 1, "livekit_report": 1,
        "amazon_connect": 1, "twilio": 1, "audio": 1,
    }  # fmt: skip
    reasons = {one.path.name: one.reason for one in imported.skipped}
    assert reasons.keys() == {"broken.wav", "empty.ogg", "call-17.otlp.json", "17_rx.wav"}
    assert "starts with text" in reasons["broken.wav"]
    assert "is empty" in reasons["empty.ogg"]
    assert imported.duration_s == pytest.approx(93.8, abs=0.1)


def test_a_manifest_gives_the_same_recordings_again(folder):
    imported, path, _ = saved(folder)
    found = find_recordings(path)
    assert len(found) == len(imported.entries) == 12
    for files, entry in zip(found, imported.entries, strict=True):
        assert files.paths == entry.files.paths
        recording = load_recording(files)
        assert (recording.sha256, recording.duration_s) == (entry.sha256, entry.duration_s)
        assert (recording.labels is None) == (entry.labels_source == "")
    table = read_manifest(path).table
    row = table[table["format"] == "livekit_report"].iloc[0]
    assert json.loads(row["provenance"])["settings"]["max_endpointing_delay"] == 2.5
    assert (row["rate_hz"], row["channels"], row["words_source"]) == (48_000, 2, "livekit_report turns")


def test_a_manifest_tells_how_much_was_said_and_not_what(folder):
    _, path, _ = saved(folder)
    table = read_manifest(path).table
    told = [json.loads(text) for text in table["provenance"] if text]
    turns = [turn for one in told for turn in one["turns"]]
    assert {"words": 10, "characters": 40} in [turn["text"] for turn in turns]
    assert all(set(turn["text"]) == {"words", "characters"} for turn in turns)
    messages = [one["details"]["messages"] for one in told if one["format"] == "eot_bench"]
    assert max(messages) > 0
    everything = table.to_json()
    for said in ("book a table", "How can I help?"):
        assert said not in everything


def test_a_manifest_moves_with_its_folder(folder, tmp_path):
    _, path, _ = saved(folder)
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert load_recording(find_recordings(moved / path.name)[0]).duration_s == 8.0


def test_a_manifest_elsewhere_needs_its_root_from_the_user(folder, tmp_path):
    _, path, root = saved(folder, tmp_path / "lists" / "m.parquet")
    assert root == folder
    with pytest.raises(BadRecording, match="no such file"):
        load_recording(find_recordings(path)[0])
    assert load_recording(find_recordings(path, root=root)[0]).duration_s == 8.0


def test_some_recordings_are_chosen_by_the_table(folder):
    _, path, _ = saved(folder)
    manifest = read_manifest(path)
    chosen = manifest.recordings(manifest.table[manifest.table["labels_source"] == "eot_bench"])
    assert {files.format for files in chosen} == {"eot_bench"}


def entry(name="a", **changes):
    files = RecordingFiles(name, RECORDINGS / f"{name}.wav", None, None, "stereo")
    values = {"channels": 2, "sha256": 64 * "0", "duration_s": 300.0, "rate_hz": 16_000}
    return Entry(files, **values, labels_source="", words_source="", notes=(), provenance="", **changes)


def altered(path, **columns):
    table = pq.read_table(path)
    for name, value in columns.items():
        values = pa.array([value] * len(table), table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    pq.write_table(table, path)


@pytest.mark.parametrize(
    "hostile",
    [
        "/etc/passwd",
        "../x.wav",
        "a/../../x.wav",
        "s3://bucket/x.wav",
        "C:/x.wav",
        "C:x.wav",
        "a\\..\\x.wav",
        "~/x.wav",
        ".",
        "",
        "a\nb.wav",
        "file:x",
    ],
)
@pytest.mark.parametrize("column", ["user", "agent", "labels", "details", "others"])
def test_paths_out_of_the_folder_are_refused(tmp_path, hostile, column):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    single = column in ("user", "agent", "labels")
    if column in ("agent", "labels") and not hostile:
        return
    altered(path, **{column: hostile if single else [hostile]})
    if hostile == ".":
        return  # the folder itself: nothing outside
    with pytest.raises(
        BadRecording, match=rf"m\.parquet: row 0: {column} is .*which may lie outside.*yourself as root"
    ):
        find_recordings(path)


@pytest.mark.parametrize(
    ("column", "value", "finding"),
    [
        ("format", "pickle", "format is 'pickle'; expected one of"),
        ("layout", "mp3", "layout is 'mp3'; expected stereo or pair or mono"),
        ("sha256", "x", "sha256 is 'x'; expected 64"),
        ("raw", "x", "raw is 'x'; expected a raw format"),
        ("name", None, "name is nan; expected text"),
    ],
)
def test_other_values_are_checked_too(tmp_path, column, value, finding):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    altered(path, **{column: value})
    with pytest.raises(BadRecording, match=f"row 0: {finding}"):
        find_recordings(path)


@pytest.mark.parametrize("format_", ["ami", "harper_valley", "livekit_egress", "livekit_report", "otlp"])
def test_a_row_without_the_files_that_its_format_needs_is_refused(tmp_path, format_):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    altered(path, format=format_, details=[])
    with pytest.raises(BadRecording, match=rf"row 0: has 0 details and 0 others; .*for {format_}"):
        find_recordings(path)


def test_two_tracks_with_one_egress_manifest_are_refused(folder):
    _, path, _ = saved(folder / "egress")
    altered(path, details=["EG_TR_AMuser.json"])
    with pytest.raises(BadRecording, match=r"isn't named in .*; import"):
        load_recording(find_recordings(path)[0])


def test_a_manifest_with_one_name_twice_is_refused(tmp_path):
    path = tmp_path / "m.parquet"
    write_manifest([entry("a"), entry("b")], path, RECORDINGS)
    altered(path, name="same")
    with pytest.raises(BadRecording, match=r"m\.parquet: lists two recordings named 'same'; import"):
        find_recordings(path)


def test_audio_that_has_changed_since_is_refused(tmp_path):
    for k, name in enumerate("ab"):
        pcm = np.random.default_rng(k).normal(0, 3000, (8_000, 2)).astype(np.int16)
        write_wav(tmp_path / f"{name}.wav", pcm)
    saved(tmp_path)
    shutil.copy(tmp_path / "b.wav", tmp_path / "a.wav")
    with pytest.raises(BadRecording, match=r"a\.wav: is not the audio that the manifest was made of"):
        load_recording(find_recordings(tmp_path / "manifest.parquet")[0])


def test_a_manifest_of_a_newer_version_or_without_a_column_is_refused(tmp_path):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"livekit-turn-lab.manifest": "9"}), path)
    assert is_manifest(path)
    with pytest.raises(BadRecording, match="has version '9', expected 1; use a newer release"):
        find_recordings(path)
    pq.write_table(table.drop_columns(["sha256"]), path)
    with pytest.raises(BadRecording, match="has no column 'sha256' of type string"):
        find_recordings(path)


def test_a_manifest_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    before = path.read_bytes()

    def fails(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", fails)
    with pytest.raises(OSError, match="disk full"):
        write_manifest([entry("b")], path, RECORDINGS)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["m.parquet"]


def test_a_recording_outside_the_root_cannot_be_written(tmp_path):
    with pytest.raises(BadRecording, match=r"a\.wav: does not lie below .*name their folder as root"):
        write_manifest([entry()], tmp_path / "m.parquet")


def test_a_folder_without_recordings_says_why(tmp_path):
    (tmp_path / "x.wav").write_text("text")
    imported = import_folder(tmp_path, quiet=True)
    with pytest.raises(BadRecording, match=r"holds no usable recording; .*x\.wav: not an audio file"):
        save_import(imported, tmp_path / "m.parquet")
    assert not (tmp_path / "m.parquet").exists()


def test_a_thousand_recordings_are_listed_and_filtered_within_a_second(tmp_path):
    provenance = json.dumps({"format": "x", "turns": [{"text": 40 * "word "}] * 20})
    entries = [
        Entry(RecordingFiles(f"call-{k}", RECORDINGS / f"{k % 30}" / f"{k}.ogg", None, None, "stereo"), 2,
              f"{k:064x}", 300.0 + k, 48_000, "", "turns", ("a note",), provenance)
        for k in range(1_000)
    ]  # fmt: skip
    path = tmp_path / "m.parquet"
    write_manifest(entries, path, RECORDINGS)
    started = time.process_time()
    assert len(find_recordings(path)) == 1_000
    manifest = read_manifest(path)
    assert len(manifest.recordings(manifest.table[manifest.table["duration_s"] > 1_000])) == 299
    assert time.process_time() - started < 1.0


def test_remote_folders_are_searched_loaded_and_listed(tmp_path):
    remote = UPath("memory://calls")
    for path in RECORDINGS.rglob("*.*"):
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
            target = remote / path.relative_to(RECORDINGS).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    here, there = (import_folder(place, quiet=True) for place in (copied(".", tmp_path), "memory://calls"))
    assert [entry.sha256 for entry in here.entries] == [entry.sha256 for entry in there.entries]
    assert save_import(there, "memory://calls/manifest.parquet") is None
    found = find_recordings("memory://calls/manifest.parquet")
    assert load_recording(found[0]).sha256 == here.entries[0].sha256
    root = save_import(there, tmp_path / "m.parquet")
    assert str(root) == "memory://calls"
    assert load_recording(find_recordings(tmp_path / "m.parquet", root="memory://calls")[0]).duration_s == 8.0
    (remote).rmdir(recursive=True)


def test_urls_that_cannot_be_read_are_told():
    with pytest.raises(
        BadRecording, match=r"foo://x: this kind of URL can't be read \(Unsupported filesystem"
    ):
        find_recordings("foo://x")
    with pytest.raises(BadRecording, match="memory://nothing: no such file or folder"):
        find_recordings("memory://nothing")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_manifest_however_odd_raises_anything_but_bad_recording(tmp_path, data):
    path = tmp_path / "m.parquet"
    write_manifest([entry()], path, RECORDINGS)
    if data.draw(st.booleans()):
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
    else:
        column = data.draw(st.sampled_from([field.name for field in SCHEMA if field.type == pa.string()]))
        altered(path, **{column: data.draw(st.none() | st.text(st.characters(codec="utf-8"), max_size=9))})
    try:
        find_recordings(path)
    except BadRecording as error:
        one_line(error)


def test_the_command_line_imports_and_tells(folder):
    result = CliRunner().invoke(app, ["import", str(folder), "--pair", "{name}_{channel:rx|tx}.wav"])
    assert result.exit_code == 0, result.output
    assert "12 recording(s), 1.6 min, 5 with labels; 4 skipped" in result.stdout
    assert "  livekit_report: 1" in result.stdout
    assert "lab: skipped: " in result.stderr
    assert len(find_recordings(folder / "manifest.parquet")) == 12


def test_the_command_line_speaks_json_and_says_the_root(folder, tmp_path):
    out = tmp_path / "m.parquet"
    result = CliRunner().invoke(app, ["import", str(folder / "ami"), "--out", str(out), "--json"])
    answer = json.loads(result.stdout)
    assert (answer["formats"], answer["root"]) == ({"ami": 2}, None), "the manifest lies above the recordings"
    elsewhere = tmp_path / "lists" / "m.parquet"
    result = CliRunner().invoke(app, ["import", str(folder / "ami"), "--out", str(elsewhere), "--json"])
    assert json.loads(result.stdout)["root"] == str(folder / "ami")


@pytest.mark.parametrize(
    "arguments",
    [["import", "nowhere"], ["import", ".", "--raw", "x"], ["import", ".", "--pair", "x"],
     ["fetch", "x", "--out", "y"], ["fetch", "ami", "--out", "y", "--source", "foo://x"]],
)  # fmt: skip
def test_the_command_line_ends_in_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "x.wav", np.full(8_000, 99, np.int16))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("lab: error: ")
    assert "Traceback" not in result.output


def test_a_url_survives_the_command_line(tmp_path):
    remote = UPath("memory://bucket/call.wav")
    write_wav(tmp_path / "call.wav", np.random.default_rng(0).normal(0, 3000, (8_000, 2)).astype(np.int16))
    remote.parent.mkdir(parents=True, exist_ok=True)
    remote.write_bytes((tmp_path / "call.wav").read_bytes())
    (files,) = find_recordings(Path("memory://bucket"))
    assert load_recording(files).duration_s == 0.5
    remote.unlink()

"""What arrives spoilt, in every import format: told in one line, and nothing else is lost or changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recording_fixtures import RECORDINGS, copied, one_line

from lab_utils.recordings.audio import write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.importing import import_folder, save_import
from lab_utils.recordings.labels.file import write_labels
from lab_utils.recordings.recording_files import FindOptions, parse_raw

pytestmark = pytest.mark.slow

SID = "00aa11bb22cc33dd"
AUDIO = {
    "livekit_report": "livekit/call-17/audio.ogg",
    "livekit_egress": "egress/support-TR_AMuser-2026-03-01T140500.ogg",
    "otlp": "otlp/call-17.ogg",
    "harper_valley": f"harper_valley/data/audio/agent/{SID}.wav",
    "ami": "ami/ES9001a/audio/ES9001a.Headset-1.wav",
    "eot_bench": "eot_bench/validation-00000-of-00001.parquet",
    "amazon_connect": "telephony/01234567-89ab-cdef-0123-456789abcdef_20260301T14_05_UTC.wav",
    "twilio": "telephony/RE0123456789abcdef0123456789abcdef.wav",
    "raw": "telephony/switch/42_agent.ulaw",
    "audio": "telephony/split/17_tx.wav",
}
"""Format -> a file of its fixture that holds audio."""
DETAILS = {
    "livekit_report": "livekit/call-17/session_report.json",
    "livekit_egress": "egress/EG_TR_AMuser.json",
    "otlp": "otlp/call-17.otlp.json",
    "harper_valley": f"harper_valley/data/transcript/{SID}.json",
    "harper_metadata": f"harper_valley/data/metadata/{SID}.json",
    "ami": "ami/rttm/ES9001a.rttm",
    "labels": "telephony/a_law_call.labels.json",
}
"""Format -> a file that tells about the audio."""
ALL = [*AUDIO.values(), *DETAILS.values()]
OPTIONS = FindOptions(pair="{name}_{channel:rx|tx}.wav")


def spoilt(data: bytes, how: str) -> bytes:
    return {
        "truncated": data[: len(data) * 2 // 3 + 1],
        "empty": b"",
        "binary": np.random.default_rng(0).bytes(999),
        "latin-1": data[: len(data) // 2] + b'"\xe4\xf6' + data[len(data) // 2 :],
        "zeros": bytes(len(data)),
    }[how]


def fixture(name: str, folder: Path) -> Path:
    """The folder of one fixture file, and a sound call beside it; returns that file."""
    top = name.partition("/")[0]
    copied(top, folder)
    if top == "otlp":
        shutil.copy(RECORDINGS / "livekit" / "call-17" / "audio.ogg", folder / "otlp" / "call-17.ogg")
    if name == AUDIO["audio"]:
        (folder / AUDIO["amazon_connect"]).unlink()  # the same audio, which counts once
    if name == DETAILS["labels"]:
        labels = {"format": "turn-labels", "version": 1, "duration_s": 8.0, "ipus": [], "labels": []}
        (folder / name).write_text(json.dumps(labels))
    noise(folder / "sound.wav")
    return folder / name


def noise(path: Path, duration_s: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.random.default_rng(7).normal(0, 3000, (round(duration_s * 16_000), 2))
    write_wav(path, pcm.astype(np.int16))
    return path


def content(folder: Path) -> dict[str, str]:
    """File -> hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ALL)
def test_the_fixtures_are_sound(tmp_path, name):
    path = fixture(name, tmp_path)
    imported = import_folder(tmp_path, OPTIONS, quiet=True)
    assert any(path in (*entry.files.paths, entry.files.labels) for entry in imported.entries)


@pytest.mark.parametrize("how", ["truncated", "empty", "binary", "zeros", "latin-1"])
@pytest.mark.parametrize("name", ALL)
def test_a_spoilt_file_is_told_in_one_line_and_nothing_else_is_lost(tmp_path, name, how):
    if how == "latin-1" and name not in DETAILS.values():
        pytest.skip("audio is no text")
    path = fixture(name, tmp_path)
    path.write_bytes(spoilt(path.read_bytes(), how))
    before = content(tmp_path)
    imported = import_folder(tmp_path, OPTIONS, quiet=True)
    used = [entry for entry in imported.entries if path in (*entry.files.paths, entry.files.labels)]
    told = [item.reason for item in imported.skipped] + list(imported.notes)
    for one in told:
        one_line(ValueError(one))
    headerless = path.suffix == ".ulaw" and how in ("binary", "zeros")  # any bytes are u-law
    if not headerless:
        assert not used, "what is spoilt isn't taken for sound"
        assert any(path.name in one for one in told), told
    assert "sound" in [entry.files.name for entry in imported.entries]
    save_import(imported, tmp_path / "manifest.parquet")
    assert len(find_recordings(tmp_path / "manifest.parquet")) == len(imported.entries)
    after = content(tmp_path)
    assert after.pop("manifest.parquet")
    assert after == before, "the user's files are as they were, and no half-written one is left"


@pytest.mark.parametrize("name", ALL)
def test_a_name_that_is_not_utf_8_is_told_and_nothing_else_is_lost(tmp_path, name):
    path = fixture(name, tmp_path)
    bad = os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9" + os.fsencode(path.suffix))
    try:
        path.rename(bad)
    except OSError:
        pytest.skip("this file system takes no such name")
    imported = import_folder(tmp_path, OPTIONS, quiet=True)
    assert any("caf\\udce9" in item.reason and "not UTF-8" in item.reason for item in imported.skipped)
    for item in imported.skipped:
        one_line(ValueError(item.reason))
    assert "sound" in [entry.files.name for entry in imported.entries]
    save_import(imported, tmp_path / "manifest.parquet")
    assert len(find_recordings(tmp_path / "manifest.parquet")) == len(imported.entries)


@pytest.mark.parametrize(
    "name", [one for one in AUDIO.values() if not one.startswith(("eot_bench", "harper_valley", "ami"))]
)
def test_a_recording_that_is_there_twice_counts_once_and_says_so(tmp_path, name):
    """Those left out are told apart by id, and one id twice is tested with each."""
    path = fixture(name, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    imported = import_folder(tmp_path, OPTIONS, quiet=True)
    names = [entry.files.name for entry in imported.entries]
    assert len(set(names)) == len(names)
    used = [entry for entry in imported.entries if entry.files.user.name == path.name or path.name in [
        other.name for other in entry.files.paths]]  # fmt: skip
    assert len(used) == 1
    assert any("is the same audio as" in item.reason for item in imported.skipped)


def exchanged() -> np.ndarray:
    """An agent that greets, speaks longer and is silent in its pauses, on the user's side."""
    rng = np.random.default_rng(0)
    agent, user = np.zeros(160_000), rng.normal(0, 3, 160_000)
    agent[8_000:80_000] = rng.normal(0, 3000, 72_000)
    user[90_000:120_000] = rng.normal(0, 3000, 30_000) * np.linspace(0.2, 2, 30_000)
    return np.stack((agent, user), axis=1).astype(np.int16)


def put(folder: Path, format_: str) -> None:
    """A recording with exchanged channels in one format."""
    pcm = exchanged()
    if format_ == "pair":
        write_wav(folder / "caller.wav", pcm[:, 0])
        write_wav(folder / "agent.wav", pcm[:, 1])
    elif format_ == "raw":
        (folder / "call.raw").write_bytes(pcm.astype("<i2").tobytes())
    else:
        names = {"amazon_connect": Path(AUDIO["amazon_connect"]).name, "twilio": Path(AUDIO["twilio"]).name}
        write_wav(folder / names.get(format_, "audio.wav"), pcm)
    if format_ == "livekit_report":
        (folder / "report.json").write_text('{"chat_history": {"items": []}}')
    if format_ == "otlp":
        span = {"name": "agent_session", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
        dump = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        (folder / "audio.json").write_text(json.dumps(dump))


@pytest.mark.parametrize(
    "format_", ["audio", "pair", "raw", "amazon_connect", "twilio", "livekit_report", "otlp"]
)
def test_exchanged_channels_are_suggested_wherever_a_convention_tells_them(tmp_path, format_):
    put(tmp_path, format_)
    raw = parse_raw("pcm16,16000,2")
    (entry,) = import_folder(tmp_path, FindOptions(raw=raw), quiet=True).entries
    assert entry.files.format == {"pair": "audio"}.get(format_, format_)
    assert any("behaves like an agent's: it speaks first" in note for note in entry.notes)
    assert not entry.files.swapped, "a suggestion, never a change"
    (swapped,) = import_folder(tmp_path, FindOptions(raw=raw, swap=True), quiet=True).entries
    assert swapped.files.swapped
    assert "user and agent exchanged, as asked" in swapped.notes
    assert not any("behaves like an agent's" in note for note in swapped.notes)
    np.testing.assert_array_equal(load_recording(swapped.files).user, exchanged()[:, 1])


@pytest.mark.parametrize(
    "name", [one for one in AUDIO.values() if one.startswith(("egress", "harper", "ami"))]
)
def test_channels_that_a_name_or_transcript_tells_are_never_exchanged(tmp_path, name):
    fixture(name, tmp_path)
    plain, asked = (import_folder(tmp_path, FindOptions(swap=swap), quiet=True) for swap in (False, True))
    hashes = [
        {entry.sha256 for entry in one.entries if entry.files.name != "sound"} for one in (plain, asked)
    ]
    assert hashes[0] == hashes[1]


def report(*times: tuple[float, float]) -> tuple[str, str]:
    metrics = [{"started_speaking_at": 100 + start, "stopped_speaking_at": 100 + end} for start, end in times]
    items = [{"type": "message", "role": "user", "content": ["x"], "metrics": one} for one in metrics]
    text = json.dumps({"audio_recording_started_at": 100, "chat_history": {"items": items}})
    return "audio.json", text


def spans(*times: tuple[float, float]) -> tuple[str, str]:
    def span(name: str, start: float, end: float, id_: str, parent: str = "") -> dict[str, str]:
        at = {
            "startTimeUnixNano": str(round((100 + start) * 1e9)),
            "endTimeUnixNano": str(round((100 + end) * 1e9)),
        }
        return {"name": name, "spanId": id_, "parentSpanId": parent} | at

    all_ = [span("agent_session", 0, 4, "s")]
    for k, (start, end) in enumerate(times):
        all_ += [span("user_turn", start, end, f"t{k}"), span("user_speaking", start, end, f"u{k}", f"t{k}")]
    return "audio.json", json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": all_}]}]})


@pytest.mark.parametrize("make", [report, spans])
@pytest.mark.parametrize(
    ("times", "told"),
    [
        (((0.5, 1.0), (1.5, 9.0), (2.0, 2.5)), "audio.json: 1 of 3 turns lie outside the audio (0 to 4.0 s)"),
        (((0.5, 1.0), (2.5, 2.0)), "audio.json: 1 turns end before they start"),
        (
            ((-3.0, -2.0), (1.0, 2.0)),
            "audio.json: 1 of 2 turns lie outside the audio (0 to 4.0 s), one at -3.0 s",
        ),
        (((0.5, 2.0), (1.0, 3.0)), ""),
    ],
)
def test_odd_times_of_turns_are_told_and_the_turns_kept(tmp_path, make, times, told):
    """Turns are what a system saw: they may overlap, and are no labels."""
    noise(tmp_path / "audio.wav", 4.0)
    name, text = make(*times)
    (tmp_path / name).write_text(text)
    (entry,) = import_folder(tmp_path, quiet=True).entries
    assert len(json.loads(entry.provenance)["turns"]) == len(times)
    assert [note.startswith(told) for note in entry.notes] == ([True] if told else [])


def harper(words: tuple[tuple[float, float], ...]) -> str:
    """A transcript of one segment with some words."""
    segment = {"speaker_role": "caller", "offset_ms": 0, "transcript": " ".join("x" for _ in words)}
    offsets = [1000 * start for start, _ in words]
    return json.dumps([segment | {
        "word_offsets_ms": offsets, "word_durations_ms": [1000 * (end - start) for start, end in words]
    }])  # fmt: skip


@pytest.mark.parametrize(
    ("words", "kept", "told"),
    [
        (((1.0, 2.0), (1.5, 2.5), (1.6, 1.7)), 3, ""),
        (((1.0, 2.0), (3.0, 2.0)), 0, "[0].word_durations_ms[1]: expected greater than or equal to 0"),
        (((-1.0, 2.0),), 0, "[0].word_offsets_ms[0]: expected greater than or equal to 0"),
        (((1.0, 2.0), (7.9, 8.2)), 2, ""),
        (((1.0, 2.0), (8.05, 8.2)), 1, "1 of 2 words lie outside the audio"),
    ],
)
def test_odd_times_of_words_are_told_and_what_is_kept_can_be_written(tmp_path, words, kept, told):
    path = fixture(DETAILS["harper_valley"], tmp_path)
    path.write_text(harper(words))
    imported = import_folder(tmp_path, quiet=True)
    recordings = [load_recording(entry.files) for entry in imported.entries if entry.files.name == SID]
    if kept:
        (recording,) = recordings
        assert recording.labels is not None
        assert len(recording.labels.words) == kept
        write_labels(recording.labels, tmp_path / "x.labels.json")
    assert told in " ".join([*imported.notes, *(item.reason for item in imported.skipped)])


RTTM = "SPEAKER ES9001a 1 {} {} <NA> <NA> {} <NA> <NA>\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (RTTM.format(-1.0, 0.5, "FEE005"), "ES9001a.rttm: line 6: "),
        (RTTM.format(1.0, -0.5, "FEE005"), "ES9001a.rttm: line 6: "),
        (RTTM.format(1.0, 90.0, "FEE005"), "ES9001a.rttm: has speech at 91.0 s"),
        (RTTM.format(1.0, 1.2, "FEE005"), ""),
        (RTTM.format(0.6, 0.1, "XYZ001"), ""),
    ],
)
def test_odd_segments_of_a_meeting_are_told(tmp_path, line, told):
    """A segment may overlap its neighbours, and a speaker may be one who wears no headset."""
    path = fixture(DETAILS["ami"], tmp_path)
    path.write_text(path.read_text() + line)
    imported = import_folder(tmp_path, quiet=True)
    assert all(told in item.reason for item in imported.skipped)
    recordings = [load_recording(entry.files) for entry in imported.entries if entry.files.format == "ami"]
    assert len(recordings) == (0 if told else 2)
    for recording in recordings:
        assert recording.labels is not None
        write_labels(recording.labels, tmp_path / "x.labels.json")


@pytest.mark.parametrize(
    "name", ["14:05.wav", "~call.wav", "a b.wav", "-x.wav", "é.wav", "14_05:T.wav", "C:x.wav"]
)
def test_any_printable_name_survives_the_manifest(tmp_path, name):
    """Amazon Connect writes a colon into its names; at the top of a folder it looks like a URL."""
    noise(tmp_path / name)
    save_import(import_folder(tmp_path, quiet=True), tmp_path / "manifest.parquet")
    (files,) = find_recordings(tmp_path / "manifest.parquet")
    assert files.user == tmp_path / name
    assert load_recording(files).duration_s == 0.5


@pytest.mark.parametrize("name", ["a\\b.wav", "a\nb.wav", "a\x01b.wav", "f\\g/x.wav"])
def test_a_name_that_no_manifest_takes_is_skipped_instead_of_spoiling_it(tmp_path, name):
    noise(tmp_path / "sound.wav")
    noise(tmp_path / name, 0.6)
    imported = import_folder(tmp_path, quiet=True)
    (item,) = imported.skipped
    assert "holds a backslash or a control character; rename" in item.reason
    one_line(ValueError(item.reason))
    save_import(imported, tmp_path / "manifest.parquet")
    assert [files.name for files in find_recordings(tmp_path / "manifest.parquet")] == ["sound"]


BIG = 2_000_000_000


def big(path: Path, head: bytes = b"", tail: bytes = b"") -> None:
    """A sparse file of 2 GB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(BIG)
        file.seek(BIG - len(tail))
        file.write(tail)


def wav_header(n_bytes: int) -> bytes:
    fields = (b"RIFF", min(n_bytes + 36, 0xFFFF_FFFF), b"WAVE", b"fmt ", 16, 1, 1, 8_000, 16_000, 2, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *fields, b"data", n_bytes)


MEASURE = """
import sys, re
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.recording_files import FindOptions, parse_raw
options = FindOptions(raw=parse_raw("pcm16,8000,2"))
def most_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
import_folder(sys.argv[2], options, quiet=True)
before = most_mb()
imported = import_folder(sys.argv[3], options, quiet=True)
print(most_mb() - before, len(imported.entries), *sorted(item.path.name for item in imported.skipped))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
def test_files_of_2_gb_are_refused_within_little_memory(tmp_path):
    """Two of each kind: one of nothing, and one that begins or ends as it should."""
    folder = tmp_path / "calls"
    for name in ("egress", "harper_valley", "ami"):
        copied(name, folder)
    for name in ("ami", "harper_valley", "harper_metadata", "livekit_egress"):
        big(folder / DETAILS[name])
    for suffix in (
        "wav",
        "flac",
        "ogg",
        "opus",
        "mp3",
        "mp4",
        "webm",
        "ulaw",
        "raw",
        "parquet",
        "json",
        "jsonl",
    ):
        big(folder / f"zeros.{suffix}")
    big(folder / "long.wav", wav_header(BIG - 44))
    big(folder / "stream.wav", wav_header(0xFFFF_FFFF))
    big(folder / "foot.parquet", b"PAR1", struct.pack("<I4s", BIG - 12, b"PAR1"))
    for name, head in (
        ("report", b'{"chat_history": '),
        ("spans", b'{"resourceSpans": '),
        ("x", b'{"egress_id": '),
    ):
        big(folder / name / f"{name}.json", head)
        noise(folder / name / f"{name}.wav")
    noise(folder / "labelled" / "call.wav")
    big(folder / "labelled" / "call.labels.json", b'{"format": "turn-labels", ')
    sound = RECORDINGS / "telephony"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(RECORDINGS.parents[2]), str(sound), str(folder)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    grown_mb, entries, *skipped = done.stdout.split()
    assert int(grown_mb) < 150, "2 GB are refused unread"
    assert int(entries) == 2, done.stdout
    assert len(skipped) >= 20


def test_a_full_disk_is_told_as_such_and_not_as_a_damaged_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/elsewhere")

    write_wav(tmp_path / "call.wav", np.full((1600, 2), 99, np.int16))
    monkeypatch.setattr("lab_utils.recordings.importing.load_recording", full)
    (skipped,) = import_folder(tmp_path, quiet=True).skipped
    assert "call.wav: /elsewhere: No space left on device; free some space" in skipped.reason

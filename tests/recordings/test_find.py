"""Finding recordings in every layout, loading them at 16 kHz, and refusing what can't be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import FIXTURES as FIXTURE_FILES

from lab_utils.core.labels import Ipu, Labels
from lab_utils.core.recording import Recording
from lab_utils.recordings.audio import BadRecording, write_flac, write_wav
from lab_utils.recordings.find import (
    RecordingFiles,
    audio_sha256,
    find_all,
    find_recordings,
    load_recording,
    with_distinct_names,
)
from lab_utils.recordings.labels.file import BadLabels, write_labels

SECOND = 16_000


FIXTURES = FIXTURE_FILES / "recordings"


def noise(seconds: float = 1.0, seed: int = 0, channels: int = 1) -> np.ndarray:
    """White noise, int16, shape=(n,) or (n, channels)."""
    pcm = np.random.default_rng(seed).normal(0, 3_000, (round(seconds * SECOND), channels))
    return pcm.astype(np.int16).squeeze(axis=1) if channels == 1 else pcm.astype(np.int16)


def add(path: Path, pcm: np.ndarray | None = None) -> Path:
    """An audio file, FLAC or WAV by its name; noise unless samples are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write = write_flac if path.suffix.lower() == ".flac" else write_wav
    write(path, noise() if pcm is None else pcm)
    return path


def stereo(path: Path) -> Path:
    return add(path, noise(channels=2))


def labels_of(seconds: float) -> Labels:
    return Labels(seconds, (Ipu("user", 0.1, 0.5),), (), source="test")


def names(found: list[RecordingFiles]) -> list[tuple[str, str]]:
    return [(files.name, files.layout) for files in found]


def load(path: Path) -> Recording:
    (files,) = find_recordings(path)
    return load_recording(files)


def test_a_folder_gives_stereo_mono_and_pairs_by_path(tmp_path):
    stereo(tmp_path / "a" / "call.flac")
    add(tmp_path / "b" / "caller.wav")
    add(tmp_path / "b" / "agent.wav")
    add(tmp_path / "c" / "17_caller.wav")
    add(tmp_path / "c" / "17_agent.flac")
    add(tmp_path / "c" / "18_Agent.WAV")
    add(tmp_path / "c" / "18_Caller.WAV")
    add(tmp_path / "d.wav")
    (tmp_path / "notes.txt").write_text("not audio")
    found = find_recordings(tmp_path)
    assert names(found) == [
        ("call", "stereo"), ("b", "pair"), ("17", "pair"), ("18", "pair"), ("d", "mono")
    ]  # fmt: skip
    assert found[2].user == tmp_path / "c" / "17_caller.wav"
    assert found[2].agent == tmp_path / "c" / "17_agent.flac"


def test_channel_names_can_be_chosen(tmp_path):
    add(tmp_path / "x" / "customer.wav")
    add(tmp_path / "x" / "bot.wav")
    assert names(find_recordings(tmp_path, user="Customer", agent="bot")) == [("x", "pair")]
    assert names(find_recordings(tmp_path)) == [("bot", "mono"), ("customer", "mono")]
    with pytest.raises(ValueError, match="must differ"):
        find_recordings(tmp_path, user="a", agent="A")


def test_a_pair_in_two_formats_is_matched_format_by_format(tmp_path):
    for name in ("caller.wav", "agent.wav", "caller.flac", "agent.flac"):
        add(tmp_path / "x" / name)
    found = find_recordings(tmp_path)
    assert [(files.user.suffix, files.agent.suffix) for files in found] == [(".flac",) * 2, (".wav",) * 2]
    assert len({files.name for files in found}) == 2


@pytest.mark.parametrize("name", ["17_caller.wav", "17_agent.wav"])
def test_either_file_of_a_pair_stands_for_the_pair(tmp_path, name):
    add(tmp_path / "17_caller.wav")
    add(tmp_path / "17_agent.wav")
    add(tmp_path / "18_caller.wav")
    assert names(find_recordings(tmp_path / name)) == [("17", "pair")]


def test_a_relative_file_or_folder_is_found(tmp_path, monkeypatch):
    add(tmp_path / "call" / "caller.wav")
    add(tmp_path / "call" / "agent.wav")
    monkeypatch.chdir(tmp_path / "call")
    assert names(find_recordings(".")) == names(find_recordings("caller.wav")) == [("call", "pair")]


def test_names_that_occur_twice_are_told_apart_by_folder(tmp_path):
    stereo(tmp_path / "monday" / "one" / "audio.wav")
    stereo(tmp_path / "tuesday" / "one" / "audio.wav")
    stereo(tmp_path / "tuesday" / "two" / "audio.wav")
    stereo(tmp_path / "other.wav")
    assert [files.name for files in find_recordings(tmp_path)] == [
        "monday/one/audio", "other", "tuesday/one/audio", "two/audio"
    ]  # fmt: skip


def test_one_name_in_two_formats_is_told_apart_by_suffix(tmp_path):
    stereo(tmp_path / "call.wav")
    stereo(tmp_path / "call.flac")
    assert [files.name for files in find_recordings(tmp_path)] == ["call.flac", "call.wav"]


def test_recordings_of_several_places_are_put_together_each_once(tmp_path):
    for day in ("monday", "tuesday"):
        add(tmp_path / day / "x_caller.wav")
        add(tmp_path / day / "x_agent.wav")
    apart = [files for day in ("monday", "tuesday") for files in find_recordings(tmp_path / day)]
    assert [files.name for files in apart] == ["x", "x"]
    together = with_distinct_names([*apart, apart[0]])
    assert [files.name for files in together] == ["monday/x", "tuesday/x"]
    assert with_distinct_names(together) == together


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    stereo(tmp_path / "call.wav")
    (tmp_path / "._call.wav").write_text("resource fork")
    stereo(tmp_path / ".cache" / "old.wav")
    assert names(find_recordings(tmp_path)) == [("call", "stereo")]


def test_finding_nothing_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        BadRecording, match=r"no recording in this folder; looked for \.wav.*\*_caller/\*_agent"
    ):
        find_recordings(tmp_path)
    with pytest.raises(BadRecording, match="no such file or folder; check"):
        find_recordings(tmp_path / "missing")


def test_a_folder_with_transcripts_alone_says_that_the_audio_is_missing(tmp_path):
    shutil.copy(FIXTURE_FILES / "annotations" / "deepgram.json", tmp_path)
    (tmp_path / "notes.txt").write_text("call them back on Monday\n")
    with pytest.raises(
        BadRecording, match=r"deepgram\.json: is an annotation \(deepgram\) without its audio; put the call's"
    ):
        find_recordings(tmp_path)
    assert [one.path.name for one in find_all(tmp_path).skipped] == ["deepgram.json"]
    add(tmp_path / "call.wav", noise())
    assert not find_all(tmp_path).skipped


def test_an_unreadable_file_is_listed_and_refused_when_loaded(tmp_path):
    stereo(tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_text("text")
    bad, good = find_recordings(tmp_path)
    assert load_recording(good).name == "good"
    with pytest.raises(BadRecording, match=r"bad\.wav: not an audio file"):
        load_recording(bad)


def test_an_agent_without_its_user_is_refused_when_loaded(tmp_path):
    add(tmp_path / "17_agent.wav")
    with pytest.raises(BadRecording, match=r"17_agent\.wav: has no 17_caller\.wav beside it; add"):
        load(tmp_path)


def test_stereo_is_user_left_and_agent_right(tmp_path):
    pcm = noise(channels=2)
    recording = load(add(tmp_path / "call.flac", pcm))
    np.testing.assert_array_equal(recording.user, pcm[:, 0])
    np.testing.assert_array_equal(recording.agent, pcm[:, 1])
    assert (recording.name, recording.duration_s, recording.notes, recording.labels) == (
        "call",
        1.0,
        (),
        None,
    )


def test_mono_has_no_agent(tmp_path):
    recording = load(add(tmp_path / "call.wav"))
    assert recording.agent is None
    assert recording.user.shape == (SECOND,)


def test_another_rate_is_resampled(tmp_path):
    soundfile.write(tmp_path / "call.wav", noise(2.0, channels=2), 8_000)
    assert load(tmp_path).duration_s == 4.0


def test_the_same_audio_has_the_same_hash_in_any_container(tmp_path):
    pcm = noise(channels=2)
    one = load(add(tmp_path / "one" / "call.flac", pcm))
    add(tmp_path / "two" / "caller.wav", pcm[:, 0])
    add(tmp_path / "two" / "agent.wav", pcm[:, 1])
    two = load(tmp_path / "two")
    assert one.sha256 == two.sha256
    assert len(one.sha256) == 64


def test_the_hash_tells_channels_apart():
    a, b = noise(seed=1), noise(seed=2)
    both = np.concatenate((a, b))
    assert len({audio_sha256(a, b), audio_sha256(b, a), audio_sha256(a, None), audio_sha256(both, None)}) == 4


@pytest.mark.parametrize("longer", ["caller", "agent"])
def test_a_pair_of_slightly_unequal_length_is_padded_and_noted(tmp_path, longer):
    shorter = {"caller": "agent", "agent": "caller"}[longer]
    add(tmp_path / f"{longer}.wav", noise(2.0))
    add(tmp_path / f"{shorter}.wav", noise(1.25))
    recording = load(tmp_path)
    assert len(recording.user) == len(recording.agent) == 2 * SECOND
    padded = recording.agent if shorter == "agent" else recording.user
    assert not padded[round(1.25 * SECOND) :].any()
    assert recording.notes == (
        f"{shorter}.wav is 0.750 s shorter than the other channel; padded with silence",
    )


def test_a_pair_of_very_unequal_length_is_refused_with_both_lengths(tmp_path):
    add(tmp_path / "caller.wav", noise(3.5))
    add(tmp_path / "agent.wav", noise(2.25))
    with pytest.raises(BadRecording, match=r"caller\.wav: lasts 3\.500 s and agent\.wav 2\.250 s; .*; give"):
        load(tmp_path)


def test_a_stereo_file_in_a_pair_is_refused(tmp_path):
    stereo(tmp_path / "caller.wav")
    add(tmp_path / "agent.wav")
    with pytest.raises(BadRecording, match=r"caller\.wav: has 2 channels, but is one of a pair"):
        load(tmp_path)


@pytest.mark.parametrize("level", [0, 3])
def test_a_silent_user_is_refused(tmp_path, level):
    silent = np.full(SECOND, level, np.int16)
    with pytest.raises(BadRecording, match=r"user's audio is silent throughout .*; use a recording"):
        load(add(tmp_path / "mono.wav", silent))
    both = np.stack((silent, noise()), axis=1)
    with pytest.raises(BadRecording, match=r"user's channel \(left\) is silent .*; check which channel"):
        load(add(tmp_path / "stereo.wav", both))


def test_a_silent_agent_is_noted(tmp_path):
    recording = load(add(tmp_path / "call.wav", np.stack((noise(), 0 * noise()), axis=1)))
    assert recording.notes == ("the agent's channel is silent throughout",)


@pytest.mark.parametrize(
    ("audio", "labels"),
    [
        (["call.wav"], "call.labels.json"),
        (["caller.wav", "agent.wav"], "labels.json"),
        (["17_caller.wav", "17_agent.wav"], "17.labels.json"),
    ],
)
def test_labels_beside_the_audio_are_loaded(tmp_path, audio, labels):
    for name in audio:
        add(tmp_path / name)
    write_labels(labels_of(1.05), tmp_path / labels)
    assert load(tmp_path).labels == labels_of(1.05)


def test_labels_of_other_audio_are_refused(tmp_path):
    add(tmp_path / "call.wav")
    write_labels(labels_of(5.0), tmp_path / "call.labels.json")
    with pytest.raises(BadLabels, match=r"call\.labels\.json: duration_s: 5 s, but the audio lasts 1\.000 s"):
        load(tmp_path)


def test_a_bad_label_file_is_refused_not_ignored(tmp_path):
    add(tmp_path / "call.wav")
    (tmp_path / "call.labels.json").write_text("{")
    with pytest.raises(BadLabels, match=r"call\.labels\.json: not JSON"):
        load(tmp_path)


def test_a_label_file_written_where_it_belongs_is_found_whatever_the_format(tmp_path):
    shutil.copytree(FIXTURES, tmp_path / "calls")
    for folder in ("monday", "tuesday"):
        add(tmp_path / "calls" / folder / "17" / "caller.wav")
        add(tmp_path / "calls" / folder / "17" / "agent.wav")
    for prefix in ("a", "b"):
        add(tmp_path / "calls" / "pairs" / f"{prefix}_caller.wav")
        add(tmp_path / "calls" / "pairs" / f"{prefix}_agent.wav")
    found = find_recordings(tmp_path / "calls")
    assert len({files.label_path for files in found}) == len(found) >= 18
    for files in found:
        write_labels(labels_of(1.0), files.label_path)
    again = find_recordings(tmp_path / "calls")
    assert [files.labels for files in again] == [files.label_path for files in found]

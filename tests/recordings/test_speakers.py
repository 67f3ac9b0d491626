"""Two speakers of one channel: the encoder against its twin, changes of speaker against all there can be."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path

import naive
import numpy as np
import pytest
import soundfile
from calls import cut, sample
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.labels import Ipu, Labels, as_spans
from lab_utils.core.recording import Recording
from lab_utils.recordings.audio import write_flac, write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.speakers import two_voices, voices
from lab_utils.recordings.speakers.two_voices import (
    FRAME_S,
    best_sequence,
    lean_of_frames,
    tell_apart,
    two_groups,
)
from lab_utils.recordings.speakers.voices import MELS, VoiceEncoder, mel_frames
from lab_utils.workflows.diarize import separate
from lab_utils.workflows.diarize.separate import channels

RATE_HZ = 16_000
HAS_MODEL = find_spec("resemblyzer") is not None


def test_the_encoder_is_pytorchs_lstm_and_projection() -> None:
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    layers = tuple((weights(1024, n), weights(1024, 256), weights(1024)) for n in (MELS, 256, 256))
    encoder = VoiceEncoder(layers, weights(256, 256), weights(256))
    mels = np.abs(weights(3, 7, MELS))
    found = encoder.embed(mels)
    for one, embedding in zip(mels, found, strict=True):
        np.testing.assert_allclose(
            embedding, naive.voice(layers, encoder.projection, encoder.bias, one), atol=1e-4
        )
    assert encoder.embed(mels[:0]).shape == (0, 256)


@pytest.mark.parametrize("hz", [150, 700, 2_500, 6_000])
def test_a_tone_is_in_the_mel_band_of_its_pitch(hz) -> None:
    tone = (9_000 * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)
    mels = mel_frames(tone)
    assert mels.shape == (101, MELS)
    mel = hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)
    width = (15 + 27 * np.log(8) / np.log(6.4)) / (MELS + 1)
    assert abs(int(np.argmax(mels[50])) + 1 - mel / width) <= 1.0
    assert mel_frames(tone // 90)[50].sum() == pytest.approx(mel_frames(tone // 300)[50].sum(), rel=0.02)


@settings(max_examples=60)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.floats(0, 3))
def test_the_best_sequence_is_the_best_of_all(lean, cost) -> None:
    def worth(who: tuple[int, ...]) -> float:
        changes = sum(a != b for a, b in pairwise(who))
        return sum(up if k == 0 else -up for k, up in zip(who, lean, strict=True)) - cost * changes

    found = best_sequence(np.array(lean), cost)
    assert worth(tuple(found.tolist())) == pytest.approx(
        max(map(worth, product((0, 1), repeat=len(lean)))), abs=1e-9
    )


def test_the_lean_of_a_frame_is_of_the_windows_that_hear_it() -> None:
    found = lean_of_frames([(0, 4), (2, 6)], np.array([1.0, -1.0]))
    assert found.tolist() == [1.0, 1.0, pytest.approx(0.5), pytest.approx(-0.5), -1.0, -1.0]


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 99))
def test_two_groups_are_found_however_unequal(n, m, seed) -> None:
    rng = np.random.default_rng(seed)
    directions = np.eye(8)[:2]
    members = np.repeat([0, 1], (n, m))
    points = directions[members] + rng.normal(0, 0.05, (n + m, 8))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    near = points @ two_groups(points).T
    side = near[:, 0] > near[:, 1]
    assert (side == side[0]).tolist() == (members == members[0]).tolist()


class Pitch:
    """An encoder for tones: the direction of the mean spectrum."""

    def embed(self, mels: np.ndarray) -> np.ndarray:
        mean = mels.mean(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def spoken(turns: list[tuple[float, float, float]], length_s: float) -> np.ndarray:
    """Tones of (start, end, pitch) on silence."""
    pcm, t = np.zeros(round(length_s * RATE_HZ), np.int16), np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    for start_s, end_s, hz in turns:
        inside = (t >= start_s) & (t < end_s)
        pcm[inside] = (6_000 * np.sin(2 * np.pi * hz * t[inside])).astype(np.int16)
    return pcm


def test_who_speaks_is_told_in_each_stretch_and_where_it_changes_inside_one() -> None:
    turns = [(0.5, 3.0, 300.0), (3.5, 6.0, 900.0), (6.0, 9.0, 300.0), (9.5, 12.0, 900.0)]
    speech = as_spans([(0.5, 3.0), (3.5, 9.0), (9.5, 12.0)])
    found = tell_apart(spoken(turns, 12.5), speech, Pitch())
    for spans, hz in ((found.first, 300.0), (found.second, 900.0)):
        expected = as_spans([(a, b) for a, b, pitch in turns if pitch == hz])
        assert spans.shape == expected.shape
        assert np.abs(spans - expected).max() < 0.1
    assert found.separation > 0.5


def test_one_voice_and_hardly_any_speech_are_refused() -> None:
    speech = as_spans([(0.5, 5.0)])
    with pytest.raises(ValueError, match=r"has one voice, as far as can be told \(separation -?0\.0"):
        tell_apart(spoken([(0.5, 5.0, 300.0)], 6.0), speech, Pitch())
    with pytest.raises(ValueError, match="has 1 windows of speech, too few"):
        tell_apart(spoken([(0.5, 1.0, 300.0)], 6.0), as_spans([(0.5, 1.0)]), Pitch())


def test_the_users_channel_has_silence_where_the_agent_speaks() -> None:
    pcm = np.arange(1, 1 + 4 * RATE_HZ, dtype=np.int64).astype(np.int16)
    labels = Labels(4.0, (Ipu("agent", 0.0, 1.0), Ipu("user", 1.5, 2.0)), ())
    recording = Recording("call", "call.wav", pcm, None, "", labels)
    moments = [(0, RATE_HZ)]
    user, agent = channels(recording, moments)
    assert np.array_equal(agent[:RATE_HZ], pcm[:RATE_HZ])
    assert not agent[RATE_HZ:].any()
    assert np.array_equal(user[RATE_HZ:], pcm[RATE_HZ:])
    assert set(user[:RATE_HZ].tolist()) <= set(pcm[2 * RATE_HZ :].tolist()), "the recording's own silence"
    assert len(user) == len(agent) == len(pcm)


def test_without_the_model_the_command_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(voices, "distribution", missing)
    voices.voice_encoder.cache_clear()
    write_wav(tmp_path / "call.wav", spoken([(0.5, 3.0, 300.0)], 4.0))
    done = CliRunner().invoke(app, ["diarize", str(tmp_path), "--out", str(tmp_path / "out")])
    voices.voice_encoder.cache_clear()
    assert done.exit_code == 1
    assert "pip install livekit-turn-lab[diarize]" in done.output
    assert "pip install --no-deps resemblyzer==0.1.4" in done.output
    assert not (tmp_path / "out").exists()


def test_each_recording_has_files_of_its_own_whatever_the_folders_are_called(tmp_path, monkeypatch) -> None:
    def two(*_: object) -> two_voices.TwoVoices:
        return two_voices.TwoVoices(np.array([[0.5, 1.5]]), np.array([[2.0, 3.0]]), 0.4)

    monkeypatch.setattr(separate, "voice_encoder", lambda: None)
    monkeypatch.setattr(separate, "model_version", lambda: "made up")
    monkeypatch.setattr(separate, "tell_apart", two)
    lengths = {"a/x": 4.0, "b/x": 4.5, "a-x": 5.0, "a-x-2": 5.5}
    for name, length_s in lengths.items():
        (tmp_path / "calls" / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / "calls" / f"{name}.wav", spoken([(0.5, 3.0, 300.0)], length_s))
    found = list(
        separate.diarize_folders([tmp_path / "calls"], tmp_path / "out", cache=tmp_path / "cache", jobs=1)
    )
    assert {one.recording: one.duration_s for one in found} == lengths
    written = [Path(one.audio) for one in found]
    assert sorted(written) == sorted((tmp_path / "out").glob("*.flac"))
    assert [soundfile.info(path).duration for path in written] == [one.duration_s for one in found]
    assert len(list((tmp_path / "out").glob("*.labels.json"))) == len(lengths)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MODEL, reason="the package with the model (extra [diarize]) isn't installed")
def test_a_mixed_call_is_taken_apart_into_what_lab_sweep_reads(tmp_path) -> None:
    call = cut(sample("01"), 0.0, 30.0)
    assert call.labels is not None
    mixed = np.clip(call.user.astype(np.int32) + call.agent, -32_768, 32_767).astype(np.int16)
    (tmp_path / "calls").mkdir()
    write_flac(tmp_path / "calls" / "one.flac", mixed)
    done = CliRunner().invoke(
        app, ["diarize", str(tmp_path / "calls"), "--out", str(tmp_path / "out"), "--jobs", "1", "--json"]
    )
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)["recordings"]
    assert told["separation"] > two_voices.LEAST_SEPARATION
    (files,) = find_recordings(tmp_path / "out")
    found = load_recording(files)
    assert found.agent is not None
    assert found.labels is not None
    assert found.labels.source == "two voices in one channel, told apart by resemblyzer-0.1.4"
    assert {label.kind for label in found.labels.labels} >= {"shift"}
    n = round(30.0 / FRAME_S)
    for who in ("user", "agent"):
        true, mine = (naive.frames_in(one.spans(who), n) for one in (call.labels, found.labels))
        assert np.mean(true == mine) > 0.9, who
    again = CliRunner().invoke(app, ["diarize", str(tmp_path / "out"), "--out", str(tmp_path / "more")])
    assert again.exit_code == 1
    assert "has two channels; there is nothing to take apart" in again.output

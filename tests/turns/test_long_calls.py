"""Calls of hours in bounded memory: the same to the last bit, from the file to the last prediction."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from calls import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.samples import kept as kept_module
from lab_utils.core.samples.kept import kept
from lab_utils.core.settings import Settings
from lab_utils.recordings.audio import write_flac
from lab_utils.recordings.band import band_of
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.heard_paths import as_heard
from lab_utils.recordings.labels import crosstalk, speech_edges
from lab_utils.recordings.labels.estimate import channel_evidence
from lab_utils.turns import vad
from lab_utils.turns.branches import forks_of
from lab_utils.turns.replay import Block
from lab_utils.turns.tracing import TraceCache, Tracer

RATE_HZ = 16_000


def small_blocks(monkeypatch) -> None:
    """From now on almost everything lies in files and goes through in blocks of 2 s and less."""
    monkeypatch.setattr(kept_module, "IN_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(kept_module, "BLOCK_ROWS", 30_720)  # a whole number of frames of any length in use
    monkeypatch.setattr(speech_edges, "_CHUNK", 100)
    monkeypatch.setattr(crosstalk, "BLOCK_FRAMES", 70)
    monkeypatch.setattr(vad, "_WINDOWS_AT_ONCE", 50)


def all_of(recording: Recording, folder) -> dict[str, Any]:
    """What is computed of a recording without labels; bytes."""
    tracer = Tracer(TraceCache(folder), tail_s=2.0)
    labelled = tracer.labelled(recording)
    traced = tracer.trace(labelled, 4, ["silero", "livekit"])
    traced = tracer.complete(labelled, traced, [Block.of(Settings())])
    return {
        "hash": recording.sha256,
        "notes": recording.notes,
        "labels": labelled.labels,
        "band": traced.band,
        "tape": {m: [one.probabilities.tobytes() for one in traces] for m, traces in traced.vad.items()},
        "branches": [
            {model: [p.tobytes() for p in takes] for model, takes in branch.vad.items()}
            for branch in traced.branches
        ],
        "predictions": [
            (eot.starts.tobytes(), eot.ends.tobytes(), eot.probabilities.tobytes()) for eot in traced.eot
        ],
    }


@pytest.mark.slow
def test_a_call_in_files_and_blocks_gives_the_same_bytes(tmp_path, monkeypatch) -> None:
    source = load_recording(find_recordings(SAMPLES)[0])
    user, agent = (channel[4 * RATE_HZ : 16 * RATE_HZ] for channel in (source.user, source.agent))
    leak = np.concatenate((np.zeros(100, np.int16), agent[:-100] // 8))
    write_flac(tmp_path / "call.flac", np.stack((user // 2 + leak, agent), axis=1))
    whole = all_of(load_recording(find_recordings(tmp_path)[0]), tmp_path / "a")
    assert whole["branches"]
    small_blocks(monkeypatch)
    recording = load_recording(find_recordings(tmp_path)[0])
    assert not recording.user.flags.writeable, "it lies in a file"
    assert all_of(recording, tmp_path / "b") == whole


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9), st.integers(2_048, 90_000), st.booleans())
def test_labels_evidence_is_the_same_in_blocks(seed, n, leaking) -> None:
    rng = np.random.default_rng(seed)
    gate = np.repeat(rng.random((2, n // 2_000 + 1)) < 0.5, 2_000, axis=1)[:, :n]
    user, agent = (rng.normal(0, 2_000, (2, n)) * gate + rng.normal(0, 20, (2, n))).astype(np.int16)
    if leaking:
        user = user + np.roll(agent, 40) // 4
    p = gate[:, : n // 512 * 512 : 512].astype(np.float64)
    whole, band = channel_evidence(user, agent, p[0], p[1]), band_of(user)
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        blocks, same_band = channel_evidence(kept([user]), kept([agent]), p[0], p[1]), band_of(kept([user]))
    assert band == same_band
    for one, other in zip(whole, blocks, strict=True):
        assert (one.leak, one.snr_db) == (other.leak, other.snr_db)
        for name in ("powers", "without_speech", "leak_audible"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("path", ["24k", "opus"])
def test_audio_is_heard_the_same_in_blocks(path, monkeypatch) -> None:
    speech = load_recording(find_recordings(SAMPLES)[0]).user[: 7 * RATE_HZ + 123]
    whole = as_heard(speech, path)
    small_blocks(monkeypatch)
    np.testing.assert_array_equal(as_heard(kept([speech]), path), whole)


class QuickModel:
    """In place of Silero's: the energy of each window, at once."""

    def run(self, _: object, given: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        energy = np.square(given["input"]).mean(axis=1, keepdims=True)
        return (energy / (energy + 1e-3)).astype(np.float32), given["state"]


@pytest.mark.slow
def test_memory_does_not_grow_with_a_calls_length(tmp_path, monkeypatch) -> None:
    """Traced with Silero's batch, in takes and with branches: less memory than one channel has samples."""
    monkeypatch.setattr(kept_module, "IN_MEMORY_BYTES", 1 << 20)
    monkeypatch.setattr(kept_module, "BLOCK_ROWS", 64_000)
    monkeypatch.setattr(vad, "_WINDOWS_AT_ONCE", 64)
    monkeypatch.setattr(vad, "_silero_session", QuickModel)
    turn_s, turns = 12.0, 40
    second = np.random.default_rng(0).normal(0, 3_000, RATE_HZ).astype(np.int16)
    user = kept(second if s % turn_s < 3 else second // 500 for s in range(round(turn_s * turns)))
    starts_s = [turn_s * k for k in range(turns)]
    ipus = tuple(
        Ipu("user", at_s + late_s, at_s + late_s + 3.0) for at_s in starts_s for late_s in (0.0, 5.0)
    )
    ends = tuple(Label("shift", at_s + 3.0, at_s + 4.0) for at_s in starts_s)
    labels = Labels(turn_s * turns, ipus, ends)
    recording = Recording("call", "call.wav", user, None, "0" * 64, labels)
    assert (user.nbytes, len(forks_of(labels))) == (15_360_000, turns)
    tracemalloc.start()
    try:
        traced = Tracer(TraceCache(tmp_path)).trace(recording, 4, ["silero"], "24k")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(traced.branches) == turns
    assert peak < user.nbytes, f"{peak >> 20} MB"

"""Traces: cached exactly, mended when damaged, and asked of the models where AgentSession would ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import SAMPLES

from lab_utils.core.labels import Word, labels_until
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import stream_of
from lab_utils.core.traces import BRANCH_SAMPLES, Traced
from lab_utils.recordings.audio import BadRecording, write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.heard_paths import as_heard
from lab_utils.turns import tracing
from lab_utils.turns.branches import branch_recording
from lab_utils.turns.detectors import v1_mini
from lab_utils.turns.replay import Block, MissingPredictions, MissingRestarts, replay, replay_branches
from lab_utils.turns.takes import Take, takes_of
from lab_utils.turns.tracing import TraceCache, Tracer, trace_recordings
from lab_utils.turns.vad import speech_probabilities

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def excerpt() -> Recording:
    """The first 12 seconds of a sample call, with no label file: two channels only."""
    recording = load_recording(find_recordings(SAMPLES)[0])
    assert recording.agent is not None
    n = 12 * 16_000
    return replace(recording, user=recording.user[:n], agent=recording.agent[:n], labels=None)


@pytest.fixture
def tracer(tmp_path: Path) -> Tracer:
    return Tracer(TraceCache(tmp_path / "cache"), tail_s=2.0)


def forbid(*_: object, **__: object) -> None:
    raise AssertionError("a model was asked although the answer is in the cache")


def forbid_models(monkeypatch) -> None:
    """From now on no VAD may hear anything."""
    for name in ("speech_probabilities", "forked_probabilities"):
        monkeypatch.setattr(tracing, name, lambda model, streams, *_: forbid() if streams else [])


def test_a_second_trace_comes_from_the_cache_and_is_equal(tracer, excerpt, monkeypatch) -> None:
    blocks = [Block.of(Settings())]
    first = tracer.complete(excerpt, tracer.trace(excerpt, phases=2), blocks)
    forbid_models(monkeypatch)
    monkeypatch.setattr(v1_mini, "_predicted", forbid)
    second = tracer.complete(excerpt, tracer.trace(excerpt, phases=2), blocks)
    for model, traces in first.vad.items():
        for a, b in zip(traces, second.vad[model], strict=True):
            np.testing.assert_array_equal(a.probabilities, b.probabilities)
    assert len(first.eot[0].ends) > 0
    for a, b in zip(first.eot, second.eot, strict=True):
        np.testing.assert_array_equal(a.keys, b.keys)
        np.testing.assert_array_equal(a.probabilities, b.probabilities)


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "emptied", "one bit"])
def test_a_damaged_cache_entry_is_computed_again(tracer, excerpt, damage, caplog) -> None:
    (whole,) = tracer.vad(excerpt, "livekit", [0])
    (path,) = tracer.cache.folder.rglob("*.npz")
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut off": content[: len(content) // 2], "overwritten": b"x" * 100, "emptied": b""}.get(
            damage, content
        )
    )
    (again,) = tracer.vad(excerpt, "livekit", [0])
    np.testing.assert_array_equal(whole.probabilities, again.probabilities)
    assert "damaged cache entry" in caplog.text
    (mended,) = tracer.vad(excerpt, "livekit", [0])
    np.testing.assert_array_equal(whole.probabilities, mended.probabilities)


def test_no_flipped_bit_in_a_cache_entry_stops_the_work(tracer, excerpt) -> None:
    (whole,) = tracer.vad(excerpt, "livekit", [0])
    (path,) = tracer.cache.folder.rglob("*.npz")
    content = path.read_bytes()
    address = path.stem
    for place in range(0, len(content), max(1, len(content) // 300)):
        flipped = bytearray(content)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        found = tracer.cache.load(address, ["probabilities"])
        if found is not None:
            np.testing.assert_array_equal(found[0], whole.probabilities)


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(excerpt, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match=r"traces can't be kept .*--cache"):
        Tracer(TraceCache(tmp_path / "file")).vad(excerpt, "livekit", [0])


def test_other_audio_another_phase_and_another_model_have_addresses_of_their_own(tracer, excerpt) -> None:
    tracer.vad(excerpt, "livekit", [0, 128])
    tracer.vad(excerpt, "silero", [0])
    tracer.vad(replace(excerpt, sha256="0" * 64), "livekit", [0])
    assert len(list(tracer.cache.folder.rglob("*.npz"))) == 4


def test_a_phase_shifts_the_audio_within_a_window_and_nothing_else(excerpt) -> None:
    stream = stream_of(excerpt.user, 128, tail_s=1.0)
    assert not stream[:128].any()
    assert not stream[-16_000:].any()
    np.testing.assert_array_equal(stream[128:-16_000], excerpt.user)


def test_predictions_are_the_models_own_for_the_audio_in_the_buffer(tracer, excerpt) -> None:
    from livekit.local_inference import EOT

    traced = tracer.complete(excerpt, tracer.trace(excerpt, phases=1), [Block.of(Settings())])
    stream = stream_of(excerpt.user, 0, tracer.tail_s)
    with EOT() as model:
        for start, end, p in zip(
            traced.eot[0].starts, traced.eot[0].ends, traced.eot[0].probabilities, strict=True
        ):
            assert 0 < end - start <= 19_200
            assert model.predict(np.ascontiguousarray(stream[start:end])) == pytest.approx(p, abs=1e-6)


def test_a_completed_trace_serves_the_replay_and_a_bare_one_says_what_is_missing(tracer, excerpt) -> None:
    bare = tracer.trace(excerpt, phases=1)
    with pytest.raises(MissingPredictions):
        replay(bare, Settings())
    assert len(replay(tracer.complete(excerpt, bare, [Block.of(Settings())]), Settings()).time_s) > 0


STT = Settings().replace(detector="stt", min_silence_duration=1.0, min_delay=0.0)
"""The VAD hears on when the speech-to-text says that the user has ended."""


@pytest.mark.parametrize("model", ["livekit", "silero"])
def test_a_restart_is_what_the_model_says_from_there_on(tracer, excerpt, model, monkeypatch) -> None:
    settings = STT.replace(vad=model)
    bare = tracer.trace(excerpt, phases=1)
    with pytest.raises(MissingRestarts, match=r"restarts of the VAD are not in the trace"):
        replay(bare, settings)
    traced = tracer.complete(excerpt, bare, [Block.of(settings)])
    (trace,) = traced.vad[model]
    assert trace.restarts
    stream = stream_of(excerpt.user, 0, tracer.tail_s)
    for origin, said in trace.restarts.items():
        assert origin % 800 == 0
        (expected,) = speech_probabilities(model, [stream[origin:]])
        np.testing.assert_array_equal(said, expected[: len(said)])
    assert len(replay(traced, settings).time_s) > 0
    forbid_models(monkeypatch)
    again = tracer.complete(excerpt, tracer.trace(excerpt, phases=1), [Block.of(settings)])
    assert again.vad[model][0].restarts.keys() == trace.restarts.keys()


def test_a_restart_that_is_needed_for_longer_is_computed_for_longer(tracer, excerpt) -> None:
    (trace,) = tracer.vad(excerpt, "livekit", [0])
    short = tracer.restart(excerpt, trace, 8_000, 3)
    assert len(short.restarts[8_000]) == tracing.LEAST_RESTART
    most = trace.windows_from(8_000)
    long = tracer.restart(excerpt, short, 8_000, most)
    assert len(long.restarts[8_000]) == most
    np.testing.assert_array_equal(long.restarts[8_000][: tracing.LEAST_RESTART], short.restarts[8_000])
    cached = tracer.restart(excerpt, trace, 8_000, 3)
    np.testing.assert_array_equal(cached.restarts[8_000], long.restarts[8_000])


def test_recordings_without_labels_get_them_from_the_two_channels(tracer, excerpt) -> None:
    labels = tracer.trace(excerpt, phases=1).labels
    assert labels.source == "two channels"
    truth = load_recording(find_recordings(SAMPLES)[0]).labels
    assert truth is not None
    ends = truth.of_kind("shift")[:, 0]
    for end in ends[ends < 10.0]:
        assert np.min(np.abs(labels.of_kind("shift")[:, 0] - end)) < 0.2


def test_a_user_only_recording_without_labels_is_refused_with_a_remedy(tracer, excerpt) -> None:
    with pytest.raises(
        BadRecording, match=r"neither labels nor an agent channel.*add the agent's channel.*label file"
    ):
        tracer.trace(replace(excerpt, agent=None), phases=1)


def test_of_the_user_alone_the_speech_is_known_and_nothing_else(tracer, excerpt) -> None:
    alone = tracer.speech_only(replace(excerpt, agent=None))
    np.testing.assert_allclose(alone.spans("user"), tracer.estimate_labels(excerpt).spans("user"))
    assert len(alone.spans("user")) > 2
    assert not alone.labels
    assert not len(alone.spans("agent"))


def test_one_bad_recording_does_not_stop_the_others(tmp_path, excerpt) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    write_wav(folder / "good.wav", np.stack((excerpt.user, excerpt.agent), axis=1))
    (folder / "bad.wav").write_text("no audio at all")
    files = find_recordings(folder)
    blocks = [Block.of(Settings())]
    bad, good = trace_recordings(files, blocks, phases=1, cache=tmp_path / "cache", jobs=1, quiet=True)
    assert isinstance(bad, BadRecording)
    assert "bad.wav" in str(bad)
    assert not isinstance(good, ValueError)
    assert good.name == "good"


def test_two_runs_at_once_share_the_recordings(tmp_path, excerpt, monkeypatch) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(4):
        part = slice(number * 3 * 16_000, (number + 1) * 3 * 16_000)
        write_wav(folder / f"{number}.wav", np.stack((excerpt.user[part], excerpt.agent[part]), axis=1))
    files = find_recordings(folder)
    blocks = [Block.of(Settings().replace(detector="vad", vad="silero"))]
    made: list[int] = []

    def counted(model, streams, *more):
        made.append(len(streams))
        return forked(model, streams, *more)

    def traced(cache: str):
        return trace_recordings(files, blocks, phases=1, cache=tmp_path / cache, jobs=1, quiet=True)

    forked = tracing.forked_probabilities
    monkeypatch.setattr(tracing, "forked_probabilities", counted)
    alone = list(traced("alone"))
    pieces = sum(made)
    made.clear()
    first = traced("shared")
    begun = [next(first)]
    second = list(traced("shared"))
    by_both = sum(made)
    assert (
        [one.name for one in [*begun, *first]] == [one.name for one in second] == [one.name for one in alone]
    )
    assert sum(made) == by_both == pieces > len(files), (
        "the second began at the end, the first takes what it made"
    )
    assert not list((tmp_path / "shared").glob("??/*-begun-*"))


def test_known_words_tell_a_short_turn_from_a_backchannel(tmp_path: Path) -> None:
    recording = load_recording(find_recordings(SAMPLES)[0])
    truth = recording.labels
    assert truth is not None
    alone = replace(recording, labels=None)
    tracer = Tracer(TraceCache(tmp_path))
    unknown = tracer.estimate_labels(alone).of_kind("backchannel")
    known = tracer.estimate_labels(alone, truth.words).of_kind("backchannel")
    assert known.tolist() == unknown.tolist()
    assert len(known) == len(truth.of_kind("backchannel"))
    (start_s, end_s) = known[0].tolist()
    wordy = [Word("user", start_s + 0.05 * k, start_s + 0.05 * k + 0.04, "yes") for k in range(4)]
    assert start_s not in tracer.estimate_labels(alone, wordy).of_kind("backchannel")[:, 0]
    assert end_s - start_s <= 1.0


# --- branches ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled() -> Recording:
    """The first 16 seconds of a sample call with their labels."""
    recording = load_recording(find_recordings(SAMPLES)[0])
    assert recording.labels is not None
    assert recording.agent is not None
    n = 16 * 16_000
    labels = labels_until(recording.labels, 16.0, 16.0)
    return replace(recording, user=recording.user[:n], agent=recording.agent[:n], labels=labels)


@pytest.mark.parametrize("model", ["livekit", "silero"])
def test_a_branch_is_traced_from_the_state_that_the_tape_has_led_to(tracer, labelled, model) -> None:
    """The detector of a session on tape-and-silence says the same, window by window."""
    offset = 200
    traced = tracer._traced(labelled, [Take(offset)], [model], branched=True)
    assert traced.branches
    for branch in traced.branches:
        (whole,) = tracer.vad(branch_recording(labelled, branch.turn), model, [offset])
        fork, own = (branch.from_sample + offset) // 512, branch.vad[model][0]
        np.testing.assert_array_equal(traced.vad[model][0].probabilities[:fork], whole.probabilities[:fork])
        np.testing.assert_allclose(whole.probabilities[fork : fork + len(own)], own, atol=1e-6)


@pytest.mark.parametrize("detector", ["v1-mini", "vad", "stt"])
def test_commits_on_a_branch_are_those_of_a_whole_recording_of_tape_and_silence(
    tracer, labelled, detector
) -> None:
    settings = Settings().replace(detector=detector, min_delay=0.1, max_delay=3.0)
    conditions = Conditions(transcription_delay=0.3)
    traced = tracer.complete(
        labelled, tracer.trace(labelled, 1, ["livekit"]), [Block.of(settings, conditions)]
    )
    waits = replay_branches(traced, settings, conditions)
    assert waits
    for turn, (from_s, commits) in waits.items():
        alone = branch_recording(labelled, turn)
        one = tracer.trace_session(alone, settings, conditions)
        expected = replay(one, settings, conditions)
        later = (expected.time_s >= from_s) & (expected.time_s < alone.duration_s)
        np.testing.assert_allclose(
            commits.time_s[commits.time_s >= from_s], expected.time_s[later], atol=1e-9
        )


def test_branches_come_from_the_cache_and_are_equal(tracer, labelled, monkeypatch) -> None:
    blocks = [Block.of(Settings())]
    first = tracer.complete(labelled, tracer.trace(labelled, 1, ["livekit"]), blocks)
    forbid_models(monkeypatch)
    second = tracer.complete(labelled, tracer.trace(labelled, 1, ["livekit"]), blocks)
    for a, b in zip(first.branches, second.branches, strict=True):
        np.testing.assert_array_equal(a.vad["livekit"][0], b.vad["livekit"][0])
    np.testing.assert_array_equal(first.eot[0].keys, second.eot[0].keys)


def test_a_long_max_delay_makes_the_caller_wait_for_longer(tmp_path) -> None:
    blocks = [Block.of(Settings().replace(detector="vad", max_delay=max_delay)) for max_delay in (2.5, 7.0)]
    (traced,) = trace_recordings(
        find_recordings(SAMPLES)[:1], blocks, phases=1, cache=tmp_path, jobs=1, quiet=True
    )
    assert isinstance(traced, Traced)
    ends_s = traced.labels.of_kind("shift")[:, 0]
    assert all(branch.until_s >= ends_s[branch.turn] + 9.0 for branch in traced.branches)


# --- takes ------------------------------------------------------------------------------------------


def test_takes_are_phases_heard_over_several_paths_or_all_over_one() -> None:
    assert takes_of(4) == [Take(0, "16k"), Take(128, "24k"), Take(256, "opus"), Take(384, "24k")]
    assert takes_of(2, "opus") == [Take(0, "opus"), Take(256, "opus")]


def test_each_take_is_traced_as_it_is_heard_at_its_phase(tracer, labelled) -> None:
    traced = tracer.complete(labelled, tracer.trace(labelled, 4, ["livekit"]), [Block.of(Settings())])
    assert [(one.phase_samples, one.path) for one in traced.vad["livekit"]] == takes_of(4)
    for take, trace, eot in zip(takes_of(4), traced.vad["livekit"], traced.eot, strict=True):
        stream = stream_of(as_heard(labelled.user, take.path), take.phase_samples, tracer.tail_s)
        (expected,) = speech_probabilities("livekit", [stream])
        np.testing.assert_array_equal(trace.probabilities, expected)
        on_tape = eot.ends < BRANCH_SAMPLES
        assert on_tape.any()
        again = v1_mini.end_of_turn_probabilities(stream, eot.starts[on_tape], eot.ends[on_tape])
        np.testing.assert_array_equal(again.probabilities, eot.probabilities[on_tape])

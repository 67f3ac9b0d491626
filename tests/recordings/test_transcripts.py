"""Transcripts: packed speech keeps its times, words without speech are dropped, known words stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import SAMPLES

from lab_utils.core.labels import Ipu, Labels, Word
from lab_utils.core.recording import Pcm
from lab_utils.core.timeline import SAMPLE_RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from lab_utils.core.traces import VadTrace
from lab_utils.recordings import transcripts
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.transcripts import (
    find_model,
    models,
    source_of,
    transcribe,
    transcribe_channel,
    with_words,
)
from lab_utils.recordings.transcripts.pieces import MOST_SAMPLES, pack, sound_of, times_of
from lab_utils.recordings.transcripts.spans import heard_words, speech_mask, speech_spans
from lab_utils.recordings.transcripts.word_times import given_room, in_order, tightened
from lab_utils.turns.vad import speech_probabilities

pytestmark = pytest.mark.slow

EXCERPT_S = 24.0


def traced(pcm: Pcm) -> VadTrace:
    return VadTrace("livekit", 0, speech_probabilities("livekit", [pcm])[0])


def word(start_s: float, end_s: float, text: str = "word") -> Word:
    return Word("user", start_s, end_s, text)


# --- where there is speech


masks = st.lists(st.tuples(st.booleans(), st.integers(1, 900)), max_size=12).map(
    lambda runs: np.repeat([on for on, _ in runs], [n for _, n in runs]).astype(bool)
)


@given(mask=masks, odd=st.integers(0, WINDOW_SAMPLES - 1))
def test_packs_hold_all_speech_in_order_and_at_most_half_a_minute(mask, odd) -> None:
    samples = len(mask) * WINDOW_SAMPLES + odd
    spans = speech_spans(mask)
    packs = pack(spans, np.where(mask, 0.9, 0.1), samples)
    assert all(0 < sum(map(len, pieces)) <= MOST_SAMPLES for pieces in packs)
    pieces = [piece for some in packs for piece in some]
    assert all(a.end <= b.start for a, b in pairwise(pieces))
    covered = np.zeros(samples, dtype=bool)
    for piece in pieces:
        assert 0 <= piece.start < piece.end <= samples
        covered[piece.start : piece.end] = True
    assert covered[: len(mask) * WINDOW_SAMPLES].reshape(-1, WINDOW_SAMPLES)[mask].all()
    assert mask.any() == bool(packs)


@given(mask=masks, at=st.floats(0, 1), length_s=st.floats(0, 2))
def test_a_span_of_a_pack_stands_for_the_samples_it_is_made_of(mask, at, length_s) -> None:
    samples = len(mask) * WINDOW_SAMPLES
    for pieces in pack(speech_spans(mask), np.where(mask, 0.9, 0.1), samples):
        # The slow twin: which sample of the recording each sample of the pack is.
        index = np.concatenate([np.arange(piece.start, piece.end) for piece in pieces])
        start = int(at * (len(index) - 1))
        end = min(start + int(length_s * SAMPLE_RATE_HZ), len(index))
        spans = times_of(pieces, start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ)
        told = [np.arange(round(a * SAMPLE_RATE_HZ), round(b * SAMPLE_RATE_HZ)) for a, b in spans]
        np.testing.assert_array_equal(np.concatenate(told), index[start:end])


def test_a_time_past_the_end_of_a_pack_is_its_last_moment() -> None:
    (pieces,) = pack(np.array([[1.0, 2.0]]), np.zeros(200), 4 * SAMPLE_RATE_HZ)
    assert times_of(pieces, 5.0, 6.0) == [(2.4, 2.4)]
    assert len(sound_of(np.zeros(4 * SAMPLE_RATE_HZ, np.int16), pieces)) == round(1.8 * SAMPLE_RATE_HZ)


# --- words against speech


def mask_of(*speech: tuple[float, float], duration_s: float = 10.0) -> np.ndarray:
    mask = np.zeros(int(duration_s / WINDOW_S), dtype=bool)
    for start_s, end_s in speech:
        mask[round(start_s / WINDOW_S) : round(end_s / WINDOW_S)] = True
    return mask


def test_a_word_over_silence_is_dropped_and_one_beside_speech_is_kept() -> None:
    mask = mask_of((3.2, 4.8))
    words = [
        word(1.0, 2.0, "Thanks"),
        word(2.9, 3.19, "for"),
        word(4.0, 4.2, "watching"),
        word(5.2, 6.0, "!"),
    ]
    assert [w.text for w in heard_words(words, mask)] == ["for", "watching"]
    one_window = mask_of((3.2, 3.232))
    assert not list(heard_words([word(3.0, 3.5)], one_window))


def test_a_word_loses_the_silence_it_was_stretched_over() -> None:
    (told,) = tightened([word(1.0, 4.0)], mask_of((3.2, 4.8)))
    assert (told.start_s, told.end_s) == pytest.approx((3.2, 4.0))
    assert list(tightened([word(1.0, 2.0)], mask_of())) == [word(1.0, 2.0)]


def test_a_word_without_time_gets_room_before_it() -> None:
    alone, touching = given_room([word(2.0, 2.0)]), given_room([word(1.0, 2.0, "a"), word(2.0, 2.0, "b")])
    assert alone == [word(1.8, 2.0)]
    assert touching == [word(1.0, 1.5, "a"), word(1.5, 2.0, "b")]
    assert given_room([word(1.0, 1.9), word(2.0, 2.0)])[1].start_s == 1.9


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 2)), max_size=8))
def test_words_in_order_can_be_written_into_a_label_file(spans) -> None:
    told = list(in_order(word(a, a + n) for a, n in spans))
    starts = [w.start_s for w in told]
    assert starts == sorted(starts)
    assert all(w.end_s >= w.start_s for w in told)


# --- words into labels


def labels(*ipus: Ipu, words: tuple[Word, ...] = ()) -> Labels:
    return Labels(10.0, ipus, (), words, "two channels")


def test_words_fill_the_texts_of_the_ipus_they_lie_in() -> None:
    made = with_words(
        labels(Ipu("user", 1.0, 2.0), Ipu("agent", 1.5, 3.0), Ipu("user", 4.0, 5.0)),
        [
            word(1.0, 1.4, "Hi,"),
            word(1.4, 2.1, "there."),
            word(3.8, 3.9, "I"),
            word(7.0, 7.5, "far"),
            word(11, 12),
        ],
        source_of("tiny.en", "1.2.1"),
    )
    assert [ipu.text for ipu in made.ipus] == ["Hi, there.", "", "I"]
    assert [w.text for w in made.words] == ["Hi,", "there.", "I", "far"]
    assert made.source == "two channels; words: faster-whisper 1.2.1 tiny.en"


@pytest.mark.parametrize(
    "known",
    [
        labels(Ipu("user", 1.0, 2.0, "Hello."), Ipu("agent", 3.0, 4.0)),
        labels(Ipu("user", 1.0, 2.0), Ipu("agent", 3.0, 4.0), words=(word(1.0, 2.0, "Hello."),)),
    ],
    ids=["by text", "by word"],
)
def test_a_transcript_that_is_there_wins_speaker_by_speaker(known) -> None:
    made = with_words(known, [word(1.0, 2.0, "Yellow"), Word("agent", 3.0, 4.0, "Yes.")])
    assert made.ipus[0] == known.ipus[0]
    assert [w for w in made.words if w.speaker == "user"] == list(known.words)
    assert made.ipus[1].text == "Yes."
    assert with_words(known, [word(1.0, 2.0, "Yellow")]) == known
    assert with_words(made, [Word("agent", 3.0, 4.0, "No.")]) == made


# --- models


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    find_model.cache_clear()
    yield tmp_path
    find_model.cache_clear()


def test_a_model_that_is_not_here_is_named_with_what_to_run(empty_hub) -> None:
    with pytest.raises(
        ValueError, match=r"'base.en' is not on this machine.*hf download Systran/faster-whisper-"
    ):
        find_model("base.en")
    with pytest.raises(ValueError, match=r"'me/none' is not on this machine.*hf download me/none"):
        find_model("me/none")
    with pytest.raises(
        ValueError, match=r"unknown model 'base.english'; expected a folder with a model, or one"
    ):
        find_model("base.english")


def test_a_downloaded_model_is_found_by_name_and_revision(empty_hub) -> None:
    repository = empty_hub / "models--Systran--faster-whisper-base.en"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(find_model("tiny.en").path)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    found = find_model("base.en")
    assert (found.path, found.version) == (snapshot, "0" * 40)


def test_a_folder_is_a_model_if_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no model.bin, config.json, tokenizer.json; give a folder"):
        find_model(str(tmp_path))
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    find_model.cache_clear()
    with pytest.raises(ValueError, match=r"can't be loaded .*get it again"):
        models.load_model(find_model(str(tmp_path)))


# --- the model itself


@pytest.fixture(scope="module")
def excerpt():
    recording = load_recording(find_recordings(SAMPLES / "01_table_booking.flac")[0])
    return recording.user[: int(EXCERPT_S * SAMPLE_RATE_HZ)], recording.labels


@pytest.fixture(scope="module")
def transcript(excerpt) -> tuple[Word, ...]:
    pcm, _ = excerpt
    return transcribe_channel(pcm, traced(pcm), "user", find_model("tiny.en"), threads=1)


def plain(text: str) -> str:
    return re.sub(r"[^a-z' ]", "", text.lower().replace("-", " "))


def test_words_and_their_times_are_those_of_the_sample(excerpt, transcript) -> None:
    true = [w for w in excerpt[1].words if w.speaker == "user" and w.end_s < EXCERPT_S]
    told = jiwer.process_words(
        " ".join(plain(w.text) for w in true), " ".join(plain(w.text) for w in transcript)
    )
    assert told.wer < 0.25  # 0.103 over all samples
    pairs = [
        (true[chunk.ref_start_idx + k], transcript[chunk.hyp_start_idx + k])
        for chunk in told.alignments[0]
        if chunk.type == "equal"
        for k in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
    assert len(pairs) > 20
    assert np.median([abs(a.start_s - b.start_s) for a, b in pairs]) < 0.08  # 0.038 s over all samples
    assert np.median([abs(a.end_s - b.end_s) for a, b in pairs]) < 0.10  # 0.047 s


def test_the_same_audio_gives_the_same_words_with_more_threads(excerpt, transcript) -> None:
    pcm, _ = excerpt
    assert transcript == transcribe_channel(pcm, traced(pcm), "user", find_model("tiny.en"), threads=2)


def sounds_without_speech(seconds: float) -> dict[str, Pcm]:
    n = int(seconds * SAMPLE_RATE_HZ)
    t, rng = np.arange(n) / SAMPLE_RATE_HZ, np.random.default_rng(0)
    ring = 0.2 * (np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)) * (t % 6 < 2)
    chord = sum(0.1 * np.sin(2 * np.pi * hz * t) for hz in (261.6, 329.6, 392.0))
    sounds = {
        "silence": np.zeros(n),
        "noise": rng.standard_normal(n) * 0.02,
        "ringing": ring,
        "chord": chord * (0.5 + 0.5 * np.sin(4 * np.pi * t)),
        "clicks": (rng.random(n) < 0.0005) * 0.8,
    }
    return {name: np.round(sound * 32_767).astype(np.int16) for name, sound in sounds.items()}


def test_silence_noise_and_tones_give_no_words_and_load_no_model(monkeypatch) -> None:
    monkeypatch.setattr(transcripts, "load_model", None)
    for name, pcm in sounds_without_speech(20.0).items():
        assert transcribe_channel(pcm, traced(pcm), "user", find_model("tiny.en")) == (), name


def test_what_whisper_makes_up_over_clicks_is_dropped_by_the_check() -> None:
    pcm = sounds_without_speech(30.0)["clicks"]
    whisper = models.load_model(find_model("tiny.en"), 1)
    made_up = [word(w.start, w.end, w.word) for w in whisper.words(pcm.astype(np.float32) / 32_768, "en")]
    assert len(made_up) > 5  # 40 here; the check must have something to do
    assert not list(heard_words(made_up, speech_mask(traced(pcm), len(pcm))))


def test_what_cannot_be_transcribed_is_said(excerpt) -> None:
    pcm, _ = excerpt
    recording = load_recording(find_recordings(SAMPLES / "01_table_booking.flac")[0])
    speech = {"user": traced(pcm), "agent": traced(pcm)}
    with pytest.raises(ValueError, match=r"'tiny.en' doesn't know the language 'de'; use a multilingual one"):
        transcribe(recording, speech, language="de")
    with pytest.raises(ValueError, match="expected a VAD trace of phase 0, got one of 128 samples"):
        transcribe_channel(pcm, VadTrace("livekit", 128, np.zeros(10)), "user", find_model("tiny.en"))

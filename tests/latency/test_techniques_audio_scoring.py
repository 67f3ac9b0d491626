"""Scores of audio: the standards' own test signals, faults that are put in, and what silence gives."""

from pathlib import Path

import numpy as np
import pytest
from calls import sample, short_call
from hypothesis import given
from hypothesis import strategies as st
from virtual import where_clock_is_virtual

from lab_utils.core.settings import Settings
from lab_utils.latency.extras.audio_scoring import (
    FULL_SCALE,
    k_weighting,
    loudness,
    score_call,
    score_channel,
    score_file,
)
from lab_utils.recordings.audio import write_flac, write_wav
from lab_utils.session.job import SessionJob
from lab_utils.session.run import run
from lab_utils.session.scripted.tts import ScriptedTTS

RATE = 16_000


def tone(level_dbfs: float, seconds: float, hz: float = 997.0, rate: int = RATE) -> np.ndarray:
    """A sine whose RMS has this level: at -3.01 dBFS its peaks are full scale."""
    t = np.arange(round(seconds * rate)) / rate
    return np.sqrt(2) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * t)


def pcm(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x * FULL_SCALE), -32_768, 32_767).astype(np.int16)


def noise(level_dbfs: float, seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 10 ** (level_dbfs / 20) * rng.standard_normal(round(seconds * RATE))


# --- loudness -------------------------------------------------------------------------------------


def test_at_48_khz_the_filters_are_those_printed_in_the_standard() -> None:
    printed = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(k_weighting(48_000), printed, atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_full_scale_sine_of_997_hz_has_the_loudness_that_the_standard_says(rate: int) -> None:
    assert loudness(tone(-3.0103, 5.0, rate=rate), rate) == pytest.approx(-3.01, abs=0.1)


def test_pauses_do_not_make_speech_quieter() -> None:
    speech = tone(-23.0, 10.0)
    padded = np.concatenate((speech, np.zeros(RATE * 20)))
    alone, with_pause = loudness(speech, RATE), loudness(padded, RATE)
    assert alone is not None
    assert with_pause == pytest.approx(alone, abs=0.2)


def test_the_relative_gate_leaves_out_what_is_10_lu_quieter() -> None:
    both = np.concatenate((tone(-20.0, 10.0), tone(-45.0, 30.0)))
    assert loudness(both, RATE) == pytest.approx(loudness(tone(-20.0, 10.0), RATE), abs=0.2)


@given(st.floats(-50, -6))
def test_loudness_follows_the_level(level: float) -> None:
    louder, quieter = loudness(tone(level, 1.0), RATE), loudness(tone(level - 6.0, 1.0), RATE)
    assert louder is not None
    assert quieter is not None
    assert louder - quieter == pytest.approx(6.0, abs=1e-6)


# --- speech level, silence, noise -----------------------------------------------------------------


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_speech_level_is_that_of_the_speech_and_the_silence_ratio_the_rest(share: float) -> None:
    speech = np.concatenate((tone(-26.0, 40 * share), np.zeros(round(RATE * 40 * (1 - share)))))
    score = score_channel(pcm(speech))
    assert score.speech_level_dbfs == pytest.approx(-26.0, abs=0.3)
    assert score.silence_ratio == pytest.approx(1 - share, abs=0.02)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 35.0])
def test_snr_is_speech_over_noise(snr_db: float) -> None:
    speech = np.concatenate([part for _ in range(8) for part in (tone(-20.0, 2.0), np.zeros(RATE))])
    score = score_channel(pcm(speech + noise(-20.0 - snr_db, len(speech) / RATE)))
    assert score.snr_db == pytest.approx(snr_db, abs=1.5)


def test_a_voice_between_digital_silences_has_no_noise_to_measure() -> None:
    fade = np.linspace(0.0, 1.0, RATE // 10)  # soft, and no noise
    word = tone(-20.0, 2.0) * np.concatenate((fade, np.ones(2 * RATE - 2 * len(fade)), fade[::-1]))
    score = score_channel(pcm(np.concatenate([part for _ in range(8) for part in (word, np.zeros(RATE))])))
    assert score.speech_level_dbfs is not None
    assert score.snr_db is None


def test_a_muted_stretch_leaves_the_noise_of_the_rest() -> None:
    speech = np.concatenate([part for _ in range(8) for part in (tone(-20.0, 1.0), np.zeros(2 * RATE))])
    speech += noise(-55.0, len(speech) / RATE)
    speech[: round(0.3 * len(speech))] = 0.0
    assert score_channel(pcm(speech)).snr_db == pytest.approx(35.0, abs=1.5)


def test_digital_silence_has_no_noise_and_no_level() -> None:
    score = score_channel(np.zeros(RATE * 3, np.int16))
    assert (score.loudness_lufs, score.speech_level_dbfs, score.snr_db, score.peak_dbfs) == (None,) * 4
    assert (score.silence_ratio, score.clipped_ratio, score.dropouts) == (1.0, 0.0, 0)


# --- faults ---------------------------------------------------------------------------------------


def test_clipping_is_counted_and_a_peak_that_touches_full_scale_is_not() -> None:
    touching = score_channel(pcm(tone(-3.0103, 2.0)))
    assert touching.clipped_ratio == 0.0
    assert touching.peak_dbfs == pytest.approx(0.0, abs=0.01)
    driven = score_channel(pcm(4 * tone(-3.0103, 2.0)))
    expected = 1 - 2 / np.pi * np.arcsin(1 / 4)
    assert driven.clipped_ratio == pytest.approx(expected, abs=0.06)


def test_lost_packets_are_found_and_pauses_are_none() -> None:
    speech = tone(-20.0, 10.0) + noise(-60.0, 10.0)
    lost = speech.copy()
    for start in (1.0, 3.0, 5.0):
        lost[round(start * RATE) : round((start + 0.06) * RATE)] = 0.0
    score = score_channel(pcm(lost))
    assert (score.dropouts, score.dropout_s) == (3, pytest.approx(0.18, abs=0.002))
    assert score_channel(pcm(speech)).dropouts == 0
    fading = np.concatenate((speech * np.linspace(1, 0, len(speech)), np.zeros(1600), speech))
    assert score_channel(pcm(fading)).dropouts == 0, "a pause after speech that fades is no dropout"


@given(st.integers(0, 700), st.integers(0, 2**32 - 1))
def test_any_samples_give_a_score_in_range(length: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-32_768, 32_768, length).astype(np.int16)
    score = score_channel(x)
    assert 0.0 <= score.silence_ratio <= 1.0
    assert 0.0 <= score.clipped_ratio <= 1.0
    assert score.duration_s == length / RATE


# --- calls ----------------------------------------------------------------------------------------


@where_clock_is_virtual
def test_the_agents_side_of_a_session_is_scored() -> None:
    log = run(SessionJob(short_call(), Settings(), tts=lambda: ScriptedTTS(voice="tone"), tail_s=6.0))
    spoken_s = sum(
        end.time_s - start.time_s
        for start, end in zip(log.of_kind("playout_starts"), log.of_kind("playout_ends"), strict=True)
    )
    score = score_call(log.heard)
    assert score.agent.duration_s == pytest.approx(len(log.heard) / RATE)
    assert 1 - score.agent.silence_ratio == pytest.approx(spoken_s / score.agent.duration_s, abs=0.1)
    assert score.agent.clipped_ratio == 0.0
    assert score.user.speech_level_dbfs is not None
    assert -40 < score.user.speech_level_dbfs < -5


@pytest.mark.slow
def test_a_call_scores_from_its_file_as_from_its_samples(tmp_path: Path) -> None:
    recording = sample("01")
    assert recording.agent is not None
    heard = np.stack((recording.user, recording.agent), axis=1)
    write_flac(tmp_path / "heard.flac", heard)
    assert score_file(tmp_path / "heard.flac") == score_call(heard)


def test_what_is_no_call_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "mono.wav", pcm(tone(-20, 1.0)))
    with pytest.raises(ValueError, match=r"mono.wav has one channel; expected two"):
        score_file(tmp_path / "mono.wav")
    with pytest.raises(ValueError, match="expected int16 samples"):
        score_channel(np.zeros(10))
    with pytest.raises(ValueError, match=r"expected \(samples, 2\)"):
        score_call(np.zeros(10, np.int16))
    with pytest.raises(ValueError, match="rate_hz is 100; expected 8000"):
        score_channel(np.zeros(10, np.int16), 100)

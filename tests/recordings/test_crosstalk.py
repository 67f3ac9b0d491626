"""Crosstalk: a leak's delay and gain are measured, and none is found where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from lab_utils.recordings.labels.crosstalk import find_leak
from lab_utils.recordings.labels.speech_edges import BANDS, band_powers


def voice(seed: int, seconds: float = 20.0) -> np.ndarray:
    """Noise that comes and goes like speech."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 16_000)
    on = np.repeat(rng.random(n // 4000) < 0.4, 4000)
    return on * 3000 * rng.standard_normal(n) + 2 * rng.standard_normal(n)


def pcm(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def leaked(source: np.ndarray, gain_db: float, delay_ms: float) -> np.ndarray:
    k = round(delay_ms * 16)
    return 10 ** (gain_db / 20) * np.concatenate((np.zeros(k), source[: len(source) - k]))


@pytest.mark.parametrize("gain_db", [-10, -20, -30])
@pytest.mark.parametrize("delay_ms", [0, 7.5, 20])
def test_a_leak_is_measured(gain_db, delay_ms):
    agent, user = voice(1), voice(2)
    leak = find_leak(pcm(agent), pcm(user + leaked(agent, gain_db, delay_ms)))
    assert leak is not None
    assert leak.gain_db == pytest.approx(gain_db, abs=1.0)
    assert leak.delay_s == pytest.approx(delay_ms / 1000, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_two_independent_voices_have_no_leak(seed):
    assert find_leak(pcm(voice(seed)), pcm(voice(seed + 100))) is None


def test_silent_and_short_audio_has_no_leak():
    silence = np.zeros(160_000, np.int16)
    assert find_leak(silence, silence) is None
    assert find_leak(pcm(voice(1)), np.zeros(320_000, np.int16)) is None
    assert find_leak(pcm(voice(1, 1.0)), pcm(voice(2, 1.0))) is None


def test_the_predicted_power_is_that_of_the_leak():
    agent = voice(1)
    alone = pcm(leaked(agent, -20, 10))
    leak = find_leak(pcm(agent), pcm(voice(2) + leaked(agent, -20, 10)))
    assert leak is not None
    predicted, true = leak.powers(band_powers(pcm(agent))), band_powers(alone)
    loud = true.mean(axis=1) > 0.01 * true.mean(axis=1).max()
    difference_db = 10 * np.log10(predicted[loud].mean(axis=1) / true[loud].mean(axis=1))
    assert predicted.shape == (len(true), BANDS)
    assert 0 <= np.median(difference_db) < 3

"""Edges of speech: the VAD says where, the spectrum says when, within limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.labels import as_spans
from lab_utils.recordings.labels.speech_edges import (
    BANDS,
    EDGES,
    POWER_FLOOR,
    background,
    band_powers,
    by_frame,
    likelihood_ratio,
    loud_frames,
    place_edges,
    vad_spans,
)


def bursts(spans: list[tuple[float, float]], duration_s: float, noise: float = 3.0) -> np.ndarray:
    """White bursts of RMS 3000 on white noise."""
    rng = np.random.default_rng(5)
    audio = noise * rng.standard_normal(round(duration_s * 16_000))
    for start, end in spans:
        a, b = round(start * 16_000), round(end * 16_000)
        audio[a:b] += 3000 * rng.standard_normal(b - a)
    return np.rint(audio).astype(np.int16)


def test_band_powers_see_a_tone_in_its_band_and_silence_as_the_floor():
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)).astype(np.int16)
    powers = band_powers(tone)
    assert powers.shape == (101, BANDS)
    assert np.argmax(powers[50]) == 7  # 920 to 1080 Hz
    assert np.all(band_powers(np.zeros(1600, np.int16)) == POWER_FLOOR)


def test_long_audio_is_worked_on_in_parts_with_the_same_result(monkeypatch):
    pcm = bursts([(0.2, 0.5)], 1.0)
    whole = band_powers(pcm)
    monkeypatch.setattr("lab_utils.recordings.labels.speech_edges._CHUNK", 7)
    np.testing.assert_allclose(band_powers(pcm), whole)


def test_the_ratio_is_that_of_sohn_et_al():
    powers = np.array([[np.e, 1.0], [0.1, 1.0]])
    assert likelihood_ratio(powers, np.ones(2)).tolist() == pytest.approx([(np.e - 2) / 2, 0.0])


def test_the_background_is_the_mean_power_of_noise():
    rng = np.random.default_rng(0)
    powers = rng.exponential(2.0, (20_000, BANDS))
    assert background(powers, np.ones(len(powers), bool)) == pytest.approx(np.full(BANDS, 2.0), rel=0.05)
    assert np.all(background(powers, np.zeros(len(powers), bool)) == POWER_FLOOR)


def test_late_vad_edges_move_to_those_of_the_sound():
    sounds = [(0.5, 1.0), (1.22, 1.8)]
    pcm = bursts(sounds, 3.0)
    powers = band_powers(pcm)
    silent = np.ones(len(powers), bool)
    silent[45:190] = False
    loud = loud_frames(powers, background(powers, silent))
    late = as_spans([(0.52, 1.08), (1.25, 1.89)])
    assert np.abs(place_edges(late, loud) - as_spans(sounds)).max() <= 0.011


def test_a_click_is_not_loud_and_silence_has_no_loud_frames():
    powers = np.ones((100, BANDS))
    powers[50:52] = 100.0
    powers[70:74] = 100.0
    assert np.flatnonzero(loud_frames(powers, np.ones(BANDS))).tolist() == [70, 71, 72, 73]
    assert not loud_frames(np.ones((10, BANDS)), np.ones(BANDS)).any()


def test_speech_that_is_45_db_below_the_loudest_is_silence():
    powers = np.full((200, BANDS), 1e-8)
    powers[20:80] = 1.0
    powers[100:150] = 10**-4.7
    assert np.flatnonzero(loud_frames(powers, np.full(BANDS, 1e-8))).tolist() == list(range(20, 80))


def test_vad_spans_have_hysteresis_and_a_least_length():
    p = np.array([0.1, 0.6, 0.4, 0.4, 0.2, 0.9, 0.1, 0.6])
    assert vad_spans(p, 0.5, 0.35).tolist() == pytest.approx(np.array([[1, 4], [5, 6], [7, 8]]) * 0.032)
    assert vad_spans(p, 0.5, 0.35, 2).tolist() == pytest.approx(np.array([[1, 4]]) * 0.032)
    assert vad_spans(np.zeros(0), 0.5, 0.35).shape == (0, 2)


def test_frames_take_the_probability_of_their_window():
    assert by_frame(np.array([0.1, 0.9]), 8).tolist() == [0.1] * 4 + [0.9] * 4
    assert by_frame(np.zeros(0), 2).tolist() == [0.0, 0.0]


@st.composite
def ordered_spans(draw: st.DrawFn) -> np.ndarray:
    steps = draw(st.lists(st.floats(0.032, 1.0), max_size=20).filter(lambda steps: len(steps) % 2 == 0))
    return np.cumsum(steps).reshape(-1, 2)


@given(ordered_spans(), st.lists(st.booleans(), min_size=1, max_size=600))
def test_edges_stay_in_order_and_move_within_the_limits(coarse, loud):
    placed = place_edges(coarse, np.array(loud))
    assert all(a[1] <= b[0] for a, b in pairwise(placed))
    for start, end in placed:
        assert start < end
        near = (coarse[:, 0] - EDGES.start_earlier_s <= start + 1e-9) & (
            start <= coarse[:, 0] + EDGES.start_later_s + 1e-9
        )
        far = (coarse[:, 1] - EDGES.end_earlier_s <= end + 1e-9) & (
            end <= coarse[:, 1] + EDGES.end_later_s + 1e-9
        )
        assert (near & far).any()


@given(ordered_spans())
def test_without_loud_frames_the_vad_has_the_last_word(coarse):
    np.testing.assert_array_equal(place_edges(coarse, np.zeros(50, bool)), coarse)

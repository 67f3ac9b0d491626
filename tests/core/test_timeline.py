"""Windows, samples and phases against literal loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.timeline import (
    SAMPLE_RATE_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    accumulated_s,
    arrival_samples,
    frame_samples,
    phase_offsets,
    runs_of,
    to_samples,
    windows_to_reach,
)


def added_up(n: int) -> float:
    total = 0.0
    for _ in range(n):
        total += 0.032
    return total


durations = st.one_of(
    st.floats(0.0, 60.0),
    st.integers(0, 1875).map(added_up),
    st.integers(0, 1875).map(lambda n: n * 0.032),
    st.integers(0, 6000).map(lambda n: n / 100),
)


@given(durations)
def test_windows_to_reach_counts_as_livekit_does_by_adding_windows(duration_s):
    silence, windows = 0.0, 0
    while True:
        silence += 0.032
        windows += 1
        if silence >= duration_s:
            break
    assert windows_to_reach(duration_s) == windows


@pytest.mark.parametrize(("duration_s", "windows"), [(0.0, 1), (0.05, 2), (0.2, 7), (0.25, 8), (0.55, 18)])
def test_livekits_durations_in_windows(duration_s, windows):
    assert windows_to_reach(duration_s) == windows


def test_accumulated_durations_are_sums_not_products():
    sums = accumulated_s(2000)
    assert sums.tolist() == [added_up(n) for n in range(2001)]
    assert sums[-1] != 2000 * WINDOW_S  # hence the sums


@given(st.integers(1, 3000), st.lists(st.integers(0, 5000), min_size=1, max_size=5))
def test_a_window_is_judged_when_the_frame_that_completes_it_arrives(frame, windows):
    for window, arrival in zip(windows, arrival_samples(np.array(windows), frame), strict=True):
        end = (window + 1) * WINDOW_SAMPLES
        heard = 0
        while heard < end:
            heard += frame
        assert arrival == heard


@given(st.integers(1, WINDOW_SAMPLES))
def test_phases_spread_evenly_over_one_window_and_begin_with_none(phases):
    offsets = phase_offsets(phases)
    assert offsets[0] == 0
    gaps = np.diff([*offsets, WINDOW_SAMPLES])
    assert len(offsets) == phases
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_four_phases_are_quarters_of_a_window():
    assert phase_offsets(4) == [0, 128, 256, 384]


@pytest.mark.parametrize("phases", [0, -1, WINDOW_SAMPLES + 1])
def test_a_number_of_phases_that_cannot_be_is_refused(phases):
    with pytest.raises(ValueError, match=f"phases must be from 1 to 512, got {phases}"):
        phase_offsets(phases)


def test_frames_in_samples():
    assert frame_samples(0.05) == 800
    with pytest.raises(ValueError, match="frame_s must be at least one sample"):
        frame_samples(1e-6)


@given(st.integers(0, 10_000_000))
def test_a_samples_time_leads_back_to_the_sample(sample):
    assert to_samples(sample / SAMPLE_RATE_HZ) == sample


@given(st.lists(st.booleans()))
def test_runs_are_the_stretches_of_a_mask_that_are_true(mask: list[bool]) -> None:
    runs, start = [], None
    for index, true in enumerate([*mask, False]):
        if true and start is None:
            start = index
        elif not true and start is not None:
            runs.append([start, index])
            start = None
    assert runs_of(np.array(mask, dtype=np.bool_)).tolist() == runs


def test_sums_of_windows_are_shared_by_recordings_of_all_lengths() -> None:
    for n in (0, 1, 1023, 1024, 1025, 5000):
        expected = np.concatenate(([0.0], np.cumsum(np.full(n, WINDOW_S))))
        np.testing.assert_array_equal(accumulated_s(n), expected)
    assert accumulated_s(3000).base is accumulated_s(3001).base

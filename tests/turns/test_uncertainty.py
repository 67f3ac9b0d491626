"""Intervals against their definitions written out, and how often they contain the truth."""

from __future__ import annotations

import interval_coverage as coverage
import naive_statistics as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab_utils.turns.metrics.uncertainty import (
    FURTHEST,
    UNTOLD,
    Interval,
    degrees_of_freedom,
    difference_interval,
    difference_test,
    mean_interval,
    percentile_interval,
    rate_interval,
)

sizes = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def close(interval: Interval, expected: tuple[float | None, float | None]) -> None:
    for ours, theirs in zip((interval.low, interval.high), expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@given(sizes, st.data())
def test_a_rates_interval_is_the_definition_recording_by_recording(n, data):
    count = [data.draw(st.sampled_from([k / 4 for k in range(4 * one + 1)])) for one in n]
    close(rate_interval(np.array(count), np.array(n, float)), naive.rate_interval(count, n))


@given(sizes, st.data())
def test_a_means_interval_is_the_definition_recording_by_recording(n, data):
    total = [data.draw(st.floats(0.1, 3.0)) * one for one in n]
    close(mean_interval(np.array(total), np.array(n, float)), naive.mean_interval(total, n))


@given(
    st.lists(st.integers(0, 8), max_size=12),
    st.sampled_from([50, 90, 95]),
    st.sampled_from([1, 4]),
    st.data(),
)
def test_a_percentiles_interval_is_the_definition_value_by_value(turns, q, takes, data):
    latency = st.sampled_from([0.3, 0.5, 0.51, 0.9, 2.5, np.inf])
    values = [data.draw(st.lists(latency, min_size=n * takes, max_size=n * takes)) for n in turns]
    ours = percentile_interval([np.array(one) for one in values], [1 / takes] * len(values), q)
    close(ours, naive.percentile_interval(values, [1 / takes] * len(values), q))


def test_a_closed_percentile_interval_occurs_and_holds_the_percentile():
    rng = np.random.default_rng(3)
    values = [rng.lognormal(size=20) for _ in range(30)]
    for q in (50, 90, 95):
        interval = percentile_interval(values, [1.0] * 30, q)
        assert interval.told == "two-sided"
        assert np.percentile(np.concatenate(values), q) in interval


def test_recordings_of_one_size_have_one_degree_of_freedom_less_than_their_number():
    for n in (3, 12, 40):
        assert degrees_of_freedom(np.full(n, 7.0)) == pytest.approx(n - 1)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_degrees_of_freedom_are_those_of_the_turns_own_matrix(n):
    """Bell and McCaffrey's, from the matrix over all turns instead of over recordings."""
    assert degrees_of_freedom(np.array(n, float)) == pytest.approx(naive.degrees_of_freedom(n))


def test_one_recording_that_outweighs_the_others_leaves_one_degree_of_freedom():
    assert degrees_of_freedom(np.array([3000.0, 1, 1])) == pytest.approx(
        naive.degrees_of_freedom([3000, 1, 1]), rel=1e-9
    )
    for n in ([1e5, 1, 1], [1e6, 1e5, 1e3, 1]):
        assert degrees_of_freedom(np.array(n)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "interval",
    [
        rate_interval(np.array([1.0, 2.0]), np.array([9.0, 9.0])),
        rate_interval(np.array([1.0, 0.0, 0.0]), np.array([9.0, 0.0, 0.0])),
        rate_interval(np.zeros(0), np.zeros(0)),
        mean_interval(np.zeros(5), np.zeros(5)),
        mean_interval(np.zeros(5), np.full(5, 2.0)),
        mean_interval(np.ones(2), np.ones(2)),
        difference_interval(np.ones(2), np.ones(2)),
        difference_interval(np.array([1.0, 2.0, 3.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0])),
        difference_test(np.array([1.0, 2.0, 3.0]), np.ones(3), extra=np.inf)[0],
        percentile_interval([np.array([0.5])] * 2, [1.0] * 2, 50),
        percentile_interval([np.full(9, np.inf)] * 9, [1.0] * 9, 50),
    ],
)
def test_too_few_recordings_or_turns_cannot_be_told(interval):
    assert interval == UNTOLD
    assert interval.told == "can't be told"
    assert interval.low is None


def test_an_interval_holds_its_limits_and_all_between():
    both, high, low = Interval(0.2, 0.5), Interval(None, 0.5), Interval(0.2, None)
    assert [value in both for value in (0.19, 0.2, 0.3, 0.5, 0.51)] == [False, True, True, True, False]
    assert [value in high for value in (-9.0, 0.5, 0.51)] == [True, True, False]
    assert [value in low for value in (0.19, 0.2, 9.0)] == [False, True, True]
    assert 7.0 in UNTOLD


def test_nothing_cut_has_an_upper_bound_that_falls_with_the_holds():
    few, many = (rate_interval(np.zeros(12), np.full(12, n)) for n in (5.0, 50.0))
    assert few.low == many.low == 0.0
    assert few.high > many.high > 0.005
    # in no case below what twelve independent recordings' worth of certain holds would give
    assert many.high > stats.beta.ppf(0.95, 1, 600)


def test_everything_cut_has_a_lower_bound():
    interval = rate_interval(np.full(8, 10.0), np.full(8, 10.0))
    assert interval.high == 1.0
    assert 0.8 < interval.low < 0.96


def test_recordings_without_holds_change_nothing():
    count, n = np.array([1.0, 3.0, 0.0, 2.0]), np.array([10.0, 12.0, 9.0, 20.0])
    padded = rate_interval(np.append(count, [0.0, 0.0]), np.append(n, [0.0, 0.0]))
    assert padded == rate_interval(count, n)


def test_a_call_that_differs_from_the_others_widens_the_interval():
    n = np.full(10, 20.0)
    alike, unlike = np.full(10, 2.0), np.append(np.zeros(9), 20.0)
    widths = [rate_interval(count, n).high - rate_interval(count, n).low for count in (alike, unlike)]
    assert widths[1] > 2 * widths[0]


def test_more_variance_of_the_logarithm_widens_a_percentiles_interval_to_both_sides():
    """By Student's quantile, as the interval itself; recordings of one size have one degree less."""
    values = list(np.random.default_rng(2).lognormal(sigma=0.4, size=(30, 40)))
    plain = percentile_interval(values, [1.0] * 30, 50)
    wide = percentile_interval(values, [1.0] * 30, 50, extra=0.01)
    middle = np.sort(np.concatenate(values))[599]
    added = stats.t.ppf(0.975, 29) * 0.1
    assert np.log(middle / wide.low) == pytest.approx(np.hypot(np.log(middle / plain.low), added))
    assert np.log(wide.high / middle) == pytest.approx(np.hypot(np.log(plain.high / middle), added))


def test_with_more_variance_a_limit_that_was_open_or_is_too_far_away_is_open():
    values = [np.append(np.linspace(0.5, 1.0, 9), np.inf)] * 30
    open_above = percentile_interval(values, [1.0] * 30, 88, extra=0.01)
    assert open_above.low is not None
    assert open_above.high is None
    closed = list(np.random.default_rng(2).lognormal(sigma=0.4, size=(30, 40)))
    assert percentile_interval(closed, [1.0] * 30, 50, extra=100.0).told == "can't be told"


def test_missed_ends_of_turn_are_slower_than_all_others():
    """One in ten is missed: the 95th percentile has no upper limit, the median has."""
    values = [np.append(np.linspace(0.4, 0.8, 9), np.inf)] * 30
    assert percentile_interval(values, [1.0] * 30, 95).high is None
    assert percentile_interval(values, [1.0] * 30, 50).told == "two-sided"


@pytest.mark.slow
def test_intervals_contain_the_truth_in_simulated_studies():
    """A small `make coverage`: the first populations, where the bootstrap holds in none of them."""
    rows = coverage.measured(300, seed=1, calls=coverage.CALLS[:1], turns=coverage.TURNS[1:2], jobs=1)
    assert len(rows) == 20
    for row in rows:
        slack = 2.5 * np.sqrt(0.93 * 0.07 / 300)
        assert row.coverage > coverage.LEAST_COVERAGE - slack, row
    five = [row for row in rows if row.recordings == 5 and row.figure.startswith("rate")]
    assert max(row.bootstrap_coverage for row in five) < 0.93
    assert [row.open for row in rows if row.figure == "latency mean"] == [0.0] * 4


def test_differences_that_are_all_the_same_leave_nothing_to_chance():
    n = np.array([4.0, 5.0, 6.0])
    assert difference_test(np.zeros(3), n) == (Interval(0.0, 0.0), 1.0)
    assert difference_test(n / 2, n) == (Interval(0.5, 0.5), 0.0)


def test_many_recordings_may_show_a_smaller_correlation_than_is_assumed_of_few():
    for calls in (29, 30, 31, 45):
        n = [6, 9] * (calls // 2) + [7] * (calls % 2)
        for count in ([0.0] * calls, [1.0] + [0.0] * (calls - 1)):
            close(rate_interval(np.array(count), np.array(n, float)), naive.rate_interval(count, n))


def test_more_variance_widens_a_rates_interval_by_students_quantile_within_0_and_1():
    count, n = np.array([3.0, 5.0, 4.0, 6.0]), np.full(4, 10.0)
    plain, wide = rate_interval(count, n), rate_interval(count, n, extra=0.0004)
    half, added = (plain.high - plain.low) / 2, stats.t.ppf(0.975, 3) * 0.02
    assert wide.high - wide.low == pytest.approx(2 * np.hypot(half, added))
    assert wide.high + wide.low == pytest.approx(plain.high + plain.low)
    assert rate_interval(count, n, extra=1.0) == Interval(0.0, 1.0)


def test_more_variance_widens_a_means_interval_in_the_logarithm():
    total, n = np.array([8.0, 12.0, 5.0, 9.0]), np.full(4, 10.0)
    plain, wide = mean_interval(total, n), mean_interval(total, n, extra=0.01)
    added = stats.t.ppf(0.975, 3) * 0.1
    for before, after in ((plain.low, wide.low), (plain.high, wide.high)):
        assert abs(np.log(after / 0.85)) == pytest.approx(np.hypot(np.log(before / 0.85), added))
    assert wide.low < 0.85 < wide.high
    assert mean_interval(total / 60, n).told == "two-sided"  # sums below a second


@pytest.mark.parametrize(
    ("factor", "told"), [(2.95, "two-sided"), (3.05, "can't be told"), (3.9, "can't be told")]
)
def test_a_limit_more_than_three_times_away_says_nothing(factor, told):
    """All calls alike: what is left is the variance on top."""
    assert FURTHEST == 3
    extra = (np.log(factor) / stats.t.ppf(0.975, 3)) ** 2
    found = mean_interval(np.full(4, 5.0), np.full(4, 10.0), extra)
    assert found.told == told
    if told == "two-sided":
        assert (found.low, found.high) == pytest.approx((0.5 / factor, 0.5 * factor))


def test_a_difference_is_tested_with_the_variance_on_top_and_without_empty_recordings():
    total, n = np.array([-1.0, 2.0, 1.0, 0.5]), np.full(4, 10.0)
    error = np.sqrt(sum((total - total.mean()) ** 2) / (1 - 0.25) / 40**2 + 0.0025)
    found, p = difference_test(np.append(total, 0.0), np.append(n, 0.0), extra=0.0025)
    middle, half = total.sum() / 40, stats.t.ppf(0.975, 3) * error
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))
    assert p == pytest.approx(2 * stats.t.sf(middle / error, 3))
    assert difference_test(-total, n, extra=0.0025)[1] == pytest.approx(p)
    assert np.isnan(difference_test(total, n, extra=np.inf)[1])
    assert difference_interval(np.array([0.1, 0.3, 0.2]), np.ones(3)).told == "two-sided"  # a turn each

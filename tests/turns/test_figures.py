"""One setting's figures: pooled values, intervals by recording, and what each rests on."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.turns.metrics import LATENCIES, RATES, PerRecording, figures
from lab_utils.turns.metrics.figures import BOUNDS
from lab_utils.turns.metrics.uncertainty import mean_interval, percentile_interval, rate_interval

OTHERS = ("longest_wait", "coin_flips", "commits_in_no_label")


def recording(*latency_s: float, holds: int = 10, holds_cut: float = 0.0, takes: int = 1) -> PerRecording:
    """A call whose takes all did the same."""
    missed = sum(math.isinf(s) for s in latency_s)
    return PerRecording(
        holds=holds,
        holds_cut=holds_cut,
        holds_cut_at_most=holds_cut,
        turns=len(latency_s),
        turns_cut=0.0,
        turns_cut_at_most=0.0,
        in_no_label=0.0,
        timeouts=0.0,
        missed=float(missed),
        latency_s=np.tile(np.array(latency_s, dtype=float), (takes, 1)),
    )


MIXED = [
    recording(0.4, 0.6, holds_cut=1, takes=2),
    recording(0.5, 0.5, holds_cut=2.5, takes=2),
    recording(0.2, math.inf, 0.8, holds_cut=3, takes=2),
    recording(0.7, holds=0, takes=2),
]


def test_values_are_pooled_over_recordings_and_intervals_are_those_of_uncertainty():
    frame = figures(MIXED)
    assert frame.index.tolist() == [*RATES, *LATENCIES, *BOUNDS, *OTHERS]
    assert frame.loc["false_boundary_rate", "value"] == pytest.approx(6.5 / 30)
    assert frame.loc["missed_rate", "value"] == pytest.approx(1 / 8)
    assert frame.loc["latency_mean", "value"] == pytest.approx((0.4 + 0.6 + 1.0 + 1.0 + 0.7) / 7)
    assert frame["n"].to_dict() == {
        **dict.fromkeys(frame.index, 8),
        **dict.fromkeys(["false_boundary_rate", "false_boundary_rate_at_most", "coin_flips"], 30),
        "latency_mean": 7,
        "commits_in_no_label": 4,
    }
    holds = rate_interval(np.array([1, 2.5, 3, 0.0]), np.array([10, 10, 10, 0.0]))
    assert (frame.loc["false_boundary_rate", "low"], frame.loc["false_boundary_rate", "high"]) == (
        holds.low,
        holds.high,
    )
    mean = mean_interval(np.array([1.0, 1.0, 1.0, 0.7]), np.array([2.0, 2.0, 2.0, 1.0]))
    assert frame.loc["latency_mean", "low"] == pytest.approx(mean.low)
    median = percentile_interval([one.latency_s.ravel() for one in MIXED], [0.5] * 4, 50)
    assert frame.loc["latency_p50", "told"] == median.told


def test_what_has_no_interval_and_what_is_at_most():
    """Takes disagree on 0, 1.5 and 2 holds of 10 each; one call has 3 pauses of which nothing is known."""
    calls = [
        replace(one, flipped=flipped, holds_cut_at_most=one.holds_cut + unknown, in_no_label=k / 2)
        for k, (one, flipped, unknown) in enumerate(zip(MIXED[:3], (0.0, 1.5, 2.0), (0, 3, 0), strict=True))
    ]
    frame = figures(calls)
    assert frame.loc["coin_flips", "value"] == pytest.approx(3.5 / 30)
    assert frame.loc["false_boundary_rate_at_most", "value"] == pytest.approx(9.5 / 30)
    assert frame.loc["false_boundary_rate_at_most", "told"] == "two-sided"
    assert frame.loc["commits_in_no_label", "value"] == 1.5
    assert math.isinf(frame.loc["longest_wait", "value"])
    assert figures(calls[:2]).loc["longest_wait", "value"] == 0.6
    assert (frame.loc[[*OTHERS], "told"] == "can't be told").all()


def test_takes_that_agree_change_nothing():
    once = [
        recording(0.4, 0.6, 0.9, holds_cut=1),
        recording(0.5, holds_cut=2),
        recording(0.3, 0.8, holds_cut=0),
    ] * 3
    often = [recording(*one.latency_s[0], holds=one.holds, holds_cut=one.holds_cut, takes=4) for one in once]
    one, four = figures(once), figures(often)
    numbers = ["value", "low", "high"]
    # a percentile interpolates between neighbours, and four takes have four of each
    rates = [*RATES, "latency_mean"]
    np.testing.assert_allclose(one.loc[rates, numbers].astype(float), four.loc[rates, numbers].astype(float))
    np.testing.assert_allclose(
        one.loc["latency_p50", ["low", "high"]].astype(float),
        four.loc["latency_p50", ["low", "high"]].astype(float),
    )
    assert one["told"].equals(four["told"])
    assert one["n"].equals(four["n"])


@given(
    st.lists(st.lists(st.sampled_from([0.2, 0.5, 0.9, 4.0, math.inf]), max_size=6), min_size=1, max_size=6)
)
def test_latencies_are_those_of_the_pooled_turns(calls):
    frame = figures([recording(*one) for one in calls])
    latency_s = [s for one in calls for s in one]
    score = naive.Score(holds=10, turns=len(latency_s), latencies_s=latency_s)
    expected = naive.summary([score])
    for name in LATENCIES:
        np.testing.assert_allclose(frame.loc[name, "value"], expected[name], err_msg=name)


def test_missed_turns_make_a_percentile_infinite_not_small():
    """One turn of ten is never answered: the 95th percentile lies among those, the median doesn't."""
    frame = figures([recording(*[0.5] * 9, math.inf)] * 6)
    assert math.isinf(frame.loc["latency_p95", "value"])
    assert frame.loc["latency_p50", "value"] == 0.5
    assert frame.loc["latency_mean", "value"] == pytest.approx(0.5)


@pytest.mark.parametrize("calls", [MIXED[:1], MIXED[:2]])
def test_too_few_recordings_have_values_and_no_interval(calls):
    frame = figures(calls)
    assert frame["value"].drop("coin_flips").notna().all()
    assert (frame["told"] == "can't be told").all()
    assert frame[["low", "high"]].isna().all(axis=None)


def test_figures_without_data_are_not_numbers_and_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        without_holds = figures([recording(0.5, holds=0), recording(0.7, holds=0), recording(0.9, holds=0)])
        nothing = figures([recording(holds=0)] * 4)
        none = figures([])
    assert math.isnan(without_holds.loc["false_boundary_rate", "value"])
    assert without_holds.loc["false_boundary_rate", "told"] == "can't be told"
    assert without_holds.loc["latency_mean", "told"] == "two-sided"
    assert nothing.loc["commits_in_no_label", ["value", "n"]].tolist() == [0.0, 4]
    for frame in (nothing.drop("commits_in_no_label"), none.drop("commits_in_no_label")):
        assert frame["value"].isna().all()
        assert (frame["n"] == 0).all()

"""Paired differences, Holm's procedure and calibration, against obvious twins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab_utils.core.settings import Settings
from lab_utils.turns.comparison.calibration import calibration
from lab_utils.turns.comparison.differences import differences, holm
from lab_utils.turns.comparison.points import POINTS, Reached
from lab_utils.turns.metrics import PerRecording
from lab_utils.turns.metrics.uncertainty import difference_interval, difference_test
from lab_utils.workflows.detectors.verdicts import verdicts

SHARES = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.one_of(SHARES, st.just(float("nan"))), max_size=12))
def test_holm_adjusts_as_its_definition_says(p):
    """Step down: the k-th smallest of m is multiplied by m - k, and none may come below a smaller one."""
    found = holm(np.array(p, dtype=np.float64))
    known = sorted(one for one in p if one == one)
    for one, adjusted in zip(p, found, strict=True):
        if one != one:
            assert np.isnan(adjusted)
            continue
        expected = max((len(known) - k) * other for k, other in enumerate(known) if other <= one)
        assert adjusted == pytest.approx(min(1.0, expected))


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=9))
def test_the_probability_of_a_difference_is_students_for_recordings_of_one_size(values):
    total, n = np.array(values) * 10.0, np.full(len(values), 10.0)
    interval, p = difference_test(total, n)
    assert interval == difference_interval(total, n)
    if np.ptp(values) > 1e-6:
        assert p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=1e-6)
        assert (p < 0.05) == (0.0 not in interval) or abs(p - 0.05) < 1e-6
    wider, p_wider = difference_test(total, n, extra=0.5)
    assert wider.low <= interval.low
    assert p_wider >= p or np.ptp(values) == 0
    assert np.isnan(difference_test(total[:2], n[:2])[1])
    assert np.isnan(difference_test(total, n, extra=np.inf)[1])


@given(st.lists(st.tuples(SHARES, st.booleans()), min_size=1, max_size=40))
def test_calibration_is_what_counting_pause_by_pause_gives(pauses):
    p = [one for one, _ in pauses]
    hold = [is_hold for _, is_hold in pauses]
    spans = pd.DataFrame({"recording": "a", "duration_s": 1.0, "is_hold": hold, "score_point_s": 0.3, "p": p})
    found = calibration(spans)
    outcome = [0.0 if is_hold else 1.0 for is_hold in hold]
    assert found.brier == pytest.approx(sum((a - b) ** 2 for a, b in zip(p, outcome, strict=True)) / len(p))
    tenth = [min(9, int(one * 10)) for one in p]
    error = 0.0
    for k in set(tenth):
        inside = [j for j in range(len(p)) if tenth[j] == k]
        error += abs(sum(p[j] for j in inside) - sum(outcome[j] for j in inside))
    assert found.error == pytest.approx(error / len(p))
    assert found.bins["n"].sum() == found.n == len(p)


def reached(
    detector: str, latency_s: list[float], cut: list[float], point=POINTS[2], there: bool = True
) -> Reached:
    taken = tuple(
        PerRecording(
            holds=20, holds_cut=c, holds_cut_at_most=c, turns=4, turns_cut=0.0, turns_cut_at_most=0.0,
            timeouts=0.0, missed=0.0, in_no_label=0.0, latency_s=np.full((1, 4), s),
        )
        for s, c in zip(latency_s, cut, strict=True)
    )  # fmt: skip
    rate, mean = sum(cut) / (20 * len(cut)), float(np.mean(latency_s))
    values = {"false_boundary_rate": rate, "latency_mean": mean, "missed_rate": 0.0}
    frame = pd.DataFrame({"value": values, "low": values, "high": values})
    return Reached(detector, point, there, Settings(), values, frame, taken, {})


def test_a_clear_difference_is_told_and_chance_is_not():
    cut = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]
    fast = reached("fast", [0.5, 0.6, 0.5, 0.7, 0.6, 0.5], cut)
    slow = reached("slow", [1.5, 1.7, 1.5, 1.6, 1.7, 1.5], cut)
    alike = reached("alike", [0.6, 0.5, 0.6, 0.6, 0.6, 0.6], cut)
    short = reached("short", [0.1] * 6, [9.0] * 6, there=False)
    every = [slow, fast, alike, short]
    table = differences(every).set_index(["first", "second"])
    assert table.loc[("slow", "fast"), "verdict"] == "second is better"
    assert table.loc[("slow", "fast"), "difference"] == pytest.approx(0.5667 - 1.5833, abs=1e-3)
    assert table.loc[("fast", "alike"), "verdict"] == "can't be told apart"
    assert table.loc[("fast", "short"), "verdict"] == "not compared"
    (sentence,) = verdicts(every, differences(every))
    assert sentence.startswith(
        "At 10% false boundaries: fast has the least, 567 ms mean latency, and is better than slow"
    )
    assert "and can't be told apart from alike (+17 ms, 95 %" in sentence
    assert sentence.endswith("short can't be tuned to it.")
    assert verdicts([short], differences([short])) == [
        "At 10% false boundaries: no detector can be tuned to it."
    ]


def test_rates_are_compared_where_latency_is_the_budget():
    latency_s = [0.5] * 5
    low = reached("low", latency_s, [1.0, 2.0, 1.0, 1.0, 2.0], POINTS[4])
    high = reached("high", latency_s, [9.0, 10.0, 9.0, 8.0, 9.0], POINTS[4])
    (row,) = differences([low, high]).to_dict("records")
    assert (row["metric"], row["verdict"]) == ("false_boundary_rate", "first is better")
    assert row["difference"] == pytest.approx((45 - 7) / 100)
    (sentence,) = verdicts([low, high], differences([low, high]))
    assert "low has the least, 7.0 % false boundaries, and is better than high (+38.0 points" in sentence

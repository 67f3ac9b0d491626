"""Shapes of the wait: points, names, the two ways to tell a curve; the live code's waits are the same."""

from __future__ import annotations

import pickle
from itertools import pairwise

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.policies import SHAPES, falling_threshold, wait_curve, wait_shape
from lab_utils.core.settings import Settings
from lab_utils.turns.live_policy import LivePolicy

unit = st.integers(0, 20).map(lambda n: n / 20)


@st.composite
def shapes(draw):
    points = draw(st.lists(st.tuples(unit, unit), min_size=1, max_size=6))
    xs, ys = sorted(x for x, _ in points), sorted((y for _, y in points), reverse=True)
    return wait_shape(list(zip(xs, ys, strict=True)))


@given(shapes(), st.lists(st.floats(0, 1) | unit, max_size=20))
def test_a_share_is_the_same_one_by_one_together_and_in_a_worker(shape, xs):
    live = LivePolicy(0.0, 1.0, [list(point) for point in shape])
    expected = [naive.share(shape, x) for x in xs]
    assert shape.shares(np.array(xs)).tolist() == expected
    assert [live.wait(x * 0.5, 0.5) for x in xs] == [naive.share(shape, x * 0.5 / 0.5) for x in xs]
    ordered = [naive.share(shape, x) for x in sorted(xs)]
    assert all(0 <= b <= a <= 1 for a, b in pairwise(ordered))


falling = (
    st.lists(st.tuples(st.integers(1, 60), unit), min_size=2, max_size=6)
    .map(
        lambda points: list(
            zip(sorted(s / 20 for s, _ in points), sorted((p for _, p in points), reverse=True), strict=True)
        )
    )
    .filter(lambda points: points[0][0] < points[-1][0] and points[0][1] > 0)
)


def silence_until(points, p):
    """Walk through the silence, a millisecond at a time, until p reaches the threshold of the moment."""
    last_s = points[-1][0]
    for tick in range(round(points[0][0] * 1000), round(last_s * 1000)):
        s = tick / 1000
        thresholds = [
            a + (b - a) * (s - s0) / (s1 - s0)
            for (s0, a), (s1, b) in pairwise(points)
            if s0 <= s <= s1 and s1 > s0
        ]
        if p >= min(thresholds) - 1e-12:
            return s
    return last_s


@given(falling, unit)
def test_a_threshold_that_falls_with_the_silence_is_a_curve(points, p):
    settings = Settings().replace(**falling_threshold(points))
    threshold, endpointing = settings.detector.unlikely_threshold, settings.endpointing
    wait_s = endpointing.min_delay
    if p < threshold:
        share = naive.share(settings.policy.wait_shape, p / threshold)
        wait_s += share * (endpointing.max_delay - endpointing.min_delay)
    assert wait_s == pytest.approx(silence_until(points, p), abs=1.1e-3)


def test_livekits_two_delays_are_a_curve_with_a_step():
    knobs = wait_curve([(0.4, 2.5), (0.4, 0.3)])
    assert (knobs["unlikely_threshold"], knobs["min_delay"], knobs["max_delay"]) == (0.4, 0.3, 2.5)
    assert knobs["wait_shape"].shares(np.array([0.0, 0.999, 1.0])).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("steep", "expected linear, early, late, or points such as .*, got 'steep'"),
        ({"linear": 1}, "expected linear, early, late, or points"),
        (0.3, "or points such as .*, got '?0.3'?"),
        ([], "expected 1 to 20 points of two numbers"),
        ([[0, 1, 2]], "expected 1 to 20 points of two numbers"),
        ([[0, "1"]], "expected points of two numbers"),
        ([[0, 1], [2.5, 0]], r"expected points \[p / unlikely_threshold, share\] from 0 to 1"),
        ([[0, 0.2], [1, 1]], "expected points of which x never falls and y never rises"),
        ([[0.5, 1], [0.2, 0]], "expected points of which x never falls and y never rises"),
    ],
)
def test_what_is_no_shape_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        wait_shape(value)
    with pytest.raises(ValueError, match=f"wait_shape: (expected .*)?{message}"):
        Settings().replace(wait_shape=value)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0.0, 0.3), (0.5, 2.0)], "waits that fall as p rises"),
        ([(0.0, 0.3), (0.5, 0.3)], "for one wait set min_delay alone"),
        ([(0.5, 2.0), (0.2, 0.3)], "p rising from 0 to 1"),
        ([(0.0, 2.0), (0.0, 0.3)], "at a p above 0"),
    ],
)
def test_what_is_no_curve_is_refused(points, message):
    with pytest.raises(ValueError, match=message):
        wait_curve(points)


def test_shapes_have_a_name_in_words_and_travel():
    assert str(SHAPES["linear"]) == "linear"
    assert str(wait_shape([[0, 1], [0.5, 0.25]])) == "0: 1, 0.5: 0.25"
    settings = Settings().replace(wait_shape="late")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert pickle.loads(pickle.dumps(SHAPES["late"])) == SHAPES["late"]


def test_a_shape_with_dynamic_endpointing_is_refused():
    with pytest.raises(ValueError, match=r"wait_shape \(linear\) can't be kept with endpointing"):
        Settings().replace(wait_shape="linear", endpointing_mode="dynamic")

"""Choices under a budget, and the frontier, against a double loop."""

from __future__ import annotations

import math

import naive
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.errors import InputError
from lab_utils.turns.choose import Budget, NoneWithinBudget, answering, choose, choose_or_nearest, frontier


def scored(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    columns = ["false_boundary_rate", "latency_mean", "latency_p95", "missed_rate"]
    return pd.DataFrame(rows, columns=columns, dtype=float)


TRADE_OFF = scored(
    (0.30, 0.5, 0.9, 0.0),
    (0.10, 0.8, 1.4, 0.0),
    (0.10, 0.8, 1.2, 0.0),
    (0.02, 1.5, 2.0, 0.0),
    (0.02, 1.4, 2.5, 0.0),
    (0.00, 0.2, 0.3, 0.9),
)


@pytest.mark.parametrize(("most", "row"), [(0.02, 4), (0.1, 2), (0.2, 2), (0.3, 0), (1.0, 0)])
def test_least_latency_within_a_false_boundary_rate(most, row):
    assert choose(TRADE_OFF, Budget.false_boundary_rate(most)) == row


@pytest.mark.parametrize(("most_s", "row"), [(1.0, 0), (1.2, 2), (1.4, 2), (2.0, 3), (9.0, 4)])
def test_least_false_boundary_rate_within_a_latency(most_s, row):
    """Of equal rates the lower mean latency wins."""
    assert choose(TRADE_OFF, Budget.latency_p95(most_s)) == row


def test_the_latency_to_be_least_can_be_named():
    assert choose(TRADE_OFF, Budget.false_boundary_rate(0.02, "latency_p95")) == 3


def test_a_rate_exactly_at_the_limit_is_within_it_despite_rounding():
    table = scored((0.1 + 0.2, 1.0, 1.0, 0.0))
    assert choose(table, Budget.false_boundary_rate(0.3)) == 0


def test_of_equal_settings_the_first_is_chosen():
    assert choose(scored(*[(0.1, 1.0, 2.0, 0.0)] * 5), Budget.false_boundary_rate(0.1)) == 0


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        ([(0.10, 0.5, 0.6, 0.0), (0.05, 0.5, 0.9, 0.0)], 1),  # the rate before p95
        ([(0.10, 0.5, 0.9, 0.0), (0.10, 0.5, 0.6, 0.0)], 1),  # p95 before the order
        ([(0.10, 0.5, 0.6, 0.02), (0.10, 0.5, 0.6, 0.0)], 0),  # the order, not the missed turns
    ],
)
def test_equally_fast_settings_are_told_apart_by_rate_then_p95_then_order(rows, row):
    assert choose(scored(*rows), Budget.false_boundary_rate(0.1)) == row


def test_missing_turns_does_not_win():
    """The last row misses nine turns of ten; that is not a low rate at a low latency."""
    assert not answering(TRADE_OFF).iloc[5]
    assert 5 not in frontier(TRADE_OFF)
    assert frontier(TRADE_OFF) == [4, 1, 0]
    assert 5 in frontier(TRADE_OFF, most_missed=0.9)


def test_how_many_turns_may_be_missed_is_part_of_the_budget():
    table = scored((0.1, 1.0, 1.5, 0.0), (0.0, 1.0, 1.0, 0.02), (0.0, 0.5, 1.0, 0.021))
    assert answering(table).tolist() == [True, True, False]
    assert choose(table, Budget.false_boundary_rate(0.1)) == 1
    assert choose(table, Budget.false_boundary_rate(0.1, most_missed=0.0)) == 0
    assert choose(table, Budget.false_boundary_rate(0.1, most_missed=0.05)) == 2
    assert str(Budget.latency_p95(0.5, 0.01)).endswith("latency_p95 <= 0.5 and missed_rate <= 0.01")


def test_a_budget_that_no_setting_answers_often_enough_for_says_so_and_the_nearest_misses_least():
    table = scored((0.0, 1.0, 1.5, 0.5), (0.2, 1.0, 1.0, 0.1))
    with pytest.raises(NoneWithinBudget, match=r"misses at most 2\.0% .* the least in this grid is 10\.0%"):
        choose(table, Budget.false_boundary_rate(0.1))
    assert choose_or_nearest(table, Budget.false_boundary_rate(0.1)) == 1


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            Budget.false_boundary_rate(0.01),
            r"no setting has false_boundary_rate <= 0\.01; the least in this grid is 0\.020\. .*widen",
        ),
        (Budget.latency_p95(0.5), r"no setting has latency_p95 <= 0\.5; the least in this grid is 0\.900"),
    ],
)
def test_a_budget_that_none_meets_is_refused_with_the_nearest_figure(budget, message):
    with pytest.raises(NoneWithinBudget, match=message):
        choose(TRADE_OFF, budget)


@pytest.mark.parametrize("missed", [math.nan, 1.0])
def test_a_sweep_without_a_committed_turn_chooses_nothing(missed):
    table = scored(*[(math.nan, math.nan, math.nan, missed)] * 2)
    with pytest.raises(NoneWithinBudget, match=r"none was scored|no setting misses"):
        choose(table, Budget.false_boundary_rate(0.1))
    assert choose_or_nearest(table, Budget.false_boundary_rate(0.1)) == 0
    assert frontier(table) == []


def test_the_nearest_to_the_budget_is_chosen_by_the_same_rules():
    """Two rows come nearest; the faster of them is taken, not the first."""
    assert choose_or_nearest(TRADE_OFF, Budget.false_boundary_rate(0.01)) == 4
    assert choose_or_nearest(TRADE_OFF, Budget.latency_p95(0.5)) == 0
    assert choose_or_nearest(TRADE_OFF, Budget.false_boundary_rate(0.1)) == 2


rates = st.sampled_from([0.0, 0.1, 0.2, 0.5, math.nan])
seconds = st.sampled_from([0.1, 0.2, 0.5])
rows = st.tuples(
    rates,
    st.one_of(st.just((math.nan, math.nan)), st.tuples(seconds, seconds)),
    st.sampled_from([0.0, 0.015, 0.3, math.nan]),
).map(lambda row: (row[0], *row[1], row[2]))
limits = st.sampled_from(
    [
        ("false_boundary_rate", "latency_mean"),
        ("false_boundary_rate", "latency_p95"),
        ("latency_p95", "false_boundary_rate"),
    ]
)


@given(st.lists(rows, min_size=1, max_size=20), limits, st.sampled_from([0.0, 0.1, 0.3]))
def test_choices_are_those_of_the_double_loop(rows, names, most):
    table, (limit, least) = scored(*rows), names
    expected = naive.choose(table.to_dict("records"), limit, most, least)
    if expected is None:
        with pytest.raises(NoneWithinBudget):
            choose(table, Budget(limit, most, least))
    else:
        assert choose(table, Budget(limit, most, least)) == expected


def test_none_within_a_budget_says_how_many_reach_it_by_not_answering():
    reached_exactly = scored(
        (0.30, 0.5, 0.9, 0.0), (0.05, 0.2, 0.3, 0.9), (0.01, 0.2, 0.3, 0.5), (0.06, 0.2, 0.3, 0.5)
    )
    with pytest.raises(
        NoneWithinBudget, match=r"the least in this grid is 0\.300.*\(2 settings reach it but"
    ):
        choose(reached_exactly, Budget.false_boundary_rate(0.05))
    with pytest.raises(NoneWithinBudget) as none:
        choose(reached_exactly.iloc[:1], Budget.false_boundary_rate(0.05))
    assert "reach it" not in str(none.value)


@pytest.mark.parametrize("most", [10, 1.5, -0.1, math.nan, "10 %", None])
def test_a_rate_that_is_no_share_is_told(most: object) -> None:
    with pytest.raises(InputError, match=r"a share from 0 to 1 \(10 % is 0\.10\), got"):
        Budget.false_boundary_rate(most)

"""Joint configurations with intervals: figures by hand, choices in draws, and what is held out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.latency.joint.calls import Outcome
from lab_utils.latency.joint.configuration import DOLLARS
from lab_utils.turns.folds import make_folds
from lab_utils.turns.held_out.choice_variance import draws_of
from lab_utils.turns.metrics import PerRecording
from lab_utils.turns.sweep import Sweep
from lab_utils.workflows.joint.chosen import JointBudget
from lab_utils.workflows.joint.judged import FIGURES, RATES, Judge, Outcomes, within_rates

CONFIGURATIONS = 7
BUDGET = JointBudget("e2e_p95", 0.2, 0.1)


def scored_call(rng: np.random.Generator, holds: int, turns: int) -> tuple[PerRecording, Outcome]:
    cut = float(rng.integers(0, holds + 1)) / 2
    latency_s = rng.uniform(0.3, 2.0, (1, turns))
    missed = float(rng.integers(0, 2) * (turns > 8))
    of_turns = PerRecording(
        holds=holds,
        holds_cut=cut,
        holds_cut_at_most=cut,
        turns=turns,
        turns_cut=0.0,
        turns_cut_at_most=0.0,
        timeouts=0.0,
        missed=missed,
        in_no_label=0.0,
        latency_s=latency_s,
    )
    e2e_s = latency_s[0] + rng.choice([0.3, 0.6, math.inf], turns, p=[0.6, 0.37, 0.03])
    return of_turns, Outcome(e2e_s, float(rng.uniform(0.01, 0.1)), e2e_s + rng.choice([0.0, 2.0], turns))


def study(seed: int, calls: int = 8) -> tuple[list[list[PerRecording]], list[list[Outcome]]]:
    """`scored[c][r]`, `outcomes[c][r]`"""
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.integers(0, 9)), int(rng.integers(1, 12))) for _ in range(calls)]
    rows = [[scored_call(rng, *size) for size in sizes] for _ in range(CONFIGURATIONS)]
    return [[one[0] for one in of] for of in rows], [[one[1] for one in of] for of in rows]


def by_hand(scored: list[PerRecording], outcomes: list[Outcome]) -> dict[str, float]:
    """Figures of one configuration over a list of recordings."""
    found = {}
    for name, q in (("e2e_p50", 0.50), ("e2e_p95", 0.95), ("answer_p95", 0.95)):
        of = [one.answer_s if name == "answer_p95" else one.e2e_s for one in outcomes]
        values = sorted(np.concatenate(of).tolist())
        place = (len(values) - 1) * q
        low, high = values[math.floor(place)], values[math.ceil(place)]
        found[name] = high if high in (low, math.inf) else low + (place % 1) * (high - low)
    turns = sum(len(one.e2e_s) for one in outcomes)
    holds = sum(one.holds for one in scored)
    found["false_boundary_rate"] = sum(one.holds_cut for one in scored) / holds if holds else math.nan
    found["missed_rate"] = sum(one.missed for one in scored) / sum(one.turns for one in scored)
    found[DOLLARS] = 1000 * sum(one.dollars for one in outcomes) / turns
    return found


def table_of(
    scored: list[list[PerRecording]], outcomes: list[list[Outcome]], kept: list[int]
) -> pd.DataFrame:
    """A row per configuration, over recordings that may come several times."""
    rows = zip(scored, outcomes, strict=True)
    return pd.DataFrame([by_hand([a[r] for r in kept], [b[r] for r in kept]) for a, b in rows])


def judge(seed: int) -> tuple[Judge, pd.DataFrame]:
    scored, outcomes = study(seed)
    calls = range(len(scored[0]))
    table, folds = table_of(scored, outcomes, list(calls)), make_folds(len(calls))
    without = tuple(table_of(scored, outcomes, [r for r in calls if r not in fold]) for fold in folds)
    result = Sweep(table, folds, without)
    return Judge(result, np.arange(CONFIGURATIONS), Outcomes.of(scored, outcomes), without), table


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_figures_are_those_by_hand_within_their_intervals(seed) -> None:
    judged, table = judge(seed)
    for row in range(CONFIGURATIONS):
        for name, (value, low, high) in judged.figures(row).items():
            np.testing.assert_allclose(value, table[name][row], rtol=1e-9, err_msg=name)
            assert not low > value * (1 + 1e-9), name
            assert not high < value * (1 - 1e-9), name


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([JointBudget(), BUDGET, JointBudget("e2e_p50", 0.3, 1.0, 8.0)])
)
def test_each_draw_chooses_as_the_table_of_its_recordings_does(seed, budget) -> None:
    scored, outcomes = study(seed, 4)
    weights = draws_of(4, 6, seed)
    of = Outcomes.of(scored, outcomes).columns(budget.columns, weights)
    for draw, found in zip(weights, budget.best(of).tolist(), strict=True):
        kept = [r for r, n in enumerate(draw.astype(int).tolist()) for _ in range(n)]
        table = table_of(scored, outcomes, kept)
        expected = budget.choose(table)
        np.testing.assert_allclose(table[budget.least][found], table[budget.least][expected], rtol=1e-9)
        np.testing.assert_allclose(budget.excess(table)[found], budget.excess(table)[expected], atol=1e-9)


def test_what_may_not_be_chosen_is_not() -> None:
    of = {name: np.array([[0.0, 0.1, 0.2]]) for name in BUDGET.columns}
    assert BUDGET.best(of).tolist() == [0]
    assert BUDGET.best(of, np.array([False, True, True])).tolist() == [1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_held_out_is_the_choice_of_the_other_recordings_on_each_folds_own(seed) -> None:
    scored, outcomes = study(seed)
    judged, _ = judge(seed)
    fixed = np.empty(len(scored[0]), dtype=int)
    for fold, metrics in zip(judged.result.folds, judged.without, strict=True):
        fixed[list(fold)] = BUDGET.choose(metrics)
    each = list(enumerate(fixed.tolist()))
    expected = by_hand([scored[row][r] for r, row in each], [outcomes[row][r] for r, row in each])
    found = judged.held_out(BUDGET)
    assert found is not None
    given_settings = judged.outcomes.judged(fixed)
    for name in FIGURES:
        value, low, high = found[name]
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, err_msg=name)
        assert not low > given_settings[name].low + 1e-9, name
        assert not high < given_settings[name].high - 1e-9, name


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_choices_within_rates_are_those_that_meet_them_by_themselves_and_held_out(seed) -> None:
    judged, table = judge(seed)
    found = {one.most_cut: one for one in within_rates(judged, table, BUDGET, quiet=True)}
    assert list(found) == sorted(found)
    for most_cut in {*RATES, BUDGET.most_cut}:
        own = replace(BUDGET, most_cut=most_cut)
        row = own.choose(table)
        assert (most_cut in found) == (own.excess(table)[row] == 0)
        if most_cut in found:
            one = found[most_cut]
            assert (one.row, one.figures, one.held_out) == (row, judged.figures(row), judged.held_out(own))


def test_nothing_is_held_out_of_one_recording() -> None:
    scored, outcomes = study(1, 1)
    table = table_of(scored, outcomes, [0])
    one = Judge(Sweep(table, (), ()), np.arange(CONFIGURATIONS), Outcomes.of(scored, outcomes), ())
    assert one.held_out(BUDGET) is None
    assert all(of.held_out is None for of in within_rates(one, table, BUDGET, quiet=True))


@pytest.mark.parametrize("most_cut", [0.0, 0.01])
def test_latencies_are_not_told_where_chance_decides_who_keeps_the_budget(most_cut) -> None:
    judged, _ = judge(3)
    found = judged.held_out(JointBudget("e2e_p95", most_cut, 1.0))
    assert found is not None
    assert np.isnan(found["e2e_p95"][1:]).all()
    assert not np.isnan(found["false_boundary_rate"][2])

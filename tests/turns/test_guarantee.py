"""Guarantees: how often a bad setting is certified, how many calls a good one takes, and what is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Turn, labels_of, traced_of

from lab_utils.turns import guarantee
from lab_utils.turns.choose import Budget, frontier
from lab_utils.turns.grid import expand
from lab_utils.turns.guarantee import (
    Guarantee,
    calls_needed,
    capital,
    certified,
    certify,
    settings_in,
    shares_of,
    split,
    usual_shares,
)
from lab_utils.turns.sweep import Corpus, sweep

BUDGET = 0.1


def slow_capital(shares: list[float], budget: float) -> float:
    """The largest capital, one call after the other, as a plain product."""
    own, largest = 1.0, 1.0
    for k, share in enumerate(shares):
        mean = sum(shares[:k]) / (k + 5)
        variance = sum(x * x for x in shares[:k]) / (k + 5) - mean**2
        edge = budget - mean
        bet = 0.0 if edge <= 0 else min(1 / (1 - budget), edge / (variance + edge**2))
        own *= max(0.0, 1 + bet * (budget - share))
        largest = max(largest, own)
    return largest


@given(
    st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.25, 1.0]), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_the_capital_is_the_product_of_the_bets(shares, budget):
    found = capital(np.array([shares]), budget)[0]
    assert found[-1] == pytest.approx(math.log(slow_capital(shares, budget)), abs=1e-9)
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: (rng.random(shape) < BUDGET).astype(float),  # whole calls are cut, or none
        usual_shares(BUDGET, holds=4, correlation=0.2),
        usual_shares(BUDGET, holds=25, correlation=0.02),
        lambda rng, shape: np.full(shape, BUDGET),
        lambda rng, shape: np.where(rng.random(shape) < 0.5, 0.0, 2 * BUDGET),
    ],
)
def test_a_setting_just_at_the_budget_is_certified_in_at_most_one_study_of_ten(draw):
    """The worst of all settings that are not within it, in studies that may stop at the best moment."""
    shares = draw(np.random.default_rng(1), (2000, 150))
    falsely = (capital(shares, BUDGET)[:, -1] >= math.log(10)).mean()
    assert falsely <= 0.10 + 2 * math.sqrt(0.09 / 2000)


def test_a_setting_within_the_budget_takes_a_few_dozen_testing_calls():
    """22 with none cut at the least; about 30 at 2 % and 50 at 4 %; 12 never."""
    passed = {
        (n, rate): (
            capital(usual_shares(rate)(np.random.default_rng(2), (1000, n)), BUDGET)[:, -1] >= math.log(10)
        ).mean()
        for n, rate in ((30, 0.02), (50, 0.04), (12, 0.0), (12, 0.02))
    }
    assert 0.65 < passed[30, 0.02] < 0.9
    assert 0.75 < passed[50, 0.04] < 0.95
    assert passed[12, 0.0] == passed[12, 0.02] == 0.0
    assert not certified(np.zeros(21), BUDGET, 0.9)
    assert certified(np.zeros(22), BUDGET, 0.9)


@pytest.mark.slow
def test_more_calls_are_needed_the_nearer_the_rate_is_to_the_budget():
    needed = [calls_needed(usual_shares(rate), BUDGET) for rate in (0.0, 0.02, 0.04, 0.06)]
    assert needed[0] == 22
    assert needed == sorted(needed)
    assert 28 <= needed[1] <= 38
    assert calls_needed(usual_shares(0.12), BUDGET) is None


@pytest.mark.parametrize(
    ("budget", "confidence", "message"),
    [(0.0, 0.9, "budget 0: expected more"), (0.1, 90, "confidence 90: .*less than 1")],
)
def test_shares_given_in_per_cent_are_refused(budget, confidence, message):
    with pytest.raises(ValueError, match=message):
        certified(np.zeros(30), budget, confidence)


# --- a sweep's settings -----------------------------------------------------------------------------


def call(number: int, pause_s: float | None):
    pauses = () if pause_s is None else ((pause_s, "hold"),)
    turn = Turn((1.2,) * (len(pauses) + 1), pauses, gap=2.5, reply=1.0, rest=2.0)
    return traced_of(labels_of([turn] * 2), name=f"call-{number}", noise=0.0)


@pytest.fixture(scope="module")
def table():
    return expand({"detector": ["vad"], "min_delay": [0.5, 0.8, 1.3]})[0]


def corpus_of(pauses: list[float | None]) -> Corpus:
    return Corpus.of([call(k, pause_s) for k, pause_s in enumerate(pauses)])


def test_the_fastest_setting_that_passes_is_certified(table):
    """All calls pause for 0.7 s: 0.5 s cuts them all, 0.8 s and 1.3 s none; two calls have no holds."""
    corpus = corpus_of([0.7] * 30 + [None] * 2)
    result = sweep(corpus, table, quiet=True)
    found = certify(corpus, result, Budget.false_boundary_rate(BUDGET))
    assert found.row == 1
    assert (found.ordering_calls, found.testing_calls, found.without_holds) == (8, 22, 2)
    assert found.shares == (0.0,) * 22
    assert found.more_calls == 0
    assert str(found).startswith(
        "on future calls like these, with 90% confidence, on average at most 10.0% of a call's holds are cut"
    )
    assert "2 calls without holds are left out" in str(found)


def test_the_order_is_by_the_latency_that_is_made_least(table, monkeypatch):
    asked = []
    monkeypatch.setattr(guarantee, "frontier", lambda *given: asked.append(given[1:]) or frontier(*given))
    corpus = corpus_of([0.7] * 30)
    result = sweep(corpus, table, quiet=True)
    found = certify(corpus, result, Budget.false_boundary_rate(BUDGET, "latency_p95", 0.05))
    assert asked == [("latency_p95", 0.05)]
    assert found.row == 1


def test_too_few_calls_certify_nothing_and_say_how_many_more(table):
    corpus = corpus_of([0.7] * 12)
    found = certify(corpus, sweep(corpus, table, quiet=True), Budget.false_boundary_rate(BUDGET))
    assert found.row is None
    assert found.more_calls == 30 - 12
    assert "no setting can be certified" in str(found)
    assert "about 18 more calls with holds would be needed" in str(found)


def test_settings_over_the_budget_are_not_certified_by_any_number_of_calls():
    corpus = corpus_of([1.6] * 30)
    table = expand({"detector": ["vad"], "min_delay": [0.5]})[0]
    found = certify(corpus, sweep(corpus, table, quiet=True), Budget.false_boundary_rate(BUDGET))
    assert found.row is None
    assert found.more_calls is None
    assert "no number of calls would do" in str(found)


def test_calls_without_any_hold_certify_nothing(table):
    corpus = corpus_of([None] * 4)
    found = certify(corpus, sweep(corpus, table, quiet=True), Budget.false_boundary_rate(BUDGET))
    assert (found.row, found.candidates, found.testing_calls, found.without_holds) == (None, 0, 0, 4)
    assert "can be certified" in str(found)


def test_ordering_and_testing_calls_are_drawn_apart_by_seed():
    corpus = corpus_of([0.7] * 16)
    one, two, other = (split(corpus, seed) for seed in (0, 0, 1))
    assert one == two != other
    assert sorted(one[0] + one[1]) == list(range(16))


def test_a_cut_off_pause_counts_as_cut_in_a_guarantee(table):
    turn = Turn((1.2, 1.2), ((0.7, "cut_off"),), gap=2.5, reply=1.0, rest=2.0)
    corpus = Corpus.of([traced_of(labels_of([turn] * 2), noise=0.0)])
    slow = settings_in(sweep(corpus, table, quiet=True), 2)
    from lab_utils.core.settings import USUAL_CONDITIONS

    assert shares_of(corpus, [slow], USUAL_CONDITIONS)[0].tolist() == [1.0]


def test_a_budget_of_latency_cannot_be_guaranteed(table):
    corpus = corpus_of([0.7] * 4)
    with pytest.raises(ValueError, match="a guarantee of latency_p95: only of the false-boundary rate"):
        certify(corpus, sweep(corpus, table, quiet=True), Budget.latency_p95(1.0))


def test_the_words_name_what_was_tested():
    text = str(Guarantee(0.1, 0.9, None, (), 0, 3, 9, 0, 5))
    assert "none answers often enough" in text

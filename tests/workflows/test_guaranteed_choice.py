"""A choice with a guarantee: what is chosen, what the profile says, and what is said if there is none."""

from __future__ import annotations

import datetime as dt

import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.turns.choose import Budget, NoneWithinBudget
from lab_utils.turns.grid import expand
from lab_utils.turns.profile import to_yaml
from lab_utils.turns.replay import Block
from lab_utils.turns.sweep import Corpus, Sweep, sweep
from lab_utils.workflows.study.choice import choose_settings, make_profile

BUDGET = Budget.false_boundary_rate(0.1)


def studied(calls: int) -> tuple[Corpus, Sweep]:
    """Calls that pause for 0.7 s; of three waits the two longer ones cut nobody off."""
    turn = Turn((1.2, 1.2), ((0.7, "hold"),), gap=2.5, reply=1.0, rest=2.0)
    taped = (traced_of(labels_of([turn] * 2), name=f"call-{k}", noise=0.0) for k in range(calls))
    corpus = Corpus.of([complete(one, [Block.of(Settings())]) for one in taped])
    table, _ = expand({"detector": ["vad"], "min_delay": [0.5, 0.8, 1.3]})
    return corpus, sweep(corpus, table, quiet=True)


@pytest.mark.slow
def test_a_certified_choice_stands_in_the_profile_in_words():
    corpus, result = studied(30)
    choice = choose_settings(corpus, result, BUDGET, USUAL_CONDITIONS, guarantee=0.9)
    assert choice.settings.endpointing.min_delay == 0.8
    assert choice.held_out is None
    made = make_profile(corpus, choice, USUAL_CONDITIONS, 1, "careful", dt.date(2026, 1, 2))
    assert made.evidence is not None
    assert made.evidence.guarantee is not None
    assert made.evidence.guarantee.startswith(
        "on future calls like these, with 90% confidence, on average at most 10.0% of a call's holds are cut"
    )
    assert "guarantee: " in to_yaml(made)


def test_too_few_calls_are_told_with_how_many_more():
    corpus, result = studied(12)
    with pytest.raises(NoneWithinBudget, match="about 18 more calls with holds would be needed"):
        choose_settings(corpus, result, BUDGET, USUAL_CONDITIONS, guarantee=0.9)

"""Lengths of holds of which some were cut off: the estimator's definition, and a known truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.recordings.labels.hold_lengths import hold_lengths, seen_until


def call(holds: list[float], cut_offs: list[float]) -> Labels:
    """Holds of these lengths, and pauses in which the agent spoke after so long."""
    at, ipus, labels = 0.0, [], []
    for duration in holds:
        labels.append(Label("hold", at, at + duration))
        at += duration + 1
    for onset in cut_offs:
        labels.append(Label("cut_off", at, at + onset + 0.8))
        ipus.append(Ipu("agent", at + onset, at + onset + 0.5))
        at += onset + 3
    return Labels(at + 1, tuple(ipus), tuple(labels))


lengths = st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0, 2.0]), max_size=12)


@given(lengths.filter(len), lengths)
def test_the_estimate_is_the_product_of_the_chances_to_go_on(holds, cut_offs):
    found = hold_lengths(call(holds, cut_offs))
    # Binary fractions from the start of the call keep the lengths exact enough to compare.
    whole = np.round(np.array(holds), 6)
    share = 1.0
    for at in sorted(set(whole)):
        at_risk = sum(whole >= at) + sum(np.array(cut_offs) >= at)
        share *= 1 - sum(whole == at) / at_risk
        k = int(np.argmin(np.abs(found.length_s - at)))
        assert found.estimated[k] == pytest.approx(share)
        assert found.naive[k] == pytest.approx(np.mean(whole > at))
    assert (found.holds, found.cut_offs) == (len(holds), len(cut_offs))
    theirs = stats.ecdf(stats.CensoredData(uncensored=holds, right=cut_offs)).sf.evaluate(found.length_s)
    np.testing.assert_allclose(found.estimated, theirs, atol=1e-12)


def test_without_cut_offs_both_curves_are_the_same():
    found = hold_lengths(call([0.3, 0.5, 1.2], []), call([0.8], []))
    np.testing.assert_allclose(found.naive, found.estimated)
    assert "none cut off" in str(found)


def test_an_agent_that_cuts_at_random_hides_long_holds_and_the_estimate_finds_them():
    """Holds of 1 s on average; an agent that speaks after a random delay hides four in ten."""
    rng = np.random.default_rng(0)
    length, delay = rng.exponential(1.0, 4000), rng.exponential(1.5, 4000)
    seen = length <= delay
    found = hold_lengths(call(length[seen].tolist(), delay[~seen].tolist()))
    for at in (0.5, 1.0, 2.0):
        naive, estimated = found.longer_than(at)
        assert estimated == pytest.approx(np.exp(-at), abs=0.03)
        assert naive < np.exp(-at) - 0.05


def test_the_time_seen_ends_with_the_agents_first_word():
    assert seen_until(call([], [0.7, 1.5])).tolist() == pytest.approx([0.7, 1.5])


def test_what_lies_beyond_the_longest_hold_cannot_be_told_if_longer_ones_were_cut():
    found = hold_lengths(call([0.3] * 6 + [0.6] * 6, [0.9] * 3))
    assert np.isnan(found.longer_than(1.0)[1])
    assert found.longer_than(0.1) == (1.0, 1.0)
    assert "over 1 s can't be told" in str(found)
    json.dumps(found.plain(), allow_nan=False)
    assert found.plain()["longer_than"][1]["estimated"] is None


def test_few_or_no_holds_say_so():
    assert "too few to tell" in str(hold_lengths(call([0.5], [0.7])))
    nothing = hold_lengths(call([], []))
    assert np.isnan(nothing.longer_than(1.0)).all()
    assert nothing.plain()["longer_than"][0]["naive"] is None

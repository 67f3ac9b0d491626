"""Censoring: what an old agent's delay let one see."""

from __future__ import annotations

import pytest
from hypothesis import given
from synthetic import conversations

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.recordings.labels.censoring import censoring, onset_delays


def call(delays: list[float], holds: list[float], cut_offs: int = 0) -> Labels:
    at, ipus, labels = 0.0, [], []
    for duration in holds:
        labels.append(Label("hold", at, at + duration))
        at += duration + 1
    for delay in delays:
        labels.append(Label("shift", at, at + delay))
        at += delay + 1
    for _ in range(cut_offs):
        labels.append(Label("cut_off", at, at + 1.0))
        ipus.append(Ipu("agent", at + 0.7, at + 0.9))
        at += 2
    return Labels(at + 1, tuple(ipus), tuple(labels))


def test_holds_longer_than_the_shortest_delay_are_counted():
    found = censoring(call([0.5] * 10 + [1.5] * 10, [0.3, 0.4, 0.8, 2.0], cut_offs=2))
    assert found.observable_hold_s == pytest.approx(0.5)
    assert (found.holds, found.holds_at_risk, found.cut_offs, found.onsets) == (4, 2, 2, 22)
    assert found.shifts_at_risk == 10
    assert "2 of 4 holds are longer" in str(found)


def test_overlaps_say_nothing_about_a_delay_and_cut_offs_do():
    assert onset_delays(call([0.0, 0.5], [], cut_offs=1)).tolist() == pytest.approx([0.5, 0.7])


def test_too_few_answers_tell_no_delay():
    found = censoring(call([0.5] * 4, [3.0]))
    assert (found.observable_hold_s, found.holds_at_risk, found.shifts_at_risk) == (None, 0, 0)
    assert "too few answers (4)" in str(found)
    assert found.plain()["onsets"] == 4


def test_recordings_of_one_agent_are_taken_together():
    assert censoring(call([0.5] * 3, []), call([0.9] * 3, [])).onsets == 6
    assert censoring().onsets == 0


@given(conversations())
def test_counts_never_exceed_what_there_is(labels):
    found = censoring(labels)
    assert 0 <= found.holds_at_risk <= found.holds == len(labels.of_kind("hold"))
    assert found.shifts_at_risk <= found.onsets

from __future__ import annotations

from dataclasses import astuple

from lab_utils.latency.techniques.cards import cards
from lab_utils.latency.techniques.choice import NAMES


def test_every_technique_says_what_it_is_where_it_is_done_and_what_goes_wrong() -> None:
    told = cards()
    assert [card.name for card in told] == list(NAMES)
    assert [card.number for card in told] == list(range(1, 13))
    assert all(len(part) > 5 for card in told for part in astuple(card)[2:])
    assert "preemptive generation is on by default" in told[0].by_default

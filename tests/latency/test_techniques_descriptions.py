from __future__ import annotations

from dataclasses import astuple

from lab_utils.latency.techniques.choice import NAMES
from lab_utils.latency.techniques.descriptions import descriptions


def test_every_technique_says_what_it_is_where_it_is_done_and_what_goes_wrong() -> None:
    told = descriptions()
    assert [one.name for one in told] == list(NAMES)
    assert [one.number for one in told] == list(range(1, 13))
    assert all(len(part) > 5 for one in told for part in astuple(one)[2:])
    assert "preemptive generation is on by default" in told[0].by_default

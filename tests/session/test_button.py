"""A caller's button: one hold for each turn, around its speech, and operated at its moments."""

import asyncio
import itertools

import pytest
from calls import sample, short_call
from hypothesis import given
from hypothesis import strategies as st
from virtual import on_virtual_clock

from lab_utils.core.labels import Ipu, Labels
from lab_utils.session.caller.button import Hold, holds, operate
from lab_utils.session.caller.turns import caller_turns


def test_a_hold_covers_a_turn_with_a_margin_on_both_sides() -> None:
    labels = Labels(10.0, (Ipu("user", 1.0, 2.0), Ipu("agent", 3.0, 4.0), Ipu("user", 5.0, 6.0)), ())
    expected = [Hold(0.8, 2.1), Hold(4.8, 6.1)]
    assert [pytest.approx(hold) for hold in holds(labels)] == expected
    assert holds(labels, early_s=0, late_s=0) == (Hold(1.0, 2.0), Hold(5.0, 6.0))


def test_the_button_stays_down_through_holds_and_up_through_backchannels() -> None:
    labels = short_call().labels
    assert labels is not None
    assert len(labels.of_kind("hold"))
    assert len(holds(labels)) == len([turn for turn in caller_turns(labels) if not turn.backchannel]) == 2


@pytest.mark.slow
@given(st.floats(0, 3), st.floats(0, 3), st.sampled_from(["01", "03", "07"]))
def test_holds_are_in_order_apart_and_around_their_turns(early_s: float, late_s: float, name: str) -> None:
    labels = sample(name).labels
    assert labels is not None
    turns = [turn for turn in caller_turns(labels) if not turn.backchannel]
    found = holds(labels, early_s=early_s, late_s=late_s)
    for hold, turn in zip(found, turns, strict=True):
        assert hold.down_s <= turn.start_s
        assert hold.up_s >= turn.end_s
    assert all(before.up_s <= after.down_s for before, after in itertools.pairwise(found))


def test_times_that_are_negative_are_refused() -> None:
    with pytest.raises(ValueError, match="early_s is -1"):
        holds(Labels(1.0, (), ()), early_s=-1)


@on_virtual_clock
async def test_the_button_is_operated_at_its_moments() -> None:
    loop, seen = asyncio.get_running_loop(), []
    start_s = loop.time()
    await operate(
        [Hold(0.5, 1.25), Hold(1.25, 2.0)],
        start_s,
        lambda: seen.append(("down", round(loop.time() - start_s, 9))),
        lambda: seen.append(("up", round(loop.time() - start_s, 9))),
    )
    assert seen == [("down", 0.5), ("up", 1.25), ("down", 1.25), ("up", 2.0)]

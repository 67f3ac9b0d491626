"""When a late caller's audio reaches the agent."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.session.late_join import CATCH_UP_S, LateJoin, in_time, late_join, since

JOIN_S = 0.2


def joins(*speech: tuple[float, float], buffered: bool) -> LateJoin:
    return late_join(np.array(speech).reshape(-1, 2), JOIN_S, buffered=buffered)


@st.composite
def stretches(draw: st.DrawFn) -> np.ndarray:
    steps = draw(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.1, 3.0)), min_size=1, max_size=6))
    edges = np.cumsum([x for step in steps for x in step])
    return edges.reshape(-1, 2)


@given(stretches(), st.floats(0.01, 2.0), st.booleans())
def test_nothing_arrives_early_or_out_of_order_or_later_than_the_join(
    speech: np.ndarray, join_s: float, buffered: bool
) -> None:
    arrives = late_join(speech, join_s, buffered=buffered)
    spoken = np.linspace(0.0, speech[-1, 1] + 2 * CATCH_UP_S + join_s, 200).tolist()
    late = [arrives(spoken_s) - spoken_s for spoken_s in spoken]
    assert all(-1e-9 <= late_s <= join_s + 1e-9 for late_s in late)
    assert all(one <= two for one, two in itertools.pairwise(map(arrives, spoken)))
    assert all(late_s == 0 for spoken_s, late_s in zip(spoken, late, strict=True) if spoken_s <= speech[0, 0])
    assert late[-1] == 0


def test_what_is_buffered_comes_in_a_burst_and_then_in_time() -> None:
    arrives = joins((1.0, 3.0), buffered=True)
    assert [arrives(s) for s in (0.9, 1.0, 1.05, 1.2, 1.3)] == [0.9, 1.0, 1.2, 1.2, 1.3]


def test_what_is_not_buffered_lags_until_the_first_long_silence() -> None:
    arrives = joins((1.0, 3.0), (3.5, 5.0), (8.0, 9.0), buffered=False)
    assert arrives(1.01) == pytest.approx(1.21)
    assert arrives(3.6) == pytest.approx(3.8)  # half a second of silence was too short
    assert arrives(5.0) == pytest.approx(5.2)
    assert arrives(5.0 + CATCH_UP_S) == 5.0 + CATCH_UP_S
    assert arrives(8.0) == 8.0


def test_a_caller_who_never_speaks_has_nothing_to_wait_for() -> None:
    assert joins(buffered=False)(7.0) == 7.0


def test_seconds_can_count_from_elsewhere() -> None:
    arrives = since(0.5, joins((1.0, 3.0), buffered=False))
    assert arrives(0.4) == pytest.approx(0.4)
    assert arrives(1.0) == pytest.approx(1.2)
    assert since(0.5, in_time) is in_time

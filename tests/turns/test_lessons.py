"""What dynamic endpointing learned, pause by pause, and whether it was right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.settings import VadSettings
from lab_utils.core.traces import VadTrace
from lab_utils.plots import learned_delays
from lab_utils.turns.metrics.lessons import lesson_table
from lab_utils.turns.replay import find_pauses
from lab_utils.turns.replay.endpointing import Lesson, learned_min_delays, lessons

LABELS = Labels(
    40.0,
    (Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 5.0), Ipu("user", 9.0, 9.4), Ipu("user", 12.0, 20.0)),
    (Label("hold", 2.0, 3.0), Label("shift", 5.0, 6.0), Label("backchannel", 9.0, 9.4)),
)


def test_what_each_pause_was() -> None:
    spans = [(2.1, 3.0), (5.1, 8.0), (9.5, 12.0), (14.0, 15.0), (30.0, 31.0)]
    table = lesson_table([Lesson(a, b, b + 1, 0.3, 0.4) for a, b in spans], LABELS)
    assert table["what"].tolist() == ["hold", "end of turn", "backchannel", "speech", ""]
    assert table["wrong"].tolist() == [False, True, True, True, False]
    assert table["pause_s"].tolist() == pytest.approx([b - a for a, b in spans])


def test_a_pause_of_which_more_than_half_is_speech_was_speech() -> None:
    spans = [(11.0, 13.0), (11.0, 13.25), (19.0, 21.0)]
    table = lesson_table([Lesson(a, b, b + 1, 0.3, 0.4) for a, b in spans], LABELS)
    assert table["what"].tolist() == ["", "speech", ""]


def whats(labels: Labels, *spans: tuple[float, float]) -> list[str]:
    return lesson_table([Lesson(a, b, b + 1, 0.3, 0.4) for a, b in spans], labels)["what"].tolist()


def test_edges_may_lie_three_tenths_of_a_second_apart() -> None:
    """A backchannel on either side; an end of turn a little after the pause was heard to begin."""
    short = Labels(40.0, (), (Label("backchannel", 0.1, 0.3), Label("backchannel", 20.0, 20.3)))
    spans = ((0.0, 9.0), (0.61, 9.0), (9.0, 19.75), (9.0, 19.65))
    assert whats(short, *spans) == ["backchannel", "", "backchannel", ""]
    begins = Labels(40.0, (), (Label("backchannel", 0.3, 2.0),))
    assert whats(begins, (0.0, 0.6), (0.0, 0.61)) == ["backchannel", ""]
    ends = Labels(40.0, (), (Label("shift", 0.0, 1.0), Label("shift", 12.0, 13.0)))
    spans = ((0.3, 1.0), (0.31, 1.0), (11.0, 12.0), (11.0, 12.01))
    assert whats(ends, *spans) == ["end of turn", "", "", "end of turn"]


def test_a_pause_that_shares_a_moment_with_a_hold_or_a_cut_off_was_one() -> None:
    labels = Labels(40.0, (), (Label("hold", 2.0, 3.0), Label("cut_off", 5.0, 6.0)))
    spans = ((2.9, 4.0), (3.0, 4.0), (5.9, 7.0), (6.0, 7.0), (4.0, 5.0))
    assert whats(labels, *spans) == ["hold", "", "cut off", "", ""]
    table = lesson_table([Lesson(5.9, 7.0, 8.0, 0.3, 0.4)], labels)
    assert table["wrong"].tolist() == [False]
    assert table.dtypes[["at_s", "pause_from_s", "pause_s", "before_s", "after_s"]].eq(np.float64).all()


@given(
    st.lists(st.tuples(st.integers(5, 60), st.integers(10, 90)), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(0.0, 12.0), st.floats(0.1, 3.0)), max_size=2),
    st.sampled_from([0.0, 0.3, 0.8]),
    st.floats(0.3, 0.99),
)
def test_the_delays_are_those_of_the_replay(
    runs: list[tuple[int, int]], turns: list[tuple[float, float]], min_delay: float, alpha: float
) -> None:
    p = np.concatenate([np.repeat([0.95, 0.01], run) for run in runs])
    pauses = find_pauses(VadTrace("silero", 0, p), VadSettings(model="silero"), 800)
    starts = np.cumsum([0.0, *[length + gap for gap, length in turns]])
    agent = np.array([(s + g, s + g + n) for s, (g, n) in zip(starts, turns, strict=False)]).reshape(-1, 2)
    expected = learned_min_delays(pauses, agent, np.array([min_delay]), np.array([2.0]), alpha)[:, 0]
    found = lessons(pauses, agent, min_delay, 2.0, alpha)
    after = {one.at_s: one.after_s for one in found}
    now, walked = min_delay, []
    for at_s in pauses.last_speaking_s.tolist():
        now = after.get(at_s, now)
        walked.append(min(now, 2.0))
    assert walked == pytest.approx(expected.tolist())
    assert all(one.pause_until_s > one.pause_from_s for one in found)


def test_wrong_lessons_are_marked() -> None:
    found = [Lesson(2.1, 3.0, 5.0, 0.3, 0.5), Lesson(5.1, 8.0, 9.0, 0.5, 1.2)]
    drawn = learned_delays(Figure().subplots(), lesson_table(found, LABELS), 0.3, 1.0, 40.0)
    assert drawn.artists.delay.get_ydata().tolist() == [0.3, 0.5, 1.0, 1.0]  # at most max_delay
    assert drawn.artists.wrong.get_offsets().tolist() == [[9.0, pytest.approx(2.9)]]
    assert [text.get_text() for text in drawn.ax.texts] == ["end of turn"]
    empty = learned_delays(Figure().subplots(), lesson_table([], LABELS), 0.3, 1.0, 40.0)
    assert empty.artists.delay.get_ydata().tolist() == [0.3, 0.3]

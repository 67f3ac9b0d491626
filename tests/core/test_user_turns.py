"""One definition of the user's turns, and what its users make of it."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core import labels as module
from lab_utils.core.labels import Ipu, Label, Labels, agent_turns, labels_until, user_ipus, user_turns
from lab_utils.latency.ablation.timing import turns_of
from lab_utils.recordings.labels.checks import label_checks
from lab_utils.session.caller.turns import caller_turns
from lab_utils.turns.metrics import labelled_pauses

CUT_OFF = Labels(
    20.0,
    (
        Ipu("user", 1.0, 2.0),
        Ipu("agent", 2.6, 3.2),
        Ipu("user", 3.0, 4.0),
        Ipu("agent", 5.0, 6.0),
        Ipu("user", 7.0, 8.0),
        Ipu("agent", 9.0, 10.0),
    ),
    (Label("cut_off", 2.0, 3.0), Label("shift", 4.0, 5.0), Label("shift", 8.0, 9.0)),
)
"""Two turns of the user, the first with a pause into which the agent barged."""


@st.composite
def labelled(draw: st.DrawFn) -> Labels:
    """A user whose IPUs are followed by a pause, labelled or not, or are backchannels."""
    ipus, labels, at_s = [], [], 1.0
    for kind in draw(
        st.lists(st.sampled_from(("hold", "shift", "cut_off", "backchannel", None)), max_size=12)
    ):
        speech_s, pause_s = draw(st.floats(0.2, 2.0)), draw(st.floats(0.2, 2.0))
        end_s = at_s + speech_s
        ipus.append(Ipu("user", at_s, end_s))
        if kind == "backchannel":
            labels.append(Label(kind, at_s, end_s))
        elif kind is not None:
            labels.append(Label(kind, end_s, end_s + pause_s))
        if draw(st.booleans()):
            ipus.append(Ipu("agent", end_s + pause_s / 2, end_s + pause_s))
        at_s = end_s + pause_s
    return Labels(at_s + 1.0, tuple(ipus), tuple(labels))


def test_the_example_in_the_docstring():
    assert doctest.testmod(module).failed == 0


def test_a_turn_with_a_cut_off_pause_is_one_turn_for_all_who_count_turns():
    turns = user_turns(CUT_OFF)
    assert [(turn.start_s, turn.end_s) for turn in turns] == [(1.0, 4.0), (7.0, 8.0)]
    assert labelled_pauses(CUT_OFF).n_turns == len(turns_of(CUT_OFF)) == len(turns) == 2
    # The reactive caller needs a cue for what follows the pause, and cuts the turn there.
    assert [(turn.start_s, turn.end_s, turn.kind) for turn in caller_turns(CUT_OFF)] == [
        (1.0, 2.0, "opening"),
        (3.0, 4.0, "continuation"),
        (7.0, 8.0, "answer"),
    ]


def test_label_checks_show_the_words_of_one_turn():
    words = tuple(
        module.Word("user", at_s, at_s + 0.4, text)
        for at_s, text in ((1.1, "I"), (3.1, "would"), (7.1, "not"))
    )
    labels = Labels(CUT_OFF.duration_s, CUT_OFF.ipus, CUT_OFF.labels, words)
    first, second = label_checks(labels, ("shift",))
    assert (first.before, second.before) == ("I would", "not")


def test_speech_after_the_last_labelled_end_is_a_turn_if_asked_for():
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 4.0)), (Label("shift", 2.0, 3.0),))
    assert [turn.end_s for turn in user_turns(labels)] == [2.0]
    assert [turn.end_s for turn in user_turns(labels, unfinished=True)] == [2.0, 4.0]


def test_an_end_of_turn_without_speech_still_counts():
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0),), (Label("shift", 5.0, 6.0), Label("shift", 2.0, 3.0)))
    assert [(turn.start_s, turn.end_s, turn.ipus) for turn in user_turns(labels)] == [
        (1.0, 2.0, ((1.0, 2.0),)),
        (2.0, 5.0, ()),
    ]


@given(labelled())
def test_turns_hold_each_ipu_but_backchannels_once_and_end_where_shifts_begin(labels):
    turns = user_turns(labels, unfinished=True)
    assert [ipu for turn in turns for ipu in turn.ipus] == [tuple(row) for row in user_ipus(labels).tolist()]
    ended = user_turns(labels)
    assert turns[: len(ended)] == ended
    assert len(turns) - len(ended) in (0, 1)
    assert [turn.end_s for turn in ended] == labels.of_kind("shift")[:, 0].tolist()
    assert len(ended) == labelled_pauses(labels).n_turns == len(turns_of(labels))
    for turn in turns:
        assert all(turn.start_s <= start_s < stop_s <= turn.end_s for start_s, stop_s in turn.ipus)
        assert turn.until_s > turn.end_s


@given(labelled())
def test_the_callers_turns_are_the_users_cut_but_never_joined(labels):
    caller = [turn for turn in caller_turns(labels) if not turn.backchannel]
    for turn in caller:
        holders = [
            one for one in user_turns(labels, unfinished=True) if one.start_s <= turn.start_s < one.until_s
        ]
        assert len(holders) == 1
        assert turn.end_s <= holders[0].end_s
    spoken = np.array([(turn.start_s, turn.end_s) for turn in caller]).reshape(-1, 2)
    for start_s, end_s in user_ipus(labels):
        assert np.count_nonzero((spoken[:, 0] <= start_s) & (end_s <= spoken[:, 1])) == 1


def slow_agent_turns(labels: Labels) -> list[list[float]]:
    """IPU by IPU, each against all of the user's."""
    turns: list[list[float]] = []
    for one in (ipu for ipu in labels.ipus if ipu.speaker == "agent"):
        between = [u for u in labels.ipus if u.speaker == "user" and u.start_s < one.start_s]
        if turns and not any(u.end_s > turns[-1][1] for u in between):
            turns[-1][1] = max(turns[-1][1], one.end_s)
        else:
            turns.append([one.start_s, one.end_s])
    return turns


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "agent"]), st.integers(0, 40), st.integers(1, 12)), max_size=14
    ),
    st.integers(0, 40),
)
def test_agent_turns_are_joined_where_the_user_says_nothing_in_between(spans, until):
    spoken = [Ipu(speaker, start / 2, (start + length) / 2) for speaker, start, length in spans]
    labels = Labels(30.0, tuple(sorted(spoken, key=lambda ipu: ipu.start_s)), ())
    assert agent_turns(labels).tolist() == slow_agent_turns(labels)
    cut = labels_until(labels, until / 2, 30.0)
    assert cut.ipus == tuple(
        replace(ipu, end_s=min(ipu.end_s, until / 2)) for ipu in labels.ipus if ipu.start_s < until / 2
    )
    kept = [ipu for ipu in labels.ipus if ipu.end_s <= until / 2]
    assert all(any(ipu is one for one in cut.ipus) for ipu in kept)

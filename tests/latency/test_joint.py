"""Joint configurations: outcomes as replay and replies give them the slow way, choices as by hand."""

from __future__ import annotations

import math
from functools import cache

import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import SAMPLES

from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.latency.joint.calls import JointCall, answers_of, e2e_of
from lab_utils.latency.joint.configuration import (
    ALWAYS_ON,
    DOLLARS,
    EVERY_ONE,
    LEFT_OUT,
    SWITCHES,
    techniques_of,
)
from lab_utils.latency.joint.evaluate import Evaluator, figures_of
from lab_utils.latency.reply.call import Heard, answered
from lab_utils.latency.reply.records import ReplyTimes
from lab_utils.latency.reply.signals import Voice
from lab_utils.latency.techniques.choice import LEVER_NAMES, NAMES
from lab_utils.recordings.find import find_recordings
from lab_utils.session.providers.files import load_providers
from lab_utils.turns.replay import replay
from lab_utils.turns.tracing import default_cache
from lab_utils.workflows.joint.chosen import JointBudget, finalists, frontier

GUIDE = load_providers("guide")
SWITCHED = st.fixed_dictionaries({name: st.booleans() for name in SWITCHES})
DELAYS = st.sampled_from([0.0, 0.3, 0.8])


@cache
def call() -> JointCall:
    (files,) = find_recordings(SAMPLES / "03_blocked_card.flac")
    return JointCall.of(files, GUIDE, USUAL_CONDITIONS, seed=3, cache=default_cache(), wait_s=8.0)


def test_everything_is_chosen_always_on_or_left_out() -> None:
    assert sorted((*SWITCHES, *ALWAYS_ON, *LEFT_OUT)) == sorted((*NAMES, *LEVER_NAMES))
    assert (*EVERY_ONE.on, *EVERY_ONE.levers) != ()
    assert set(EVERY_ONE.on) | EVERY_ONE.levers == {*SWITCHES, *ALWAYS_ON}


@settings(max_examples=6, deadline=None)
@given(DELAYS, SWITCHED)
def test_outcomes_are_those_of_replay_and_replies_one_after_the_other(min_delay, switches) -> None:
    """Without a detector, so that no model is asked."""
    chosen = Settings().replace(detector="vad", min_delay=min_delay, min_silence_duration=0.4)
    techniques, of = techniques_of(switches), call()
    events = of.events((techniques.streaming_stt, techniques.regional_routing))
    traced = of.tracer.trace_session(of.recording, chosen, USUAL_CONDITIONS, 0, events)
    commits_s = replay(traced, chosen, USUAL_CONDITIONS, 0, events).time_s.tolist()
    finals = [(one.time_s, one.text) for one in events if one.kind == "final"]
    heard = Heard(
        events, Voice(traced.vad["livekit"][0].probabilities), naive.commits_with_words(commits_s, finals)
    )
    slow = answered(heard, chosen, USUAL_CONDITIONS, techniques, GUIDE, 3)
    (first, again) = of.outcomes([(chosen, techniques), (chosen, techniques)])
    assert first.e2e_s.tolist() == naive.e2e_s(slow.replies, of.ends_s.tolist()) == again.e2e_s.tolist()
    assert first.dollars == slow.usage.dollars(GUIDE) > 0
    assert np.isfinite(first.e2e_s).mean() > 0.8


def test_a_perfect_detector_is_faster_than_a_wait_and_answers_every_turn() -> None:
    of = call()
    floor = figures_of([of.floor(EVERY_ONE)])
    waits = Evaluator([of], default_cache()).table(
        [(Settings().replace(detector="vad", min_delay=1.5), EVERY_ONE)], [0]
    )
    assert floor["answered"] == 1.0
    assert floor["e2e_p50"] < waits["e2e_p50"][0] - 0.3
    assert floor["e2e_p95"] < waits["e2e_p95"][0]


def test_a_perfect_detectors_wait_is_for_the_words_alone() -> None:
    of = call()
    techniques = EVERY_ONE
    commits_s = of.perfect_commits(techniques)
    finals_s = [one.time_s for one in of.events((True, True)) if one.kind == "final"]
    for commit_s, (end_s, until_s) in zip(commits_s, of.ends_s, strict=True):
        assert commit_s in (end_s, *(one for one in finals_s if end_s <= one < until_s))
    waits_s = of.perfect_waits(techniques)
    assert waits_s.tolist() == (commits_s - of.ends_s[:, 0]).tolist()
    assert 0 <= waits_s.min() <= waits_s.max() < 0.5
    assert Evaluator([of], default_cache()).floor([techniques], "e2e_p95")["latency_mean"] == waits_s.mean()


times = st.floats(0.0, 30.0)


@given(st.lists(st.tuples(times, st.one_of(times, st.just(math.inf))), max_size=6))
def test_latency_by_turn_is_from_its_end_to_the_first_sound_after_the_first_commit(pairs) -> None:
    replies = [ReplyTimes(at, "", False, heard_s=at + later) for at, later in sorted(pairs)]
    turns = [(5.0, 12.0), (14.0, 20.0), (22.0, math.inf)]
    assert e2e_of(replies, np.array(turns)).tolist() == naive.e2e_s(replies, turns)


def test_the_answer_itself_is_that_of_the_first_commit_if_no_other_comes_before_it() -> None:
    preamble = ReplyTimes(6.0, "", False, heard_s=6.5, answer_s=9.0)
    cut = ReplyTimes(15.0, "", False, heard_s=15.5, answer_s=18.0)
    later = ReplyTimes(16.0, "", False, heard_s=16.5, answer_s=16.5)
    turns = np.array([(5.0, 12.0), (14.0, 20.0), (22.0, math.inf)])
    assert answers_of([preamble, cut, later], turns).tolist() == [4.0, math.inf, math.inf]
    assert e2e_of([preamble, cut, later], turns).tolist() == [1.5, 1.5, math.inf]


rows = st.tuples(*[st.sampled_from([0.0, 0.05, 0.1, 0.3])] * 2, st.sampled_from([0.9, 1.0, math.inf]))


@given(
    st.lists(st.tuples(rows, st.sampled_from([4.0, 6.0])), min_size=1, max_size=8), st.sampled_from([5, 9])
)
def test_the_choice_keeps_the_budget_if_any_does_and_no_frontier_row_is_beaten(table, most) -> None:
    frame = pd.DataFrame(
        [(rate, missed, late, dollars) for (rate, missed, late), dollars in table],
        columns=["false_boundary_rate", "missed_rate", "e2e_p95", DOLLARS],
    )
    budget = JointBudget("e2e_p95", 0.1, 0.05, most)
    within = [
        k
        for k, one in frame.iterrows()
        if one["false_boundary_rate"] <= 0.1 and one["missed_rate"] <= 0.05 and one[DOLLARS] <= most
    ]
    chosen = budget.choose(frame)
    if within:
        assert chosen in within
        assert frame["e2e_p95"][chosen] == frame["e2e_p95"][within].min()
    assert sorted(frontier(frame, budget)) == naive.joint_frontier(frame, "e2e_p95", 0.05, most)
    run = finalists(frame, budget, chosen, 3)
    assert run[0] == chosen
    assert len(set(run)) == len(run) <= 3


def test_a_limit_of_the_median_rules_out_a_long_wait_for_all() -> None:
    frame = pd.DataFrame([(1.8, 1.9), (0.9, 2.3), (1.2, 2.2)], columns=["e2e_p50", "e2e_p95"]).assign(
        false_boundary_rate=0.1, missed_rate=0.0, **{DOLLARS: 5.0}
    )
    assert JointBudget().choose(frame) == 0
    assert JointBudget(most_p50_s=1.2).choose(frame) == 2
    assert JointBudget(most_p50_s=0.5).choose(frame) == 1  # none keeps it: the nearest


def test_finalists_and_the_frontier_keep_what_the_choice_keeps() -> None:
    """Also where what exceeds a limit beats them; without limits they are the frontier's."""
    rows = [(0.9, 2.0, 0.10, 5.0), (1.5, 1.8, 0.08, 5.0), (1.1, 2.1, 0.09, 5.0), (1.1, 2.0, 0.08, 9.0)]
    columns = ["e2e_p50", "e2e_p95", "false_boundary_rate", DOLLARS]
    frame = pd.DataFrame(rows, columns=columns).assign(missed_rate=0.0)
    limited = JointBudget(most_p50_s=1.2, most_dollars=6.0)
    assert finalists(frame, limited, 0, 4) == [0, 2]
    assert sorted(frontier(frame, limited)) == [0, 2]
    assert frontier(frame, JointBudget()) == [1]
    assert finalists(frame, JointBudget(), 1, 4) == [1]
    assert finalists(frame, JointBudget(most_p50_s=0.5), 1, 4) == [1]


def test_a_limit_of_the_answer_rules_out_what_a_preamble_makes_late() -> None:
    frame = pd.DataFrame([(1.3, 4.2), (1.9, 2.6)], columns=["e2e_p95", "answer_p95"]).assign(
        e2e_p50=1.0, false_boundary_rate=0.1, missed_rate=0.0, **{DOLLARS: 5.0}
    )
    limited = JointBudget(most_answer_s=3.0)
    assert (JointBudget().choose(frame), limited.choose(frame)) == (0, 1)
    assert (frontier(frame, JointBudget()), frontier(frame, limited)) == ([0], [1])
    assert str(limited).endswith(", answer_p95 <= 3 s")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("e2e_p95", 1.5), "most_cut is 1.5; expected a share"),
        (("e2e_p95", 0.1, -0.1), "most_missed is -0.1"),
        (("e2e_p95", 0.1, 0.02, 5.0, 0.0), "a median of at most 0 s; expected above 0"),
        (("e2e_p95", 0.1, 0.02, 5.0, 1.0, 0.0), "an answer after at most 0 s; expected above 0"),
        (("e2e_p50", 0.1, 0.02, 0.0), "a cost of at most 0 \\$ per 1,000 turns; expected above 0"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        JointBudget(*arguments)

"""One session in a few figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils.core.labels import Ipu, Label
from lab_utils.core.session_log import SessionEvent
from lab_utils.session.metrics import SESSION_SCORES, false_boundaries, session_scores

SCRIPT = [Exchange(0.5, 4.0, hold=(1.5, 2.5), hold_commit_s=2.1), Exchange(8.0, 10.0, interrupted=True)]
LOG, LABELS = session_of(SCRIPT), labels_of_session(SCRIPT, 20.0)


def test_a_false_boundary_whose_reply_was_given_up_was_not_heard():
    scores = session_scores(LOG, LABELS)
    assert tuple(scores) == SESSION_SCORES
    counts = {name: scores[name] for name in SESSION_SCORES[:5]}
    assert counts == {"commits": 3, "false_boundaries": 1, "heard": 0, "replies": 2, "interrupted": 1}
    assert scores["e2e_p50"] == pytest.approx(LOG.replies[0].stages["e2e_latency"])


def test_it_was_heard_if_its_reply_was_played():
    early = replace(LOG.replies[0], commit_s=2.1)
    assert session_scores(replace(LOG, replies=(early, *LOG.replies)), LABELS)["heard"] == 1
    late_transcript = replace(early, stages={"playback_latency": 0.0})  # LiveKit has no total for it
    assert session_scores(replace(LOG, replies=(late_transcript,)), LABELS)["heard"] == 1
    given_up = replace(early, stages={"end_of_turn_delay": 0.6})
    assert session_scores(replace(LOG, replies=(given_up, *LOG.replies)), LABELS)["heard"] == 0


def test_a_reply_that_begins_as_the_caller_resumes():
    """The first reply begins at 5.3 s; the second's caller says nothing more."""
    first_s = next(event.time_s for event in LOG.of_kind("playout_starts"))
    commit_s = [event.time_s for event in LOG.of_kind("commit") if event.time_s < first_s][-1]

    def said(start_s: float, end_s: float, kind: str = "") -> float:
        labels = (Label("backchannel", start_s, end_s),) if kind else ()
        more = replace(LABELS, ipus=(*LABELS.ipus, Ipu("user", start_s, end_s)), labels=labels)
        return session_scores(LOG, more)["as_resumed"]

    assert session_scores(LOG, LABELS)["as_resumed"] == 0
    assert said(commit_s + 0.01, first_s + 0.5) == 1  # the agent speaks into it
    assert said(first_s + 0.1, first_s + 0.5) == 1  # both begin at once
    assert said(first_s + 0.3, first_s + 0.5) == 0  # an interruption
    for end_s in (first_s - 0.01, first_s):  # over before
        assert said(commit_s + 0.01, end_s) == 0
    for start_s in (commit_s - 0.1, commit_s):  # begun by the commit: a false boundary
        assert said(start_s, first_s + 0.5) == 0
    assert said(first_s + 0.2, first_s + 0.5) == 1  # the last moment at which the caller is unaware of it
    assert said(commit_s + 0.01, first_s + 0.5, "backchannel") == 0
    events = (
        SessionEvent(commit_s + 0.01, "caller_starts", {}),
        SessionEvent(first_s + 1, "caller_ends", {}),
    )
    ordered = tuple(sorted((*LOG.events, *events), key=lambda event: event.time_s))
    assert session_scores(replace(LOG, mode="reactive", events=ordered), LABELS)["as_resumed"] == 1


def test_a_reply_that_begins_with_its_commit_answers_it():
    """Both at 3 s; the caller, who began at 2.5 s, before that commit, was cut off instead."""
    events = (
        SessionEvent(1.0, "commit", {}),
        SessionEvent(3.0, "commit", {}),
        SessionEvent(3.0, "playout_starts", {}),
        SessionEvent(4.0, "playout_ends", {}),
    )
    labels = replace(LABELS, ipus=(Ipu("user", 2.5, 3.5),), labels=())
    assert session_scores(replace(LOG, events=events), labels)["as_resumed"] == 0
    assert session_scores(replace(LOG, events=(events[0], *events[2:])), labels)["as_resumed"] == 1


def test_a_commit_as_a_reactive_caller_begins_is_false_and_as_the_turn_ends_it_is_not():
    turns = ((2.0, "caller_starts"), (3.0, "caller_ends"), (5.0, "caller_starts"), (6.0, "caller_ends"))
    events = [SessionEvent(time_s, kind, {}) for time_s, kind in turns]
    events += [SessionEvent(time_s, "commit", {}) for time_s in (1.5, 2.0, 3.0, 4.0, 5.5)]
    log = replace(LOG, mode="reactive", events=tuple(sorted(events, key=lambda event: event.time_s)))
    assert false_boundaries(log, LABELS).tolist() == [2.0, 5.5]


def test_a_reactive_callers_own_turns_count_not_the_labels():
    turns = ((2.0, "caller_starts"), (2.2, "caller_ends"), (4.6, "caller_starts"), (9.0, "caller_ends"))
    events = (*LOG.events, *(SessionEvent(time_s, kind, {}) for time_s, kind in turns))
    log = replace(LOG, mode="reactive", events=tuple(sorted(events, key=lambda event: event.time_s)))
    commits = [event.time_s for event in log.of_kind("commit")]
    assert commits == pytest.approx([2.1, 4.6, 10.6])
    np.testing.assert_allclose(false_boundaries(log, LABELS), [2.1, 4.6])
    np.testing.assert_allclose(false_boundaries(LOG, LABELS), [2.1])


def test_an_empty_session():
    for mode in ("open_loop", "reactive"):
        scores = session_scores(replace(session_of([], 5.0), mode=mode), LABELS)
        assert [scores[name] for name in SESSION_SCORES[:5]] == [0] * 5
        assert np.isnan(scores["e2e_p50"])

"""A session's events as spans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.session_log import SessionEvent
from lab_utils.session.metrics import activities, playouts, session_commits

HOLD = Exchange(0.5, 4.0, hold=(1.5, 2.5), hold_commit_s=2.1)


def log_of(*events):
    made = tuple(SessionEvent(time_s, kind, data) for time_s, kind, data in events)
    return replace(session_of([], 10.0), events=made)


class TestActivities:
    def test_runs_are_told_apart_by_id(self):
        log = log_of(
            (1.0, "llm_starts", {"id": "a"}), (1.2, "llm_starts", {"id": "b"}),
            (1.3, "llm_first_token", {"id": "a"}), (1.4, "llm_first_token", {"id": "b"}),
            (1.5, "llm_ends", {"id": "b"}), (1.9, "llm_ends", {"id": "a"}),
        )  # fmt: skip
        found = [(run.start_s, run.first_s, run.end_s) for run in activities(log, "llm_starts")]
        assert found == [(1.0, 1.3, 1.9), (1.2, 1.4, 1.5)]

    def test_without_ids_a_first_token_is_the_newest_runs(self):
        log = log_of(
            (1.0, "llm_starts", {}), (1.2, "llm_starts", {}), (1.25, "llm_ends", {}),
            (1.4, "llm_first_token", {}), (1.5, "llm_ends", {}),
        )  # fmt: skip
        first, second = activities(log, "llm_starts")
        assert (first.waiting_s, first.working_s) == ((1.0, 1.25), None)
        assert (second.waiting_s, second.working_s) == ((1.2, 1.4), (1.4, 1.5))

    def test_what_never_ended_has_no_end_and_strays_are_left_out(self):
        log = log_of((0.5, "tts_ends", {}), (1.0, "tts_starts", {}), (2.0, "tool_starts", {"name": "find"}))
        (speech,) = activities(log, "tts_starts")
        assert np.isnan([speech.first_s, speech.end_s]).all()
        (tool,) = activities(log, "tool_starts")
        assert (tool.name, tool.waiting_s) == ("find", (2.0, 2.0))
        assert tool.working_s is not None
        assert np.isnan(tool.working_s[1])

    def test_a_kind_that_begins_nothing_is_refused(self):
        with pytest.raises(ValueError, match=r"llm_starts, tts_starts.*got 'commit'"):
            activities(log_of(), "commit")


class TestPlayouts:
    def test_pauses_belong_to_their_playout_and_repeated_ones_change_nothing(self):
        log = log_of(
            (1.0, "playout_starts", {}), (1.5, "playout_pauses", {}), (1.6, "playout_pauses", {}),
            (2.0, "playout_resumes", {}), (2.5, "playout_pauses", {}),
            (3.0, "playout_ends", {"interrupted": True}),
            (3.1, "playout_pauses", {}), (4.0, "playout_starts", {}),
        )  # fmt: skip
        first, second = playouts(log)
        assert (first.start_s, first.end_s, first.interrupted) == (1.0, 3.0, True)
        assert first.pauses.tolist() == [[1.5, 2.0], [2.5, 3.0]]
        assert not playouts(log_of((1.0, "playout_starts", {}), (2.0, "playout_ends", {})))[0].interrupted
        assert second.start_s == 4.0
        assert np.isnan(second.end_s)
        assert len(second.pauses) == 0


class TestSessionCommits:
    def test_a_commit_inside_a_hold_is_a_false_boundary(self):
        log = session_of([HOLD])
        frame = session_commits(log, labels_of_session([HOLD], log.duration_s))
        assert frame["commit_s"].tolist() == [2.1, pytest.approx(4.6)]
        assert frame["false_boundary"].tolist() == [True, False]
        assert frame["label"].tolist() == ["hold", "end_of_turn"]
        assert frame["latency_s"].iloc[1] == pytest.approx(0.68)

    def test_each_commit_keeps_its_own_probability_and_none_that_it_was_not_told(self):
        told = [Exchange(1.0, 2.0, probability=0.25), Exchange(7.0, 8.0, cause="min_delay", probability=None)]
        log = session_of(told)
        for labels in (None, labels_of_session(told, log.duration_s)):
            np.testing.assert_array_equal(session_commits(log, labels)["probability"], [0.25, np.nan])

    def test_the_last_pause_goes_on_for_as_long_as_the_session_did(self):
        """A session hears more than the labels tell: silence is added, or the caller waits for an answer."""
        labels = Labels(3.2, (Ipu("user", 1.0, 2.9),), (Label("shift", 2.9, 3.2),))
        log = log_of((3.5, "commit", {}), (5.5, "commit", {}), (10.5, "commit", {}))
        frame = session_commits(log, labels)
        assert frame["label"].tolist() == ["end_of_turn", "end_of_turn", "other"]
        assert frame["latency_s"].iloc[0] == pytest.approx(0.6)
        early = session_commits(replace(log, duration_s=2.0), labels)
        assert early["label"].tolist() == ["other", "other", "other"]

    def test_without_labels_nothing_is_called_false(self):
        frame = session_commits(session_of([HOLD]))
        assert not frame["false_boundary"].any()
        assert "label" not in frame

    def test_what_was_not_told_is_unknown(self):
        frame = session_commits(session_of([Exchange(1.0, 2.0, cause=None, probability=None)]))
        assert frame["cause"].tolist() == ["unknown"]
        assert frame["probability"].isna().all()

    def test_no_commits(self):
        log = session_of([], 5.0)
        assert len(session_commits(log)) == len(session_commits(log, labels_of_session([HOLD], 6.0))) == 0

"""Stages of a reply's latency: what adds up, what overlaps, what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_sessions import Exchange, session_of

from lab_utils.core.session_log import Reply, SessionEvent
from lab_utils.session.metrics import ADDED, VISIBLE, stage_summary, stage_table, visible
from lab_utils.session.metrics.stages import ReplyStages

PLAIN = Exchange(1.0, 3.0)
"""0.6 + 0.02 + 0.35 + 0.2 + 0.03, and 0.1 for the first sentence."""
SECONDS = st.floats(0.0, 5.0)


def row(exchange: Exchange = PLAIN, **others):
    return stage_table(session_of([exchange], **others)).iloc[0]


def without(log, *names):
    (reply,) = log.replies
    stages = {name: value for name, value in reply.stages.items() if name not in names}
    return replace(log, replies=(replace(reply, stages=stages),))


def with_run(log, part, start_s, took_s):
    """The log with one more run of the "llm" or "tts", which had its first output after `took_s`."""
    first = "llm_first_token" if part == "llm" else "tts_first_audio"
    kinds = {f"{part}_starts": start_s, first: start_s + took_s, f"{part}_ends": start_s + took_s + 0.01}
    more = [SessionEvent(time_s, kind, {"id": "other"}) for kind, time_s in kinds.items()]
    return replace(log, events=tuple(sorted((*log.events, *more), key=lambda event: event.time_s)))


class TestWhichRunBelongsToAReply:
    """The reply is heard at 4.08 s; its LLM ran from 3.4 to 3.75 s, 0.22 s of it behind the wait."""

    LOG = session_of([replace(PLAIN, preemptive=0.4)])

    @pytest.mark.parametrize("start_s", [3.8, 4.2, 4.9])
    def test_none_that_had_its_first_token_after_the_reply_was_heard(self, start_s):
        log = with_run(self.LOG, "llm", start_s, 0.35)
        assert stage_table(log).iloc[0]["saved"] == pytest.approx(0.22)

    def test_of_several_that_took_as_long_the_last_one_before(self):
        log = with_run(self.LOG, "llm", 2.0, 0.35)
        assert stage_table(log).iloc[0]["saved"] == pytest.approx(0.22)

    def test_one_whose_first_output_was_all_but_heard(self):
        """Nothing but the LLM's first token is known of the reply, which was heard 10 ms later."""
        known = "end_of_turn_delay", "on_user_turn_completed_delay", "llm_node_ttft", "e2e_latency"
        stages = dict(zip(known, (0.6, 0.02, 0.35, 0.76), strict=True))
        (reply,) = self.LOG.replies
        one = stage_table(replace(self.LOG, replies=(replace(reply, stages=stages),))).iloc[0]
        assert (one["saved"], one["other"]) == (pytest.approx(0.22), pytest.approx(0.01))

    def test_none_that_took_longer_or_shorter_than_livekit_says(self):
        for took_s in (0.35 + 0.03, 0.35 - 0.03):
            log = with_run(self.LOG, "llm", 3.0, took_s)
            assert stage_table(log).iloc[0]["saved"] == pytest.approx(0.22)
            alone = with_run(session_of([replace(PLAIN, preemptive=0.4)], events=False), "llm", 3.0, took_s)
            assert stage_table(alone).iloc[0]["saved"] == pytest.approx(0.12)

    def test_a_run_of_the_llm_is_no_run_of_the_tts(self):
        early = replace(PLAIN, end_of_turn=1.0, preemptive=0.1, preemptive_tts=True, ttfb=0.35)
        log = session_of([early])
        found, other = stage_table(log).iloc[0], stage_table(with_run(log, "llm", 3.99, 0.35)).iloc[0]
        assert found["visible_tts_node_ttfb"] == other["visible_tts_node_ttfb"]


class TestStageTable:
    def test_stages_one_after_the_other_leave_what_no_figure_covers(self):
        one = row()
        assert one["e2e_latency"] == pytest.approx(1.3)
        assert one["other"] == pytest.approx(0.1)
        assert one["saved"] == 0
        assert [one[f"visible_{name}"] for name in ADDED] == pytest.approx([one[name] for name in ADDED])

    def test_transcription_lies_inside_the_end_of_turn_and_is_not_added(self):
        one = row(replace(PLAIN, transcription=0.5))
        assert one["transcription_delay"] == 0.5
        assert one["other"] == pytest.approx(0.1)

    def test_the_events_tell_how_much_of_the_llm_ran_during_the_wait(self):
        # starts 0.4 s after the last speech; commit and hook are over at 0.62: 0.22 of 0.35 s are hidden
        one = row(replace(PLAIN, preemptive=0.4))
        assert one["saved"] == pytest.approx(0.22)
        assert one["visible_llm_node_ttft"] == pytest.approx(0.13)
        assert one["other"] == pytest.approx(0.1)
        assert one["e2e_latency"] == pytest.approx(1.08)

    def test_without_events_saved_and_other_are_net_of_each_other(self):
        one = row(replace(PLAIN, preemptive=0.4), events=False)
        assert one["saved"] == pytest.approx(0.12)
        assert one["other"] == 0
        assert one["visible_llm_node_ttft"] == pytest.approx(0.23)

    def test_an_llm_that_was_ready_at_the_commit_is_wholly_saved(self):
        one = row(replace(PLAIN, preemptive=0.1))
        assert one["saved"] == pytest.approx(0.35)
        assert one["visible_llm_node_ttft"] == 0
        # the first sentence was waiting, too, and is in no figure
        assert one["other"] == pytest.approx(0, abs=1e-9)

    def test_preemptive_tts_can_be_wholly_saved(self):
        early = replace(PLAIN, end_of_turn=1.0, preemptive=0.1, preemptive_tts=True)
        one = row(early)
        assert one["saved"] == pytest.approx(0.55)
        assert one["e2e_latency"] == pytest.approx(1.05)
        assert one["visible_tts_node_ttfb"] == 0

    def test_generations_given_up_are_not_taken_for_the_replys_own(self):
        # the one given up never had a token
        assert row(replace(PLAIN, hold=(1.5, 2.2), hold_commit_s=2.0))["saved"] == 0

    def test_a_tool_and_the_call_that_asked_for_it_are_other(self):
        one = row(replace(PLAIN, tool=0.7))
        assert one["other"] == pytest.approx(0.1 + 0.35 + 0.7)
        assert one["saved"] == 0

    def test_events_tell_also_where_livekit_reported_no_more_than_it_takes(self):
        """End of turn, total and the LLM's own figure; without a hook the commit ends the wait."""
        log = session_of([replace(PLAIN, preemptive=0.4)])
        bare = without(
            log, "transcription_delay", "on_user_turn_completed_delay", "tts_node_ttfb", "playback_latency"
        )
        assert len(bare.replies[0].stages) == 3
        assert stage_table(bare).iloc[0]["saved"] == pytest.approx(0.2)
        assert stage_table(without(bare, "end_of_turn_delay")).iloc[0]["saved"] == 0

    def test_what_livekit_did_not_report_is_missing_not_zero(self):
        log = without(session_of([PLAIN]), "tts_node_ttfb", "on_user_turn_completed_delay")
        one = stage_table(log).iloc[0]
        assert np.isnan(one["tts_node_ttfb"])
        assert np.isnan(one["visible_tts_node_ttfb"])
        assert one["missing"] == "on_user_turn_completed_delay tts_node_ttfb"
        assert one["other"] == pytest.approx(0.1 + 0.2 + 0.02)

    def test_without_a_total_nothing_can_be_split(self):
        one = stage_table(without(session_of([PLAIN]), "e2e_latency")).iloc[0]
        assert one["end_of_turn_delay"] == 0.6
        assert np.isnan(
            [one["other"], one["saved"], one["e2e_latency"], one["visible_end_of_turn_delay"]]
        ).all()

    def test_a_greeting_answers_nothing_and_has_no_row(self):
        table = stage_table(session_of([PLAIN], greeting=True))
        assert table["reply"].tolist() == [1]
        assert table["commit_s"].tolist() == [pytest.approx(3.6)]

    def test_no_replies_make_an_empty_table_of_the_same_columns(self):
        empty, full = stage_table(session_of([])), stage_table(session_of([PLAIN]))
        assert len(empty) == 0
        assert (empty.dtypes == full.dtypes).all()

    @pytest.mark.slow
    @given(
        st.lists(
            st.fixed_dictionaries({}, optional=dict.fromkeys([*ADDED, "e2e_latency"], SECONDS)), max_size=6
        ),
        st.floats(0.0, 3.0),
    )
    def test_the_sum_is_the_total_whatever_is_reported(self, stages, preemptive):
        log = session_of([replace(PLAIN, preemptive=preemptive)])
        log = replace(log, replies=tuple(Reply(3.6, "", "", False, one) for one in stages))
        table = stage_table(log)
        total, parts = table["e2e_latency"], visible(table)
        known = total.notna()
        np.testing.assert_allclose(parts.sum(axis=1)[known], total[known], atol=1e-8)
        added = table[list(ADDED)].sum(axis=1) + table["other"] - table["saved"]
        np.testing.assert_allclose(added[known], total[known], atol=1e-8)
        assert parts[~known].isna().all(axis=None)
        for name in VISIBLE:
            assert (parts[name].dropna() >= 0).all()
        for name in ADDED:
            assert (parts[name] <= table[name] + 1e-9)[parts[name].notna()].all()
            assert table[name].isna().tolist() == [name not in one for one in stages]
        assert (table["saved"].dropna() >= 0).all()


class TestReplyStages:
    """What a picture of the stages shows."""

    def test_visible_parts_follow_each_other_and_what_is_saved_comes_after_them(self):
        found = ReplyStages.of(session_of([replace(PLAIN, preemptive=0.4)]))
        (one,) = found.table.itertuples()
        assert (one.saved, one.e2e_latency) == (pytest.approx(0.22), pytest.approx(1.08))
        assert found.ends_s.tolist() == [pytest.approx(1.08 + 0.22)]
        assert (found.p50_s, found.p95_s) == (pytest.approx(1.08), pytest.approx(1.08))
        assert found.final_s.tolist() == [pytest.approx(one.transcription_delay)]
        shown = found.lengths.iloc[0].dropna()
        assert (shown > 0).all()
        assert shown.sum() == pytest.approx(1.08)
        begins = [0.0, *np.cumsum(shown)[:-1]]
        np.testing.assert_allclose(found.starts.iloc[0][shown.index], begins)

    def test_a_part_that_is_wholly_saved_or_missing_has_no_length_and_moves_none(self):
        saved = ReplyStages.of(session_of([replace(PLAIN, preemptive=0.1)]))
        assert np.isnan(saved.lengths["llm_node_ttft"].iloc[0])
        missing = ReplyStages.of(without(session_of([PLAIN]), "on_user_turn_completed_delay"))
        assert np.isnan(missing.lengths["on_user_turn_completed_delay"].iloc[0])
        assert missing.starts.iloc[0].tolist() == pytest.approx([0.0, 0.6, 0.6, 0.95, 1.15, 1.18])

    def test_a_reply_that_was_never_heard_ends_nowhere(self):
        found = ReplyStages.of(without(session_of([PLAIN]), "e2e_latency"))
        assert found.ends_s.tolist() == [0.0]
        assert np.isnan(found.final_s).all()
        assert (found.p50_s, found.p95_s) == (None, None)

    def test_a_final_that_came_with_the_last_speech_is_not_told(self):
        log = session_of([PLAIN])
        (reply,) = log.replies
        at_once = replace(log, replies=(replace(reply, stages={**reply.stages, "transcription_delay": 0.0}),))
        assert np.isnan(ReplyStages.of(at_once).final_s).all()


class TestStageSummary:
    def test_figures_of_each_stage_count_only_what_was_reported(self):
        tables = [stage_table(session_of([replace(PLAIN, ttft=x)])) for x in (0.2, 0.4, 0.9)]
        tables.append(stage_table(without(session_of([PLAIN]), "llm_node_ttft", "e2e_latency")))
        figures = stage_summary(tables)
        assert figures.loc["llm_node_ttft", "n"] == 3
        assert figures.loc["end_of_turn_delay", "n"] == 4
        assert figures.loc["llm_node_ttft", "mean"] == pytest.approx(0.5)
        assert figures.loc["llm_node_ttft", "p50"] == pytest.approx(0.4)
        expected = np.percentile([0.2, 0.4, 0.9], [90, 95])
        np.testing.assert_allclose(figures.loc["llm_node_ttft", ["p90", "p95"]].astype(float), expected)

    def test_nothing_reported_is_nan_with_n_0(self):
        figures = stage_summary(stage_table(session_of([])))
        assert (figures["n"] == 0).all()
        assert figures["mean"].isna().all()

"""From logs to rows of turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils.core.labels import Label
from lab_utils.core.session_log import SessionEvent
from lab_utils.latency.ablation.timing import turn_rows, turns_of
from lab_utils.latency.ablation.turns import TURN_COLUMNS
from lab_utils.latency.techniques.notes import Note

FIRST = Exchange(0.5, 4.0)
SECOND = Exchange(8.0, 10.0)
ORIGIN_S = 5000.0
VAD_LATE_S = 0.08
"""In these scripts the VAD's end of speech comes so long after the labelled one."""


def rows_of(script, notes=(), log=None, labels=None):
    labels = labels or labels_of_session(script, 20.0)
    return list(turn_rows(log or session_of(script), labels, notes, ORIGIN_S))


def test_total_runs_from_the_label_to_the_audio_and_splits_at_the_commit():
    first, second = rows_of([FIRST, SECOND])
    for row, exchange in ((first, FIRST), (second, SECOND)):
        audio_s = next(e.time_s for e in session_of([exchange]).events if e.kind == "playout_starts")
        assert row["turn_total_s"] == pytest.approx(audio_s - exchange.end_s + VAD_LATE_S)
        assert row["commit_s"] == pytest.approx(0.6 + VAD_LATE_S)
        assert row["turn_total_s"] == pytest.approx(row["commit_s"] + row["after_commit_s"])
    assert [first["turn"], second["turn"]] == [0, 1]


def test_stages_are_livekits_own_figures_in_seconds():
    (row,) = rows_of([FIRST])
    assert row["llm_ttft_s"] == pytest.approx(0.35)
    assert row["tts_first_audio_s"] == pytest.approx(0.2)
    assert row["transcription_s"] == pytest.approx(0.3)
    assert row["hook_s"] == pytest.approx(0.02)


def test_an_answer_after_the_next_turn_has_begun_is_none():
    slow = replace(FIRST, ttft=5.0)
    log, labels = session_of([slow]), labels_of_session([slow, SECOND], 20.0)
    first, second = rows_of([slow, SECOND], log=log, labels=labels)
    assert np.isnan(first["turn_total_s"])
    assert first["commit_s"] == pytest.approx(0.6 + VAD_LATE_S)
    assert np.isnan(second["turn_total_s"])


def test_audio_that_answers_a_commit_inside_the_turn_does_not_count():
    labels = labels_of_session([FIRST], 20.0)
    log = session_of([FIRST])
    early = [SessionEvent(2.0, "commit", {}), SessionEvent(4.2, "playout_starts", {})]
    log = replace(log, events=tuple(sorted([*early, *log.events], key=lambda e: e.time_s)))
    (row,) = rows_of([FIRST], log=log, labels=labels)
    assert row["turn_total_s"] == rows_of([FIRST])[0]["turn_total_s"]


def test_the_answer_after_a_tool_is_what_the_model_says_not_a_filler_that_begins_late():
    """The tool may have its result while the filler is on its way to the caller."""
    events = [
        SessionEvent(4.6, "commit", {}),
        SessionEvent(5.0, "tool_starts", {}),
        SessionEvent(5.1, "llm_starts", {}),
        SessionEvent(5.2, "playout_starts", {"source": "say"}),
        SessionEvent(6.9, "playout_starts", {"source": "generate_reply"}),
    ]
    log = replace(session_of([]), events=tuple(events))
    (row,) = rows_of([FIRST], log=log, labels=labels_of_session([FIRST], 20.0))
    assert row["answer_s"] - row["turn_total_s"] == pytest.approx(6.9 - 5.2)


def test_every_labelled_end_has_a_row_of_the_tables_columns():
    rows = rows_of([FIRST, SECOND])
    assert all(set(row) == set(TURN_COLUMNS) - {"configuration", "recording", "seed"} for row in rows)
    silent = rows_of([FIRST, SECOND], log=replace(session_of([]), events=()))
    assert len(silent) == 2
    assert all(np.isnan(row["turn_total_s"]) and row["answered_by"] == "" for row in silent)


def test_who_answered_is_what_the_turn_log_says_between_commit_and_audio():
    at_s = ORIGIN_S + FIRST.commit_s + 0.01
    notes = [
        Note(at_s, "model_routing", "answered by small"),
        Note(at_s, "tool_prefetch", "hit"),
        Note(ORIGIN_S + 15, "model_routing", "answered by large"),
    ]
    first, second = rows_of([FIRST, SECOND], notes)
    assert first["answered_by"] == "small"
    assert second["answered_by"] == ""
    assert rows_of([FIRST], [Note(at_s, "semantic_cache", "hit")])[0]["answered_by"] == "cache"


def test_backchannels_are_no_turns():
    labels = labels_of_session([FIRST, SECOND], 20.0)
    (before, _) = turns_of(labels)
    mm_hm = replace(labels.ipus[0], start_s=6.0, end_s=6.3, text="mm-hm")
    more = replace(
        labels, ipus=(*labels.ipus, mm_hm), labels=(*labels.labels, Label("backchannel", 6.0, 6.3))
    )
    assert turns_of(more)[0].until_s == before.until_s == SECOND.start_s
    assert len(turns_of(more)) == 2

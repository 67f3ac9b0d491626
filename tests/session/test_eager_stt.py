"""An eager end of turn by recorded confidences: what is sent and when, and what a session makes of it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from calls import short_call
from hypothesis import given
from hypothesis import strategies as st
from virtual import where_clock_is_virtual

from lab_utils.core.delays import Delay
from lab_utils.core.labels import Ipu, Labels
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.core.traces import Commits, SttEvent
from lab_utils.session.commits import commit_pairs
from lab_utils.session.job import SessionJob
from lab_utils.session.prepare import traced_job
from lab_utils.session.run import run
from lab_utils.session.scripted.eager_stt import LEAST_S, EagerStt, Silence, Thresholds, recorded_silences
from lab_utils.session.scripted.llm import ScriptedLLM
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.turns.detectors.table import Answers
from lab_utils.turns.replay import replay
from lab_utils.turns.tracing import TraceCache, Tracer

TAIL_S = 6.0
IPUS = (("One two three.", 1.0, 2.0), ("Four five.", 3.0, 4.0), ("Six seven.", 10.0, 11.0))
LABELS = Labels(20.0, tuple(Ipu("user", start, end, text) for text, start, end in IPUS), ())
SAID = (((0.25, 0.5), (0.6, 0.8)), ((0.25, 0.3), (0.4, 0.6), (0.9, 0.92)), ((0.25, 0.95),))


def told(labels: Labels, said: tuple[Silence, ...], eager: float | None, kinds: str) -> list[tuple]:
    events = EagerStt(said, Thresholds(0.9, 3.0, eager)).events(labels)
    return [(round(one.time_s, 6), one.kind, one.text) for one in events if one.kind in kinds.split()]


def test_a_preflight_comes_where_the_eager_threshold_is_crossed_and_a_final_where_the_other_is() -> None:
    both = "One two three. Four five."
    assert told(LABELS, SAID, 0.45, "start_of_speech preflight final end_of_speech") == [
        (1.1, "start_of_speech", ""),
        (2.25, "preflight", "One two three."),
        (4.4, "preflight", both),
        (4.9, "final", both),
        (4.9, "end_of_speech", ""),
        (10.1, "start_of_speech", ""),
        (11.25, "final", "Six seven."),  # both thresholds at one moment: nothing to be eager about
        (11.25, "end_of_speech", ""),
    ]
    assert told(LABELS, SAID, 0.7, "preflight")[0] == (2.6, "preflight", "One two three.")
    assert told(LABELS, SAID, None, "preflight") == []


def test_a_turn_that_goes_on_is_told_again_and_then_with_new_words() -> None:
    """TurnResumed has the words so far; LiveKit gives the draft up at the first Update with others."""
    resumed = [one for one in told(LABELS, SAID, 0.45, "interim") if 2.25 < one[0] < 4.4]
    assert resumed[0] == (3.1, "interim", "One two three.")
    assert resumed[1][1:] == ("interim", "One two three. Four")
    assert 3.5 <= resumed[1][0] <= 3.75
    without = [one for one in told(LABELS, SAID, None, "interim") if 2.25 < one[0] < 4.4]
    assert without[-1:] == resumed[1:]  # an Update says the third word


def test_a_silence_without_a_confidence_ends_the_turn_by_its_length_alone() -> None:
    assert told(LABELS, ((), (), ()), 0.3, "final preflight") == [
        (7.0, "final", "One two three. Four five."),
        (14.0, "final", "Six seven."),
    ]


confidences = st.lists(st.tuples(st.floats(LEAST_S, 4.0), st.floats(0, 1)), max_size=4).map(
    lambda rows: tuple(sorted(dict(rows).items()))
)


@given(st.tuples(confidences, confidences, confidences), st.floats(0.3, 0.9))
def test_an_eager_threshold_moves_no_end_of_turn(said: tuple[Silence, ...], eager: float) -> None:
    """Apart from preflights and the interim at which one is taken back, all is sent as without it."""
    kinds = "start_of_speech final end_of_speech"
    assert told(LABELS, said, eager, kinds) == told(LABELS, said, None, kinds)
    events = EagerStt(said, Thresholds(0.9, 3.0, eager)).events(LABELS)
    assert [one.time_s for one in events] == sorted(one.time_s for one in events)


def test_a_tables_rows_count_in_their_silence() -> None:
    times_s = np.array([1.5, 1.9, 2.1, 2.7, 3.5, 4.2])
    answers = Answers("t", {"abc": (times_s, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))}, 0, 0, "1")
    first, second, third = recorded_silences(answers, "abc", LABELS)
    # 1.5 is in speech; of what is said by 0.25 s the last counts
    assert [(round(at, 6), p) for at, p in first] == [(0.25, 0.3), (0.7, 0.4)]
    assert second == ((0.25, 0.6),)
    assert third == ()
    assert recorded_silences(answers, "other", LABELS) == ((), (), ())
    with pytest.raises(ValueError, match="2 stretches of speech, but there are 3"):
        EagerStt(((), ()), Thresholds(0.9, 3.0)).events(LABELS)


# --- in LiveKit's session: speech at 0.2, 1.6, 2.5, 5.9, 9.6 and 10.3 s; holds after all but the fourth ---

CALL_SAID: tuple[Silence, ...] = (
    ((0.25, 0.5),),
    (),
    ((0.25, 0.2), (1.0, 0.45), (1.6, 0.6)),
    ((0.25, 0.5), (0.8, 0.95)),
    (),
    ((0.25, 0.5), (1.2, 0.9)),
)
SETTINGS = Settings().replace(detector="stt", min_delay=0.0, min_silence_duration=0.25)


@cache
def heard(eager: float | None) -> tuple[tuple[SttEvent, ...], SessionLog, Commits, ScriptedLLM]:
    """What was sent, the session, the replay with the same transcripts, and the model."""
    call = short_call()
    assert call.labels is not None
    events = EagerStt(CALL_SAID, Thresholds(0.9, 3.0, eager)).events(call.labels)
    models: list[ScriptedLLM] = []

    def model() -> ScriptedLLM:
        models.append(ScriptedLLM(["Yes."], ttft=Delay(1.2)))
        return models[-1]

    with tempfile.TemporaryDirectory() as folder:
        job = SessionJob(
            call, SETTINGS, transcripts=events, tail_s=TAIL_S, llm=model, keep_audio=False,
            tts=lambda: ScriptedTTS(voice="tone"),
        )  # fmt: skip
        job, traced = traced_job(job, Tracer(TraceCache(Path(folder)), TAIL_S))
        log = run(job)
    assert log.failure == ""
    return events, log, replay(traced, SETTINGS, job.conditions, 0, events), models[0]


@where_clock_is_virtual
def test_commits_are_the_replays_whatever_the_eager_threshold() -> None:
    found = [heard(eager) for eager in (None, 0.4)]
    for _, log, replayed, _ in found:
        assert commit_pairs(replayed, log)["agrees"].all()
    ends = [[one.time_s for one in log.of_kind("commit")] for _, log, _, _ in found]
    assert len(ends[0]) == 2
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    assert ends[0] == pytest.approx([e.time_s for e in found[0][0] if e.kind == "end_of_speech"], abs=1e-3)


@where_clock_is_virtual
def test_drafts_begin_at_preflights_and_those_taken_back_are_paid_for() -> None:
    events, log, _, model = heard(0.4)
    preflights = [one.time_s for one in events if one.kind == "preflight"]
    assert len(preflights) == 4
    assert [one.time_s for one in log.of_kind("preemptive")] == pytest.approx(preflights, abs=1e-3)
    assert len(model.requests) == 4
    # the drafts of the two holds are given up: the first before its first token, the second when done
    assert [one.outcome for one in model.requests].count("discarded") == 1
    assert len(log.replies) == 2
    none, patient = heard(None)[3], heard(None)[1]
    assert len(none.requests) == len(patient.replies) == 2
    saved_s = [
        one.time_s - early.time_s
        for one, early in zip(patient.of_kind("playout_starts"), log.of_kind("playout_starts"), strict=True)
    ]
    assert saved_s == pytest.approx([0.55, 0.95], abs=0.01)  # what preflights come before finals

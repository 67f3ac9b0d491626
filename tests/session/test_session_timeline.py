"""What a session's picture shows: labels cut to the stretch, moments in it, predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_sessions import Exchange, session_of

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.session_log import SessionEvent
from lab_utils.session.metrics.spans import session_commits
from lab_utils.session.metrics.timeline import session_timeline_of

LABELS = Labels(
    10.0,
    (Ipu("user", 0.5, 2.0), Ipu("user", 3.0, 4.0), Ipu("agent", 5.0, 7.0)),
    (Label("hold", 2.0, 3.0), Label("shift", 4.0, 5.0), Label("shift", 9.0, 9.0)),
)


def log_with(*events: SessionEvent):
    """Ten seconds in which only these events happened."""
    return replace(session_of([], duration_s=10.0), events=events)


def timeline(*events: SessionEvent, labels: Labels | None = LABELS, span: tuple[float, float] | None = None):
    log = log_with(*events)
    return session_timeline_of(log, session_commits(log), labels, span)


def test_holds_and_ends_of_turn_are_those_of_the_labels_without_empty_ones() -> None:
    shown = timeline()
    assert shown.holds.tolist() == [[2.0, 3.0]]
    assert shown.ends_of_turn.tolist() == [[4.0, 5.0]]


def test_without_labels_there_are_none() -> None:
    shown = timeline(labels=None)
    assert shown.holds.shape == shown.ends_of_turn.shape == (0, 2)


@pytest.mark.parametrize(
    ("span", "holds"),
    [((2.5, 6.0), [[2.5, 3.0]]), ((1.0, 2.4), [[2.0, 2.4]]), ((0.0, 2.0), []), ((3.0, 6.0), [])],
)
def test_labels_are_cut_to_the_stretch(span: tuple[float, float], holds: list[list[float]]) -> None:
    assert timeline(span=span).holds.tolist() == holds


def test_predictions_of_the_stretch_are_shown_with_their_own_threshold_or_the_settings() -> None:
    def predicted(time_s: float, **data: float | None) -> SessionEvent:
        return SessionEvent(time_s, "prediction", data)

    shown = timeline(
        predicted(0.9, probability=0.5),
        predicted(1.0, probability=0.1),
        predicted(2.0, probability=0.2, threshold=0.7),
        predicted(2.5, probability=None),
        predicted(3.0, probability=0.3),
        predicted(3.1, probability=0.4),
        span=(1.0, 3.0),
    )
    np.testing.assert_allclose(shown.predictions.time_s, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(shown.predictions.probability, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(shown.predictions.threshold, [0.36, 0.7, 0.36])


def test_transcripts_and_interruptions_of_the_stretch_are_shown_with_its_edges() -> None:
    def said(time_s: float, **data: bool) -> SessionEvent:
        return SessionEvent(time_s, "transcript", {"text": "yes", **data})

    def played(start_s: float, end_s: float, interrupted: bool) -> tuple[SessionEvent, SessionEvent]:
        ends = SessionEvent(end_s, "playout_ends", {"interrupted": interrupted})
        return SessionEvent(start_s, "playout_starts", {}), ends

    events = [said(time_s, final=time_s % 1 == 0) for time_s in (0.5, 1.0, 1.5, 3.0, 3.5, 4.0)]
    events += [*played(0.2, 1.0, True), *played(1.2, 2.0, False), *played(2.5, 4.5, True)]
    shown = timeline(*sorted(events, key=lambda event: event.time_s), span=(1.0, 3.0))
    assert (shown.interim_s.tolist(), shown.final_s.tolist()) == ([1.5], [1.0, 3.0])
    assert shown.interrupted_s.tolist() == [1.0]
    assert shown.playouts.tolist() == [[1.2, 2.0], [2.5, 3.0]]


def test_an_error_shows_its_first_text_alone() -> None:
    error = SessionEvent(1.0, "error", {"code": 3, "type": "RuntimeError", "message": "long"})
    assert timeline(error).troubles == ((1.0, "error: RuntimeError"),)


@pytest.mark.parametrize("loudest", [0, 1, 8])
def test_full_scale_is_the_loudest_sample_however_faint(loudest: int) -> None:
    log = replace(log_with(), heard=np.zeros((160_000, 2), np.int16))
    log.heard[80_000:96_000, 1] = -loudest
    shown = session_timeline_of(log, session_commits(log), LABELS)
    assert shown.agent.low.min() == -min(1, loudest)
    assert shown.caller.low.min() == shown.caller.high.max() == 0


def test_troubles_carry_their_text_and_those_outside_are_left_out() -> None:
    error = SessionEvent(1.0, "error", {"type": "RuntimeError"})
    assert timeline(error, span=(1.0, 3.0)).troubles == ((1.0, "error: RuntimeError"),)
    assert timeline(error, span=(1.1, 3.0)).troubles == ()


def test_an_exchange_shows_its_transcript_reply_and_runs() -> None:
    exchange = Exchange(start_s=0.5, end_s=2.0)
    log = session_of([exchange])
    shown = session_timeline_of(log, session_commits(log))
    times = exchange.times()
    assert shown.final_s.size == 1
    np.testing.assert_allclose(shown.playouts, [[times["speaks"], times["ends"]]], atol=1e-6)
    np.testing.assert_allclose(shown.llm.waits, [[times["llm"], times["token"]]], atol=1e-6)
    np.testing.assert_allclose(shown.tts.waits[:, 1], [times["audio"]], atol=1e-6)
    assert not shown.uses_tools


def test_the_caller_is_drawn_from_the_beginning_of_the_session() -> None:
    log = replace(
        log_with(), heard=np.repeat(np.array([[0, 0], [16_384, 0], [0, 0]], np.int16), 16_000, axis=0)
    )
    shown = session_timeline_of(log, session_commits(log), LABELS)
    loud = shown.caller.time_s[shown.caller.high > 0.4]
    assert loud.min() == pytest.approx(1.0, abs=0.05)
    assert loud.max() == pytest.approx(2.0, abs=0.05)


def test_a_request_that_the_next_one_replaces_ends_there() -> None:
    """Its own end is in no event."""
    first = (SessionEvent(1.0, "llm_starts", {"id": "a"}), SessionEvent(1.5, "llm_first_token", {"id": "a"}))
    second = (
        SessionEvent(3.0, "llm_starts", {"id": "b"}),
        SessionEvent(3.25, "llm_first_token", {"id": "b"}),
    )
    shown = timeline(*first, *second, SessionEvent(4.0, "llm_ends", {"id": "b"}))
    assert shown.llm.waits.tolist() == [[1.0, 1.5], [3.0, 3.25]]
    assert shown.llm.works.tolist() == [[1.5, 3.0], [3.25, 4.0]]

"""The rules of `turn_detection="stt"` and of given transcripts on hand-made traces (twins: test_replay)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from synthetic import block_of, complete

from lab_utils.core.labels import Ipu, Labels, Word
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import WINDOW_S
from lab_utils.core.traces import EotTrace, SttEvent, SttEventKind, Traced, VadTrace
from lab_utils.turns.replay import Block, MissingRestarts, Rows, decide, find_pauses, replay, stt_events
from lab_utils.turns.replay.stt_events import final_times

# Frames as long as a window: window w is judged at (w + 1) * 32 ms.
CONDITIONS = Conditions(transcription_delay=0.0, frame_duration=0.032, prediction_delay=0.0)
STT = Settings().replace(detector="stt", min_silence_duration=0.25, min_delay=0.5, max_delay=3.0)
VAD = STT.replace(detector="vad")

SPEECH, LONG_SILENCE = [1.0] * 25, [0.0] * 150
LAST_S = 25 * WINDOW_S
"""Last speaking time of SPEECH: 0.8 s; the VAD's END_OF_SPEECH comes at 1.056 s."""


def say(kind: SttEventKind, time_s: float, text: str = "", **times_s: float) -> SttEvent:
    return SttEvent(time_s, kind, text, **times_s)


def final(time_s: float, text: str = "yes", **times_s: float) -> SttEvent:
    return say("final", time_s, text, **times_s)


def end(time_s: float, **times_s: float) -> SttEvent:
    return say("end_of_speech", time_s, **times_s)


def start(time_s: float) -> SttEvent:
    return say("start_of_speech", time_s)


def traced(windows: Sequence[float], restarts: dict[int, Sequence[float]] | None = None) -> Traced:
    duration_s = len(windows) * WINDOW_S
    found = {origin: np.array(p, dtype=float) for origin, p in (restarts or {}).items()}
    trace = VadTrace("livekit", 0, np.array(windows), restarts=found)
    labels = Labels(duration_s, (), ())
    return Traced("x", "x", "0", duration_s, labels, {"livekit": (trace,)}, (EotTrace(),), 0.0)


def commits(
    windows: Sequence[float],
    events: Sequence[SttEvent],
    settings: Settings = STT,
    restarts: dict[int, Sequence[float]] | None = None,
) -> list[tuple[float, str]]:
    """(time, cause) of each commit."""
    found = replay(traced(windows, restarts), settings, CONDITIONS, stt=events)
    return [(round(float(t), 6), cause) for t, cause in zip(found.time_s, found.cause, strict=True)]


# --- the speech-to-text decides -----------------------------------------------------------------------


def test_a_bare_end_of_speech_commits_min_delay_after_it_comes():
    assert commits(SPEECH + LONG_SILENCE, [final(1.5), end(1.5)]) == [(2.0, "stt")]
    assert commits(SPEECH + LONG_SILENCE, [final(1.3), end(1.5)]) == [(2.0, "stt")]


def test_the_vads_end_of_speech_alone_commits_nothing():
    assert commits(SPEECH + LONG_SILENCE, [final(0.9)]) == []
    assert commits(SPEECH + LONG_SILENCE, [final(2.0)]) == []


@pytest.mark.parametrize(("end_s", "commit_s"), [(0.8, 1.5), (1.2, 1.7), (9.0, 2.0)])
def test_an_end_of_speech_that_tells_its_time_counts_from_it_but_not_from_the_future(end_s, commit_s):
    assert commits(SPEECH + LONG_SILENCE, [final(1.5), end(1.5, end_s=end_s)]) == [(commit_s, "stt")]


def test_max_delay_is_not_used():
    assert commits(SPEECH + LONG_SILENCE, [final(1.5), end(1.5)], STT.replace(max_delay=0.5)) == [
        (2.0, "stt")
    ]


@pytest.mark.parametrize("text", ["", " "])
def test_without_text_there_is_no_turn_to_commit(text):
    assert commits(SPEECH + LONG_SILENCE, [final(1.5, text), end(1.5)]) == []


def test_a_final_after_the_end_of_speech_commits_the_turn():
    """From the last speaking time, which the end of speech has set."""
    assert commits(SPEECH + LONG_SILENCE, [end(1.5), final(1.7)]) == [(2.0, "late_transcript")]
    assert commits(SPEECH + LONG_SILENCE, [end(1.5), final(2.7)]) == [(2.7, "late_transcript")]


def test_what_is_due_at_once_comes_before_what_is_said_next_at_that_moment():
    events = [end(1.5), final(2.7), start(2.7)]
    assert commits(SPEECH + LONG_SILENCE, events) == [(2.7, "late_transcript")]
    events = [end(1.5), final(1.7), start(2.0)]  # due at 2.0, but not at once
    assert commits(SPEECH + LONG_SILENCE, events) == []


def test_a_final_with_word_times_moves_the_last_speaking_time():
    assert commits(SPEECH + LONG_SILENCE, [end(1.5), final(1.7, end_s=1.4)]) == [(1.9, "late_transcript")]
    assert commits(SPEECH + LONG_SILENCE, [end(1.5), final(1.7, end_s=0.0)]) == [(2.0, "late_transcript")]


def test_a_final_after_the_commit_waits_for_the_next_end_of_speech():
    events = [final(1.2), end(1.3), final(2.5), end(4.0)]
    assert commits(SPEECH + LONG_SILENCE, events) == [(1.8, "stt"), (4.5, "stt")]


# --- speech resumes -----------------------------------------------------------------------------------


def test_start_of_speech_by_the_speech_to_text_cancels_the_commit():
    assert commits(SPEECH + LONG_SILENCE, [final(1.3), end(1.3), start(1.6)]) == []
    events = [final(1.3), end(1.3), start(1.6), end(3.0)]
    assert commits(SPEECH + LONG_SILENCE, events) == [(3.5, "stt")]


AGAIN = SPEECH + [0.0] * 20 + SPEECH + LONG_SILENCE
"""The VAD hears speech again from 1.44 s: START_OF_SPEECH at 1.504 s, END_OF_SPEECH at 2.496 s."""
AGAIN_S = (25 + 20 + 25) * WINDOW_S


def test_the_vads_start_of_speech_cancels_too_and_its_end_then_commits():
    """The turn stays marked as ended, so the VAD's END_OF_SPEECH comes before the speech-to-text's own."""
    events = [final(1.2), end(1.2), end(4.0)]
    assert commits(AGAIN, events) == [(round(AGAIN_S + 0.5, 6), "vad")]


def test_while_the_turn_is_marked_as_ended_every_final_outside_speech_triggers_anew():
    assert commits(AGAIN, [final(1.2), end(1.2), final(2.6), final(2.7)]) == [
        (round(AGAIN_S + 0.5, 6), "late_transcript")
    ]
    events = [final(1.2), end(1.2), final(2.0), end(4.0)]  # within the VAD's speech: no trigger
    assert commits(AGAIN, events) == [(round(AGAIN_S + 0.5, 6), "vad")]


def test_a_commit_unmarks_the_turn():
    events = [final(0.9), end(0.95), final(1.8)]
    assert commits(AGAIN, events, STT.replace(min_delay=0.1), restarts={29 * 512: [0.0] * 191}) == [
        (1.05, "stt")
    ]


def test_an_end_of_speech_that_nobody_heard_begin_teaches_nothing():
    """Dynamic endpointing would take the silence from it to the first speech for a pause."""
    dynamic = STT.replace(endpointing_mode="dynamic")
    events = [end(0.1), final(1.0)]
    assert commits([0.0] * 20 + SPEECH + LONG_SILENCE, events, dynamic) == [(1.94, "vad")]


def test_a_window_that_comes_with_the_commit_is_heard_before_it():
    """Short speech, told at 1.792 s: the commit forgets nothing, and what comes next is no new speech."""
    dynamic = STT.replace(endpointing_mode="dynamic", min_delay=0.512)
    events = [final(1.2), end(1.28), start(2.0), final(2.9), end(3.0)]
    windows = [*SPEECH, *[0.0] * 29, 1.0, *LONG_SILENCE]
    found = commits(windows, events, dynamic)
    assert found == [(1.792, "stt"), (3.512, "stt")]
    slow = naive.replay(traced(windows), dynamic, CONDITIONS, stt=events)
    assert found == [(round(t, 6), cause) for t, cause in zip(slow.time_s.tolist(), slow.cause, strict=True)]


ENDS = SPEECH + [0.0] * 8
"""The VAD's END_OF_SPEECH comes with the stream's last window, at 1.056 s."""


@pytest.mark.parametrize("last", [[], [final(1.056)], [final(1.1)]])
def test_nothing_is_committed_at_the_end_of_the_stream_or_after_it(last):
    """The turn was marked as ended before anything was said, so the VAD's end would commit it at once."""
    at_once = STT.replace(min_delay=0.0)
    events = [end(0.02), final(0.5), *last]
    assert commits(ENDS, events, at_once) == []
    assert commits([*ENDS, 0.0], events[:2], at_once) == [(1.056, "vad")]


def test_without_a_sound_nothing_is_committed():
    assert commits([], [final(0.2), end(0.3)]) == []


@pytest.mark.parametrize(("before_s", "found"), [(0.0, []), (1e-6, [(5.599999, "stt")])])
def test_a_commit_due_as_the_stream_ends_comes_no_more(before_s, found):
    """175 windows last 5.6 s."""
    at_s = 5.1 - before_s
    assert at_s + 0.5 == 5.6 - before_s
    assert commits(SPEECH + LONG_SILENCE, [final(1.5), end(at_s)]) == found


# --- the VAD begins anew ------------------------------------------------------------------------------

IN_SPEECH = [1.0] * 60 + LONG_SILENCE
"""The VAD hears speech to 1.92 s."""
AT = 31 * 512
"""Samples that have arrived at 1.0 s."""


def test_an_end_of_speech_within_the_vads_speech_restarts_it():
    """It would have said END_OF_SPEECH at 2.176 s, and cancelled nothing; anew it says START_OF_SPEECH."""
    quiet = [0.0] * (210 - 31)
    events = [final(1.0), end(1.0)]
    assert commits(IN_SPEECH, events, restarts={AT: quiet}) == [(1.5, "stt")]
    loud = [*[1.0] * 20, *[0.0] * (210 - 51)]
    last_s = (31 + 20) * WINDOW_S
    assert commits(IN_SPEECH, events, restarts={AT: loud}) == [(round(last_s + 0.5, 6), "vad")]


def test_a_restart_that_is_not_traced_is_asked_for_up_to_the_next_event():
    with pytest.raises(MissingRestarts) as caught:
        commits(IN_SPEECH, [final(1.0), end(1.0), start(2.0)])
    assert (caught.value.origins, caught.value.windows) == ((AT,), ((32_000 - AT) // 512,))
    with pytest.raises(MissingRestarts) as caught:
        commits(IN_SPEECH, [final(1.0), end(1.0), start(2.0)], restarts={AT: [0.0] * 40})
    assert (caught.value.origins, caught.value.windows) == ((AT,), (210 - 31,))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.origins, error.windows) == ((AT,), (210 - 31,))
    assert str(error) == "1 restarts of the VAD are not in the trace; trace the recording for them"


def test_a_vad_that_has_ended_or_never_started_is_not_restarted():
    assert commits(SPEECH + LONG_SILENCE, [final(1.1), end(1.1)]) == [(1.6, "stt")]
    assert commits(LONG_SILENCE, [final(1.1), end(1.1)]) == [(1.6, "stt")]


def test_speech_from_the_very_first_window_is_restarted_too():
    at_once = STT.replace(min_speech_duration=0.0)
    with pytest.raises(MissingRestarts) as caught:
        commits(IN_SPEECH, [final(1.0), end(1.0)], at_once)
    assert caught.value.origins == (AT,)


def test_settings_ask_together_for_the_longest_restart_that_any_of_them_needs():
    """A short delay commits before the next event comes, and frees the VAD; a long one hears on."""
    recording, events = traced(IN_SPEECH), [final(1.0), end(1.0), start(2.0), end(3.0)]
    (trace,) = recording.vad["livekit"]
    rows = Rows.of(find_pauses(trace, STT.vad, 512))
    alone = []
    for delays in ([0.5], [1.5], [0.5, 1.5], [1.5, 0.5]):
        block = block_of([STT.replace(min_delay=delay) for delay in delays], CONDITIONS)
        with pytest.raises(MissingRestarts) as caught:
            decide(rows, EotTrace(), np.zeros((0, 2)), block, events, trace)
        alone.append(dict(zip(caught.value.origins, caught.value.windows, strict=True)))
    assert alone[2] == alone[3] == {AT: max(one[AT] for one in alone[:2])}


def test_a_frame_of_the_same_moment_has_reached_the_vad_before_its_restart():
    quiet = [0.0] * (210 - 40)
    at_s = 40 * WINDOW_S
    assert commits(IN_SPEECH, [final(at_s), end(at_s)], restarts={40 * 512: quiet}) == [
        (round(at_s + 0.5, 6), "stt")
    ]


# --- given transcripts in the other modes -------------------------------------------------------------


def test_a_given_final_before_any_speech_commits_after_min_delay():
    assert commits(LONG_SILENCE, [final(1.0)], VAD) == [(1.5, "late_transcript")]
    assert commits(LONG_SILENCE, [final(1.0, end_s=0.7)], VAD) == [(1.2, "late_transcript")]


def test_speech_cancels_a_given_finals_commit():
    assert commits([0.0] * 20 + SPEECH + LONG_SILENCE, [final(0.3)], VAD) == [
        (round(20 * WINDOW_S + LAST_S + 0.5, 6), "vad")
    ]


def test_several_finals_of_one_pause_start_turns_of_their_own():
    events = [final(0.9), final(2.0), final(2.2), final(4.0)]
    assert commits(SPEECH + LONG_SILENCE, events, VAD) == [
        (1.3, "vad"),
        (2.5, "late_transcript"),
        (4.5, "late_transcript"),
    ]


def test_after_a_commit_a_preflight_tells_the_last_speaking_time():
    events = [final(0.9), say("preflight", 2.0, "yes"), final(2.3)]
    assert commits(SPEECH + LONG_SILENCE, events, VAD) == [(1.3, "vad"), (2.5, "late_transcript")]
    events = [final(0.9), say("interim", 2.0, "yes"), final(2.3)]
    assert commits(SPEECH + LONG_SILENCE, events, VAD) == [(1.3, "vad"), (2.8, "late_transcript")]


def test_the_speech_to_texts_start_and_end_of_speech_are_ignored_by_the_other_modes():
    events = [final(0.9), end(0.95), start(1.2)]
    assert commits(SPEECH + LONG_SILENCE, events, VAD) == [(1.3, "vad")]


def test_no_final_no_commit():
    assert commits(SPEECH + LONG_SILENCE, [], VAD) == []
    assert commits(SPEECH + LONG_SILENCE, [final(0.9, "")], VAD) == []


# --- finals as the recorded session told them ---------------------------------------------------------

TICK_S = 1 / 64
ticks = st.integers(0, 160).map(lambda tick: tick * TICK_S)


@given(
    st.lists(ticks, max_size=5, unique=True),
    st.lists(st.tuples(ticks, st.sampled_from([0.0, 0.5])), max_size=5, unique_by=lambda told: told[0]),
    st.sampled_from([0.25, 1.0]),
)
@example([1.0, 2.0], [(0.75, 0.5), (1.25, 0.0), (2.25 + TICK_S, 0.0)], 0.25)
def test_a_pause_has_the_final_of_the_nearest_end_that_was_told_if_any_is_near(last_s, told, delay_s):
    """Within 0.25 s, of two as near the earlier; else as modelled. In binary fractions that can be equal."""
    found = find_pauses(traced(SPEECH + LONG_SILENCE).vad["livekit"][0], STT.vad, 512)
    pauses = replace(found, last_speaking_s=np.array(sorted(last_s), dtype=np.float64))
    finals = np.array(sorted((end_s, end_s + later_s) for end_s, later_s in told), dtype=np.float64)
    recording = replace(traced(SPEECH), finals=finals.reshape(-1, 2))
    conditions = CONDITIONS.replace(transcription_delay=delay_s)
    expected = [naive.final_of(recording, one, conditions, 0.0) for one in sorted(last_s)]
    assert final_times(pauses, delay_s, finals.reshape(-1, 2)).tolist() == expected
    assert final_times(pauses, delay_s).tolist() == [one + delay_s for one in sorted(last_s)]


# --- the modelled speech-to-text ----------------------------------------------------------------------


def test_speech_is_joined_to_utterances_across_shorter_silences():
    ipus = (
        Ipu("user", 1.0, 2.0, "Well,"),
        Ipu("agent", 2.0, 2.3, "Yes?"),
        Ipu("user", 2.4, 3.0, "no."),
        Ipu("user", 3.5, 4.0),
    )
    events = stt_events(Labels(10.0, ipus, ()), Conditions(stt_silence=0.5, transcription_delay=0.2))
    assert [(round(e.time_s, 6), e.kind, e.text) for e in events] == [
        (1.1, "start_of_speech", ""),
        (3.6, "start_of_speech", ""),
        (3.7, "final", "Well, no."),
        (3.7, "end_of_speech", ""),
        (4.7, "final", "…"),
        (4.7, "end_of_speech", ""),
    ]
    assert all(e.start_s is None and e.end_s is None for e in events)


def test_speech_without_a_text_has_the_users_own_words_of_that_time():
    words = (
        Word("user", 1.0, 1.4, "yes"),
        Word("agent", 1.4, 1.8, "really"),
        Word("user", 1.6, 2.0, "please"),
        Word("user", 5.0, 5.5, "later"),
    )
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0), Ipu("user", 4.9, 5.6)), (), words=words)
    texts = [event.text for event in stt_events(labels, Conditions()) if event.kind == "final"]
    assert texts == ["yes please", "later"]


def test_without_given_events_the_modelled_ones_decide():
    labels = Labels(5.6, (Ipu("user", 0.0, 0.8),), ())
    recording = traced(SPEECH + LONG_SILENCE)
    recording = complete(
        Traced("x", "x", "0", 5.6, labels, recording.vad, recording.eot, 0.0), [Block.of(STT, CONDITIONS)]
    )
    found = replay(recording, STT, CONDITIONS.model_copy(update={"stt_silence": 0.6}))
    np.testing.assert_allclose(found.time_s, [0.8 + 0.6 + 0.5])
    assert found.cause == ("stt",)


def test_the_wait_counts_from_the_end_of_speech_where_the_speech_to_text_tells_it():
    ipus = (Ipu("user", 1.0, 2.0, "Well,"), Ipu("user", 2.4, 3.0, "no."))
    told = Conditions(stt_silence=0.5, transcription_delay=0.2, stt_tells_end=True)
    events = stt_events(Labels(10.0, ipus, ()), told)
    assert [(e.kind, e.end_s) for e in events[1:]] == [("final", None), ("end_of_speech", 3.0)]
    labels = Labels(5.6, (Ipu("user", 0.0, 0.8),), ())
    recording = traced(SPEECH + LONG_SILENCE)
    conditions = CONDITIONS.replace(stt_silence=0.3, stt_tells_end=True)
    recording = complete(
        Traced("x", "x", "0", 5.6, labels, recording.vad, recording.eot, 0.0), [Block.of(STT, conditions)]
    )
    found = replay(recording, STT, conditions)
    np.testing.assert_allclose(found.time_s, [0.8 + 0.5])  # min_delay 0.5, not from the decision at 1.1
    np.testing.assert_allclose(found.last_speaking_s, [0.8])


def test_a_decision_of_the_speech_to_text_needs_its_events():
    recording = traced(SPEECH)
    (trace,) = recording.vad["livekit"]
    rows = Rows.of(find_pauses(trace, STT.vad, 512))
    with pytest.raises(ValueError, match=r"no events or no trace; give decide both"):
        decide(rows, EotTrace(), np.zeros((0, 2)), Block.of(STT, CONDITIONS))

"""The vectorised replay against its event-by-event twin, and each rule of LiveKit's on a hand-made trace."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import fields, replace

import hypothesis
import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import (
    PROBABILITIES,
    block_of,
    complete,
    conditions_strategy,
    conversations,
    probability_of,
    settings_of_one_block,
    settings_strategy,
    stt_event_lists,
    traced_of,
)

from lab_utils.core.labels import Ipu, Labels, agent_turns
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ, WINDOW_S, frame_samples
from lab_utils.core.traces import EotTrace, Traced, VadTrace
from lab_utils.turns.grid import complete as complete_table
from lab_utils.turns.replay import (
    Block,
    MissingPredictions,
    Rows,
    blocks_of,
    commit_times,
    commits_of,
    decide,
    find_all_rows,
    find_pauses,
    find_rows,
    replay,
    stt_events_for,
    waits_of,
)
from lab_utils.turns.replay.records import Decisions, Shortened


def traced(
    windows: Sequence[float], phase_samples: int = 0, agent: Sequence[tuple[float, float]] = ()
) -> Traced:
    duration_s = len(windows) * WINDOW_S
    trace = VadTrace("livekit", phase_samples, np.array(windows))
    ipus = tuple(Ipu("agent", start, end) for start, end in agent)
    labels = Labels(duration_s, ipus, ())
    return Traced("x", "x", "0", duration_s, labels, {"livekit": (trace,)}, (EotTrace(),), 0.0)


PHASES = st.sampled_from([0, 128, 300])
MANY = 5 * hypothesis.settings().max_examples
"""More than other tests try: everything else rests on these two."""


# --- against the twin -------------------------------------------------------------------------------


@st.composite
def speech_traces(draw: st.DrawFn) -> list[float]:
    """Alternating stretches of loud, doubtful and silent windows, with speech of single windows."""
    level = st.sampled_from([0.05, 0.05, 0.4, 0.6, 0.95, 0.95])
    lengths = st.sampled_from([1, 1, 2, 3, 6, 8, 9, 10, 12, 14, 20, 40])
    runs = draw(st.lists(st.tuples(level, lengths), min_size=1, max_size=40))
    return [p for p, n in runs for _ in range(n)] + [0.0] * 20


@st.composite
def agent_spans(draw: st.DrawFn) -> list[tuple[float, float]]:
    edges = sorted(draw(st.lists(st.integers(1, 4000), max_size=6, unique=True)))
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@pytest.mark.slow
@given(speech_traces(), settings_strategy(), conditions_strategy(), agent_spans(), PHASES)
@hypothesis.settings(max_examples=MANY)
def test_replay_agrees_with_the_event_by_event_twin(windows, settings, conditions, agent, phase_samples):
    recording = complete(traced(windows, phase_samples, agent), [Block.of(settings, conditions)])
    fast, slow = replay(recording, settings, conditions), naive.replay(recording, settings, conditions)
    assert fast.cause == slow.cause
    np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(fast.probability, slow.probability)
    np.testing.assert_allclose(fast.last_speaking_s, slow.last_speaking_s, rtol=0, atol=1e-9)


@pytest.mark.slow
@given(speech_traces(), settings_strategy(), conditions_strategy(), agent_spans(), PHASES, st.data())
@hypothesis.settings(max_examples=MANY)
def test_replay_of_given_events_agrees_with_the_event_by_event_twin(
    windows, settings, conditions, agent, phase_samples, data
):
    stt = data.draw(stt_event_lists(len(windows) * WINDOW_S))
    recording = complete(traced(windows, phase_samples, agent), [Block.of(settings, conditions)], stt)
    fast = replay(recording, settings, conditions, stt=stt)
    slow = naive.replay(recording, settings, conditions, stt=stt)
    np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
    assert fast.cause == slow.cause
    np.testing.assert_array_equal(fast.probability, slow.probability)
    np.testing.assert_allclose(fast.last_speaking_s, slow.last_speaking_s, rtol=0, atol=1e-9)


@pytest.mark.slow
@given(speech_traces(), settings_of_one_block(), conditions_strategy(), agent_spans())
@hypothesis.settings(max_examples=MANY)
def test_a_block_of_settings_gives_each_setting_what_it_gets_alone(windows, settings, conditions, agent):
    """Settings of one block share their work; none may feel the others."""
    block = block_of(settings, conditions)
    alone_blocks = [Block.of(one, conditions) for one in settings]
    recording = complete(traced(windows, 0, agent), [block, *alone_blocks])
    frame = frame_samples(block.conditions.frame_duration)
    trace = recording.vad["livekit"][0]
    rows = Rows.of(find_pauses(trace, block.vad, frame))
    heard = stt_events_for(block, recording.labels, 0.0)
    here = block.on(recording, 0.0)
    said = recording.predictions(block.detector)[0]
    decisions = decide(rows, said, agent_turns(recording.labels), here, heard, trace)
    times_s = commit_times(recording, settings, conditions)
    for k, one in enumerate(settings):
        together, alone = commits_of(decisions, k, block.detector, 0.0), replay(recording, one, conditions)
        assert together.cause == alone.cause
        np.testing.assert_array_equal(together.time_s, alone.time_s)
        np.testing.assert_array_equal(times_s[k], alone.time_s)
        np.testing.assert_array_equal(together.probability, alone.probability)
        np.testing.assert_array_equal(together.last_speaking_s, alone.last_speaking_s)


@pytest.mark.slow
@given(speech_traces(), settings_of_one_block(), conditions_strategy())
def test_a_block_asks_for_what_its_settings_ask_for_alone(windows, settings, conditions):
    def asked(blocks: list[Block]) -> EotTrace:
        return complete(traced(windows), blocks).eot[0]

    together = asked([block_of(settings, conditions)])
    alone = asked([Block.of(one, conditions) for one in settings])
    assert set(alone.keys) <= set(together.keys)


@pytest.mark.slow
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "vad": st.sampled_from(["livekit", "silero"]),
                "detector": st.sampled_from(["vad", "v1-mini"]),
                "min_silence_duration": st.sampled_from([0.25, 0.55]),
                "min_delay": st.sampled_from([0.0, 0.3, 0.5]),
                "max_delay": st.sampled_from([0.8, 2.5]),
            }
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 8),
)
def test_blocks_hold_each_row_of_the_table_once(rows, most):
    table = complete_table(pd.DataFrame(rows))
    conditions = Conditions(prediction_delay=0.07)
    seen = []
    for numbers, block in blocks_of(table, conditions, most):
        assert 1 <= len(block) == len(numbers) <= most
        seen += numbers.tolist()
        for k, number in enumerate(numbers):
            row = table.iloc[number]
            assert block.vad.model == row["vad"]
            assert block.vad.min_silence_duration == row["min_silence_duration"]
            assert block.vad.deactivation == row["deactivation_threshold"]
            assert block.detector == row["detector"]
            assert block.endpointing_mode == row["endpointing_mode"]
            assert block.min_delay[k] == row["min_delay"]
            if row["detector"] == "v1-mini":
                assert block.max_delay[k] == row["max_delay"]
                assert block.threshold[k] == row["unlikely_threshold"]
            assert block.conditions == conditions
    assert sorted(seen) == list(range(len(table)))


def test_settings_stand_with_what_is_added_to_their_waits_if_anything_is():
    added_s = [(0.0, 0.0), (0.4, 0.0), (0.0, 0.0), (0.0, 1.3), (0.4, 1.3)]
    table = complete_table(
        pd.DataFrame(
            [
                {
                    "detector": "v1-mini",
                    "min_delay": 0.3 + k / 10,
                    "extra_delay_numbers": a,
                    "extra_delay_asked": b,
                }
                for k, (a, b) in enumerate(added_s)
            ]
            + [{"detector": "vad", "min_delay": 0.3}]
        )
    )
    found = {}
    for numbers, block in blocks_of(table, Conditions(), most=2):
        pairs = [None] * len(numbers)
        if block.extra is not None:
            pairs = list(zip(block.extra.numbers_s.tolist(), block.extra.asked_s.tolist(), strict=True))
        found |= dict(zip(numbers.tolist(), pairs, strict=True))
    assert found == {k: pair if any(pair) else None for k, pair in enumerate(added_s)} | {5: None}
    whole = [sorted(numbers.tolist()) for numbers, _ in blocks_of(table, Conditions(), most=10)]
    assert sorted(whole) == [[0, 2], [1, 3, 4], [5]]


# --- LiveKit's rules, one by one (sources: lab_utils/turns/replay) ------------------------------------------

# Frames as long as a window: window w is judged at (w + 1) * 32 ms.
CONDITIONS = Conditions(transcription_delay=0.0, frame_duration=0.032, prediction_delay=0.0)
PLAIN = Settings().replace(detector="vad", min_silence_duration=0.25, min_delay=0.5, max_delay=3.0)
DETECTOR = PLAIN.replace(detector="v1-mini", min_delay=0.3, max_delay=2.5, unlikely_threshold=0.5)

SPEECH = [1.0] * 25
LAST_S = 25 * WINDOW_S
"""Last speaking time of SPEECH followed by silence: 0.8 s."""
EOS_S = LAST_S + 8 * WINDOW_S
"""END_OF_SPEECH at 0.25 s of silence, which is eight windows."""
LONG_SILENCE = [0.0] * 150


def late(transcription_delay: float) -> Conditions:
    """The tests' conditions with finals so long after the end of speech."""
    return CONDITIONS.model_copy(update={"transcription_delay": transcription_delay})


def commits(
    windows: Sequence[float],
    settings: Settings,
    p: float | Sequence[float] = math.nan,
    conditions: Conditions = CONDITIONS,
):
    """The commits if the detector says `p`, or one p after the other, to whatever it is asked."""
    recording = traced(windows)
    answers = iter(p) if isinstance(p, Sequence) else None
    while True:
        try:
            return replay(recording, settings, conditions)
        except MissingPredictions as missing:
            said = [p if answers is None else next(answers) for _ in missing.ends]
            more = EotTrace(missing.starts, missing.ends, np.array(said, dtype=float))
            recording = replace(recording, eot=(recording.eot[0].merged(more),))


def asked_for(windows: Sequence[float], settings: Settings, known: EotTrace | None = None):
    """The spans of audio that are missing, as (start, end) in samples."""
    with pytest.raises(MissingPredictions) as caught:
        replay(replace(traced(windows), eot=(known or EotTrace(),)), settings, CONDITIONS)
    return list(zip(caught.value.starts.tolist(), caught.value.ends.tolist(), strict=True))


def assert_commits(found, *expected: tuple[float, str]) -> None:
    np.testing.assert_allclose(found.time_s, [t for t, _ in expected], rtol=0, atol=1e-9)
    assert found.cause == tuple(cause for _, cause in expected)


@pytest.mark.parametrize(("silence_s", "windows"), [(0.0, 1), (0.1, 4), (0.25, 8), (0.4, 13), (0.55, 18)])
def test_end_of_speech_comes_whole_windows_after_the_last_speech(silence_s, windows):
    settings = PLAIN.replace(min_silence_duration=silence_s)
    pauses = find_pauses(traced(SPEECH + LONG_SILENCE).vad["livekit"][0], settings.vad, 512)
    np.testing.assert_allclose(pauses.last_speaking_s, [LAST_S])
    np.testing.assert_allclose(pauses.end_of_speech_s, [LAST_S + windows * WINDOW_S])
    assert windows == max(1, math.ceil(silence_s / WINDOW_S))


@pytest.mark.parametrize("min_delay", [0.0, 0.1, 0.2, 0.256])
def test_a_min_delay_below_the_silence_of_the_vad_does_nothing(min_delay):
    assert_commits(commits(SPEECH + LONG_SILENCE, PLAIN.replace(min_delay=min_delay)), (EOS_S, "vad"))


@pytest.mark.parametrize("min_delay", [0.3, 0.5, 1.7])
def test_delays_count_from_the_last_speech_and_are_not_added_to_the_silence(min_delay):
    found = commits(SPEECH + LONG_SILENCE, PLAIN.replace(min_delay=min_delay))
    assert_commits(found, (LAST_S + min_delay, "vad"))


@pytest.mark.parametrize(
    ("p", "delay_s", "cause"),
    [(0.49, 2.5, "max_delay"), (0.5, 0.3, "detector"), (0.51, 0.3, "detector"), (0.0, 2.5, "max_delay")],
)
def test_only_a_probability_strictly_below_the_threshold_is_unlikely(p, delay_s, cause):
    for transcription_delay in (0.0, 0.28):  # there at END_OF_SPEECH, or a little later
        found = commits(SPEECH + LONG_SILENCE, DETECTOR, p, late(transcription_delay))
        assert_commits(found, (LAST_S + delay_s, cause))
        assert found.probability.tolist() == [p]


def test_a_threshold_of_zero_accepts_every_end():
    found = commits(SPEECH + LONG_SILENCE, DETECTOR.replace(unlikely_threshold=0.0), 0.0)
    assert_commits(found, (LAST_S + 0.3, "detector"))


@pytest.mark.parametrize("max_delay", [0.5, 1.0, 3.0])
def test_without_a_detector_max_delay_is_never_used(max_delay):
    found = commits(SPEECH + LONG_SILENCE, PLAIN.replace(max_delay=max_delay, unlikely_threshold=1.0))
    assert_commits(found, (LAST_S + 0.5, "vad"))
    assert np.isnan(found.probability).all()


@pytest.mark.parametrize("silence_s", [0.25, 0.55, 0.9])
def test_the_prediction_is_asked_256_ms_after_the_last_speech_whatever_the_silence(silence_s):
    """Silence must reach 0.2 s and is read before it is updated. The 1.056 s before are heard whole."""
    settings = DETECTOR.replace(min_silence_duration=silence_s)
    assert asked_for(SPEECH + LONG_SILENCE, settings) == [(0, 16_896)]
    assert round((LAST_S + 0.256) * SAMPLE_RATE_HZ) == 16_896


def test_the_detector_hears_the_last_second_and_two_tenths():
    end = (100 + 8) * 512
    assert asked_for([1.0] * 100 + LONG_SILENCE, DETECTOR) == [(end - 19_200, end)]


def test_a_slow_prediction_delays_the_commit():
    slow = CONDITIONS.model_copy(update={"prediction_delay": 0.4})
    assert_commits(commits(SPEECH + LONG_SILENCE, DETECTOR, 0.9, slow), (LAST_S + 0.256 + 0.4, "detector"))


def test_a_prediction_that_is_there_in_time_delays_nothing():
    usual = CONDITIONS.model_copy(update={"prediction_delay": 0.04})
    assert_commits(commits(SPEECH + LONG_SILENCE, DETECTOR, 0.9, usual), (LAST_S + 0.3, "detector"))


def test_speech_before_the_delay_is_over_cancels_the_commit():
    """The pause is committed after 0.5 s; the user resumes after 0.416 s plus the two windows of a start."""
    hold = [0.0] * 13
    assert (len(hold) + 2) * WINDOW_S < 0.5
    found = commits(SPEECH + hold + SPEECH + LONG_SILENCE, PLAIN)
    assert_commits(found, (LAST_S * 2 + len(hold) * WINDOW_S + 0.5, "vad"))


@pytest.mark.parametrize("transcription_delay", [0.0, 0.4])
def test_a_commit_due_just_when_speech_is_noticed_is_cancelled(transcription_delay):
    """Two windows after 14 of silence, START_OF_SPEECH comes at LST + 0.512 s, to the last bit."""
    windows = SPEECH + [0.0] * 14 + SPEECH + LONG_SILENCE
    pauses = find_pauses(traced(windows).vad["livekit"][0], PLAIN.vad, 512)
    delay_s = 0.512
    assert pauses.last_speaking_s[0] + delay_s == pauses.resume_s[0]
    found = commits(windows, PLAIN.replace(min_delay=delay_s), conditions=late(transcription_delay))
    assert_commits(found, (LAST_S * 2 + 14 * WINDOW_S + delay_s, "vad"))


def test_speech_is_noticed_only_when_it_has_lasted_so_a_commit_may_fall_into_it():
    """At 0.5 s of delay the user speaks again since 20 ms; START_OF_SPEECH comes 44 ms later."""
    hold = [0.0] * 15
    resumed_s = LAST_S + len(hold) * WINDOW_S
    found = commits(SPEECH + hold + SPEECH + LONG_SILENCE, PLAIN)
    assert_commits(found, (LAST_S + 0.5, "vad"), (resumed_s + LAST_S + 0.5, "vad"))
    assert resumed_s < found.time_s[0] < resumed_s + 2 * WINDOW_S


def test_speech_shorter_than_a_start_cancels_nothing():
    """One window is 32 ms, and 50 are needed."""
    found = commits([*SPEECH, *[0.0] * 12, 1.0, *LONG_SILENCE], PLAIN)
    assert_commits(found, (LAST_S + 0.5, "vad"))


def test_a_doubtful_window_goes_on_with_speech_but_does_not_start_it():
    """Between deactivation (0.35) and activation (0.5)."""
    assert_commits(commits(SPEECH + [0.4] * 10 + LONG_SILENCE, PLAIN), (LAST_S + 0.32 + 0.5, "vad"))
    assert_commits(commits([0.4] * 10 + [0.0] * 60, PLAIN))
    at_threshold = commits(SPEECH + [0.35] * 150, PLAIN)
    assert_commits(at_threshold, (LAST_S + 0.5, "vad"))
    assert_commits(commits([0.5] * 25 + LONG_SILENCE, PLAIN), (LAST_S + 0.5, "vad"))


def test_a_pause_shorter_than_the_vads_silence_is_none():
    found = commits(SPEECH + [0.0] * 7 + SPEECH + LONG_SILENCE, PLAIN)
    assert_commits(found, (LAST_S * 2 + 7 * WINDOW_S + 0.5, "vad"))


def test_speech_that_resumes_discards_the_prediction_and_the_next_pause_asks_anew():
    """The first pause ends before END_OF_SPEECH (0.55 s), after its prediction was asked for."""
    settings = DETECTOR.replace(min_silence_duration=0.55)
    windows = SPEECH + [0.0] * 12 + SPEECH + LONG_SILENCE
    end = (25 + 12 + 25 + 8) * 512
    assert asked_for(windows, settings) == [(end - 19_200, end)]


def test_after_a_commit_the_detector_hears_only_what_came_since():
    """The first turn is committed 0.3 s after its end; 0.8 s later the second is predicted."""
    windows = SPEECH + [0.0] * 12 + [1.0] * 10 + LONG_SILENCE
    first, second = (0, (25 + 8) * 512), (25 + 12 + 10 + 8) * 512
    assert asked_for(windows, DETECTOR) == [(second - 19_200, second), first][::-1]
    known = EotTrace(np.array([0]), np.array([first[1]]), np.array([0.9]))
    flushed = int((LAST_S + 0.3) / WINDOW_S) * 512
    assert flushed > second - 19_200
    assert asked_for(windows, DETECTOR, known) == [(flushed, second)]
    unlikely = EotTrace(np.array([0]), np.array([first[1]]), np.array([0.1]))
    assert asked_for(windows, DETECTOR, unlikely) == [(second - 19_200, second)]


def test_all_missing_predictions_are_reported_at_once():
    """Three pauses far from each other: one pass finds all."""
    windows = (SPEECH + [0.0] * 60) * 3
    ends = [(k * 85 + 33) * 512 for k in range(3)]
    assert asked_for(windows, DETECTOR) == [(max(0, end - 19_200), end) for end in ends]


def test_missing_predictions_survive_the_way_from_another_process():
    error = pickle.loads(pickle.dumps(MissingPredictions({(1, 5), (0, 9)})))
    assert (error.starts.tolist(), error.ends.tolist()) == ([0, 1], [9, 5])
    assert str(error) == "2 end-of-turn predictions are not in the trace; trace the recording for them"


# --- late transcripts -------------------------------------------------------------------------------


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.25])
def test_a_transcript_there_by_end_of_speech_changes_nothing(delay_s):
    found = commits(SPEECH + LONG_SILENCE, PLAIN, conditions=late(delay_s))
    assert_commits(found, (LAST_S + 0.5, "vad"))


def test_no_commit_comes_before_the_transcript():
    found = commits(SPEECH + LONG_SILENCE, PLAIN, conditions=late(0.9))
    assert_commits(found, (LAST_S + 0.9, "vad"))
    found = commits(SPEECH + LONG_SILENCE, DETECTOR, 0.9, late(0.9))
    assert_commits(found, (LAST_S + 0.9, "detector"))


def test_an_unlikely_end_waits_for_max_delay_from_the_last_speech_even_with_a_late_transcript():
    found = commits(SPEECH + LONG_SILENCE, DETECTOR, 0.1, late(0.9))
    assert_commits(found, (LAST_S + 2.5, "max_delay"))


def test_a_transcript_after_the_commit_starts_a_turn_of_its_own_without_a_prediction():
    """The first transcript comes while the user speaks again; the second after that turn's commit."""
    windows = SPEECH + [0.0] * 10 + [1.0] * 6 + LONG_SILENCE
    last_s = (25 + 10 + 6) * WINDOW_S
    assert (25 + 10) * WINDOW_S < LAST_S + 0.6 < last_s + 8 * WINDOW_S
    found = commits(windows, DETECTOR, 0.9, late(0.6))
    assert_commits(
        found, (last_s + 0.3, "detector"), (last_s + 0.6 + DETECTOR.endpointing.min_delay, "late_transcript")
    )
    assert np.isnan(found.probability[1])


def test_short_speech_before_the_commit_is_the_last_speech_of_a_transcript_after_it():
    """A commit forgets its own last speaking time only; a window of speech since then has moved it."""
    settings = DETECTOR.replace(min_delay=0.4)
    last_s = (25 + 10 + 6) * WINDOW_S
    windows = [*SPEECH, *[0.0] * 10, *[1.0] * 6, *[0.0] * 8, 1.0, *LONG_SILENCE]
    short_s = last_s + 10 * WINDOW_S  # told with the window after it
    assert last_s + 8 * WINDOW_S < short_s < last_s + 0.4
    found = commits(windows, settings, 0.9, late(0.6))
    assert_commits(found, (last_s + 0.4, "detector"), (short_s + 0.4, "late_transcript"))


# --- what surrounds the speech ----------------------------------------------------------------------


@pytest.mark.parametrize("windows", [[], [0.0], [1.0], LONG_SILENCE, [1.0] * 100])
def test_without_an_end_of_speech_nothing_is_committed(windows):
    for settings, conditions in ((PLAIN, CONDITIONS), (DETECTOR, CONDITIONS), (PLAIN, late(1.0))):
        assert_commits(commits(windows, settings, conditions=conditions))


def test_what_the_end_of_the_stream_cuts_short_is_not_committed():
    """The stream ends 0.48 s or 0.512 s after the last speech; the delay is 0.5 s."""
    assert_commits(commits(SPEECH + [0.0] * 15, PLAIN))
    assert_commits(commits(SPEECH + [0.0] * 16, PLAIN), (LAST_S + 0.5, "vad"))


def test_commits_are_told_in_recording_time_at_every_phase():
    """A phase's 16 ms of silence come first in the stream: the same windows lie 16 ms earlier in the call."""
    found = replay(traced(SPEECH + LONG_SILENCE, 256), PLAIN, CONDITIONS)
    assert_commits(found, (LAST_S + 0.5 - 0.016, "vad"))


def test_windows_are_judged_when_their_frame_arrives():
    """With frames of 50 ms the 25th window (0.8 s) is complete at 0.8 s, the 33rd (1.056 s) at 1.1 s."""
    conditions = CONDITIONS.model_copy(update={"frame_duration": 0.05})
    found = commits(SPEECH + LONG_SILENCE, PLAIN.replace(min_delay=0.0), conditions=conditions)
    assert_commits(found, (1.1, "vad"))


def test_agent_speech_is_one_turn_until_the_user_speaks():
    ipus = (
        Ipu("agent", 1.0, 2.0),
        Ipu("agent", 2.5, 3.0),
        Ipu("user", 3.5, 4.0),
        Ipu("agent", 4.5, 5.0),
        Ipu("agent", 6.0, 7.0),
    )
    assert agent_turns(Labels(10.0, ipus, ())).tolist() == [[1.0, 3.0], [4.5, 7.0]]
    overlap = (Ipu("agent", 1.0, 3.0), Ipu("user", 2.5, 3.5), Ipu("agent", 4.0, 5.0))
    assert agent_turns(Labels(10.0, overlap, ())).tolist() == [[1.0, 3.0], [4.0, 5.0]]
    during = (Ipu("agent", 1.0, 3.0), Ipu("user", 2.0, 2.3), Ipu("agent", 4.0, 5.0))
    assert agent_turns(Labels(10.0, during, ())).tolist() == [[1.0, 5.0]]
    assert agent_turns(Labels(10.0, (), ())).shape == (0, 2)


def test_dynamic_endpointing_waits_longer_after_it_has_seen_a_pause():
    """A pause of 1.0 s without the agent pulls min_delay from 0.3 towards it, by a tenth."""
    settings = PLAIN.replace(endpointing_mode="dynamic", min_delay=0.3)
    hold = [0.0] * 32
    found = commits(SPEECH + hold + SPEECH + LONG_SILENCE, settings)
    learned = 0.9 * 0.3 + 0.1 * (32 * WINDOW_S)
    again_s = LAST_S * 2 + 32 * WINDOW_S
    assert_commits(found, (LAST_S + 0.3, "vad"), (again_s + learned, "vad"))


def test_the_stand_in_detector_gives_probabilities_of_all_sizes():
    """The random traces above would be idle if it always said the same."""
    assert {probability_of(k * 512, k * 512 + 19_200) for k in range(200)} == set(PROBABILITIES)


def test_a_shortened_pause_is_accepted_from_its_threshold_on_by_the_audio_that_is_left():
    """The pause before it commits by the short delay, or not: one start of the audio each."""
    column, pauses = np.arange(2), 2
    decisions = Decisions(
        accepted_s=np.zeros((pauses, 2)),
        rejected_s=np.zeros((pauses, 2)),
        threshold=np.array([0.3, 0.36, 0.37]),
        accepted=np.array([[True] * 3, [False] * 3]),
        rejected=np.zeros((pauses, 3), np.bool_),
        level=np.repeat([0, 1, 2], 2),
        min_column=np.tile(column, 3),
        max_column=np.tile(column, 3),
        probability=np.full((pauses, 1), np.nan),
        last_speaking_s=np.zeros((pauses, 1)),
        branch=np.full(pauses, -1),
        shortened=(Shortened(1, np.array([0]), np.array([[0, 1]]), np.array([0.36, 0.1])),),
    )
    (accepted, start) = decisions.resolve(np.arange(6), np.zeros(pauses, np.bool_))[1]
    assert start.tolist() == [0, 1] * 3
    assert accepted.tolist() == [True, False, True, False, False, False]
    assert waits_of(decisions, 0, "v1-mini", 0.0) == {}, "nothing was said of branches"


@given(conversations(), st.integers(0, 2**32 - 1))
def test_rows_of_all_takes_at_once_are_those_of_each(labels, seed):
    traced = traced_of(labels, seed=seed, offsets=(0, 170, 300))
    vad = Settings().vad.model_copy(update={"model": "livekit"})
    together = find_all_rows(traced, vad, 320)
    assert len(together) == 3
    for phase, rows in enumerate(together):
        alone = find_rows(traced, vad, phase, 320)
        for one, other in ((rows.tape, alone.tape), (rows.pauses, alone.pauses)):
            for field in fields(one):
                np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
        np.testing.assert_array_equal(rows.branch, alone.branch)
        assert [one.shared for one in rows.branches] == [one.shared for one in alone.branches]

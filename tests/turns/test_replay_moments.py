"""Things that happen at one moment, and times that count from the stream's start instead of the recording's.

Rules that random draws hardly ever reach; each of these tests was seen to fail when its rule was broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.settings import Conditions, InterruptionSettings, Settings
from lab_utils.core.timeline import WINDOW_S, WINDOW_SAMPLES
from lab_utils.core.traces import EotTrace, SttEvent, Traced, VadTrace
from lab_utils.turns.replay import Block, find_pauses, replay
from lab_utils.turns.replay.decisions import flush_samples
from lab_utils.turns.sweep import Corpus

# Frames as long as a window: window w is judged at (w + 1) * 32 ms.
CONDITIONS = Conditions(transcription_delay=0.0, frame_duration=0.032, prediction_delay=0.0)
VAD = Settings().replace(vad="livekit", detector="vad", min_silence_duration=0.25, min_delay=0.5)
STT = VAD.replace(detector="stt")

TWICE = [1.0] * 25 + [0.0] * 40 + [1.0] * 25 + [0.0] * 150
"""Speech to 0.8 s and again from 2.08 to 2.88 s; its END_OF_SPEECH comes at 1.056 and 3.136 s."""
RESUMES_S = 67 * WINDOW_S
"""The second START_OF_SPEECH: 2.144 s."""


def traced(windows: Sequence[float], labels: Labels | None = None, silent_windows: int = 0) -> Traced:
    """A recording that the agent hears after so many windows of silence."""
    duration_s = len(windows) * WINDOW_S
    heard = np.array([0.0] * silent_windows + list(windows))
    trace = VadTrace("livekit", silent_windows * WINDOW_SAMPLES, heard)
    labels = labels or Labels(duration_s, (), ())
    return Traced("x", "x", "0", duration_s, labels, {"livekit": (trace,)}, (EotTrace(),), 0.0)


def commits(settings: Settings, *events: SttEvent) -> list[tuple[float, str]]:
    found = replay(traced(TWICE), settings, CONDITIONS, stt=events)
    return [(round(float(t), 6), cause) for t, cause in zip(found.time_s, found.cause, strict=True)]


# --- at one moment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("beside_s", [-4e-9, 0.0, 4e-9, 1e-6])
def test_a_final_at_the_very_moment_speech_resumes_comes_second_and_waits_for_its_end(beside_s):
    """The frame of that moment goes through the VAD first."""
    final = SttEvent(RESUMES_S + beside_s, "final", "yes")
    assert commits(VAD, final) == [(round(2.88 + 0.5, 6), "vad")]


def test_a_final_just_before_speech_resumes_commits():
    final = SttEvent(RESUMES_S - 1e-6, "final", "yes")
    assert commits(VAD, final) == [(round(RESUMES_S - 1e-6, 6), "vad")]


@pytest.mark.parametrize("transcription_delay", [0.0, 0.4])
@pytest.mark.parametrize(("beside_s", "cancels"), [(-1e-6, False), (-2e-9, True), (0.0, True), (2e-9, True)])
def test_a_commit_due_at_the_very_moment_speech_resumes_is_cancelled(transcription_delay, beside_s, cancels):
    recording = traced(TWICE)
    delay_s = RESUMES_S - 0.8 + beside_s
    found = replay(
        recording, VAD.replace(min_delay=delay_s), CONDITIONS.replace(transcription_delay=transcription_delay)
    )
    first = [] if cancels else [round(RESUMES_S + beside_s, 6)]
    assert found.time_s.round(6).tolist() == [*first, round(2.88 + delay_s, 6)]


def test_a_modelled_final_follows_what_the_vad_says_at_the_same_moment():
    """A window of speech moves the last speaking time, from which the final's own wait then counts."""
    recording = traced([*TWICE[:65], 1.0, *[0.0] * 150])
    (pauses,) = (find_pauses(trace, VAD.vad, WINDOW_SAMPLES) for trace in recording.vad["livekit"])
    assert RESUMES_S in pauses.short_speech_s
    delay_s = RESUMES_S - float(pauses.last_speaking_s[0])
    assert float(pauses.last_speaking_s[0]) + delay_s == RESUMES_S
    found = replay(recording, VAD, CONDITIONS.replace(transcription_delay=delay_s))
    assert found.time_s.round(6).tolist() == [round(RESUMES_S + 0.5, 6)]


def test_after_the_speech_to_texts_end_speech_may_resume():
    """The VAD hears speech start, which cancels the wait; its own end of speech commits later."""
    events = SttEvent(1.5, "final", "yes"), SttEvent(RESUMES_S - 1e-6, "end_of_speech")
    assert commits(STT, *events) == [(3.38, "vad")]


@pytest.mark.parametrize("beside_s", [-4e-9, 0.0, 2e-8])
def test_a_window_at_the_moment_of_the_speech_to_texts_end_has_been_heard(beside_s):
    """START_OF_SPEECH came: the VAD is restarted, and what waits stays."""
    events = SttEvent(1.5, "final", "yes"), SttEvent(RESUMES_S + beside_s, "end_of_speech")
    silent = np.zeros(len(TWICE))
    recording = traced(TWICE)
    trace = VadTrace("livekit", 0, np.array(TWICE), restarts={67 * WINDOW_SAMPLES: silent})
    found = replay(
        Traced(
            "x", "x", "0", recording.duration_s, recording.labels, {"livekit": (trace,)}, (EotTrace(),), 0.0
        ),
        STT,
        CONDITIONS,
        stt=events,
    )
    assert found.time_s.round(6).tolist() == [round(RESUMES_S + 0.5, 6)]
    assert found.cause == ("stt",)


def test_a_commit_flushes_the_frames_that_have_come_one_of_its_own_moment_too():
    found = flush_samples(np.array([-0.1, 0.0, 0.02, 0.05, 0.0999, 0.1 - 1e-9]), 800)
    assert found.tolist() == [-1, 0, 0, 800, 800, 1600]


# --- stream time and recording time -------------------------------------------------------------------

SILENT_WINDOWS = 16
"""Before the recording, 0.512 s: a phase is under 32 ms, too short to show on which side it is counted."""
USER = Ipu("user", 0.0, 0.8, "One."), Ipu("user", 2.08, 2.88, "Two.")
ENDS = Label("shift", 0.8, 1.0), Label("shift", 2.88, 3.5)


def labels_with(*agent: tuple[float, float]) -> Labels:
    spoken = tuple(Ipu("agent", start_s, end_s) for start_s, end_s in agent)
    return Labels(len(TWICE) * WINDOW_S, tuple(sorted((*USER, *spoken), key=lambda i: i.start_s)), ENDS)


DYNAMIC = VAD.replace(endpointing_mode="dynamic", min_delay=0.3, max_delay=2.0)
REFUSING = VAD.model_copy(update={"interruption": InterruptionSettings(min_words=2)})
CASES = [
    (DYNAMIC, labels_with((1.1, 1.6)), [0.8 + 0.3, 2.88 + 0.3]),  # nothing is learned across an agent's turn
    (
        DYNAMIC,
        labels_with((0.1, 0.3)),
        [0.8 + 0.3, 2.88 + 0.9 * 0.3 + 0.1 * 1.28],
    ),  # but from a pause without one
    (REFUSING, labels_with((1.2, 1.5)), [2.88 + 0.5]),  # one word is too few while the agent speaks
    (REFUSING, labels_with((0.7, 1.2)), [1.3, 2.88 + 0.5]),
]


BETWEEN = Ipu("user", 0.9, 1.1, "Hm.")
"""Words that the VAD doesn't hear count to the next pause."""
UNHEARD = replace(labels_with((1.2, 1.5)), ipus=(USER[0], BETWEEN, *labels_with((1.2, 1.5)).ipus[1:]))


@pytest.mark.parametrize(("settings", "labels", "expected_s"), [*CASES, (REFUSING, UNHEARD, [2.88 + 0.5])])
@pytest.mark.parametrize("silent_windows", [0, SILENT_WINDOWS])
def test_the_agent_speaks_at_its_own_time_however_long_the_silence_before(
    settings, labels, expected_s, silent_windows
):
    recording = traced(TWICE, labels, silent_windows)
    np.testing.assert_allclose(replay(recording, settings, CONDITIONS).time_s, expected_s, atol=1e-3)


@pytest.mark.parametrize(("settings", "labels", "expected_s"), CASES)
def test_a_sweep_counts_as_the_replay_does(settings, labels, expected_s):
    corpora = [Corpus.of([traced(TWICE, labels, silent)]) for silent in (0, SILENT_WINDOWS)]
    block = Block.of(settings, CONDITIONS)
    latency_s = [
        corpus.score(block, corpus.pauses(block.vad, CONDITIONS.frame_duration))[0][0].latency_s
        for corpus in corpora
    ]
    np.testing.assert_allclose(latency_s[0], latency_s[1], atol=1e-9)
    last = expected_s[-1] - 2.88
    np.testing.assert_allclose(latency_s[1][-1], [last], atol=1e-3)

"""The pauses a voice-activity detector reports, from its trace and its settings.

Goal: the moments at which `AgentSession` hears START_OF_SPEECH and END_OF_SPEECH, exactly.
Conventions: stream times in seconds, samples at 16 kHz; one pause per END_OF_SPEECH, in time order.
Definitions: the state machine of livekit/plugins/silero/vad.py and livekit/agents/inference/vad.py (1.8.9):
silent until windows with p >= activation add up to `min_speech_duration`; then speaking until windows with
p <= deactivation (and p < activation) add up to `min_silence_duration`. The *last speaking time* is the
END_OF_SPEECH's time less its accumulated silence (livekit/agents/voice/audio_recognition.py:1508).
"""

from __future__ import annotations

import numpy as np

from ..records import Pauses, VadTrace
from ..settings import VadSettings
from ..timeline import SAMPLE_RATE_HZ, Floats, Ints, accumulated_s, arrival_samples, windows_to_reach

PREDICTION_SILENCE_S = 0.2
"""Silence that must have been counted before a prediction is requested (inference/eot/base.py)."""


def find_pauses(trace: VadTrace, vad: VadSettings, frame_samples: int) -> Pauses:
    """Run the VAD state machine over a trace whose audio arrives in frames of `frame_samples`."""
    p = trace.probabilities
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    active = p >= vad.activation_threshold
    starts = np.flatnonzero(_run_length(active) == n_speech)
    ends = np.flatnonzero(_run_length(~(active | (p > vad.deactivation))) == n_silence)
    start_of, end_of = _alternate(starts, ends)

    arrival_s = arrival_samples(np.arange(len(p)), frame_samples) / SAMPLE_RATE_HZ
    stream_end_s = float(arrival_s[-1]) if len(p) else 0.0
    sums = accumulated_s(max(n_speech, n_silence))
    last_speech = end_of - n_silence
    n_predict = windows_to_reach(PREDICTION_SILENCE_S) + 1  # silence is read before it is updated
    predict_window = last_speech + n_predict
    predict_sample = arrival_samples(predict_window, frame_samples)
    if n_silence < n_predict:
        predict_sample = np.zeros_like(predict_sample)
    resume_s = np.append(arrival_s[start_of[1:]], stream_end_s)[: len(end_of)]
    return Pauses(
        speech_start_s=arrival_s[start_of[: len(end_of)]] - sums[n_speech],
        start_of_speech_s=arrival_s[start_of[: len(end_of)]],
        last_speaking_s=arrival_s[end_of] - sums[n_silence],
        end_of_speech_s=arrival_s[end_of],
        resume_s=resume_s,
        predict_sample=predict_sample,
        blip_s=_blips(active, arrival_s, start_of, end_of),
    )


def _run_length(mask: np.ndarray) -> Ints:
    """Length of the run of True that ends at each place; shape=(n,)."""
    index = np.arange(len(mask))
    last_false = np.maximum.accumulate(np.where(mask, -1, index)) if len(mask) else index
    return index - last_false


def _alternate(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """The windows of START and END of speech: each the first candidate after the other."""
    start_of, end_of = [], []
    i = j = 0
    start_list, end_list = starts.tolist(), ends.tolist()
    while i < len(start_list):
        start_of.append(start_list[i])
        while j < len(end_list) and end_list[j] <= start_of[-1]:
            j += 1
        if j == len(end_list):
            break
        end_of.append(end_list[j])
        while i < len(start_list) and start_list[i] <= end_of[-1]:
            i += 1
    return np.array(start_of, dtype=np.int64), np.array(end_of, dtype=np.int64)


def _blips(active: np.ndarray, arrival_s: Floats, start_of: Ints, end_of: Ints) -> Floats:
    """Arrivals of windows that follow an active window while the VAD is not speaking."""
    candidates = np.flatnonzero(active[:-1]) + 1 if len(active) else np.zeros(0, dtype=np.int64)
    ended = np.searchsorted(end_of, candidates - 1)  # END_OF_SPEECH events before the active window
    started = np.searchsorted(start_of, candidates)  # START_OF_SPEECH events before this window
    return np.asarray(arrival_s[candidates[(ended == started) & (ended > 0)]])

"""The pauses a voice-activity detector reports, from its trace and its settings.

Goal: the moments at which `AgentSession` hears START_OF_SPEECH and END_OF_SPEECH, exactly.
Conventions: stream times in seconds, samples at 16 kHz; one pause per END_OF_SPEECH, in time order.
Definitions: the state machine of livekit/plugins/silero/vad.py and livekit/agents/inference/vad.py (1.8.9):
silent until windows with p >= activation add up to `min_speech_duration`; then speaking until windows with
p <= deactivation (and p < activation) add up to `min_silence_duration`. The *last speaking time* is the
END_OF_SPEECH's time less its accumulated silence (livekit/agents/voice/audio_recognition.py:1508).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import (
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    Floats,
    Ints,
    accumulated_s,
    arrival_samples,
    windows_to_reach,
)
from ...core.traces import Bools, Traced, VadTrace
from .records import BranchPauses, Pauses

PREDICTION_SILENCE_S = 0.2
"""Silence that must have been counted before a prediction is requested (inference/eot/base.py)."""


def find_pauses(trace: VadTrace, vad: VadSettings, frame_samples: int) -> Pauses:
    """Run the VAD state machine over a trace whose audio arrives in frames of `frame_samples`.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> pauses.last_speaking_s.round(3).tolist(), pauses.end_of_speech_s.round(3).tolist()
    ([1.294], [1.55])
    """
    p = trace.probabilities
    active, start_of, end_of = _turning_points(p, vad)
    return _pauses(active, start_of, end_of, 0, vad, frame_samples)


def find_branches(
    traced: Traced, vad: VadSettings, phase: int, frame_samples: int
) -> tuple[BranchPauses, ...]:
    """The pauses heard on each branch of a recording; only those that the tape doesn't share are new.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.core.traces import Branch, EotTrace
    >>> heard = np.repeat([0.01, 0.95, 0.01, 0.95, 0.01], [10, 30, 20, 30, 80])
    >>> user = Ipu("user", 0.32, 1.28), Ipu("user", 1.92, 2.88)
    >>> labels = Labels(5.44, user, (Label("shift", 1.28, 1.6), Label("shift", 2.88, 5.44)))
    >>> waits = Branch(0, 30_720, 6.4, {"silero": (np.full(140, 0.01),)})  # as if the caller had waited
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> eot = (EotTrace(),)
    >>> traced = Traced("call", "call.wav", "", 5.44, labels, vad, eot, tail_s=0.0, branches=(waits,))
    >>> (branch,) = find_branches(traced, VadSettings(model="silero"), 0, 800)
    >>> branch.turn, branch.from_s, branch.own.last_speaking_s.round(3).tolist()
    (0, 1.95, [1.294])
    """
    if not traced.branches:
        return ()
    trace = traced.vad[vad.model][phase]
    offset_s = trace.phase_samples / SAMPLE_RATE_HZ
    _, start_of, end_of = _turning_points(trace.probabilities, vad)
    found = []
    for branch, (labels, agent) in zip(traced.branches, traced.waiting, strict=True):
        own = branch.vad[vad.model][phase]
        from_sample = branch.from_sample + trace.phase_samples
        fork = from_sample // WINDOW_SAMPLES  # the first window that hears something else
        shared = max(0, int(np.searchsorted(end_of, fork)) - 1)
        before = slice(shared, int(np.searchsorted(end_of, fork)))  # the last END_OF_SPEECH, if any
        first = int(end_of[before][-1]) + 1 if len(end_of[before]) else 0  # the VAD is silent from here on
        active, starts, ends = _turning_points(np.concatenate((trace.probabilities[first:fork], own)), vad)
        starts = np.concatenate((start_of[before], starts + first))
        ends = np.concatenate((end_of[before], ends + first))
        pauses = _pauses(active, starts, ends, first, vad, frame_samples)
        if len(start_of) and start_of[0] < fork:
            opening = arrival_samples(start_of[:1], frame_samples)[0] / SAMPLE_RATE_HZ
            pauses = replace(pauses, opening_s=float(opening))
        arrival = (from_sample // frame_samples + 1) * frame_samples
        found.append(
            BranchPauses(
                turn=branch.turn,
                from_sample=from_sample,
                from_s=arrival / SAMPLE_RATE_HZ,
                shared=shared,
                own=pauses,
                agent=agent + offset_s,
                labels=labels,
                probabilities=own,
            )
        )
    return tuple(found)


def _pauses(
    active: Bools, start_of: Ints, end_of: Ints, first: int, vad: VadSettings, frame_samples: int
) -> Pauses:
    """Pauses from the windows of START_OF_SPEECH and END_OF_SPEECH; `active` begins at window `first`."""
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    n = first + len(active)
    sums = accumulated_s(max(n_speech, n_silence))
    n_predict = windows_to_reach(PREDICTION_SILENCE_S) + 1  # silence is read before it is updated
    predict = end_of - n_silence + n_predict
    short = _short_speech(active, first, start_of, end_of)
    arrivals = arrival_samples(np.concatenate((start_of, end_of, predict, short, (n - 1,))), frame_samples)
    arrivals_s = arrivals / SAMPLE_RATE_HZ
    starts, ends = len(start_of), len(start_of) + len(end_of)
    start_s, end_s, short_s = (
        arrivals_s[:starts],
        arrivals_s[starts:ends],
        arrivals_s[ends + len(predict) : -1],
    )
    predict_sample = arrivals[ends : ends + len(predict)]
    if n_silence < n_predict:
        predict_sample = np.zeros_like(predict_sample)
    stream_end_s = float(arrivals_s[-1]) if n else 0.0
    return Pauses(
        speech_start_s=start_s[: len(end_of)] - sums[n_speech],
        start_of_speech_s=start_s[: len(end_of)],
        last_speaking_s=end_s - sums[n_silence],
        end_of_speech_s=end_s,
        resume_s=np.concatenate((start_s[1:], (stream_end_s,)))[: len(end_of)],
        predict_sample=predict_sample,
        short_speech_s=short_s,
        opening_s=float(start_s[0]) if len(start_of) else stream_end_s,
        stream_end_s=stream_end_s,
    )


@dataclass(frozen=True)
class SpeechEvents:
    """What one run of the VAD says; windows counted from its first, stream times."""

    arrival_s: list[float]
    """When each window is judged."""
    start: list[int]
    """Windows of START_OF_SPEECH."""
    speech_start_s: list[float]
    """Where that speech began, as LiveKit estimates it."""
    end: list[int]
    """Windows of END_OF_SPEECH."""
    last_speaking_s: list[float]
    """END_OF_SPEECH less its silence."""
    heard: list[int]
    """Windows after speech windows: they move the last speaking time to their arrival, before they may start
    or end speech themselves (audio_recognition.py:1481)."""
    heard_since_s: list[float]
    """Their arrival less the speech counted by then: where speech without a START_OF_SPEECH is taken to have
    begun."""


def speech_events(p: Floats, vad: VadSettings, frame_samples: int, origin: int) -> SpeechEvents:
    """Run the VAD state machine from a frame's edge `origin` (stream sample), where its model begins anew.

    >>> p = np.repeat([0.01, 0.95, 0.01], [10, 30, 100])
    >>> found = speech_events(p, VadSettings(model="silero"), 800, 0)
    >>> found.start, found.end  # windows of 32 ms
    ([11], [47])
    """
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    active, start, end = _turning_points(p, vad)
    window = np.arange(len(p))
    arrival_s = (origin + arrival_samples(window, frame_samples)) / SAMPLE_RATE_HZ
    speaking = np.searchsorted(start, window) > np.searchsorted(end, window)
    run = _run_length(active | (speaking & (p > vad.deactivation)))
    heard = np.flatnonzero(run[:-1] > 0) + 1
    sums = accumulated_s(max(n_speech, n_silence, int(run.max(initial=0))))
    return SpeechEvents(
        arrival_s=arrival_s.tolist(),
        start=start.tolist(),
        speech_start_s=(arrival_s[start] - sums[n_speech]).tolist(),
        end=end.tolist(),
        last_speaking_s=(arrival_s[end] - sums[n_silence]).tolist(),
        heard=heard.tolist(),
        heard_since_s=(arrival_s[heard] - sums[run[heard - 1]]).tolist(),
    )


def _turning_points(p: Floats, vad: VadSettings) -> tuple[Bools, Ints, Ints]:
    """Which windows can start speech, and the windows of START_OF_SPEECH and END_OF_SPEECH."""
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    active = p >= vad.activation_threshold
    starts = np.flatnonzero(_run_length(active) == n_speech)
    ends = np.flatnonzero(_run_length(~(active | (p > vad.deactivation))) == n_silence)
    return active, *_alternate(starts, ends)


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


def _short_speech(active: np.ndarray, first: int, start_of: Ints, end_of: Ints) -> Ints:
    """Windows that follow an active window while the VAD is not speaking; `active` begins at `first`."""
    candidates = np.flatnonzero(active[:-1]) + 1 + first if len(active) else np.zeros(0, dtype=np.int64)
    ended = np.searchsorted(end_of, candidates - 1)  # END_OF_SPEECH events before the active window
    started = np.searchsorted(start_of, candidates)  # START_OF_SPEECH events before this window
    return np.asarray(candidates[ended == started], dtype=np.int64)

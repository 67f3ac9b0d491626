"""What the VAD says from the stream's start and after each restart (`stt` mode; stream times)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import (
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    Floats,
    accumulated_s,
    arrival_samples,
    windows_to_reach,
)
from ...core.traces import BRANCH_SAMPLES, VadTrace
from .decisions import MissingTraces
from .records import BranchPauses
from .state_machine import run_length, turning_points


class MissingRestarts(MissingTraces):
    """Raised when a replay needs the VAD to begin anew at stream samples `origins`, for some `windows`."""

    def __init__(self, needed: dict[int, int]) -> None:
        super().__init__(needed)  # so that it can be sent from a worker process
        self.origins, self.windows = tuple(needed), tuple(needed.values())

    def __str__(self) -> str:
        return f"{len(self.origins)} restarts of the VAD are not in the trace; trace the recording for them"


def trace_of(branch: BranchPauses, tape: VadTrace) -> VadTrace:
    """The whole trace of a branch, with the restarts that are known of it.

    >>> from lab_utils.core.labels import Labels
    >>> from lab_utils.turns.replay import find_pauses
    >>> tape = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> own, none = find_pauses(tape, VadSettings(model="silero"), 800), np.zeros((0, 2))
    >>> branch = BranchPauses(0, 25_600, 1.65, 0, own, none, Labels(9.0, (), ()), np.full(20, 0.01))
    >>> len(trace_of(branch, tape).probabilities)  # 50 windows of the tape, 20 of its own
    70
    """
    fork = branch.from_sample // WINDOW_SAMPLES
    restarts = {
        origin: p[: (branch.from_sample - origin) // WINDOW_SAMPLES]
        for origin, p in tape.restarts.items()
        if origin < branch.from_sample
    }
    for origin, p in tape.restarts.items():
        if branch.shift <= origin < branch.shift + BRANCH_SAMPLES:
            restarts[origin - branch.shift] = p
    return replace(
        tape,
        probabilities=np.concatenate((tape.probabilities[:fork], branch.probabilities)),
        restarts=restarts,
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
    heard_s: Floats
    """Their arrival, shape=(n,)."""
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
    active, start, end = turning_points(p, vad)
    window = np.arange(len(p))
    arrival_s = (origin + arrival_samples(window, frame_samples)) / SAMPLE_RATE_HZ
    speaking = np.searchsorted(start, window) > np.searchsorted(end, window)
    run = run_length(active | (speaking & (p > vad.deactivation)), np.zeros(1, dtype=np.int64))
    heard = np.flatnonzero(run[:-1] > 0) + 1
    sums = accumulated_s(max(n_speech, n_silence, int(run.max(initial=0))))
    return SpeechEvents(
        arrival_s=arrival_s.tolist(),
        start=start,
        speech_start_s=(arrival_s[start] - sums[n_speech]).tolist(),
        end=end,
        last_speaking_s=(arrival_s[end] - sums[n_silence]).tolist(),
        heard=heard.tolist(),
        heard_s=arrival_s[heard],
        heard_since_s=(arrival_s[heard] - sums[run[heard - 1]]).tolist(),
    )


Restart = Callable[[int, int], Floats]
"""Begins the VAD anew at a stream sample, for at least so many windows; their speech probabilities."""


class VadRuns:
    """What the VAD says from the stream's start, and after each restart."""

    def __init__(
        self, trace: VadTrace, vad: VadSettings, frame_samples: int, restart: Restart | None = None
    ) -> None:
        """`restart`: for what the trace doesn't hold."""
        self.frame_samples = frame_samples
        self._trace, self._vad, self._restart = trace, vad, restart
        self._found: dict[int, SpeechEvents] = {}
        n = len(trace.probabilities)
        arrival = arrival_samples(np.array([n - 1]), frame_samples)
        self.end_s = float(arrival[0]) / SAMPLE_RATE_HZ if n else 0.0

    def run(self, origin: int, until_s: float) -> SpeechEvents:
        """The run that begins at `origin`, known at least up to a stream time.

        Raises MissingRestarts where it isn't, and nothing restarts the VAD.
        """
        if origin not in self._found:
            p = self._trace.probabilities if origin == 0 else self._trace.restarts.get(origin, np.zeros(0))
            self._found[origin] = speech_events(p, self._vad, self.frame_samples, origin)
        heard = int(min(until_s, self.end_s) * SAMPLE_RATE_HZ) + 1 - origin
        needed = min(heard // WINDOW_SAMPLES, self._trace.windows_from(origin))
        if len(self._found[origin].arrival_s) < needed:
            if self._restart is None:
                raise MissingRestarts({origin: needed})
            p = self._restart(origin, needed)
            self._found[origin] = speech_events(p, self._vad, self.frame_samples, origin)
        return self._found[origin]

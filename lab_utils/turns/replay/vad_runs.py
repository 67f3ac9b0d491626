"""What the VAD says from the stream's start and after each restart (`stt` mode; stream times)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, arrival_samples
from ...core.traces import BRANCH_SAMPLES, VadTrace
from .decisions import MissingTraces
from .pauses import SpeechEvents, speech_events
from .records import BranchPauses


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


class VadRuns:
    """What the VAD says from the stream's start, and after each restart."""

    def __init__(self, trace: VadTrace, vad: VadSettings, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        self._trace, self._vad = trace, vad
        self._found: dict[int, SpeechEvents] = {}
        n = len(trace.probabilities)
        arrival = arrival_samples(np.array([n - 1]), frame_samples)
        self.end_s = float(arrival[0]) / SAMPLE_RATE_HZ if n else 0.0

    def run(self, origin: int, until_s: float) -> SpeechEvents:
        """The run that begins at `origin`, known at least up to a stream time. Raises MissingRestarts."""
        if origin not in self._found:
            p = self._trace.probabilities if origin == 0 else self._trace.restarts.get(origin, np.zeros(0))
            self._found[origin] = speech_events(p, self._vad, self.frame_samples, origin)
        found = self._found[origin]
        heard = int(min(until_s, self.end_s) * SAMPLE_RATE_HZ) + 1 - origin
        needed = min(heard // WINDOW_SAMPLES, self._trace.windows_from(origin))
        if len(found.arrival_s) < needed:
            raise MissingRestarts({origin: needed})
        return found

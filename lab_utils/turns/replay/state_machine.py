"""The state machine of LiveKit's voice-activity detectors, by window.

Definition (livekit/plugins/silero/vad.py and livekit/agents/inference/vad.py, 1.8.9): silent until windows
with p >= activation add up to `min_speech_duration`; then speaking until windows with p <= deactivation (and
p < activation) add up to `min_silence_duration`.
Conventions: windows are counted from the first one; several streams may lie one after the other in one array
(`begins`), each begins in silence.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import Floats, Ints, windows_to_reach
from ...core.traces import Bools


def turning_points(p: Floats, vad: VadSettings) -> tuple[Bools, list[int], list[int]]:
    """Which windows can start speech, and the windows of START_OF_SPEECH and END_OF_SPEECH.

    >>> _, start_of, end_of = turning_points(np.repeat([0.01, 0.95, 0.01], [10, 30, 100]), VadSettings())
    >>> start_of, end_of
    ([11], [47])
    """
    active, starts, ends = candidates(p, vad, np.zeros(1, dtype=np.int64))
    return active, *alternate(starts.tolist(), ends.tolist())


def candidates(p: Floats, vad: VadSettings, begins: Ints) -> tuple[Bools, Ints, Ints]:
    """Which windows can start speech, and where enough of them, or of silence, have been heard in a row since
    the stream began; `begins`: where streams begin in `p`.

    >>> p = np.repeat([0.01, 0.95, 0.01], [10, 30, 100])
    >>> _, starts, ends = candidates(p, VadSettings(), np.array([0]))
    >>> starts, ends
    (array([11]), array([ 7, 47]))
    """
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    active = p >= vad.activation_threshold
    silent = ~(active | (p > vad.deactivation))
    return active, reached(active, begins, n_speech), reached(silent, begins, n_silence)


def reached(mask: Bools, begins: Ints, n: int) -> Ints:
    """Where runs of True get `n` long (`n` >= 1); a run begins no earlier than its stream.

    Only where runs begin and end is looked at: far fewer places than `run_length` counts through.

    >>> reached(np.array([True, True, False, True, True]), np.array([0, 4]), 2).tolist()
    [1]
    """
    begun = begins[begins < len(mask)]
    before, after = np.zeros((2, len(mask)), dtype=np.bool_)
    before[1:] = mask[:-1]
    before[begun] = False
    after[:-1] = mask[1:]
    after[begun[begun > 0] - 1] = False
    first, last = np.flatnonzero(mask & ~before), np.flatnonzero(mask & ~after)
    return np.asarray(first[last - first >= n - 1] + (n - 1), dtype=np.int64)


def run_length(mask: Bools, begins: Ints) -> Ints:
    """Length of the run of True that ends at each place and begins no earlier than its stream; shape=(n,).

    >>> run_length(np.array([True, True, False, True, True]), np.array([0, 4])).tolist()
    [1, 2, 0, 1, 1]
    """
    index = np.arange(len(mask))
    last_false = np.where(mask, -1, index)
    begun = begins[begins < len(mask)]
    last_false[begun] = np.maximum(last_false[begun], begun - 1)
    return index - np.maximum.accumulate(last_false)


def within(places: list[int], first: int, after: int) -> list[int]:
    """The places, in order, that lie in a stretch.

    >>> within([1, 4, 7], 2, 7)
    [4]
    """
    return places[bisect_left(places, first) : bisect_left(places, after)]


def alternate(starts: list[int], ends: list[int]) -> tuple[list[int], list[int]]:
    """START and END of speech: each the first candidate after the other.

    >>> alternate([3, 5, 20], [1, 9, 12])
    ([3, 20], [9])
    >>> alternate([3, 9], [3, 9])
    ([3], [9])
    """
    start_of: list[int] = []
    end_of: list[int] = []
    i = j = 0
    while i < len(starts):
        start_of.append(starts[i])
        while j < len(ends) and ends[j] <= start_of[-1]:
            j += 1
        if j == len(ends):
            break
        end_of.append(ends[j])
        while i < len(starts) and starts[i] <= end_of[-1]:
            i += 1
    return start_of, end_of


def short_speech(active: Bools, bounds: Ints, start_of: list[int], end_of: list[int]) -> Ints:
    """Windows that follow an active window of their stream while the VAD is not speaking.

    `bounds`: where the streams begin and the last one ends; an END_OF_SPEECH for each START_OF_SPEECH.

    >>> active = np.array([False, True, False, True, True, False, True])
    >>> short_speech(active, np.array([0, 7]), [4], [5]).tolist()
    [2, 4]
    """
    follow = np.setdiff1d(np.flatnonzero(active) + 1, bounds, assume_unique=True)
    ended = np.searchsorted(end_of, follow - 1)  # END_OF_SPEECH events before the active window
    started = np.searchsorted(start_of, follow)  # START_OF_SPEECH events before this window
    return np.asarray(follow[ended == started], dtype=np.int64)

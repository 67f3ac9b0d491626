"""Seconds, samples and voice-activity windows, and the moments at which audio reaches the agent.

Conventions: a *recording* time is seconds from the first sample of the recording. A *stream* time is
seconds from the first sample the agent hears: the recording may be preceded by `phase_samples` of silence
(less than one window), so stream time = recording time + phase. LiveKit's voice-activity detectors work
on windows of 512 samples at 16 kHz; a window is judged when the last frame it needs has arrived.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 512
WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE_HZ

TAIL_S = 8.0
"""Silence after the recording: the last turn's wait must not be cut short by the end of the file."""


def stream_of(pcm: NDArray[np.int16], phase_samples: int, tail_s: float = TAIL_S) -> NDArray[np.int16]:
    """What the agent hears: the phase's silence, the recording, and the silence after it."""
    tail = np.zeros(round(tail_s * SAMPLE_RATE_HZ), dtype=np.int16)
    return np.concatenate((np.zeros(phase_samples, dtype=np.int16), pcm, tail))


def phase_offsets(phases: int) -> list[int]:
    """Offsets in samples that spread `phases` replays evenly over one window; the first is 0."""
    if not 1 <= phases <= WINDOW_SAMPLES:
        raise ValueError(f"phases must be from 1 to {WINDOW_SAMPLES}, got {phases}")
    return [WINDOW_SAMPLES * k // phases for k in range(phases)]


def accumulated_s(n_windows: int) -> Floats:
    """Durations of 0…`n_windows` windows, added up one by one as LiveKit does; shape=(n_windows + 1,).

    `sum of k windows >= 0.256` depends on the rounding of that very sum, hence no multiplication.
    """
    return _sums(max(10, n_windows.bit_length()))[: n_windows + 1]


@cache
def _sums(bits: int) -> Floats:
    """Of 0…2**`bits` windows: recordings of all lengths share a few arrays."""
    sums = np.concatenate(([0.0], np.cumsum(np.full(1 << bits, WINDOW_S))))
    sums.flags.writeable = False  # shared by all who ask
    return sums


@cache
def windows_to_reach(duration_s: float) -> int:
    """Least number (at least 1) of consecutive windows whose accumulated duration is >= `duration_s`."""
    sums = accumulated_s(int(duration_s / WINDOW_S) + 2)
    return max(1, int(np.searchsorted(sums, duration_s)))


def arrival_samples(windows: Ints, frame_samples: int) -> Ints:
    """Stream sample at which each window can be judged: the end of the frame that completes it."""
    ends = (windows + 1) * WINDOW_SAMPLES
    return -(-ends // frame_samples) * frame_samples


def frame_samples(frame_s: float) -> int:
    """Samples in one frame of `frame_s` seconds."""
    n = round(frame_s * SAMPLE_RATE_HZ)
    if n < 1:
        raise ValueError(f"frame_s must be at least one sample, got {frame_s} s")
    return n


def to_samples(time_s: float) -> int:
    """The sample nearest to `time_s`."""
    return round(time_s * SAMPLE_RATE_HZ)


def runs_of(mask: NDArray[np.bool_]) -> Ints:
    """Where a mask is true without a break: [start, end) of each run, shape=(n, 2)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2).astype(np.int64)

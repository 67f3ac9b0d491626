"""Crosstalk: one speaker's voice leaking, delayed and weaker, into the other's channel.

Goal: measure the gain and the delay of one channel's leak in the other, so that labels don't take the leak
for speech. The audio is not changed: the leak's power is predicted by frame and band, and counts as
background.

Conventions: as in `speech_edges`. The *leak* of a source channel into a heard one is one delay and one gain
per band; `gain_db` is the mean power gain between 300 and 3700 Hz.

Definitions:
- Impulse response of the leak: it is measured in the frames of 128 ms in which the source is loud (within 30
  dB of its loudest) and the heard channel is at least 6 dB weaker. Their cross-spectra, each divided by the
  source's power, are averaged and transformed back (Knapp & Carter 1976, "The generalized correlation method
  for estimation of time delay", with Roth's weighting).
- A peak of the response between 0 and 40 ms is a leak if it exceeds 10 times the median absolute value of the
  far half, unless its gain is below -45 dB (the sample calls without a leak reach 13 times, with gains under
  -75 dB).
- The gain by band is the power of the response within 8 ms of the peak. That is coherent power only, so noise
  and double talk add nothing.

Known limits: one fixed path for the whole recording. Channels whose clocks drift apart, and leaks through an
echo canceller, aren't coherent and aren't found. A leak weaker than the channel's noise isn't found either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...core.recording import Pcm
from ...core.samples.kept import blocks_of, joined, kept, release
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from .speech_edges import BAND_EDGES_HZ, BANDS, HOP

MAX_DELAY_S = 0.040
PEAK_RATIO = 10.0
LEAST_GAIN_DB = -45.0
"""A weaker leak is below what a VAD calls speech."""
_FRAME = 2048
_STEP = 1024
_LOUD_DB = 30.0
_WEAKER_DB = 6.0
_LEAST_FRAMES = 30
_AROUND = 128
"""Samples of the response kept on each side of its peak."""
_CHUNK = 1024
BLOCK_FRAMES = 16_384
_LINE_BANDS = slice(2, 16)
"""300 to 3700 Hz: where every line carries speech."""


@dataclass(frozen=True)
class Leak:
    """A path from one channel into the other."""

    delay_s: float
    gain_db: float
    band_gains: tuple[float, ...]
    """Power gain of each critical band, len = BANDS."""

    def powers(self, source: Floats) -> Floats:
        """Predicted power of the leak, shape=(frames, BANDS), from the source's band powers."""
        return kept(self._powers(source))

    def _powers(self, source: Floats) -> Iterator[Floats]:
        shift = round(self.delay_s * SAMPLE_RATE_HZ / HOP)
        n = len(source)
        for at in range(0, n, BLOCK_FRAMES):
            # The delay is no whole number of frames: take the loudest of three neighbours.
            rows = np.arange(at - 1, min(at + BLOCK_FRAMES, n) + 1).clip(0, n - 1) - shift
            late = np.where(rows[:, None] < 0, 0.0, source[np.maximum(rows, 0)])
            loudest = np.maximum(late[1:-1], np.maximum(late[:-2], late[2:]))
            yield loudest * np.array(self.band_gains)
            release(source)


def find_leak(source: Pcm, heard: Pcm) -> Leak | None:
    """The leak of `source` into `heard`, shape=(samples,), or None if there is none to be found."""
    response = _response(source, heard)
    if response is None:
        return None
    size = np.abs(response)
    peak = int(np.argmax(size[: round(MAX_DELAY_S * SAMPLE_RATE_HZ)]))
    if size[peak] < PEAK_RATIO * np.median(size[_FRAME // 4 : 3 * _FRAME // 4]):
        return None
    # Repeat with the source delayed by the peak: frames that overlap only in part give too low a gain.
    aligned = _response(joined(np.zeros(peak, np.int16), source[: len(source) - peak]), heard)
    if aligned is None:
        return None
    kept = np.zeros(_FRAME)
    around = np.arange(-_AROUND, _AROUND)
    kept[around] = aligned[around]
    spectrum = np.abs(np.fft.rfft(kept)) ** 2
    bins = np.searchsorted(np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE_HZ), BAND_EDGES_HZ)
    gains = np.add.reduceat(spectrum, bins)[:BANDS] / np.diff(bins)
    gain_db = float(10 * np.log10(gains[_LINE_BANDS].mean() + 1e-12))
    if gain_db < LEAST_GAIN_DB:
        return None
    return Leak(peak / SAMPLE_RATE_HZ, gain_db, tuple(gains.tolist()))


def _response(source: Pcm, heard: Pcm) -> Floats | None:
    """Impulse response from source to heard, circular over 128 ms; None if the source hardly speaks alone."""
    n = (min(len(source), len(heard)) - _FRAME) // _STEP + 1
    if n < _LEAST_FRAMES:
        return None
    a, b = (np.lib.stride_tricks.sliding_window_view(x, _FRAME)[::_STEP][:n] for x in (source, heard))
    levels: list[Floats] = []
    for frames in (a, b):
        parts = [np.mean(some.astype(np.float32) ** 2, axis=1) for some in blocks_of(frames, _CHUNK)]
        levels.append(10 * np.log10(np.concatenate(parts).astype(np.float64) + 1e-3))
    loud = levels[0] > np.percentile(levels[0], 98) - _LOUD_DB
    chosen = np.flatnonzero(loud & (levels[1] < levels[0] - _WEAKER_DB))
    if len(chosen) < _LEAST_FRAMES:
        return None
    window = np.hanning(_FRAME)
    cross = np.zeros(_FRAME // 2 + 1, dtype=np.complex128)
    power = np.zeros(_FRAME // 2 + 1)
    for k in range(0, len(chosen), _CHUNK):
        rows = chosen[k : k + _CHUNK]
        left, right = (np.fft.rfft(x[rows] * window) for x in (a, b))
        release(source, heard)
        # All frames have equal weight, however loud the other channel is: one shout must not decide.
        weight = 1.0 / np.maximum(np.abs(right) ** 2, 1e-3).mean(axis=1, keepdims=True)
        cross += (weight * np.conj(left) * right).sum(axis=0)
        power += (weight * np.abs(left) ** 2).sum(axis=0)
    response: Floats = np.fft.irfft(cross / np.maximum(power, 1e-3 * power.mean()))
    return response

"""Kinds of noise, each of RMS 1 and any length.

- `pink`: the noise of a room, as in the samples: 1/f power above 150 Hz, 12 dB/octave steeper towards and
  beyond 2 kHz. Its level drifts slowly with a deviation of 2 dB.
- `white`: flat.
- `hum`: 50 Hz and its harmonics to 1 kHz, each 6 dB per octave weaker.
- `babble`: 12 voices. Each is noise with the average spectrum of speech (flat to 500 Hz, then -9 dB/octave;
  Byrne et al. 1994) and varies at syllable rate (4 Hz, fully modulated).
- `street`: brown noise (1/f^2 above 60 Hz) with a passing car, 10 dB louder, every 8 s on average.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ...core.timeline import SAMPLE_RATE_HZ, Floats

NoiseKind = Literal["pink", "white", "hum", "babble", "street"]

_LEAST_SLOW = 1 << 18


def make_noise(kind: NoiseKind, n: int, rng: np.random.Generator) -> Floats:
    """Noise of RMS 1, shape=(n,); the kinds are described above."""
    noise: Floats = np.asarray(_MAKERS[kind](n, rng), dtype=np.float64)
    rms = float(np.sqrt(np.mean(noise**2))) if n else 0.0
    return noise / rms if rms > 0 else noise


def _shaped(n: int, rng: np.random.Generator, amplitude: Callable[[Floats], Floats]) -> Floats:
    """Gaussian noise whose spectrum is `amplitude` of the frequency in Hz."""
    size = 1 << max(1, (n - 1).bit_length())  # the FFT is slow for large prime factors
    frequency_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(size)) * amplitude(frequency_hz.astype(np.float64))
    return np.fft.irfft(spectrum, size)[:n]


def _slow(n: int, rng: np.random.Generator, below_hz: float) -> Floats:
    """A slow random signal of mean 0 and standard deviation 1, without frequencies above `below_hz`."""
    # Short audio gets a part of a longer signal: scaled by itself, its small changes would be exaggerated.
    moved = _shaped(max(n, _LEAST_SLOW), rng, lambda f: ((f > 0) & (f < below_hz)).astype(np.float64))
    drift: Floats = moved[:n] / moved.std()
    return drift


def _pink(n: int, rng: np.random.Generator) -> Floats:
    room = _shaped(n, rng, lambda f: 1 / np.sqrt(np.maximum(f, 150.0)) / (1 + (f / 2000.0) ** 2))
    drifted: Floats = room * 10 ** (2.0 * _slow(n, rng, 0.5) / 20)
    return drifted


def _white(n: int, rng: np.random.Generator) -> Floats:
    return rng.standard_normal(n)


def _hum(n: int, rng: np.random.Generator) -> Floats:
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    tones = np.zeros(n)
    for k in range(1, 21):
        tones += np.sin(2 * np.pi * (50 * k * time_s + rng.random())) / k
    return tones


def _babble(n: int, rng: np.random.Generator) -> Floats:
    voices = np.zeros(n)
    for _ in range(12):
        voice = _shaped(n, rng, lambda f: np.where(f < 80, 0.0, 1 / np.maximum(f / 500.0, 1.0) ** 1.5))
        voices += voice * np.maximum(0.0, 1.0 + _slow(n, rng, 4.0))
    return voices


def _street(n: int, rng: np.random.Generator) -> Floats:
    road = _shaped(n, rng, lambda f: np.where(f < 20, 0.0, 1 / np.maximum(f, 60.0)))
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    gain_db = np.zeros(n)
    for _ in range(rng.poisson(n / SAMPLE_RATE_HZ / 8.0)):
        passes_s, lasts_s = rng.uniform(0, n / SAMPLE_RATE_HZ), rng.uniform(0.7, 2.0)
        gain_db = np.maximum(gain_db, 10.0 * np.exp(-0.5 * ((time_s - passes_s) / lasts_s) ** 2))
    loud: Floats = road * 10 ** (gain_db / 20)
    return loud


_MAKERS: dict[NoiseKind, Callable[[int, np.random.Generator], Floats]] = {
    "pink": _pink,
    "white": _white,
    "hum": _hum,
    "babble": _babble,
    "street": _street,
}

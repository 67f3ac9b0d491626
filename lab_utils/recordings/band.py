"""Whether a recording has the bandwidth of a telephone line, and whether there is noise behind the voice.

Definitions: over the telephone, the power from 4.2 to 7.2 kHz lies more than `NARROW_DB` below that from 0.3
to 3.4 kHz, in the loudest tenth of the frames (speech, wherever there is any); a telephone codec passes
nothing above 4 kHz. In noise, the quietest tenth of the frames is less than `NOISY_DB` weaker than the
loudest twentieth; nobody speaks nine tenths of a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.recording import Pcm
from ..core.samples.kept import blocks_of, sum_of_rows
from ..core.timeline import SAMPLE_RATE_HZ
from ..core.traces import Bools

Band = Literal["telephone", "wide band", ""]
NARROW_DB = 50.0
"""In the sample calls the upper band is 64 to 85 dB weaker on a telephone line, and 8 to 37 dB otherwise."""
Background = Literal["noisy", "quiet", ""]
NOISY_DB = 35.0
"""In the sample calls with noise or babble it is 15 to 26 dB, in the others 49 to 60."""
_FRAME = 512


def band_of(pcm: Pcm) -> Band:
    """The band of int16 samples at 16 kHz; "" if they are too few or silent.

    >>> noise = (3000 * np.random.default_rng(0).standard_normal(16_000)).astype(np.int16)
    >>> band_of(noise), band_of(np.zeros(16_000, dtype=np.int16))
    ('wide band', '')
    """
    return line_of(pcm)[0]


def background_of(pcm: Pcm) -> Background:
    """Whether int16 samples at 16 kHz have noise behind the voice; "" if they are too few or silent.

    >>> burst = np.zeros(16_000, dtype=np.int16)
    >>> burst[:4000] = 3000
    >>> background_of(burst), background_of(burst + np.int16(300)), background_of(burst[:100])
    ('quiet', 'noisy', '')
    """
    return line_of(pcm)[1]


def line_of(pcm: Pcm) -> tuple[Band, Background]:
    """`band_of` and `background_of`, in one walk over the samples."""
    if not len(pcm) // _FRAME or not any(block.any() for block in blocks_of(pcm)):
        return "", ""
    energy = np.concatenate([np.square(frames).sum(axis=1) for frames in _frames(pcm)])
    loudest, quietest = np.quantile(energy, (0.95, 0.1))
    noisy = quietest > loudest * 10 ** (-NOISY_DB / 10)
    return _band(pcm, energy), "noisy" if noisy else "quiet"


def _band(pcm: Pcm, energy: NDArray[np.float32]) -> Band:
    """`energy`: of each frame."""
    loud = energy >= np.quantile(energy, 0.9)
    power = sum_of_rows(_powers(pcm, loud)) / np.count_nonzero(loud)
    hz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE_HZ)
    low, high = (power[(hz >= a) & (hz <= b)].mean() for a, b in ((300, 3400), (4200, 7200)))
    return "telephone" if high <= low * 10 ** (-NARROW_DB / 10) else "wide band"


def _frames(pcm: Pcm) -> Iterator[NDArray[np.float32]]:
    """Blocks of frames, shape=(n, _FRAME)."""
    for block in blocks_of(pcm[: len(pcm) // _FRAME * _FRAME]):
        yield block.reshape(-1, _FRAME).astype(np.float32)


def _powers(pcm: Pcm, chosen: Bools) -> Iterator[NDArray[np.float32]]:
    """Power spectra of some of the frames, in blocks."""
    window, at = np.hanning(_FRAME).astype(np.float32), 0
    for frames in _frames(pcm):
        some = frames[chosen[at : at + len(frames)]]
        at += len(frames)
        yield np.square(np.abs(np.fft.rfft(some * window, axis=1)))

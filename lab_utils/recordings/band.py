"""Whether a recording has the bandwidth of a telephone line.

Definition: its power from 4.2 to 7.2 kHz lies more than `NARROW_DB` below that from 0.3 to 3.4 kHz, in the
loudest tenth of its frames (speech, wherever there is any). A telephone codec passes nothing above 4 kHz.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.recording import Pcm
from ..core.timeline import SAMPLE_RATE_HZ

Band = Literal["telephone", "wide band", ""]
NARROW_DB = 50.0
"""In the sample calls the upper band is 64 to 85 dB weaker on a telephone line, and 8 to 37 dB otherwise."""
_FRAME = 512


def band_of(pcm: Pcm) -> Band:
    """The band of int16 samples at 16 kHz; "" if they are too few or silent.

    >>> noise = (3000 * np.random.default_rng(0).standard_normal(16_000)).astype(np.int16)
    >>> band_of(noise), band_of(np.zeros(16_000, dtype=np.int16))
    ('wide band', '')
    """
    frames = pcm[: len(pcm) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float32)
    if not len(frames) or not pcm.any():
        return ""
    energy = np.square(frames).sum(axis=1)
    loud = frames[energy >= np.quantile(energy, 0.9)]
    power = np.square(np.abs(np.fft.rfft(loud * np.hanning(_FRAME).astype(np.float32), axis=1))).mean(axis=0)
    hz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE_HZ)
    low, high = (power[(hz >= a) & (hz <= b)].mean() for a, b in ((300, 3400), (4200, 7200)))
    return "telephone" if high <= low * 10 ** (-NARROW_DB / 10) else "wide band"

"""Where a VAD trace has speech, and which words were spoken according to it.

Conventions: a mask has one truth value per 32 ms window of the audio. The threshold (`SPEECH`) is low:
windows below it surely have no speech. On this project's samples one of 2,286 spoken words has less than 64
ms of speech by this mask; silence, white and pink noise, dialling tones, chords, melodies and clicks stay
below 0.15 throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ...core.labels import Word
from ...core.timeline import WINDOW_S, WINDOW_SAMPLES, Floats, runs_of
from ...core.traces import Bools, VadTrace

SPEECH = 0.3
"""Windows with this probability or more have speech."""
TOLERANCE_S = 0.1
"""Error of Whisper's word times: this much before and after a word is searched for speech too."""
LEAST_WINDOWS = 2
"""A word with fewer windows of speech (64 ms) in its span and `TOLERANCE_S` around it was not spoken."""


def speech_mask(trace: VadTrace, samples: int) -> Bools:
    """Which windows of a channel of so many samples have speech; shape=(windows,)."""
    mask: Bools = trace.probabilities[: samples // WINDOW_SAMPLES] >= SPEECH
    return mask


def speech_spans(mask: Bools) -> Floats:
    """Seconds of each run of speech, shape=(n, 2)."""
    return runs_of(mask).astype(np.float64) * WINDOW_S


def speech_s(mask: Bools, start_s: float, end_s: float) -> float:
    """Seconds of speech between two moments, by whole windows that they touch."""
    return np.count_nonzero(mask[slice(*windows_of(start_s, end_s))]) * WINDOW_S


def heard_words(words: Iterable[Word], mask: Bools) -> Iterator[Word]:
    """The words during which the VAD finds speech: Whisper invents text for silence and noise."""
    for word in words:
        first, end = windows_of(word.start_s - TOLERANCE_S, word.end_s + TOLERANCE_S)
        if np.count_nonzero(mask[first:end]) >= LEAST_WINDOWS:
            yield word


def windows_of(start_s: float, end_s: float) -> tuple[int, int]:
    """The first window that a span touches, and the one after the last."""
    return int(max(0.0, start_s) / WINDOW_S), int(np.ceil(end_s / WINDOW_S))

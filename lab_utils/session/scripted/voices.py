"""Sound for a simulated synthesizer: a soft tone, or real speech where hibari-tts is installed."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import soxr

from ...core.recording import Pcm

Voice = Literal["tone", "hibari"]

CHARACTER_S = 0.055
"""Seconds of speech per character, about 180 words a minute."""
MIN_SENTENCE_LEN = 20
"""Characters of the shortest piece of text that is spoken by itself; LiveKit's (tokenize/blingfire.py)."""
TONE_HZ = 220.0
TONE_LEVEL = 0.12
"""Peak of the tone relative to full scale, -18 dBFS."""
SYLLABLE_HZ = 4.0
"""How often the tone swells per second, as syllables do: softer to hear, and like speech in a plot."""
FADE_S = 0.03


def hibari_installed() -> bool:
    """Whether hibari-tts can be imported; doesn't import it."""
    return find_spec("hibari") is not None


def speak(text: str, voice: Voice, sample_rate_hz: int) -> bytes:
    """One sentence as 16-bit mono PCM; the same text always gives the same samples. Safe in any thread."""
    if voice == "tone":
        return _tone(max(1, round(len(text) * CHARACTER_S * sample_rate_hz)), sample_rate_hz)
    return _hibari_speech(text, sample_rate_hz)


@functools.lru_cache(maxsize=256)
def _tone(samples: int, sample_rate_hz: int) -> bytes:
    time_s = np.arange(samples) / sample_rate_hz
    phase = 2 * np.pi * TONE_HZ * time_s
    swell = 0.7 - 0.3 * np.cos(2 * np.pi * SYLLABLE_HZ * time_s)
    edge = np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (FADE_S * sample_rate_hz)
    sound = (np.sin(phase) + 0.3 * np.sin(2 * phase)) / 1.3 * swell * np.minimum(edge, 1.0)
    return _pcm(TONE_LEVEL * sound).tobytes()


@functools.lru_cache(maxsize=256)
def _hibari_speech(text: str, sample_rate_hz: int) -> bytes:
    model = _hibari()
    sound = model(text, seed=0)
    return _pcm(soxr.resample(sound, model.sample_rate, sample_rate_hz)).tobytes()


@functools.lru_cache(maxsize=1)
def _hibari() -> Any:
    from hibari import Hibari  # optional, and slow to import

    return Hibari()


def _pcm(sound: np.ndarray) -> Pcm:
    return np.round(np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16)

"""Does the channel that should be the user's behave like an agent's? A suggestion, never a change.

Goal: notice that user and agent are in each other's channels before anything is measured on the wrong one.

Conventions: int16 samples at 16 kHz, shape=(n,); frames of 20 ms; levels in dB of full scale. A frame is
speech if its level is above -60 dB, within 30 dB of the channel's loud frames (their 95th percentile), and
nearer to these than to its quiet ones (10th percentile): noise on the line is no speech.

Four signs of an agent, above all of a synthetic one:
- it speaks *first* (by at least 0.3 s: it greets);
- it speaks *longer* in all (by at least a tenth);
- its loudness is more *uniform* (the standard deviation of its speech level is at least 1 dB less);
- its pauses are *digitally silent* (half of the frames without speech are below -90 dB, the other's aren't).

An exchange is suggested if the user's channel speaks first and shows one more sign, and the agent's channel
shows none except uniform loudness. Each sign alone is weak: a caller may say "hello?" first, and a telephone
line fills every pause with noise. Many exchanged recordings show too few signs; a correct one hardly ever
shows enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.recording import Pcm
from ...core.samples.kept import blocks_of
from ...core.timeline import SAMPLE_RATE_HZ, Floats

FRAME_SAMPLES = 320
_FLOOR_DB = -120.0
_FIRST = "speaks first"
_UNIFORM = "is more uniform in loudness"


@dataclass(frozen=True)
class _Behaviour:
    first_s: float
    speech_s: float
    spread_db: float
    quiet_share: float
    """Of the frames without speech, those that are digitally silent."""


def suspect_swap(user: Pcm, agent: Pcm) -> str | None:
    """Why the two channels look exchanged, in plain words; None if they don't."""
    one, two = _behaviour(user), _behaviour(agent)
    if one is None or two is None:
        return None
    signs = _signs(one, two)
    against = set(_signs(two, one)) - {_UNIFORM}  # noise makes loudness uniform too
    if len(signs) < 2 or signs[0] != _FIRST or against:
        return None
    return f"the user's channel behaves like an agent's: it {', '.join(signs)}"


def _signs(agent_like: _Behaviour, other: _Behaviour) -> list[str]:
    signs = []
    if agent_like.first_s < other.first_s - 0.3:
        signs.append(_FIRST)
    if agent_like.speech_s > 1.1 * other.speech_s:
        signs.append("speaks longer")
    if agent_like.spread_db < other.spread_db - 1.0:
        signs.append(_UNIFORM)
    if agent_like.quiet_share >= 0.5 > other.quiet_share:
        signs.append("is digitally silent in its pauses")
    return signs


def _behaviour(pcm: Pcm) -> _Behaviour | None:
    """How a channel behaves; None for one without speech."""
    level = frame_levels_db(pcm)
    if not len(level):
        return None
    quiet, loud = (float(one) for one in np.percentile(level, (10, 95)))
    speech = level > max(loud - 30.0, (quiet + loud) / 2.0, -60.0)
    if not speech.any():
        return None
    rest = level[~speech]
    return _Behaviour(
        first_s=float(np.flatnonzero(speech)[0]) * FRAME_SAMPLES / SAMPLE_RATE_HZ,
        speech_s=float(speech.sum()) * FRAME_SAMPLES / SAMPLE_RATE_HZ,
        spread_db=float(level[speech].std()),
        quiet_share=float((rest < -90.0).mean()) if len(rest) else 0.0,
    )


def frame_levels_db(pcm: Pcm) -> Floats:
    """RMS level of each whole 20 ms frame, at least -120 dB; shape=(frames,)."""
    whole = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES]
    powers = [
        # float32 is exact enough for a level, and half the memory of float64.
        np.square(block.reshape(-1, FRAME_SAMPLES), dtype=np.float32).mean(axis=1, dtype=np.float64)
        for block in blocks_of(whole)
    ]
    power = np.concatenate(powers) / 32_768.0**2
    level: Floats = 10.0 * np.log10(np.maximum(power, 10.0 ** (_FLOOR_DB / 10.0)))
    return level

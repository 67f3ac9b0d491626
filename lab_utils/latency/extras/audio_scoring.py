"""Scores how a call sounded, from its recording: after the call or in another thread, never during a turn.

The scores are levels and faults of the signal, each by a stated definition. They are not a MOS and don't
replace one: a clear voice that says the wrong thing scores well, and whether a voice sounds natural is not
measured.

Definitions; dB re full scale (dBFS), a full-scale square wave being 0; one channel at a time:

- `loudness_lufs`: integrated loudness of ITU-R BS.1770-5: K-weighted, 0.4 s blocks that overlap by 75 %,
  gated at -70 LUFS and 10 LU below the mean. The filters are given for 48 kHz; for other rates they are
  redesigned from the analogue prototype (B. De Man, "Evaluation of Implementations of the EBU R128 Loudness
  Measurement", AES 145, 2018).
- `speech_level_dbfs`, `silence_ratio`: active speech level and 1 - activity factor of ITU-T P.56 method B
  (two 30 ms smoothers, 0.2 s hangover, 15.9 dB margin): the level during speech, and the share of time
  without. P.56 counts noise within 15.9 dB of the speech as speech: with noise that loud the silence ratio is
  near 0.
- `snr_db`: the active speech level over the noise floor, which is the RMS of the quietest tenth of the 20 ms
  frames that aren't digital silence (an estimate in the manner of NIST's STNR, with a percentile instead of a
  fit). None without noise: where at least a tenth of the frames is digital silence, as in a synthesizer's
  pauses, and P.56 counts all others as speech.
- `peak_dbfs`: of the samples. `clipped_ratio`: the share of samples in runs of three or more at full scale.
- `dropouts`: runs of equal samples of 5 to 400 ms during speech, as left by lost packets that were filled
  with silence. "During speech": 5 ms on either side are within 15.9 dB of the speech level. `dropout_s`:
  their sum.

The level of silence is None, and so is the loudness of less than 0.4 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from ...core.timeline import SAMPLE_RATE_HZ, Floats, runs_of
from ...recordings.audio import read_pcm16k

Pcm = NDArray[np.int16]

FULL_SCALE = 32_768.0
BLOCK_S = 0.4
STEP_S = 0.1
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = 10.0
SMOOTHING_S = 0.03
HANGOVER_S = 0.2
MARGIN_DB = 15.9
FRAME_S = 0.02
QUIETEST = 0.1
CLIPPED_RUN = 3
EDGE_S = 0.005
DROPOUT_S = (0.005, 0.4)


@dataclass(frozen=True)
class AudioScore:
    """One channel of a call; definitions in the module's docstring."""

    duration_s: float
    loudness_lufs: float | None
    speech_level_dbfs: float | None
    silence_ratio: float
    snr_db: float | None
    peak_dbfs: float | None
    clipped_ratio: float
    dropouts: int
    dropout_s: float


@dataclass(frozen=True)
class CallScore:
    """Both sides of a call."""

    user: AudioScore
    agent: AudioScore


def score_call(heard: Pcm, rate_hz: int = SAMPLE_RATE_HZ) -> CallScore:
    """Score `SessionLog.heard`: shape=(n, 2), user left, agent right."""
    if heard.ndim != 2 or heard.shape[1] != 2:
        raise ValueError(f"the call has shape {heard.shape}; expected (samples, 2): user left, agent right")
    return CallScore(score_channel(heard[:, 0], rate_hz), score_channel(heard[:, 1], rate_hz))


def score_file(path: Path) -> CallScore:
    """Score a recorded call: `heard.flac` of `lab run`, LiveKit's `audio.ogg`, any stereo file.

    Raises BadRecording (a ValueError) for a file without audio, and ValueError for a file with one channel.
    """
    pcm = read_pcm16k(path)
    if pcm.ndim != 2 or pcm.shape[1] != 2:
        raise ValueError(f"{path} has one channel; expected two: user left, agent right")
    return score_call(pcm)


def score_channel(pcm: Pcm, rate_hz: int = SAMPLE_RATE_HZ) -> AudioScore:
    """Score one channel, shape=(n,). Raises ValueError for samples of another shape, type or rate."""
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise ValueError(f"expected int16 samples of shape (n,), got {pcm.dtype} of shape {pcm.shape}")
    if not 8_000 <= rate_hz <= 192_000:
        raise ValueError(f"rate_hz is {rate_hz}; expected 8000 to 192000")
    x = pcm.astype(np.float64) / FULL_SCALE
    level_dbfs, activity = _active_level(x, rate_hz)
    noise_dbfs = _noise_floor(x, rate_hz, activity)
    lost = _dropouts(pcm, x, level_dbfs, rate_hz)
    return AudioScore(
        duration_s=len(x) / rate_hz,
        loudness_lufs=loudness(x, rate_hz),
        speech_level_dbfs=level_dbfs,
        silence_ratio=1.0 - activity,
        snr_db=None if level_dbfs is None or noise_dbfs is None else level_dbfs - noise_dbfs,
        peak_dbfs=_db(float(np.abs(x).max(initial=0.0)) ** 2),
        clipped_ratio=_clipped(pcm),
        dropouts=len(lost),
        dropout_s=float(sum(end - start for start, end in lost)) / rate_hz,
    )


def loudness(x: Floats, rate_hz: int) -> float | None:
    """Integrated loudness in LUFS of one channel in [-1, 1], shape=(n,); None for silence or under 0.4 s."""
    block, step = round(BLOCK_S * rate_hz), round(STEP_S * rate_hz)
    if len(x) < block:
        return None
    weighted = signal.sosfilt(k_weighting(rate_hz), x)
    sums = np.concatenate(([0.0], np.cumsum(weighted**2)))
    starts = np.arange(0, len(x) - block + 1, step)
    power = (sums[starts + block] - sums[starts]) / block
    power = power[power > _power(ABSOLUTE_GATE_LUFS + 0.691)]
    if not len(power):
        return None
    gate = float(power.mean()) * 10 ** (-RELATIVE_GATE_LU / 10)
    power = power[power > gate]
    level = _db(float(power.mean()))
    return None if level is None else level - 0.691


def k_weighting(rate_hz: int) -> Floats:
    """The two filters of BS.1770 at any rate, a high shelf and a high pass, as sections of shape=(2, 6)."""
    gain = 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    k, q = math.tan(math.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    a0 = 1 + k / q + k * k
    b = (gain + middle * k / q + k * k, 2 * (k * k - gain), gain - middle * k / q + k * k)
    shelf = [*(value / a0 for value in b), 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def _active_level(x: Floats, rate_hz: int) -> tuple[float | None, float]:
    """Active speech level in dBFS and activity factor (ITU-T P.56, method B); None and 0 for silence.

    Between two thresholds (6 dB apart) the level is interpolated linearly.
    """
    energy = float(np.dot(x, x))
    if energy == 0.0:
        return None, 0.0
    g = math.exp(-1.0 / (rate_hz * SMOOTHING_S))
    envelope = signal.lfilter([1 - g], [1, -g], signal.lfilter([1 - g], [1, -g], np.abs(x)))
    hangover = math.ceil(HANGOVER_S * rate_hz)
    mean_dbfs = 10 * math.log10(energy / len(x))
    level, excess = mean_dbfs, math.inf  # level's distance from the threshold, minus the margin
    for exponent in range(15, 0, -1):
        active = _held(np.flatnonzero(envelope >= 2.0**-exponent), len(x), hangover)
        if not active:
            break
        before = level, excess
        level = 10 * math.log10(energy / active)
        excess = level - 20 * math.log10(2.0**-exponent) - MARGIN_DB
        if excess <= 0:
            if math.isfinite(before[1]):
                level = before[0] + before[1] / (before[1] - excess) * (level - before[0])
            break
    return level, min(1.0, 10 ** ((mean_dbfs - level) / 10))


def _held(above: NDArray[np.intp], length: int, hangover: int) -> int:
    """Number of samples that follow one of the indices `above` (ascending) by at most `hangover` samples."""
    if not len(above):
        return 0
    return int(np.minimum(np.diff(above, append=length), hangover + 1).sum())


def _noise_floor(x: Floats, rate_hz: int, activity: float) -> float | None:
    """Noise floor in dBFS; None if all is speech or digital silence. `activity`: factor of P.56."""
    frame = round(FRAME_S * rate_hz)
    count = len(x) // frame
    power = np.mean(x[: count * frame].reshape(count, frame) ** 2, axis=1)
    power = np.sort(power[power > 0])
    if not len(power) or len(power) / count <= min(activity, 1 - QUIETEST):
        return None
    return _db(float(power[: math.ceil(QUIETEST * len(power))].mean()))


def _clipped(pcm: Pcm) -> float:
    """The share of samples in runs at full scale."""
    full = (pcm >= 32_767) | (pcm <= -32_767)
    long = sum(end - start for start, end in runs_of(full).tolist() if end - start >= CLIPPED_RUN)
    return float(long) / len(pcm) if len(pcm) else 0.0


def _dropouts(pcm: Pcm, x: Floats, level_dbfs: float | None, rate_hz: int) -> list[tuple[int, int]]:
    """Runs of equal samples during speech: [start, end) in samples."""
    if level_dbfs is None:
        return []
    edge = round(EDGE_S * rate_hz)
    least = _power(level_dbfs - MARGIN_DB)
    found = []
    for start, last in runs_of(pcm[1:] == pcm[:-1]).tolist():
        end = last + 1  # n equal neighbouring pairs are n + 1 equal samples
        sides = x[max(0, start - edge) : start], x[end : end + edge]
        if DROPOUT_S[0] * rate_hz <= end - start <= DROPOUT_S[1] * rate_hz and all(
            len(side) == edge and float(np.mean(side**2)) >= least for side in sides
        ):
            found.append((start, end))
    return found


def _power(db: float) -> float:
    return float(10 ** (db / 10))


def _db(power: float) -> float | None:
    return 10 * math.log10(power) if power > 0 else None

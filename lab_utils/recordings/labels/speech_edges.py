"""Where speech begins and ends, to 10 ms: a voice-activity detector finds it, the spectrum places its edges.

Goal: spans close to what a person hears as speech, in quiet and in noise. LiveKit's VAD tells speech from
noise, but its probability decays only 60 to 110 ms after the last sound, which hides pauses of 0.2 to 0.3 s.
Energy shows edges but can't tell speech from noise. So the VAD says where speech is, and energy moves each
edge within limits.

Conventions: int16 mono audio at 16 kHz; frames of 20 ms every 10 ms, frame k centred on k * 10 ms; band
powers have shape=(frames, BANDS), samples scaled to [-1, 1]; spans are `[start, end)` in seconds, shape=(n,
2).

Definitions:
- Likelihood ratio of a frame: how much likelier it is with speech than without. It is the mean over bands of
  g - log g - 1 with g = power / background; bands with g below 1 count as 0. Sohn, Kim & Sung 1999, "A
  statistical model-based voice activity detection", eq. 3-5, with the a-priori SNR at its maximum-likelihood
  value.
- Background: for each band, the mean power of the frames that the VAD calls silent (probability < 0.1). It is
  computed from the mean of the logarithm, which a single loud sound hardly changes. Known crosstalk is added
  by frame.
- A frame is *loud* if its ratio is above 1 and it is within 45 dB of the loudest speech (the 98th
  percentile), as in the sample calls. Loud runs under 30 ms are dropped.
- The VAD's speech starts where its probability reaches `activation` and ends where it falls below
  `deactivation`. The start then moves to the start of the first loud run that ends after it, by at most 0.15
  s earlier or 0.03 s later. The end moves to the end of the last loud run that starts before it, by at most
  0.10 s earlier or 0.03 s later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels import as_spans
from ...core.recording import Pcm
from ...core.samples.kept import blocks_of, kept, sum_of_rows
from ...core.samples.stream import Stream
from ...core.timeline import SAMPLE_RATE_HZ, WINDOW_S, Floats, runs_of
from ...core.traces import Bools

HOP = 160
FRAME = 320
HOP_S = HOP / SAMPLE_RATE_HZ
BAND_EDGES_HZ = (100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700,
                 4400, 5300, 6400, 7700)  # fmt: skip
"""Critical bands (Zwicker 1961, "Subdivision of the audible frequency range into critical bands")."""
BANDS = len(BAND_EDGES_HZ) - 1
POWER_FLOOR = 1e-9
"""Band power below which all is silence; keeps ratios finite where a channel is digitally silent."""
_FFT = 512
_CHUNK = 16_384
_EULER = 0.5772156649
"""-E[log x] of exponentially distributed power x of mean 1; added to a mean logarithm to get the mean."""


@dataclass(frozen=True)
class EdgeLimits:
    """The numbers of the definitions above."""

    silent_below: float = 0.1
    ratio: float = 1.0
    range_db: float = 45.0
    shortest_loud_s: float = 0.03
    start_earlier_s: float = 0.15
    start_later_s: float = 0.03
    end_earlier_s: float = 0.10
    end_later_s: float = 0.03


EDGES = EdgeLimits()


def band_powers(pcm: Pcm) -> Floats:
    """Mean power of each frame in each critical band, shape=(frames, BANDS)."""
    return kept(_powers(pcm))


def _powers(pcm: Pcm) -> Iterator[Floats]:
    n = len(pcm) // HOP + 1
    window = np.hanning(FRAME).astype(np.float32)
    bins = np.searchsorted(np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ), BAND_EDGES_HZ)
    padded = Stream(FRAME // 2, pcm, FRAME)
    for at in range(0, n, _CHUNK):
        last = min(at + _CHUNK, n) - 1
        samples = padded[at * HOP : last * HOP + FRAME]
        part = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP].astype(np.float32) / 32_768
        spectrum = np.abs(np.fft.rfft(part * window, _FFT)) ** 2
        sums = np.add.reduceat(spectrum, bins, axis=1)[:, :BANDS]
        yield (sums / np.diff(bins)).astype(np.float64) + POWER_FLOOR


def by_frame(probabilities: Floats, n_frames: int) -> Floats:
    """The VAD's probability at each frame, from its windows of 32 ms; shape=(n_frames,)."""
    if not len(probabilities):
        return np.zeros(n_frames)
    window = (np.arange(n_frames) * HOP_S / WINDOW_S + 1e-9).astype(np.int64)
    return probabilities[np.minimum(window, len(probabilities) - 1)]


def background(powers: Floats, silent: Bools) -> Floats:
    """Mean power by band over the silent frames (the power floor if there are none); shape=(BANDS,)."""
    if not silent.any():
        return np.full(powers.shape[1], POWER_FLOOR)
    logs = (np.log(some[chosen]) for some, chosen in _in_step(powers, silent))
    level: Floats = np.exp(sum_of_rows(logs) / np.count_nonzero(silent) + _EULER)
    return level


def likelihood_ratio(powers: Floats, without_speech: Floats) -> Floats:
    """The mean over bands of g - log g - 1, shape=(frames,); `without_speech` broadcasts against `powers`."""
    whole = np.broadcast_to(without_speech, powers.shape)
    return np.concatenate([_ratio(some, other) for some, other in _in_step(powers, whole)])


def _ratio(powers: Floats, without_speech: Floats) -> Floats:
    g = np.maximum(powers / without_speech, 1.0)
    ratio: Floats = (g - np.log(g) - 1.0).mean(axis=1)
    return ratio


def _in_step(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Blocks of the same rows of several arrays."""
    return zip(*(blocks_of(array, _CHUNK) for array in arrays), strict=True)


def loud_frames(powers: Floats, without_speech: Floats, limits: EdgeLimits = EDGES) -> Bools:
    """Frames that stand out from the background, in runs of at least 30 ms; shape=(frames,)."""
    standing_out = likelihood_ratio(powers, without_speech) > limits.ratio
    if not standing_out.any():
        return standing_out
    level_db = 10 * np.log10(np.concatenate([some.mean(axis=1) for (some,) in _in_step(powers)]))
    within = level_db > np.percentile(level_db[standing_out], 98) - limits.range_db
    loud = np.zeros(len(powers), dtype=bool)
    shortest = round(limits.shortest_loud_s / HOP_S)
    for start, end in runs_of(standing_out & within):
        loud[start:end] = end - start >= shortest
    return loud


def vad_spans(probabilities: Floats, activation: float, deactivation: float, windows: int = 1) -> Floats:
    """Runs of at least `windows` windows from p >= activation until p < deactivation; shape=(n, 2)."""
    spans: list[tuple[float, float]] = []
    start: int | None = None
    for k, p in enumerate([*probabilities.tolist(), -1.0]):
        if start is None and p >= activation:
            start = k
        elif start is not None and p < deactivation:
            if k - start >= windows:
                spans.append((start * WINDOW_S, k * WINDOW_S))
            start = None
    return as_spans(spans)


def place_edges(coarse: Floats, loud: Bools, limits: EdgeLimits = EDGES) -> Floats:
    """The VAD's spans with their edges moved to those of loud runs, within limits; shape=(m, 2), m <= n.

    Spans stay in order and never overlap; a span that becomes empty is dropped.
    """
    runs = runs_of(loud) * HOP_S
    placed: list[tuple[float, float]] = []
    before_s = 0.0
    for k, (start, end) in enumerate(coarse.tolist()):
        after_s = float(coarse[k + 1, 0]) if k + 1 < len(coarse) else np.inf
        first = int(np.searchsorted(runs[:, 1], start, side="right"))
        if first < len(runs):
            earliest = max(start - limits.start_earlier_s, before_s)
            start_s = min(max(runs[first, 0], earliest), start + limits.start_later_s)
        else:
            start_s = start
        last = int(np.searchsorted(runs[:, 0], end)) - 1
        if last >= 0:
            latest = min(end + limits.end_later_s, after_s)
            end_s = min(max(runs[last, 1], end - limits.end_earlier_s), latest)
        else:
            end_s = end
        if end_s > start_s:
            placed.append((float(start_s), float(end_s)))
            before_s = end_s
        else:
            before_s = max(before_s, end)
    return as_spans(placed)

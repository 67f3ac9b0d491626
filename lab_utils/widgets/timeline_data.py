"""What a timeline shows of one recording under one setting: computed once, drawn in the browser.

Peaks travel, not samples, so that a call of four hours opens as fast as a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.labels import LABEL_KINDS, Labels, Word
from ..core.recording import Pcm, Recording
from ..core.settings import Settings
from ..core.timeline import SAMPLE_RATE_HZ, WINDOW_S
from ..core.traces import Traced
from ..plots.recordings import LABEL_COLOURS, LABEL_NAMES

PEAKS_PER_S = 200
"""Waveform columns for each second: at most."""
MOST_PEAKS = 400_000
"""Columns of a long recording: a channel of four hours has 28 a second."""
TEXT_ALPHA = "59"
"""Opacity of a label's colour (35 %), in hexadecimal."""


@dataclass(frozen=True)
class TimelineData:
    """All that the browser needs, in plain values; times in seconds of the recording."""

    title: str
    duration_s: float
    channels: tuple[str, ...]
    peaks: bytes
    """int8, channel after channel, each scaled by its loudest moment."""
    labels: list[dict[str, Any]]
    words: list[dict[str, Any]]
    vad: bytes
    """The VAD's probability by window, 255 for 1."""
    vad_scale: dict[str, float]
    """Of `vad`: start_s, step_s; and the thresholds activation, deactivation."""
    threshold: float | None
    """The detector's `unlikely_threshold` in the recording's language; None without a detector."""
    commits: list[dict[str, Any]]


def timeline_data(
    recording: Recording, traced: Traced, commits: pd.DataFrame, settings: Settings, phase: int = 0
) -> TimelineData:
    """The timeline of a recording; `commits`: as `Study.commits` gives them, at this phase."""
    channels = {"user": recording.user} | ({} if recording.agent is None else {"agent": recording.agent})
    trace = traced.vad[settings.vad.model][phase]
    has_threshold = settings.detector.traits.has_threshold
    threshold = settings.detector.threshold_in(traced.language) if has_threshold else None
    return TimelineData(
        title=recording.name,
        duration_s=recording.duration_s,
        channels=tuple(channels),
        peaks=b"".join(peaks(pcm).tobytes() for pcm in channels.values()),
        labels=label_items(traced.labels),
        words=[_word(word) for word in traced.labels.words],
        vad=np.round(255 * np.clip(trace.probabilities, 0.0, 1.0)).astype(np.uint8).tobytes(),
        vad_scale={
            "start_s": WINDOW_S - trace.phase_samples / SAMPLE_RATE_HZ,
            "step_s": WINDOW_S,
            "activation": settings.vad.activation_threshold,
            "deactivation": settings.vad.deactivation,
        },
        threshold=threshold,
        commits=[_commit(row) for row in commits.to_dict("records")],
    )


def peaks(pcm: Pcm) -> NDArray[np.int8]:
    """The greatest magnitude in successive stretches, with its sign; the loudest of all is 127.

    At most `PEAKS_PER_S` a second and `MOST_PEAKS` together; shape=(columns,).

    >>> peaks(np.array([0, -1000, 500, 0], dtype=np.int16)).tolist()
    [-127]
    """
    if not len(pcm):
        return np.zeros(0, dtype=np.int8)
    columns = int(np.clip(len(pcm) * PEAKS_PER_S // SAMPLE_RATE_HZ, 1, MOST_PEAKS))
    edges = np.arange(columns) * len(pcm) // columns
    low = np.minimum.reduceat(pcm, edges).astype(np.float64)
    high = np.maximum.reduceat(pcm, edges).astype(np.float64)
    extreme = np.where(-low > high, low, high)
    loudest = max(1.0, float(np.abs(extreme).max()))
    return np.round(127 * extreme / loudest).astype(np.int8)


def label_items(labels: Labels) -> list[dict[str, Any]]:
    """The labels as the browser draws them; `number` is their place in the list."""
    return [
        {
            "number": number,
            "kind": label.kind,
            "name": LABEL_NAMES[label.kind],
            "colour": LABEL_COLOURS[label.kind] + TEXT_ALPHA,
            "start_s": label.start_s,
            "end_s": label.end_s,
            "confidence": label.confidence,
            "reason": label.reason,
        }
        for number, label in enumerate(labels.labels)
        if label.kind in LABEL_KINDS
    ]


def _word(word: Word) -> dict[str, Any]:
    return {
        "speaker": word.speaker, "start_s": word.start_s, "end_s": word.end_s, "text": word.text
    }  # fmt: skip


def _commit(row: dict[Any, Any]) -> dict[str, Any]:
    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    return {
        "time_s": float(row["commit_s"]),
        "cause": str(row["cause"]),
        "is_false": bool(row["false_boundary"]),
        "probability": known(row["probability"]),
        "latency_s": known(row["latency_s"]),
    }


@dataclass(frozen=True)
class Spectrogram:
    """Loudness by time and frequency, shape=(rows, columns), uint8: 255 is loudest, high tones on top."""

    levels: NDArray[np.uint8]


RANGE_DB = 70.0
"""What is so much softer than the loudest is black."""
_WINDOW = 512
_ROWS = 128


def spectrogram(pcm: Pcm, from_s: float, to_s: float, columns: int) -> Spectrogram:
    """The spectrogram of a stretch: at most `columns` columns, 0 to 8 kHz in 128 rows, windows of 32 ms."""
    first, last = (int(np.clip(t * SAMPLE_RATE_HZ, 0, len(pcm))) for t in (from_s, to_s))
    columns = min(columns, max(0, (last - first) // 64))
    if columns <= 0:
        return Spectrogram(np.zeros((0, 0), dtype=np.uint8))
    middles = first + (np.arange(columns) + 0.5) * (last - first) / columns
    starts = np.clip(np.round(middles).astype(np.int64) - _WINDOW // 2, 0, max(0, len(pcm) - _WINDOW))
    at = np.minimum(starts[:, None] + np.arange(_WINDOW), len(pcm) - 1)
    power = np.abs(np.fft.rfft(pcm[at] * np.hanning(_WINDOW), axis=1)[:, : 2 * _ROWS]) ** 2
    level_db = 10 * np.log10(power.reshape(columns, _ROWS, 2).mean(axis=2) + 1e-3)
    scaled = 1 + (level_db - level_db.max()) / RANGE_DB
    return Spectrogram(np.round(255 * np.clip(scaled.T[::-1], 0.0, 1.0)).astype(np.uint8))

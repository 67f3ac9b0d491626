"""Sound to listen to, as a WAV file that a notebook shows as a player, and to look at, as an envelope."""

from __future__ import annotations

import base64
import wave
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np

from .recording import Pcm, Recording
from .timeline import SAMPLE_RATE_HZ, Floats, to_samples


@dataclass(frozen=True)
class Sound:
    """16 kHz sound, shape=(samples, 2): user left, agent right."""

    stereo: Pcm
    name: str = ""

    @property
    def wav(self) -> bytes:
        """As a WAV file."""
        return wav(self.stereo)

    def save(self, path: str | Path) -> Path:
        """Write a WAV file; returns its path."""
        target = Path(path)
        target.write_bytes(self.wav)
        return target

    def _repr_html_(self) -> str:
        name = f"<div><b>{escape(self.name)}</b></div>" if self.name else ""
        data = base64.b64encode(self.wav).decode("ascii")
        return f'{name}<audio controls src="data:audio/wav;base64,{data}"></audio>'


def excerpt(recording: Recording, start_s: float, end_s: float) -> Sound:
    """A stretch of a recording, cut to its length; the user on both sides if the agent wasn't recorded.

    Raises ValueError if nothing of the recording lies in it.
    """
    first, last = (min(max(0, to_samples(at_s)), len(recording.user)) for at_s in (start_s, end_s))
    if last <= first:
        asked = f"{start_s:.1f}-{end_s:.1f} s"
        raise ValueError(f"{recording.name}: lasts {recording.duration_s:.1f} s, asked for {asked}")
    agent = recording.user if recording.agent is None else recording.agent
    return Sound(np.stack((recording.user[first:last], agent[first:last]), axis=1))


@dataclass(frozen=True)
class Envelope:
    """A signal's extremes in successive columns; all shape=(columns,)."""

    time_s: Floats
    low: Floats
    high: Floats


def envelope(
    values: np.ndarray, rate_hz: float, start_s: float, span: tuple[float, float], columns: int = 1500
) -> Envelope:
    """The least and greatest value in each of at most `columns` stretches of `span`; empty without signal.

    `values`: shape=(n,), the first at `start_s`. A signal with fewer values than columns keeps each of them.
    """
    first, last = (int(np.clip(np.ceil((t - start_s) * rate_hz - 1e-6), 0, len(values))) for t in span)
    n = min(columns, last - first)
    if n <= 0:
        return Envelope(np.zeros(0), np.zeros(0), np.zeros(0))
    edges = first + np.arange(n) * (last - first) // n
    part = values[:last]
    low, high = np.minimum.reduceat(part, edges), np.maximum.reduceat(part, edges)
    return Envelope(start_s + edges / rate_hz, low.astype(np.float64), high.astype(np.float64))


def wav(stereo: np.ndarray) -> bytes:
    """16 kHz samples, shape=(n, channels), as a WAV file."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(stereo.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(stereo.astype("<i2").tobytes())
    return buffer.getvalue()

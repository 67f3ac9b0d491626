"""Sound to listen to, as a WAV file that a notebook shows as a player, and to look at, as an envelope."""

from __future__ import annotations

import base64
import wave
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np

from .errors import InputError
from .labels import agent_turns
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

    Raises InputError if nothing of the recording lies in it.
    """
    first, last = (min(max(0, to_samples(at_s)), len(recording.user)) for at_s in (start_s, end_s))
    if last <= first:
        asked = f"{start_s:.1f}-{end_s:.1f} s"
        raise InputError(f"{recording.name}: lasts {recording.duration_s:.1f} s, asked for {asked}")
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


TONE_HZ = 440.0
TONE_S = 1.5
"""What stands for the agent's reply where no voice of it was recorded."""


def interruption(
    recording: Recording, commit_s: float, lead_s: float = 3.0, longest_reply_s: float = 4.0
) -> Sound:
    """What a caller would hear if the agent replied at `commit_s`: its reply over whatever they say then.

    User left, agent right, from `lead_s` before the commit to the end of the reply. The reply is the agent's
    recorded turn that comes next, begun at the commit; a tone if there is none. What the agent says before
    the commit stays. Raises ValueError if the commit lies outside the recording.
    """
    if not 0.0 <= commit_s <= recording.duration_s:
        finding = f"{recording.name}: has no moment {commit_s:.1f} s, it lasts {recording.duration_s:.1f} s"
        raise ValueError(f"{finding}; give the time of a commit on it")
    reply = _reply(recording, commit_s)[: to_samples(longest_reply_s)]
    first, at = to_samples(max(0.0, commit_s - lead_s)), to_samples(commit_s)
    stereo = np.zeros((at - first + len(reply), 2), dtype=np.int16)
    user = recording.user[first : first + len(stereo)]
    stereo[: len(user), 0] = user
    if recording.agent is not None:
        before = recording.agent[first:at]
        stereo[: len(before), 1] = before
    stereo[at - first :, 1] = reply
    return Sound(stereo, f"{recording.name}, the agent replying at {commit_s:.1f} s")


def _reply(recording: Recording, commit_s: float) -> Pcm:
    """The agent's next recorded turn, or a tone."""
    if recording.agent is not None and recording.labels is not None:
        for start_s, end_s in agent_turns(recording.labels).tolist():
            if start_s >= commit_s:
                return recording.agent[to_samples(start_s) : to_samples(end_s)]
    t_s = np.arange(to_samples(TONE_S)) / SAMPLE_RATE_HZ
    tone: Pcm = np.round(3000 * np.sin(2 * np.pi * TONE_HZ * t_s)).astype(np.int16)
    return tone


def wav(stereo: np.ndarray) -> bytes:
    """16 kHz samples, shape=(n, channels), as a WAV file."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(stereo.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(stereo.astype("<i2").tobytes())
    return buffer.getvalue()

"""The agent's audio input offline: recorded audio, delivered on the running loop's clock.

It follows the loop's `time()` and `call_at`, so it behaves the same on a `VirtualLoop` and in real time. All
audio is 16 kHz, mono, int16.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ
from ..clock.pace import Turn, sleep_until
from ..late_join import Arrival, in_time

_BURST_STEP_S = 1e-4
"""Seconds between frames of a burst: the session handles a frame before the next comes, as on a network."""


class AudioSource(Protocol):
    """Where the caller's audio comes from."""

    def frame(self, number: int) -> Pcm | None:
        """Samples of frame `number`, shape=(frame_samples,), or None when the source has ended.

        Called once for each number, in order, at the moment the frame's last sample has been spoken.
        """
        ...


class Stream(AudioSource):
    """Audio known beforehand, cut into frames; the last one is filled up with zeros."""

    def __init__(self, pcm: Pcm, frame_samples: int) -> None:
        """`pcm`: shape=(n,). Raises ValueError for samples of another shape or type."""
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise ValueError(f"expected int16 samples of shape (n,), got {pcm.dtype} of shape {pcm.shape}")
        missing = -len(pcm) % frame_samples
        self._frames = np.concatenate((pcm, np.zeros(missing, np.int16))).reshape(-1, frame_samples)

    def frame(self, number: int) -> Pcm | None:
        return self._frames[number] if number < len(self._frames) else None


class RecordingInput(io.AudioInput):
    """Delivers a source's frames to the agent: frame i when it is complete, at `started_at` + (i + 1) frames.

    Frames have `frame_samples` samples. `on_start` is called when the agent begins to listen. With `arrives`
    (see `late_join`) a frame is delivered at the time that `arrives` gives for the frame's end.
    """

    def __init__(
        self,
        source: AudioSource,
        frame_samples: int,
        *,
        on_start: Callable[[], None] | None = None,
        arrives: Arrival = in_time,
    ) -> None:
        super().__init__(label="RecordingInput")
        if frame_samples < 1:
            raise ValueError(f"frame_samples must be at least 1, got {frame_samples}")
        self.started_at: float | None = None
        """`time.time()` of sample 0; None until the agent listens."""
        self.ended = asyncio.Event()
        """Set when the source has ended, one frame after its last frame, or failed."""
        self.failure: Exception | None = None
        """The exception that the source raised. AgentSession only stops listening: `run` would not end."""
        self.sent: list[Pcm] = []
        """The frames delivered so far."""
        self._source, self._frame_samples, self._on_start = source, frame_samples, on_start
        self._start_s = 0.0  # loop time of sample 0
        self._arrives = arrives
        self._came_s = -math.inf  # loop time of the last frame

    async def __anext__(self) -> rtc.AudioFrame:
        loop = asyncio.get_running_loop()
        if self.started_at is None:
            self.started_at, self._start_s = time.time(), loop.time()
            if self._on_start:
                self._on_start()
        spoken_s = (len(self.sent) + 1) * self._frame_samples / SAMPLE_RATE_HZ
        due_s = self._start_s + self._arrives(spoken_s)
        if self._arrives is not in_time:
            due_s = max(due_s, self._came_s + _BURST_STEP_S)
        if due_s > loop.time():
            await sleep_until(due_s, Turn.FRAME)
        self._came_s = due_s
        samples = None if self.ended.is_set() else self._next()
        if samples is None:
            self.ended.set()
            raise StopAsyncIteration
        self.sent.append(samples)
        return rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE_HZ, 1, self._frame_samples)

    def _next(self) -> Pcm | None:
        try:
            samples = self._source.frame(len(self.sent))
            if samples is not None and (samples.shape != (self._frame_samples,) or samples.dtype != np.int16):
                found = f"{samples.dtype} of shape {samples.shape}"
                raise ValueError(f"expected {self._frame_samples} int16 samples a frame, got {found}")
        except Exception as error:
            self.failure = error
            self.ended.set()
            raise
        return samples

    def samples(self) -> Pcm:
        """Everything delivered so far, shape=(n,)."""
        return np.concatenate(self.sent) if self.sent else np.zeros(0, np.int16)

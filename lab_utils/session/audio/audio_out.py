"""The agent's audio output offline: playout on the running loop's clock.

It follows the loop's `time()` and `call_at`, so it behaves the same on a `VirtualLoop` and in real time.
Moments given to the outside are `time.time()` seconds. All audio is 16 kHz, mono, int16.

Where `Playout` differs from LiveKit's room output (`livekit/agents/voice/room_io/_output.py`, 1.8.9):
- A pause takes effect at its moment and loses nothing. The room output notices it at its next frame, up to
  50 ms later, drops the up to 0.2 s it has queued, and can't pause audio that is all queued already.
- `clear_buffer` silences and ends a segment at once, even one that was not flushed; what is captured for
  that segment later is dropped. The room output ends it when it is flushed.
- Audio captured while an earlier segment plays is queued; the room output blocks whoever captures it.
- Audio plays from the first sample; the room output collects frames of 50 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from ...core.recording import Pcm
from ...core.session_log import SessionEventKind
from ...core.timeline import SAMPLE_RATE_HZ
from ..clock.pace import Turn, call_at

OnEvent = Callable[[SessionEventKind, Mapping[str, Any]], None]

_ROUNDING_SAMPLES = 1e-3
"""A sample counts as played if at most this fraction of it is missing: float seconds are inexact."""


class Heard(NamedTuple):
    """One run of the agent's audio that was audible without a break."""

    at: float
    """`time.time()` of the first sample."""
    samples: Pcm
    """shape=(n,)"""


@dataclass
class _Segment:
    """Audio between two flushes."""

    waiting: deque[Pcm] = field(default_factory=deque)
    """Blocks that have not been played."""
    left: int = 0
    """Samples in `waiting`."""
    played: int = 0
    started: bool = False
    flushed: bool = False

    def push(self, samples: Pcm) -> None:
        self.waiting.append(samples)
        self.left += len(samples)

    def take(self, count: int) -> Pcm:
        """Remove the next `count` samples, 1 to `left`, and count them as played."""
        blocks = []
        missing = count
        while missing:
            block = self.waiting.popleft()
            if len(block) > missing:
                self.waiting.appendleft(block[missing:])
                block = block[:missing]
            blocks.append(block)
            missing -= len(block)
        self.left -= count
        self.played += count
        return np.concatenate(blocks)


@dataclass(frozen=True)
class _Run:
    """When uninterrupted playing begins, now or in the future."""

    loop_s: float
    wall_s: float


class Playout(io.AudioOutput):
    """Plays the agent's speech on the loop's clock. Any amount may be captured ahead of playing.

    A segment starts `latency_s` after its first audio, or after a resume if playout was paused. If its audio
    runs out before it is flushed, it goes on when more arrives. It ends when it is flushed and all of it has
    been played, or when it is cleared. `on_event` is called at the moment of "playout_starts",
    "playout_pauses", "playout_resumes" (these two only between start and end of a segment) and "playout_ends"
    (with its `position_s` and `interrupted`).
    """

    def __init__(self, *, latency_s: float = 0.0, on_event: OnEvent | None = None) -> None:
        super().__init__(
            label="Playout",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=SAMPLE_RATE_HZ,  # LiveKit resamples what has another rate
        )
        if latency_s < 0:
            raise ValueError(f"latency_s must not be negative, got {latency_s}")
        self.heard: list[Heard] = []
        """What was audible and when, in order; a run is added when it ends."""
        self._latency_s, self._on_event = latency_s, on_event
        self._segments: deque[_Segment] = deque()
        self._run: _Run | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._capturing = False
        self._cleared = False  # the segment being captured was cleared: drop the rest of it

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame. Raises ValueError if it isn't 16 kHz mono."""
        if frame.sample_rate != SAMPLE_RATE_HZ or frame.num_channels != 1:
            got = f"{frame.sample_rate} Hz with {frame.num_channels} channels"
            raise ValueError(f"expected {SAMPLE_RATE_HZ} Hz mono, got {got}; let the TTS speak mono")
        await super().capture_frame(frame)
        self._catch_up()
        if self._cleared:
            return
        if not self._capturing:
            self._capturing = True
            self._segments.append(_Segment())
        if frame.samples_per_channel:
            self._segments[-1].push(np.frombuffer(frame.data, np.int16))
        self._plan()

    def flush(self) -> None:
        super().flush()
        self._catch_up()
        if self._capturing:
            self._segments[-1].flushed = True
        self._capturing = self._cleared = False
        self._plan()

    def clear_buffer(self) -> None:
        self._catch_up()
        self._end_run(asyncio.get_running_loop().time())
        self._cleared, self._capturing = self._cleared or self._capturing, False
        self._stop_timer()
        for segment in self._take_all():
            self._finish(segment, interrupted=True)

    def pause(self) -> None:
        super().pause()
        if self._paused:
            return
        self._catch_up()
        self._paused = True
        self._end_run(asyncio.get_running_loop().time())
        self._tell_if_started("playout_pauses")
        self._plan()

    def resume(self) -> None:
        super().resume()
        if not self._paused:
            return
        self._paused = False
        self._tell_if_started("playout_resumes")
        self._plan()

    def _take_all(self) -> list[_Segment]:
        segments = list(self._segments)
        self._segments.clear()
        return segments

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        """Begin to play if nothing prevents it, and set the timer to the segment's next start or end."""
        self._stop_timer()
        if not self._segments:
            return
        loop = asyncio.get_running_loop()
        segment = self._segments[0]
        if self._run is None and segment.left and not self._paused:
            wait_s = 0.0 if segment.started else self._latency_s
            self._run = _Run(loop.time() + wait_s, time.time() + wait_s)
        if self._run is not None:
            ends_s = segment.left / SAMPLE_RATE_HZ if segment.started else 0.0
            self._timer = call_at(loop, self._run.loop_s + ends_s, Turn.AGENT, self._come_due)
        elif segment.flushed and not segment.left:
            self._timer = call_at(loop, loop.time(), Turn.AGENT, self._come_due)

    def _come_due(self) -> None:
        """The first segment starts, or its audio has run out."""
        assert self._timer is not None
        due_s, self._timer = self._timer.when(), None
        segment = self._segments[0]
        if self._run is not None and not segment.started:
            segment.started = True
            self.on_playback_started(created_at=self._run.wall_s)
            self._tell("playout_starts")
        else:
            self._end_run(due_s)
            if segment.flushed and not segment.left:
                self._segments.popleft()
                self._finish(segment, interrupted=False)
        self._plan()

    def _catch_up(self) -> None:
        """Handle timers that were due before now: a loop in real time may be late, a virtual one never is."""
        now_s = asyncio.get_running_loop().time()
        while self._timer and self._timer.when() < now_s:
            self._timer.cancel()
            self._come_due()

    def _end_run(self, at_s: float) -> None:
        """Playing stops at loop time `at_s`, for whatever reason: add what was audible to `heard`."""
        run, self._run = self._run, None
        if run is None or not self._segments[0].started:
            return
        segment = self._segments[0]
        elapsed = int((at_s - run.loop_s) * SAMPLE_RATE_HZ + _ROUNDING_SAMPLES)
        count = min(segment.left, max(0, elapsed))
        if count:
            offset_s = segment.played / SAMPLE_RATE_HZ
            self.heard.append(Heard(run.wall_s, segment.take(count)))
            self.on_playback_progressed(
                started_at=run.wall_s, offset=offset_s, duration=count / SAMPLE_RATE_HZ
            )

    def _finish(self, segment: _Segment, *, interrupted: bool) -> None:
        position_s = segment.played / SAMPLE_RATE_HZ
        if segment.started:
            self._tell("playout_ends", position_s=position_s, interrupted=interrupted)
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)

    def _tell_if_started(self, kind: SessionEventKind) -> None:
        if self._segments and self._segments[0].started:
            self._tell(kind)

    def _tell(self, kind: SessionEventKind, **data: Any) -> None:
        if self._on_event:
            self._on_event(kind, data)


def mix(user: Pcm, heard: Sequence[Heard], started_at: float) -> Pcm:
    """The call as stereo audio, shape=(n, 2): user left, agent right, from the stream's first sample on.

    `user`: shape=(m,), its first sample at `started_at` (`time.time()`). The result is as long as the longer
    of the two channels. What was heard of the agent before `started_at` is left out.
    """
    placed = [(round((run.at - started_at) * SAMPLE_RATE_HZ), run.samples) for run in heard]
    length = max([len(user), *(at + len(samples) for at, samples in placed)])
    both = np.zeros((length, 2), np.int16)
    both[: len(user), 0] = user
    for at, samples in placed:
        audible = samples[max(0, -at) :]
        first = max(0, at)
        both[first : first + len(audible), 1] = audible
    return both

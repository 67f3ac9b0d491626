"""A VAD whose probabilities come from a trace.

Where the trace doesn't apply (the VAD has been flushed, or a new agent has opened a stream in the middle),
the model runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents import inference
from livekit.agents import vad as lk_vad
from livekit.agents.utils import aio

from ...core.recording import Pcm
from ...core.settings import VadSettings
from ...core.timeline import WINDOW_S, WINDOW_SAMPLES
from ...core.traces import VadTrace
from ...turns.vad import WindowModel

Position = Callable[[], int]
"""Samples of the stream that have been sent to the session so far."""


def livekit_vad(vad: VadSettings) -> lk_vad.VAD:
    """LiveKit's own VAD with these settings; its model runs during the session."""
    if vad.model == "silero":
        from livekit.plugins import silero

        return silero.VAD.load(**vad.arguments())
    return inference.VAD(**vad.arguments())


class TracedVAD(lk_vad.VAD):
    """A VAD whose first stream reads a trace; window k of the trace begins at sample 512 * k of the input."""

    def __init__(
        self, settings: VadSettings, trace: VadTrace, position: Position, *, silent: bool = False
    ) -> None:
        """`silent`: leave out the INFERENCE_DONE of windows in silence.

        AgentSession uses them only if the STT's events count as speech too, or if interruptions need no
        duration.
        """
        super().__init__(capabilities=lk_vad.VADCapabilities(update_interval=WINDOW_S))
        self.silent = silent
        self.settings, self.trace, self.position = settings, trace, position
        self.probabilities: list[float] = trace.probabilities.tolist()

    @property
    def model(self) -> str:
        return self.settings.model

    @property
    def provider(self) -> str:
        return "trace"

    @property
    def min_silence_duration(self) -> float:
        return self.settings.min_silence_duration

    def stream(self) -> lk_vad.VADStream:
        return _TracedVADStream(self)


class _TracedVADStream(lk_vad.VADStream):
    """Sends VADEvents without audio, and no VADMetrics: there is no inference that they could measure."""

    _vad: TracedVAD

    def __init__(self, vad: TracedVAD) -> None:
        # Not the base class's __init__: it would start a task that counts each event for the metrics.
        self._vad = vad
        self._input_ch = aio.Chan()
        self._event_ch = aio.Chan()
        self._origin: int | None = None
        self._machine = _SpeechMachine(vad, None)
        self._waiting = 0  # samples of the window that isn't whole yet
        self._pending = bytearray()

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Judge the windows that are whole with this frame."""
        self._check_input_not_ended()
        self._check_not_closed()
        if self._origin is None:
            self._begin(self._vad.position() - frame.samples_per_channel)
        self._waiting += frame.samples_per_channel
        machine = self._machine
        if machine.model is not None:
            self._pending += frame.data.cast("B")
        while self._waiting >= WINDOW_SAMPLES:
            self._waiting -= WINDOW_SAMPLES
            window = None
            if machine.model is not None:
                window = np.frombuffer(bytes(self._pending[: 2 * WINDOW_SAMPLES]), np.int16)
                del self._pending[: 2 * WINDOW_SAMPLES]
            for event in machine.judge(window):
                self._event_ch.send_nowait(event)

    def flush(self) -> None:
        self._check_input_not_ended()
        self._check_not_closed()
        self._begin(-1)

    def _begin(self, origin: int) -> None:
        """Listen from sample `origin` of the input on: where that isn't 0, the trace doesn't apply."""
        model = WindowModel(self._vad.settings.model) if origin else None
        self._origin, self._machine = origin, _SpeechMachine(self._vad, model)
        self._waiting = 0
        self._pending.clear()

    def end_input(self) -> None:
        super().end_input()
        self._event_ch.close()

    async def aclose(self) -> None:
        self._input_ch.close()
        self._event_ch.close()

    async def __anext__(self) -> lk_vad.VADEvent:
        return await self._event_ch.__anext__()

    async def _main_task(self) -> None:
        """Not used: frames are judged as they come."""


class _SpeechMachine:
    """The state machine of inference/vad.py and silero/vad.py: from a window's probability to VAD events."""

    def __init__(self, vad: TracedVAD, model: WindowModel | None) -> None:
        self.model = model
        self._probabilities = vad.probabilities
        self._silent = vad.silent
        self._activation = vad.settings.activation_threshold
        self._deactivation = vad.settings.deactivation
        self._min_speech_s = vad.settings.min_speech_duration
        self._min_silence_s = vad.settings.min_silence_duration
        self._windows = 0
        self._timestamp_s = 0.0
        self._speaking = False
        self._speech_s = self._silence_s = 0.0
        self._raw_speech_s = self._raw_silence_s = 0.0

    def judge(self, window: Pcm | None) -> list[lk_vad.VADEvent]:
        """The events of the next window; `window` is None where the trace is read."""
        if window is None:
            # A trace ends with the recording's last whole window. Only silence can follow.
            known = self._windows < len(self._probabilities)
            p = self._probabilities[self._windows] if known else 0.0
        else:
            assert self.model is not None
            p = self.model.predict(window)
        self._windows += 1
        self._timestamp_s += WINDOW_S
        if self._speaking:
            self._speech_s += WINDOW_S
        else:
            self._silence_s += WINDOW_S
        events = []
        if self._speaking or self._raw_speech_s > 0 or not self._silent:
            events.append(self._event(lk_vad.VADEventType.INFERENCE_DONE, p))
        if p >= self._activation or (self._speaking and p > self._deactivation):
            self._raw_speech_s += WINDOW_S
            self._raw_silence_s = 0.0
            if not self._speaking and self._raw_speech_s >= self._min_speech_s:
                self._speaking = True
                self._silence_s = 0.0
                self._speech_s = self._raw_speech_s
                events.append(self._event(lk_vad.VADEventType.START_OF_SPEECH))
        else:
            self._raw_silence_s += WINDOW_S
            self._raw_speech_s = 0.0
            if self._speaking and self._raw_silence_s >= self._min_silence_s:
                self._speaking = False
                self._silence_s = self._raw_silence_s
                self._speech_s = max(0.0, self._speech_s - self._raw_silence_s)
                events.append(self._event(lk_vad.VADEventType.END_OF_SPEECH))
                self._speech_s = 0.0
        return events

    def _event(self, kind: lk_vad.VADEventType, p: float | None = None) -> lk_vad.VADEvent:
        event = lk_vad.VADEvent(
            type=kind,
            samples_index=self._windows * WINDOW_SAMPLES,
            timestamp=self._timestamp_s,
            silence_duration=self._silence_s,
            speech_duration=self._speech_s,
            speaking=self._speaking,
        )
        if p is not None:
            event.probability = p
            event.raw_accumulated_silence = self._raw_silence_s
            event.raw_accumulated_speech = self._raw_speech_s
        return event

"""VAD and turn detector of an offline session that read their probabilities from traces.

What `AgentSession` sees of them equals `inference.VAD`, `silero.VAD` and `inference.TurnDetector` (1.8.9),
event for event; only the model's numbers are looked up instead of computed. Where a trace doesn't reach (the
VAD has been flushed, or a new agent has opened a stream in the middle), the model runs after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import inference
from livekit.agents import vad as lk_vad
from livekit.agents.inference.eot.base import _BaseStreamingTurnDetectorStream
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from ..records import BUFFER_SAMPLES, EotTrace, Pcm, VadTrace, eot_keys
from ..settings import DetectorSettings, VadSettings
from ..timeline import WINDOW_S, WINDOW_SAMPLES
from ..vad import WindowModel

Position = Callable[[], int]
"""Samples of the stream that have been sent to the session so far."""


def vad_arguments(vad: VadSettings) -> dict[str, float]:
    """The keyword arguments of LiveKit's VAD classes."""
    return vad.model_dump(exclude={"model"}) | {"deactivation_threshold": vad.deactivation}


def livekit_vad(vad: VadSettings) -> lk_vad.VAD:
    """LiveKit's own VAD with these settings, which computes as it goes."""
    if vad.model == "silero":
        from livekit.plugins import silero

        return silero.VAD.load(**vad_arguments(vad))
    return inference.VAD(**vad_arguments(vad))


def detector_arguments(detector: DetectorSettings) -> dict[str, Any]:
    """The keyword arguments of LiveKit's turn detector."""
    return {"version": "v1-mini", "unlikely_threshold": detector.unlikely_threshold}


class TracedVAD(lk_vad.VAD):
    """A VAD whose first stream reads a trace; the trace's window k begins at sample 512 k of the input."""

    def __init__(self, settings: VadSettings, trace: VadTrace, position: Position) -> None:
        super().__init__(capabilities=lk_vad.VADCapabilities(update_interval=WINDOW_S))
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
    _vad: TracedVAD

    async def _main_task(self) -> None:
        origin: int | None = None
        machine = _SpeechMachine(self._vad, None)
        pending = bytearray()
        waiting = 0
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                origin, waiting = -1, 0
                pending.clear()
                machine = _SpeechMachine(self._vad, WindowModel(self._vad.settings.model))
                continue
            if origin is None:
                origin = self._vad.position() - frame.samples_per_channel
                if origin:
                    machine = _SpeechMachine(self._vad, WindowModel(self._vad.settings.model))
            waiting += frame.samples_per_channel
            if machine.model is not None:
                pending += frame.data.cast("B")
            while waiting >= WINDOW_SAMPLES:
                waiting -= WINDOW_SAMPLES
                window = None
                if machine.model is not None:
                    window = np.frombuffer(bytes(pending[: 2 * WINDOW_SAMPLES]), np.int16)
                    del pending[: 2 * WINDOW_SAMPLES]
                for event in machine.judge(window):
                    self._event_ch.send_nowait(event)


class _SpeechMachine:
    """The state machine of inference/vad.py and silero/vad.py: a window's probability → events."""

    def __init__(self, vad: TracedVAD, model: WindowModel | None) -> None:
        self.model = model
        self._probabilities = vad.probabilities
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
            # A trace ends with the recording's last whole window; nothing but silence can follow.
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
        events = [self._event(lk_vad.VADEventType.INFERENCE_DONE, p)]
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


class TracedTurnDetector(inference.TurnDetector):
    """v1-mini whose predictions come from a trace, `delay_s` seconds after they are asked for."""

    def __init__(
        self, settings: DetectorSettings, trace: EotTrace, position: Position, delay_s: float
    ) -> None:
        super().__init__(**detector_arguments(settings))
        self._known = dict(zip(trace.keys.tolist(), trace.probabilities.tolist(), strict=True))
        self._position, self._delay_s = position, delay_s

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> _BaseStreamingTurnDetectorStream:
        stream = super().stream(conn_options=conn_options)
        transport = _TracedTransport(stream._transport, self._known, self._position, self._delay_s)
        transport.attach(stream)
        stream._transport = transport
        return stream


class _TracedTransport:
    """LiveKit's local transport, which keeps the audio, with looked-up answers."""

    def __init__(self, local: Any, known: dict[int, float], position: Position, delay_s: float) -> None:
        self._local, self._known, self._position, self._delay_s = local, known, position, delay_s
        self._end: int | None = None
        self._start = 0

    @property
    def session_id(self) -> str | None:
        return None

    def attach(self, stream: _BaseStreamingTurnDetectorStream) -> None:
        self._stream = stream
        self._local.attach(stream)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        if self._end is None:
            self._start = self._end = self._position() - frame.samples_per_channel
        self._end += frame.samples_per_channel
        self._local.push_frame(frame)

    def flush(self) -> None:
        self._start = self._end or 0
        self._local.flush()

    def run_inference(self, request_id: str) -> None:
        end = self._end or 0
        start = max(self._start, end - BUFFER_SAMPLES)
        key = int(eot_keys(np.array([start]), np.array([end]))[0])
        p = self._known.get(key)
        if p is None:
            p = self._known[key] = float(self._local._eot.predict(self._local._buf.read()))
        asyncio.get_running_loop().call_later(
            self._delay_s,
            lambda: self._stream._resolve_prediction(request_id, p, inference_duration=self._delay_s),
        )

    def detach(self) -> None:
        self._local.detach()

    async def run(self) -> None:
        await self._stream._drain_audio_channel()

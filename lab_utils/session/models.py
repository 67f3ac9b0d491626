"""VAD and turn detector of an offline session that read their probabilities from traces.

They send `AgentSession` the same events as `inference.VAD`, `silero.VAD` and `inference.TurnDetector`
(1.8.9); only the model's numbers are looked up instead of computed. Where the trace doesn't apply (the VAD
has been flushed, or a new agent has opened a stream in the middle), the model runs.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import inference
from livekit.agents import vad as lk_vad
from livekit.agents.inference.eot.base import _BaseStreamingTurnDetectorStream
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.utils import aio

from ..core.detectors import is_own
from ..core.recording import Pcm
from ..core.settings import DetectorSettings, VadSettings
from ..core.timeline import WINDOW_S, WINDOW_SAMPLES
from ..core.traces import EotTrace, VadTrace, eot_keys
from ..turns.detectors import built
from ..turns.detectors.v1_mini import end_of_turn_probabilities
from ..turns.vad import WindowModel

Position = Callable[[], int]
"""Samples of the stream that have been sent to the session so far."""


def livekit_vad(vad: VadSettings) -> lk_vad.VAD:
    """LiveKit's own VAD with these settings; its model runs during the session."""
    if vad.model == "silero":
        from livekit.plugins import silero

        return silero.VAD.load(**vad.arguments())
    return inference.VAD(**vad.arguments())


def livekit_detector(detector: DetectorSettings) -> Any:
    """`turn_detection` of AgentSession: LiveKit's own turn detector, or the name of a mode without one."""
    return built(detector)


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
        self._event_aiter = self._event_ch
        self._task = asyncio.create_task(self._main_task())
        self._task.add_done_callback(lambda _: self._event_ch.close())

    async def aclose(self) -> None:
        self._input_ch.close()
        await aio.cancel_and_wait(self._task)
        self._event_ch.close()

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


class TracedTurnDetector(inference.TurnDetector):
    """An audio detector with predictions from a trace of `pcm`, each `delay_s` seconds after its request.

    `pcm`: the input's samples, shape=(n,); a prediction of v1-mini that the trace lacks is computed from
    them. A detector of the user's own differs in what it hears (`DetectorTraits`), and answers from its trace
    alone: what that lacks is asked in pauses that end before the VAD's end of speech, and decides nothing.
    """

    def __init__(
        self, settings: DetectorSettings, trace: EotTrace, pcm: Pcm, position: Position, delay_s: float
    ) -> None:
        super().__init__(**_arguments(settings))
        self.hears_samples, self.since_commit = trace.hears_samples, trace.since_commit
        self.computes = not is_own(settings.model)
        self._known = dict(zip(trace.keys.tolist(), trace.probabilities.tolist(), strict=True))
        self.pcm, self.position, self.delay_s = pcm, position, delay_s

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> _BaseStreamingTurnDetectorStream:
        return _TracedPredictions(self)

    def probability(self, start: int, end: int) -> float | None:
        """End-of-turn probability of the samples `[start, end)` of the input; None if it isn't known."""
        key = int(eot_keys(np.array([start]), np.array([end]))[0])
        if key not in self._known:
            if not self.computes:
                return None
            self._known[key] = _probability(self.pcm[start:end].tobytes())
        return self._known[key]


def _arguments(settings: DetectorSettings) -> dict[str, Any]:
    """Keyword arguments of `inference.TurnDetector` for a detector of any name."""
    if not is_own(settings.model):
        return settings.arguments() or {}
    chosen = settings.unlikely_threshold
    threshold = dict(chosen) if isinstance(chosen, Mapping) else chosen
    return {"version": "v1-mini", "unlikely_threshold": threshold}


@functools.lru_cache(maxsize=1024)
def _probability(audio: bytes) -> float:
    """v1-mini's probability for this audio. Cached: sessions of one process often ask for the same audio."""
    samples = np.frombuffer(audio, np.int16)
    found = end_of_turn_probabilities(samples, np.array([0]), np.array([len(samples)]))
    return float(found.probabilities[0])


class _TracedPredictions(_BaseStreamingTurnDetectorStream):
    """Counts samples instead of keeping them: it needs only which ones LiveKit's buffer would hold."""

    _detector: TracedTurnDetector

    def __init__(self, detector: TracedTurnDetector) -> None:
        self._start: int | None = None  # of the audio since the last flush
        self._end = 0
        transport = _Lookup()
        super().__init__(
            detector=detector,
            opts=detector._opts,
            transport=transport,
            model=detector.model,
            local_fallback=False,
        )
        transport.asked = self._look_up

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        if self._start is None:
            self._start = self._end = self._detector.position() - frame.samples_per_channel
        self._end += frame.samples_per_channel

    def flush(self, reason: str | None = None) -> None:
        if self._start is not None and self._detector.since_commit:
            self._start = self._end
        self.cancel_inference()

    def _look_up(self, request_id: str) -> None:
        start = max(self._start or 0, self._end - self._detector.hears_samples)
        p, delay_s = self._detector.probability(start, self._end), self._detector.delay_s
        if p is None:
            return
        answer = functools.partial(self._resolve_prediction, request_id, p, inference_duration=delay_s)
        asyncio.get_running_loop().call_later(delay_s, answer)


class _Lookup:
    """In place of a transport to a model: passes requests to `asked`."""

    session_id = None
    asked: Callable[[str], None]

    def attach(self, stream: Any) -> None: ...

    def push_frame(self, frame: rtc.AudioFrame) -> None: ...

    def flush(self) -> None: ...

    def detach(self) -> None: ...

    def run_inference(self, request_id: str) -> None:
        self.asked(request_id)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()  # until the stream is closed

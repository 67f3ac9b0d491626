"""An audio turn detector whose predictions come from a trace; what that lacks is computed, if it is read."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import inference
from livekit.agents.inference.eot.base import _BaseStreamingTurnDetectorStream
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.voice.turn import TurnDetectionEvent

from ...core.detectors import is_own
from ...core.recording import Pcm
from ...core.settings import DetectorSettings
from ...core.traces import EotTrace, eot_keys
from ...turns.detectors import built
from ...turns.detectors.v1_mini import end_of_turn_probabilities
from .vad import Position


def livekit_detector(detector: DetectorSettings) -> Any:
    """`turn_detection` of AgentSession: LiveKit's own turn detector, or the name of a mode without one."""
    return built(detector)


class TracedTurnDetector(inference.TurnDetector):
    """An audio detector with predictions from a trace of `pcm`, each `delay_s` seconds after its request.

    `pcm`: the input's samples, shape=(n,); a prediction of v1-mini that the trace lacks is computed from
    them, or by `predict`, which keeps it for the next session. A detector of the user's own differs in what
    it hears (`DetectorTraits`), and answers from its trace alone: what that lacks is asked in pauses that end
    before the VAD's end of speech, and decides nothing.
    """

    def __init__(
        self,
        settings: DetectorSettings,
        trace: EotTrace,
        pcm: Pcm,
        position: Position,
        delay_s: float,
        predict: Callable[[int, int], float] | None = None,
    ) -> None:
        super().__init__(**_arguments(settings))
        self.hears_samples, self.since_commit = trace.hears_samples, trace.since_commit
        self.computes = not is_own(settings.model)
        self._known = dict(zip(trace.keys.tolist(), trace.probabilities.tolist(), strict=True))
        self.pcm, self.position, self.delay_s, self.predict = pcm, position, delay_s, predict

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> _BaseStreamingTurnDetectorStream:
        return _TracedPredictions(self)

    def answers(self, start: int, end: int) -> bool:
        """Whether it has a probability for the samples `[start, end)` of the input."""
        return self.computes or _key(start, end) in self._known

    def probability(self, start: int, end: int) -> float:
        """End-of-turn probability of the samples `[start, end)` of the input."""
        key = _key(start, end)
        if key not in self._known:
            if self.predict is None:
                self._known[key] = _probability(self.pcm[start:end].tobytes())
            else:
                self._known[key] = self.predict(start, end)
        return self._known[key]


def _key(start: int, end: int) -> int:
    return int(eot_keys(np.array([start]), np.array([end]))[0])


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
        start, end = max(self._start or 0, self._end - self._detector.hears_samples), self._end
        detector = self._detector
        if detector.answers(start, end):
            look_up = functools.partial(detector.probability, start, end)
            asyncio.get_running_loop().call_later(detector.delay_s, self._answer, request_id, look_up)

    def _answer(self, request_id: str, look_up: Callable[[], float]) -> None:
        """As `_resolve_prediction`, with a probability that is looked up later."""
        if request_id != self._request_id:
            return
        asked, self._request_id, self._request_fut = self._request_fut, None, None
        if asked is not None and not asked.done():
            asked.set_result(_Prediction(look_up, self._detector.delay_s))


class _Prediction(TurnDetectionEvent):
    """A prediction whose probability is computed, where the trace lacks it, only if LiveKit reads it.

    LiveKit asks 0.2 s after speech; where the caller goes on before the VAD's end of speech, it doesn't read
    the answer. A trace has none for such a pause; to compute it takes as much CPU as ten seconds of a call.
    """

    def __init__(self, look_up: Callable[[], float], delay_s: float) -> None:
        self._look_up = look_up
        self.type = "eot_prediction"
        self.last_speaking_time = time.time()
        self.inference_duration = delay_s

    @property
    def end_of_turn_probability(self) -> float:  # type: ignore[override]
        return self._look_up()


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

"""A speech-to-text that follows a script: `ScriptedSTT` sends planned events, each at its time.

The audio isn't used. The events come from `stt_plan.plan_events`; the names of `stt_plan` can be imported
from here too.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Sequence
from weakref import WeakSet

from livekit import rtc
from livekit.agents import APIConnectionError, stt
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr
from livekit.agents.voice.audio_recognition import _STTPipelineContextVar

from ...core.traces import SttEvent
from ..clock.pace import Turn, call_at
from .stt_plan import PLACEHOLDER, SttTiming, has_placeholders, plan_events, words_of

__all__ = ["PLACEHOLDER", "ScriptedSTT", "SttTiming", "has_placeholders", "plan_events", "words_of"]

EARLY_S = 1e-6
"""An event counts as due this many seconds early: less than the error of any clock here."""

_KIND = {
    "start_of_speech": stt.SpeechEventType.START_OF_SPEECH,
    "interim": stt.SpeechEventType.INTERIM_TRANSCRIPT,
    "preflight": stt.SpeechEventType.PREFLIGHT_TRANSCRIPT,
    "final": stt.SpeechEventType.FINAL_TRANSCRIPT,
    "end_of_speech": stt.SpeechEventType.END_OF_SPEECH,
}


class Hearing:
    """The unsent events of a call, and the STTs that share them: each event is sent once."""

    def __init__(self) -> None:
        self.pending: list[tuple[float, int, float, SttEvent]] = []
        self.count = itertools.count()
        self.listeners: WeakSet[ScriptedSTT] = WeakSet()

    def add(self, event: SttEvent, start_s: float) -> None:
        """Add an event, to be sent at `start_s` (of `time.time()`) + its `time_s`."""
        heapq.heappush(self.pending, (start_s + event.time_s, next(self.count), start_s, event))

    def wake(self) -> None:
        """Let all STTs check the pending events again."""
        for listener in tuple(self.listeners):
            listener.wake()


class ScriptedSTT(stt.STT):
    """A streaming STT that sends the events given to `schedule`, each at its time.

    Events belong to the STT, not to its stream: when LiveKit re-creates the stream, the new one goes on where
    the old one stopped, and events that were due in between are sent at once. Use it from one event loop
    only.

    `fail_at_s` (seconds after the first audio) is a fault: the connection breaks, at that moment and at the
    next `fails - 1` attempts to connect again. LiveKit retries a stream three times, then makes a new one.
    """

    def __init__(
        self, timing: SttTiming | None = None, *, fail_at_s: float | None = None, fails: int = 1
    ) -> None:
        timing = timing or SttTiming()
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=timing.partials,
                # "chunk": the time span of the whole text, not of each word
                aligned_transcript="chunk" if timing.word_times else False,
                offline_recognize=False,
            )
        )
        if fail_at_s is not None and not 0 <= fail_at_s < math.inf:
            raise ValueError(f"fail_at_s is {fail_at_s}; expected seconds from 0 after the first audio")
        if fails < 1:
            raise ValueError(f"fails is {fails}; expected at least 1, or fail_at_s=None for no failure")
        self._language = LanguageCode(timing.language)
        self._fail_at_s, self._fails_left = fail_at_s, fails if fail_at_s is not None else 0
        self._first_audio_s: float | None = None
        self._stream: _ScriptedStream | None = None
        self.hearing = Hearing()

    @property
    def model(self) -> str:
        """The name in LiveKit's metrics."""
        return "scripted-stt"

    @property
    def provider(self) -> str:
        """The provider in LiveKit's metrics."""
        return "offline"

    @property
    def pending(self) -> int:
        """How many events are still to come."""
        return len(self.hearing.pending)

    @property
    def hearing(self) -> Hearing:
        """The events that haven't been sent yet; STTs of one call may share them."""
        return self._hearing

    @hearing.setter
    def hearing(self, hearing: Hearing) -> None:
        self._hearing = hearing
        hearing.listeners.add(self)

    def wake(self) -> None:
        """Look again at what is to come."""
        if self._stream is not None:
            self._stream.wake()

    def schedule(self, events: Sequence[SttEvent], start_s: float) -> None:
        """Send each event at `start_s` (of `time.time()`) + its `time_s`. May be called again at any time.

        Events whose time has passed are sent at once, in the order of their times. Raises ValueError for
        transcripts without text, which LiveKit would drop.
        """
        for event in events:
            if event.kind in ("interim", "preflight", "final") and not event.text.strip():
                raise ValueError(
                    f"the {event.kind} at {event.time_s:g} s has no text; give it words, or {PLACEHOLDER!r}"
                )
            self.hearing.add(event, start_s)
        self.hearing.wake()

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        """A stream that replaces the one before. `language` is ignored: the script sets it."""
        before, self._stream = self._stream, _ScriptedStream(self, conn_options)
        if before is not None:
            before.wake()
        return self._stream

    async def _recognize_impl(
        self,
        buffer: rtc.AudioFrame | list[rtc.AudioFrame],
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        """For a `StreamAdapter`: the finals of the stretch of speech that is over."""
        now_s, pending = time.time(), self.hearing.pending
        spoken = [
            entry
            for entry in pending
            if entry[3].kind == "final" and entry[2] + (entry[3].start_s or entry[3].time_s) < now_s
        ]
        if not spoken:
            return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT)
        known_s = max(spoken)[0]
        pending[:] = [entry for entry in pending if entry[0] > known_s]
        heapq.heapify(pending)
        await asyncio.sleep(max(0.0, known_s - now_s))
        text = " ".join(entry[3].text for entry in sorted(spoken))
        data = stt.SpeechData(language=self._language, text=text, confidence=1.0)
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])

    def _heard_audio(self, started_s: float) -> None:
        if self._first_audio_s is None:
            self._first_audio_s = started_s

    def _fails_at(self) -> float:
        """The time of the next failure; infinite if there is none, or no audio yet."""
        if not self._fails_left or self._fail_at_s is None or self._first_audio_s is None:
            return math.inf
        return self._first_audio_s + self._fail_at_s

    def _to_livekit(self, event: SttEvent, start_s: float, input_started_s: float | None) -> stt.SpeechEvent:
        """LiveKit's form of an event.

        Its times are those of `time.time()`, except the start and end of a text: these count from
        `input_started_s`, which LiveKit adds to them.
        """
        speech = stt.SpeechEvent(type=_KIND[event.kind], request_id="scripted-stt")
        if event.kind == "start_of_speech":
            speech.speech_start_time = None if event.start_s is None else start_s + event.start_s
        elif event.kind == "end_of_speech":
            speech.speech_end_time = None if event.end_s is None else start_s + event.end_s
        else:
            data = stt.SpeechData(language=self._language, text=event.text, confidence=1.0)
            if event.start_s is not None and event.end_s is not None and input_started_s is not None:
                data.start_time = start_s + event.start_s - input_started_s
                data.end_time = start_s + event.end_s - input_started_s
            speech.alternatives = [data]
        return speech


class _ScriptedStream(stt.RecognizeStream):
    def __init__(self, script: ScriptedSTT, conn_options: APIConnectOptions) -> None:
        self._script = script
        self._woken = asyncio.Event()
        self._first_frame_s: float | None = None
        super().__init__(stt=script, conn_options=conn_options)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        # The audio isn't used, so it isn't queued: a task that wakes up for every frame would take more
        # computing than the rest of this class.
        self._check_input_not_ended()
        self._check_not_closed()
        if self._first_frame_s is None:
            self._first_frame_s = time.time() - frame.duration
            self._script._heard_audio(self._first_frame_s)
            self.wake()

    def end_input(self) -> None:
        super().end_input()
        self.wake()

    def wake(self) -> None:
        """Look again at what is to come."""
        self._woken.set()

    def _input_started_s(self) -> float | None:
        """What LiveKit will add to the times of a transcript (`AudioRecognition._input_started_at`)."""
        # Not `start_time_offset`: LiveKit computes that before the first frame of a re-created stream, from
        # the start of the session, and then adds the time of that frame.
        pipeline = _STTPipelineContextVar.get(None)
        return self._first_frame_s if pipeline is None else pipeline.input_started_at

    async def _run(self) -> None:
        script, loop = self._script, asyncio.get_running_loop()
        while script._stream is self:
            self._woken.clear()
            pending, fails_s = script.hearing.pending, script._fails_at()
            next_s = min(pending[0][0], fails_s) if pending else fails_s
            wait_s = next_s - time.time()
            if wait_s > EARLY_S:
                if self._input_ch.closed and not pending:
                    return
                timer = (
                    call_at(loop, loop.time() + wait_s, Turn.TRANSCRIPT, self.wake)
                    if wait_s < math.inf
                    else None
                )
                try:
                    await self._woken.wait()
                finally:
                    if timer is not None:
                        timer.cancel()
            elif fails_s <= next_s:
                script._fails_left -= 1
                raise APIConnectionError(f"the scripted failure of {script.model}")
            else:
                _, _, start_s, event = heapq.heappop(pending)
                self._event_ch.send_nowait(script._to_livekit(event, start_s, self._input_started_s()))

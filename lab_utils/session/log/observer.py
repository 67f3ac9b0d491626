"""What happens in a session, noted from outside.

Sources: LiveKit's public events, its plugins' metrics, and hooks of `AgentActivity` for what LiveKit 1.8.9
announces nowhere (speech as detected by the VAD, predictions, commits).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from livekit.agents import Agent, AgentSession, llm, tts
from livekit.agents.metrics import LLMMetrics, TTSMetrics

from ...core.detectors import traits_of
from ...core.session_log import Reply, SessionEvent, SessionEventKind
from ...core.stages import STAGE_NAMES
from ...turns.live_policy import own_threshold
from .hooks import Hook, described, hooked

OUR_OWN_DOING = "a non-default turn detection threshold was provided"
"""LiveKit warns of this in every session here, since a profile always gives a threshold; not noted."""


class Observer:
    """Collects a session's events; times are `time.time()` until `events` puts them on another axis."""

    def __init__(self, detector: str) -> None:
        """`detector`: the session's mode of turn detection, as in `DetectorSettings.model`."""
        self._detector = detector
        # Time, whether it was noted at that time (and not afterwards), kind, data.
        self._noted: list[tuple[float, bool, SessionEventKind, dict[str, Any]]] = []
        self._replies: list[Reply] = []
        self._user_stages: dict[str, float] = {}
        self._user_text = ""
        self._commit_at: float | None = None  # the last commit
        self._answered_at: float | None = None  # the commit of the last user message
        self._speech_ended = False
        self._trigger = ""
        self._prediction: tuple[float, float] | None = None
        self._session: AgentSession[Any] | None = None
        self._watched: list[Any] = []
        self._tools: dict[str, str] = {}  # call id -> name of the running tool
        self._sources: dict[str, str] = {}  # speech id -> what it was made by
        self.told: BaseException | None = None
        """The last error that an `error` event was about."""

    def note(self, kind: SessionEventKind, at: float | None = None, **data: Any) -> None:
        """Note an event that happens now, or happened at `at`."""
        self._noted.append((time.time() if at is None else float(at), at is None, kind, data))

    def events(self, origin: float) -> tuple[SessionEvent, ...]:
        """All events in order, in seconds from the moment `origin`; to the nanosecond."""
        events = [
            (round(at - origin, 9), at_once, kind, _plain(data, origin))
            for at, at_once, kind, data in self._noted
        ]
        # At equal times, what plugins report later comes first: playout starts after the TTS's first audio.
        events.sort(key=lambda event: event[:2])
        return tuple(SessionEvent(time_s, kind, data) for time_s, _, kind, data in events)

    def last_at(self, default: float) -> float:
        """The moment of the last event."""
        return max((at for at, *_ in self._noted), default=default)

    def replies(self, origin: float) -> tuple[Reply, ...]:
        """The agent's answers in order, their commits in seconds from the moment `origin`."""
        return tuple(
            reply if reply.commit_s is None else replace(reply, commit_s=round(reply.commit_s - origin, 9))
            for reply in self._replies
        )

    @property
    def running_tools(self) -> list[str]:
        """The names of tools that have been called and haven't ended, each once."""
        return sorted(set(self._tools.values()))

    @contextmanager
    def watching(self, session: AgentSession[Any], agent: Agent) -> Iterator[None]:
        """Note what happens in a session that starts with `agent`, also when other agents take over."""
        self._session = session
        self._watch_plugins(session, agent)
        session.on("user_input_transcribed", self._on_transcript)
        session.on("agent_state_changed", lambda event: self.note("agent_state", state=event.new_state))
        session.on("speech_created", lambda event: self._on_speech_created(session, event))
        session.on(
            "agent_false_interruption", lambda event: self.note("false_interruption", resumed=event.resumed)
        )
        session.on("error", self._on_error)
        session.on("close", lambda event: self.note("closed", reason=event.reason.value))
        session.on("conversation_item_added", self._on_item)
        session.on("tool_execution_updated", self._on_tool)
        hooks: dict[str, Hook] = {
            "on_start_of_speech": self._on_start_of_speech,
            "on_end_of_speech": self._on_end_of_speech,
            "on_final_transcript": self._on_final_transcript,
            "on_eot_prediction": self._on_prediction,
            "on_end_of_turn": self._on_end_of_turn,
            "on_preemptive_generation": self._on_preemptive_generation,
        }
        try:
            with hooked(session, hooks):
                yield
        finally:
            # A plugin may serve other sessions after this one.
            for plugin in self._watched:
                plugin.off("metrics_collected", self._on_metrics)

    @contextmanager
    def log_records(self) -> Iterator[None]:
        """Note the errors and warnings that LiveKit only logs, such as those of an agent's own methods."""
        handler = _Notes(self)
        logger = logging.getLogger("livekit")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def _watch_plugins(self, session: AgentSession[Any], agent: Agent) -> None:
        for plugin in (session.llm, session.tts, agent.llm, agent.tts):
            if isinstance(plugin, (llm.LLM, tts.TTS)) and all(plugin is not other for other in self._watched):
                self._watched.append(plugin)
                plugin.on("metrics_collected", self._on_metrics)

    def _on_speech_created(self, session: AgentSession[Any], event: Any) -> None:
        self._watch_plugins(session, session.current_agent)
        self._sources[event.speech_handle.id] = event.source
        self.note("speech_created", source=event.source)

    @property
    def speech_source(self) -> str:
        """What the current speech was made by, as in "speech_created"; "" if nothing is current."""
        speech = self._session.current_speech if self._session is not None else None
        return "" if speech is None else self._sources.get(speech.id, "")

    def _on_transcript(self, event: Any) -> None:
        self.note("transcript", final=event.is_final, text=event.transcript)

    def _on_error(self, event: Any) -> None:
        cause = getattr(event.error, "error", event.error)
        self.told = cause
        self.note(
            "error",
            source=getattr(event.error, "type", type(event.source).__name__),
            error=described(cause),
            type=type(cause).__name__,
            recoverable=bool(getattr(event.error, "recoverable", False)),
        )

    def _on_tool(self, event: Any) -> None:
        update = event.update
        if update.type == "tool_call_started":
            call = update.function_call
            self._tools[call.call_id] = call.name
            self.note("tool_starts", name=call.name, arguments=call.arguments)
        elif update.type == "tool_call_ended":
            self._tools.pop(update.call_id, None)
            self.note("tool_ends", status=update.status, message=update.message or "")

    def _on_metrics(self, metrics: Any) -> None:
        if isinstance(metrics, LLMMetrics):
            started = metrics.timestamp - metrics.duration
            self.note("llm_starts", started)
            if metrics.ttft >= 0:
                self.note("llm_first_token", started + metrics.ttft)
            tokens = {"completion_tokens": metrics.completion_tokens, "prompt_tokens": metrics.prompt_tokens}
            self.note("llm_ends", metrics.timestamp, cancelled=metrics.cancelled, **tokens)
        elif isinstance(metrics, TTSMetrics):
            started = metrics.timestamp - metrics.duration
            self.note("tts_starts", started, characters=metrics.characters_count)
            if metrics.ttfb >= 0:
                self.note("tts_first_audio", started + metrics.ttfb)
            self.note(
                "tts_ends", metrics.timestamp, cancelled=metrics.cancelled, audio_s=metrics.audio_duration
            )

    def _on_item(self, event: Any) -> None:
        item = event.item
        if item.type != "message":
            return
        stages = {
            name: round(float(item.metrics[name]), 9) for name in STAGE_NAMES if name in (item.metrics or {})
        }
        if item.role == "user":
            self._user_stages, self._user_text = stages, item.text_content or ""
            self._answered_at = self._commit_at
        elif item.role == "assistant":
            self._replies.append(
                Reply(
                    commit_s=self._answered_at,
                    user_text=self._user_text,
                    agent_text=item.text_content or "",
                    interrupted=item.interrupted,
                    stages=self._user_stages | stages,
                )
            )
            self._user_stages, self._user_text, self._answered_at = {}, "", None

    def _on_start_of_speech(self, ev: Any, speech_start_time: float) -> None:
        self._prediction = None
        self.note("user_starts", source="vad" if ev else "stt", began_at=speech_start_time)

    def _on_end_of_speech(self, ev: Any) -> None:
        self._trigger = "vad" if ev else "stt"
        self._speech_ended = True
        silence_s = {"silence_s": round(ev.silence_duration, 9)} if ev else {}
        self.note("user_ends", source=self._trigger, **silence_s)

    def _on_final_transcript(self, ev: Any, **_: Any) -> None:
        if ev.alternatives and ev.alternatives[0].text:
            self._trigger = "final"

    def _on_prediction(self, ev: Any) -> None:
        threshold = own_threshold(self._session, ev.threshold)
        self._prediction = (ev.probability, threshold)
        self.note("prediction", probability=ev.probability, threshold=threshold)

    def _on_end_of_turn(self, info: Any) -> Callable[[Any], None]:
        """Note a commit. The function returned makes it "commit_refused" if LiveKit refuses the commit."""
        before = self._commit_at, self._prediction, self._speech_ended
        place = len(self._noted)
        last_speaking = info.metrics.stopped_speaking_at
        self._commit_at = time.time()
        self.note(
            "commit",
            cause=self._cause(),
            text=info.new_transcript,
            last_speaking_at=last_speaking,
            probability=self._prediction[0] if self._prediction else None,
        )
        self._prediction, self._speech_ended = None, False

        def ended(committed: Any) -> None:
            if committed is False:  # fewer than `interruption.min_words` words while the agent speaks
                at, at_once, _, data = self._noted[place]
                self._noted[place] = (at, at_once, "commit_refused", data)
                self._commit_at, self._prediction, self._speech_ended = before

        return ended

    def _cause(self) -> str:
        """The cause of a commit, as in `traces.Commits`."""
        if traits_of(self._detector).needs == "stt_events":
            return {"final": "late_transcript"}.get(self._trigger, self._trigger)
        if self._prediction is not None:
            probability, threshold = self._prediction
            return "detector" if probability >= threshold else "max_delay"
        return "vad" if self._speech_ended else "late_transcript"

    def _on_preemptive_generation(self, info: Any) -> None:
        self.note("preemptive", text=info.new_transcript)


class _Notes(logging.Handler):
    """Passes LiveKit's log records to an observer."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(logging.WARNING)
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(OUR_OWN_DOING):
            return
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            if self._observer.told is not None and self._observer.told in (error, error.__cause__):
                return  # LiveKit has raised an error that an event has already announced
            message += f": {described(error)}"
        kind: SessionEventKind = "error" if record.levelno >= logging.ERROR else "warning"
        self._observer.note(
            kind,
            source="log",
            error=message,
            type=type(error).__name__ if error is not None else "",
            where=f"{record.filename}:{record.lineno}",
        )


def _plain(data: dict[str, Any], origin: float) -> dict[str, Any]:
    """Times (`…_at`) become seconds from `origin` (`…_s`), numbers of numpy become Python's."""
    plain = {}
    for name, given in data.items():
        value = given.item() if isinstance(given, np.generic) else given
        if name.endswith("_at"):
            plain[name.removesuffix("_at") + "_s"] = None if value is None else round(value - origin, 9)
        else:
            plain[name] = value
    return plain

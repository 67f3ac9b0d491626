"""Waits beyond AgentSession's knobs, in a live session (livekit-agents 1.8.9).

LiveKit asks a turn detector for its threshold when the probability is there, and reads `max_delay` just after
that (audio_recognition.py:1655-1690). A policy answers for the detector, and sets the wait as the session's
`max_delay` by `AgentSession.update_options`. A wait after a likely end is extended by a threshold that no
probability reaches (`NEVER_LIKELY`). `LivePolicy` and `attach_policy` need nothing of this project but
`core.policies.number_words`, and no LiveKit to be imported: `pasted` is their code.
"""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Any

from ..core.policies import number_words
from ..core.policies.number_words import asks_for_number, gives_numbers
from ..core.settings import Settings

NEVER_LIKELY = 2.0


class LivePolicy:
    """Sets each wait as the end-of-turn probability, and what was said, have it."""

    def __init__(
        self,
        min_delay: float,
        max_delay: float,
        wait_shape: list[list[float]] | None = None,
        extra_delay_numbers: float = 0.0,
        extra_delay_asked: float = 0.0,
    ) -> None:
        """Take `wait_shape` as points [p / threshold, share of the wait], linear in between."""
        self.min_delay, self.max_delay, self.wait_shape = min_delay, max_delay, wait_shape
        self.extra_delay_numbers, self.extra_delay_asked = extra_delay_numbers, extra_delay_asked
        self.session: Any = None
        self.threshold: float | None = None  # the detector's own, which LiveKit may not be told
        self._answer: Any = None
        self._said = ""  # finals of the turn so far

    def wait(self, p: float, threshold: float) -> float:
        """Seconds from the last speech, at a probability below the threshold."""
        return self.min_delay + (self.max_delay - self.min_delay) * self._share(p / threshold)

    def _share(self, x: float) -> float:
        points = self.wait_shape
        if points is None:
            return 1.0
        for (x0, y0), (x1, y1) in pairwise(points):
            if x0 <= x < x1:
                return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
        return points[0][1] if x < points[0][0] else points[-1][1]

    def extra(self, user: str, agent: str) -> float:
        """Seconds more, by the turn so far and the agent's last message."""
        numbers = self.extra_delay_numbers if gives_numbers(user) else 0.0
        return max(numbers, self.extra_delay_asked if asks_for_number(agent) else 0.0)

    def watch(self, detector: Any) -> Any:
        """Answer for a turn detector that hears or reads; returns it."""
        detector.live_policy = self
        if hasattr(detector, "stream"):
            open_stream = detector.stream
            detector.stream = lambda **options: self._watch_stream(open_stream(**options))
        else:
            self._watch_text(detector)
        return detector

    def attach(self, session: Any) -> None:
        """Work for a session, before it starts."""
        self.session = session
        session.on("user_input_transcribed", self._on_transcript)

    def _on_transcript(self, event: Any) -> None:
        if event.is_final:
            self._said = f"{self._said} {event.transcript}".lstrip()

    def _watch_stream(self, stream: Any) -> Any:
        self._check()
        self._said = ""
        predict, threshold_of, flush = stream.predict, stream.unlikely_threshold, stream.flush

        def asked() -> Any:
            self._answer = predict()
            return self._answer

        async def threshold(language: Any) -> Any:
            p, found = self._answer.result().end_of_turn_probability, await threshold_of(language)
            return self._set(p, found, self._said, self.session.current_agent.chat_ctx)

        def flushed(reason: str | None = None) -> None:
            self._said = ""  # LiveKit flushes where a turn is committed or cleared
            flush(reason)

        stream.predict, stream.unlikely_threshold, stream.flush = asked, threshold, flushed
        return stream

    def _watch_text(self, detector: Any) -> None:
        predict, threshold_of = detector.predict_end_of_turn, detector.unlikely_threshold
        context: Any = None

        async def asked(chat_ctx: Any, **options: Any) -> Any:
            nonlocal context
            self._check()
            context, self._answer = chat_ctx, await predict(chat_ctx, **options)
            return self._answer

        async def threshold(language: Any) -> Any:
            found = await threshold_of(language)
            if self._answer is None:  # LiveKit asks before, too, whether the language is known
                return found
            return self._set(self._answer, found, self._last(context, "user"), context)

        detector.predict_end_of_turn, detector.unlikely_threshold = asked, threshold

    def _check(self) -> None:
        if self.session is None:
            raise RuntimeError("this policy has no session; call attach_policy(session) before session.start")

    def _last(self, chat_ctx: Any, role: str) -> str:
        for item in reversed(chat_ctx.items):
            if item.type == "message" and item.role == role and item.text_content:
                return str(item.text_content)
        return ""

    def _set(self, p: float, threshold: float | None, user: str, chat_ctx: Any) -> float | None:
        self.threshold = threshold
        if threshold is None:
            return None
        extra = self.extra(user, self._last(chat_ctx, "assistant"))
        if p >= threshold and extra == 0:
            return threshold
        wait = (self.min_delay if p >= threshold else self.wait(p, threshold)) + extra
        self.session.update_options(endpointing_opts={"max_delay": wait})
        return threshold if p < threshold else NEVER_LIKELY


def attach_policy(session: Any) -> None:
    """Tell the turn detector of an AgentSession, if it has a policy, of the session: before session.start."""
    policy = getattr(session.turn_detection, "live_policy", None)
    if policy is not None:
        policy.attach(session)


def own_threshold(session: Any, told: float) -> float:
    """The threshold of the detector itself, where LiveKit was told another one to extend a wait."""
    detections = session.current_agent.turn_detection, session.turn_detection
    policies = [policy for one in detections if (policy := getattr(one, "live_policy", None)) is not None]
    own = policies[0].threshold if policies and told == NEVER_LIKELY else None
    return told if own is None else float(own)


def policy_of(settings: Settings) -> LivePolicy | None:
    """What a live session needs beside LiveKit's knobs; None if they say it all."""
    policy, endpointing = settings.policy, settings.endpointing
    if not settings.detector.traits.has_threshold or (policy.wait_shape is None and not policy.by_words):
        return None
    points = None if policy.wait_shape is None else [list(point) for point in policy.wait_shape]
    extra = policy.extra_delay_numbers, policy.extra_delay_asked
    return LivePolicy(endpointing.min_delay, endpointing.max_delay, points, *extra)


def with_policy(detection: Any, settings: Settings) -> Any:
    """`turn_detection` of AgentSession, answered for by the policy of the settings, if any."""
    policy = policy_of(settings)
    return detection if policy is None else policy.watch(detection)


def pasted() -> list[str]:
    """The code that a worker without this project needs, by lines."""
    words = inspect.getsource(number_words).partition("import re\n")[2].strip()
    parts = [inspect.getsource(one) for one in (LivePolicy, attach_policy)]
    return [
        "import re",
        "from itertools import pairwise",
        "from typing import Any",
        "",
        *words.splitlines(),
        "",
        f"NEVER_LIKELY = {NEVER_LIKELY!r}",
        "",
        "",
        *"\n\n".join(parts).splitlines(),
        "",
    ]

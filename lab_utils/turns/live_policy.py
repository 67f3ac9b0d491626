"""Waits beyond AgentSession's knobs, in a live session (livekit-agents 1.8.9).

LiveKit asks a turn detector for its threshold when the probability is there, and reads `max_delay` just after
that (audio_recognition.py:1655-1690). A policy answers for the detector, and sets that probability's wait as
the session's `max_delay` by `AgentSession.update_options`. `LivePolicy` and `attach_policy` need nothing of
this project, and no LiveKit to be imported: `pasted` is their code.
"""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Any

from ..core.settings import Settings


class LivePolicy:
    """Sets each wait between min_delay and max_delay as the end-of-turn probability has it."""

    def __init__(self, min_delay: float, max_delay: float, wait_shape: list[list[float]]) -> None:
        """Take `wait_shape` as points [p / threshold, share of the wait], linear in between."""
        self.min_delay, self.max_delay, self.wait_shape = min_delay, max_delay, wait_shape
        self.session: Any = None
        self._answer: Any = None

    def wait(self, p: float, threshold: float) -> float:
        """Seconds from the last speech, at a probability below the threshold."""
        return self.min_delay + (self.max_delay - self.min_delay) * self._share(p / threshold)

    def _share(self, x: float) -> float:
        points = self.wait_shape
        for (x0, y0), (x1, y1) in pairwise(points):
            if x0 <= x < x1:
                return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
        return points[0][1] if x < points[0][0] else points[-1][1]

    def watch(self, detector: Any) -> Any:
        """Answer for a turn detector that hears or reads; returns it."""
        detector.live_policy = self
        if hasattr(detector, "stream"):
            open_stream = detector.stream
            detector.stream = lambda **options: self._watch_stream(open_stream(**options))
        else:
            self._watch_text(detector)
        return detector

    def _watch_stream(self, stream: Any) -> Any:
        self._check()
        predict, threshold_of = stream.predict, stream.unlikely_threshold

        def asked() -> Any:
            self._answer = predict()
            return self._answer

        async def threshold(language: Any) -> Any:
            found = await threshold_of(language)
            self._set(self._answer.result().end_of_turn_probability, found)
            return found

        stream.predict, stream.unlikely_threshold = asked, threshold
        return stream

    def _watch_text(self, detector: Any) -> None:
        predict, threshold_of = detector.predict_end_of_turn, detector.unlikely_threshold

        async def asked(chat_ctx: Any, **options: Any) -> Any:
            self._check()
            self._answer = await predict(chat_ctx, **options)
            return self._answer

        async def threshold(language: Any) -> Any:
            found = await threshold_of(language)
            if self._answer is not None:  # LiveKit asks before, too, whether the language is known
                self._set(self._answer, found)
            return found

        detector.predict_end_of_turn, detector.unlikely_threshold = asked, threshold

    def _check(self) -> None:
        if self.session is None:
            raise RuntimeError("this policy has no session; call attach_policy(session) before session.start")

    def _set(self, p: float, threshold: float | None) -> None:
        if threshold is not None and p < threshold:
            self.session.update_options(endpointing_opts={"max_delay": self.wait(p, threshold)})


def attach_policy(session: Any) -> None:
    """Tell the turn detector of an AgentSession, if it has a policy, of the session: before session.start."""
    policy = getattr(session.turn_detection, "live_policy", None)
    if policy is not None:
        policy.session = session


def policy_of(settings: Settings) -> LivePolicy | None:
    """What a live session needs beside LiveKit's knobs; None if they say it all."""
    shape, endpointing = settings.policy.wait_shape, settings.endpointing
    if shape is None or not settings.detector.traits.has_threshold:
        return None
    points = [list(point) for point in shape]
    return LivePolicy(endpointing.min_delay, endpointing.max_delay, points)


def with_policy(detection: Any, settings: Settings) -> Any:
    """`turn_detection` of AgentSession, answered for by the policy of the settings, if any."""
    policy = policy_of(settings)
    return detection if policy is None else policy.watch(detection)


def pasted() -> list[str]:
    """The code that a worker without this project needs, by lines."""
    parts = [inspect.getsource(one) for one in (LivePolicy, attach_policy)]
    return [
        "from itertools import pairwise",
        "from typing import Any",
        "",
        "",
        *"\n\n".join(parts).splitlines(),
        "",
    ]

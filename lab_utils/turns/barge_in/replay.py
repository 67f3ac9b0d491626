"""When the agent falls silent for the user, exactly as `AgentSession` would let it. Pure.

Goal: (VAD trace, transcripts, settings) → the agent's silences in a scene.
Conventions: stream seconds; the agent speaks from `agent_start_s` until it is stopped.
Definition (livekit-agents 1.8.9, agent_activity.py; "the agent yields" is `_interrupt_by_audio_activity`,
2362-2429):
- It yields at each VAD window whose speech has lasted `min_duration` (2507; counted before the window's own
  probability), and at each final transcript (2607), if the turn's words so far, with the interim ones and
  without that final's, are `min_words` or more (2385). It can't if interruptions are off.
- With `resume_false_interruption` and a `false_interruption_timeout` yielding is a pause, else the end
  (2408).
- The VAD's end of speech starts the timeout (2490); its start of speech and each yielding stop it (2450,
  2397). When it runs out, the agent goes on (5072).
- A final transcript ends a paused speech for good (2618, 5140), and so does the commit of the turn (2861).
Left to a real session (`NotReplayed`): `stt` mode; what may depend on the wait of a turn whose first final
came too early to count (`min_words`), but for the moment of its commit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.settings import InterruptionSettings, VadSettings
from ...core.timeline import Floats, accumulated_s, windows_to_reach
from ...core.traces import SttEvent
from ..replay.refusals import word_count
from ..replay.vad_runs import speech_events

TOGETHER_S = 1e-6
"""Moments no further apart are the same: float seconds are inexact."""


@dataclass(frozen=True)
class AgentSpeech:
    """What is heard of the agent in one scene under one setting."""

    pauses: tuple[tuple[float, float], ...] = ()
    """From falling silent to going on, in order."""
    silent_s: float = math.inf
    """Falls silent and doesn't go on; infinity: never."""
    deaf: bool = False
    """The STT hears silence while it plays (`discard_audio_if_uninterruptible`; 1699-1723)."""

    @property
    def silences(self) -> tuple[tuple[float, float], ...]:
        """All silences, the last one with an infinite end."""
        last = () if math.isinf(self.silent_s) else ((self.silent_s, math.inf),)
        return (*self.pauses, *last)


class NotReplayed(Exception):
    """Only a session can tell."""


@dataclass(frozen=True)
class HeardVad:
    """What the VAD says in a scene: (time, what) in order, "window" where speech has lasted long enough."""

    events: tuple[tuple[float, str], ...]


def heard_vad(p: Floats, vad: VadSettings, min_duration: float, frame: int) -> HeardVad:
    """The VAD's start and end of speech, and the windows at which speech has lasted `min_duration`.

    `p`: speech probability by window, shape=(windows,); `frame`: samples of a frame.

    >>> p = np.repeat([0.01, 0.95, 0.01], [10, 30, 40])
    >>> found = heard_vad(p, VadSettings(model="silero"), 0.9, 800)
    >>> [(round(time_s, 2), what) for time_s, what in found.events[:3]]
    [(0.4, 'start'), (1.25, 'window'), (1.3, 'window')]
    """
    found = speech_events(p, vad, frame, 0)
    arrival_s = found.arrival_s
    spoken = windows_to_reach(vad.min_speech_duration)
    sums = accumulated_s(len(p) + spoken + 1)
    least = int(np.searchsorted(sums, min_duration))
    events: list[tuple[float, int, str]] = []
    if min_duration <= 0:
        events += [(time_s, 2 * k, "window") for k, time_s in enumerate(arrival_s)]
    ends = [*found.end, *[len(p)] * (len(found.start) - len(found.end))]
    for start, end in zip(found.start, ends, strict=True):
        events.append((arrival_s[start], 2 * start + 1, "start"))
        if end < len(p):
            events.append((arrival_s[end], 2 * end + 1, "end"))
        if min_duration > 0:
            first = start + max(1, least - spoken)
            events += [(arrival_s[k], 2 * k, "window") for k in range(first, min(end + 1, len(p)))]
    return HeardVad(tuple((time_s, what) for time_s, _, what in sorted(events)))


def agent_speech(
    vad: HeardVad,
    transcripts: Sequence[SttEvent],
    agent_start_s: float,
    settings: InterruptionSettings,
    commit_s: Callable[[], float] = lambda: math.inf,
) -> AgentSpeech:
    """What is heard of the agent. Raises NotReplayed where only a session can tell.

    `transcripts` at stream times, in order; `commit_s`: when the turn is committed, asked where it matters.

    >>> p = np.repeat([0.01, 0.95, 0.01], [30, 30, 120])
    >>> vad = heard_vad(p, VadSettings(model="silero"), 0.5, 800)
    >>> agent_speech(vad, [], 0.0, InterruptionSettings())  # no transcript: it goes on after 2 s
    AgentSpeech(pauses=((1.5, 4.2),), silent_s=inf, deaf=False)
    >>> agent_speech(vad, [SttEvent(2.3, "final", "Stop.")], 0.0, InterruptionSettings())
    AgentSpeech(pauses=(), silent_s=1.5, deaf=False)
    """
    if not settings.enabled:
        return AgentSpeech(deaf=settings.discard_audio_if_uninterruptible)
    play = _Play(settings, agent_start_s)
    # What a frame leads to comes before a transcript that is due at the same moment.
    spoken = [(one.time_s + TOGETHER_S, one.time_s, str(one.kind), one.text) for one in transcripts]
    told = [(time_s, time_s, what, "") for time_s, what in vad.events]
    for _, time_s, what, text in sorted(told + spoken, key=lambda event: event[0]):
        play.wait_until(time_s, commit_s)
        if play.over:
            break
        play.hear(time_s, what, text)
    else:
        play.wait_until(math.inf, commit_s)
    return AgentSpeech(tuple(play.pauses), play.silent_s)


class _Play:
    """The agent's speech while it is played."""

    def __init__(self, settings: InterruptionSettings, start_s: float) -> None:
        self._settings, self._start_s = settings, start_s
        self._pauses = settings.resume_false_interruption and settings.false_interruption_timeout is not None
        self.pauses: list[tuple[float, float]] = []
        self.silent_s = math.inf
        self.over = False
        self._resumes_s = math.inf
        self._speaking = False
        self._finals = self._interim = 0
        self._unheeded = False  # a final has come that did not stop the agent: a commit may

    def wait_until(self, time_s: float, commit_s: Callable[[], float]) -> None:
        """What happens by itself before `time_s`."""
        commits_s = commit_s() if self._unheeded else math.inf
        if min(commits_s, self._resumes_s) >= time_s:
            return
        if self._unheeded and self._resumes_s < min(time_s, commits_s):
            raise NotReplayed("the agent may go on while the end of a turn is being decided")
        if commits_s < self._resumes_s:
            self._stop(commits_s)
            return
        self.pauses.append((self.silent_s, self._resumes_s))
        self.silent_s = self._resumes_s = math.inf

    def hear(self, time_s: float, what: str, text: str) -> None:
        """An event of the VAD or of the STT."""
        timeout_s = self._settings.false_interruption_timeout or 0.0
        if what == "window":
            self._yield(time_s)
        elif what == "start":
            self._speaking, self._resumes_s = True, math.inf
        elif what == "end":
            self._speaking = False
            if self._paused:
                self._resumes_s = time_s + timeout_s
        elif what == "interim":
            self._interim = word_count(text)
        elif what == "final" and text:
            self._yield(time_s)
            if self._paused:
                self._stop(time_s)
            self._unheeded = True
            self._finals, self._interim = self._finals + word_count(text), 0

    @property
    def _paused(self) -> bool:
        return self.silent_s < math.inf and not self.over

    def _yield(self, time_s: float) -> None:
        if self.over or time_s < self._start_s:
            return
        if self._finals + self._interim < self._settings.min_words:
            return
        self._resumes_s = math.inf
        if not self._pauses:
            self._stop(time_s)
        elif not self._paused:
            self.silent_s = time_s

    def _stop(self, time_s: float) -> None:
        self.silent_s = min(self.silent_s, time_s)
        self.over, self._resumes_s = True, math.inf

"""Dynamic endpointing: the `min_delay` that `AgentSession` has learned by each pause.

Goal: livekit/agents/voice/endpointing.py (`DynamicEndpointing`, 1.8.9) for many settings at once.
Assumption: the agent speaks when the recorded agent spoke (the recording's own timeline, "open loop"), also
while the user speaks, and is not interrupted; without an agent channel it is silent. What is learned then
depends on the VAD and on the two delays only, not on the commits.
Conventions: stream times in seconds; one column per pair (`min_delay`, `max_delay`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import astuple, dataclass, replace

import numpy as np

from ...core.timeline import Floats
from ...core.traces import Bools
from .records import Pauses

AgentEvents = Sequence[tuple[float, str]]
"""When the agent starts and ends to speak (`agent_events`), stream times."""
LEADING_SILENCE_GRACE_S = 1e-3
"""An utterance overtaken by the agent is taken to have ended this long before the agent spoke."""


@dataclass
class _State:
    utterance_started_s: float | None = None
    utterance_ended_s: float | None = None
    agent_started_s: float | None = None
    agent_ended_s: float | None = None
    agent_speaking: bool = False
    speaking: bool = False
    overlapping: bool = False


def learned_min_delays(
    pauses: Pauses, agent_turns: Floats, min_delay: Floats, max_delay: Floats, alpha: float
) -> Floats:
    """`min_delay` in force at each pause; shape=(pauses, len(min_delay)).

    `agent_turns`: stream times of the agent's turns, shape=(n, 2); `min_delay`, `max_delay`: shape=(pairs,).

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.95, 0.01, 0.95, 0.01], [30, 30, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)  # the user pauses for 0.96 s
    >>> no_agent = np.zeros((0, 2))
    >>> learned_min_delays(pauses, no_agent, np.array([0.3]), np.array([2.0]), alpha=0.5).round(3).tolist()
    [[0.3], [0.621]]
    """
    state = _State()
    learned = min_delay.astype(np.float64).copy()
    table = np.empty((len(pauses), len(min_delay)))
    for at_s, i in _utterance_ends(state, pauses, agent_turns):
        _user_ends(state, at_s, learned, min_delay, max_delay, alpha)
        table[i] = np.minimum(learned, max_delay)
    return table


@dataclass(frozen=True)
class Lesson:
    """One pause from which one setting learns."""

    pause_from_s: float
    pause_until_s: float
    at_s: float
    """When it is learned: the end of the utterance after the pause."""
    before_s: float
    """`min_delay` until then."""
    after_s: float


def lessons(
    pauses: Pauses, agent_turns: Floats, min_delay: float, max_delay: float, alpha: float
) -> list[Lesson]:
    """What one setting learns, pause by pause; arguments as in `learned_min_delays`.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.95, 0.01, 0.95, 0.01], [30, 30, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> (lesson,) = lessons(pauses, np.zeros((0, 2)), 0.3, 2.0, alpha=0.5)
    >>> [round(s, 2) for s in (lesson.pause_until_s - lesson.pause_from_s, lesson.before_s, lesson.after_s)]
    [0.94, 0.3, 0.62]
    """
    state, found = _State(), []
    learned, least, most = np.array([float(min_delay)]), np.array([min_delay]), np.array([max_delay])
    for at_s, _ in _utterance_ends(state, pauses, agent_turns):
        begins_s, ended_s = state.utterance_started_s, state.utterance_ended_s
        before = float(learned[0])
        if _user_ends(state, at_s, learned, least, most, alpha)[0]:
            assert begins_s is not None
            assert ended_s is not None
            found.append(Lesson(ended_s, begins_s, at_s, before, float(learned[0])))
    return found


class Learners:
    """The `min_delay` of settings whose events are walked through in order of time (`stt` mode)."""

    def __init__(self, min_delay: Floats, max_delay: Floats, alpha: float | None) -> None:
        """`min_delay`, `max_delay`: shape=(settings,); `alpha` None: fixed endpointing learns nothing."""
        self._least, self._most, self._alpha = min_delay, max_delay, alpha
        self._learned = min_delay.astype(np.float64)
        self._state = _State()
        self._agent_events = 0

    def __len__(self) -> int:
        return len(self._least)

    @property
    def min_delay(self) -> Floats:
        """The `min_delay` in force; shape=(settings,)."""
        return self._learned if self._alpha is None else np.minimum(self._learned, self._most)

    @property
    def key(self) -> tuple[object, ...]:
        """What is remembered beside what is learned."""
        return () if self._alpha is None else (*astuple(self._state), self._agent_events)

    def part(self, which: Bools) -> Learners:
        """Some of them, apart from the others from now on."""
        found = copy(self)
        found._least, found._most = self._least[which], self._most[which]
        found._learned, found._state = self._learned[which], replace(self._state)
        return found

    def and_those_of(self, other: Learners) -> Learners:
        """These and others with the same `key`."""
        found = copy(self)
        found._least = np.concatenate((self._least, other._least))
        found._most = np.concatenate((self._most, other._most))
        found._learned = np.concatenate((self._learned, other._learned))
        found._state = replace(self._state)
        return found

    def user_starts(self, now_s: float, about_s: float, agent: AgentEvents) -> None:
        """START_OF_SPEECH comes now and tells where the speech began."""
        if self._alpha is not None:
            self._agent_until(now_s, agent)
            _user_starts(self._state, about_s)

    def user_ends(self, now_s: float, about_s: float, agent: AgentEvents) -> None:
        """END_OF_SPEECH comes now and tells where the speech ended."""
        if self._alpha is not None:
            self._agent_until(now_s, agent)
            _user_ends(self._state, about_s, self._learned, self._least, self._most, self._alpha)

    def _agent_until(self, now_s: float, agent: AgentEvents) -> None:
        while self._agent_events < len(agent) and agent[self._agent_events][0] <= now_s:
            at_s, event = agent[self._agent_events]
            self._agent_events += 1
            if event == "agent starts":
                _agent_starts(self._state, at_s)
            else:
                _agent_ends(self._state, at_s)


def agent_events(agent_turns: Floats) -> AgentEvents:
    """When the agent starts and ends to speak, in order of time; `agent_turns` as in `learned_min_delays`.

    >>> agent_events(np.array([[1.0, 2.0]]))
    [(1.0, 'agent starts'), (2.0, 'agent ends')]
    """
    starts = [(float(start_s), "agent starts") for start_s, _ in agent_turns]
    return sorted([*starts, *((float(end_s), "agent ends") for _, end_s in agent_turns)])


def _utterance_ends(state: _State, pauses: Pauses, agent_turns: Floats) -> Iterator[tuple[float, int]]:
    """Each end of the user's speech with its pause, when `state` holds all that happened before."""
    for _, event, at_s, i in _events(pauses, agent_turns):
        if event == "agent starts":
            _agent_starts(state, at_s)
        elif event == "agent ends":
            _agent_ends(state, at_s)
        elif event == "user starts":
            _user_starts(state, at_s)
        else:
            yield at_s, i


def _events(pauses: Pauses, agent_turns: Floats) -> list[tuple[float, str, float, int]]:
    """(when it happens, what, the time it is about, pause index), in order of happening."""
    events = [(at_s, event, at_s, -1) for at_s, event in agent_events(agent_turns)]
    for i in range(len(pauses)):
        events.append((float(pauses.start_of_speech_s[i]), "user starts", float(pauses.speech_start_s[i]), i))
        events.append((float(pauses.end_of_speech_s[i]), "user ends", float(pauses.last_speaking_s[i]), i))
    return sorted(events)


def _agent_starts(state: _State, at_s: float) -> None:
    overtaken = (
        not state.agent_speaking
        and state.speaking
        and state.utterance_started_s is not None
        and state.utterance_ended_s is not None
        and state.utterance_ended_s < state.utterance_started_s
    )
    if overtaken:
        state.utterance_ended_s = at_s - LEADING_SILENCE_GRACE_S
    state.agent_started_s, state.agent_ended_s = at_s, None
    state.agent_speaking = True
    state.overlapping = state.speaking


def _agent_ends(state: _State, at_s: float) -> None:
    state.agent_ended_s = at_s
    state.agent_speaking = state.overlapping = False


def _user_starts(state: _State, at_s: float) -> None:
    if not state.overlapping:
        state.utterance_started_s = at_s
        state.overlapping = state.agent_speaking
        state.speaking = True


def _user_ends(
    state: _State, at_s: float, learned: Floats, min_delay: Floats, max_delay: Floats, alpha: float
) -> Bools:
    """Learn from the pause before the utterance that ends now; `learned` is changed in place.

    Returns which settings learn.
    """
    started, ended = state.utterance_started_s, state.utterance_ended_s
    pause_s = max(0.0, started - ended) if started is not None and ended is not None else 0.0
    agent_in_between = state.agent_started_s is not None
    if state.overlapping or (agent_in_between and state.agent_ended_s is None):
        agent_s = state.agent_started_s
        turn_s = max(0.0, agent_s - ended) if agent_s is not None and ended is not None else 0.0
        interruption_s = abs(pause_s - turn_s)
        now = np.minimum(learned, max_delay)
        learns = (interruption_s > 0) & (interruption_s <= now) & (turn_s > 0) & (turn_s <= max_delay)
    else:
        learns = np.full(len(learned), not agent_in_between and state.agent_ended_s is None)
    learns &= pause_s > 0
    if pause_s > 0:
        filtered = np.maximum(np.minimum(alpha * learned + (1 - alpha) * pause_s, max_delay), min_delay)
        learned[learns] = filtered[learns]
    state.utterance_ended_s = at_s
    if not state.agent_speaking:
        state.agent_started_s = state.agent_ended_s = None
    state.speaking = state.overlapping = False
    return learns

"""Commits where the speech-to-text decides when the user's turn is over (`turn_detection="stt"`). Pure.

Goal and conventions as in `decisions`. Definitions (livekit/agents/voice/audio_recognition.py 1.8.9):

- The speech-to-text's END_OF_SPEECH (:1389) ends the user's speech, sets the last speaking time (to its
  `speech_end_time`, else to now), marks the turn as ended, and triggers. A VAD that is still in speech which
  this turn has heard start is restarted: its model begins anew, and windows count from that sample on.
- START_OF_SPEECH of either (:1434, :1448) begins the user's speech and cancels what waits. It does not unmark
  the turn, so that, until a commit, the VAD's END_OF_SPEECH (:1518) and each final outside speech (:1312)
  trigger too, perhaps before the speech-to-text's own end.
- A trigger does nothing while the turn has no final transcript (:1584). The commit comes at the last speaking
  time + `min_delay`, at once if that is over; `max_delay` isn't used, but bounds a learned `min_delay`.
- A commit unmarks the turn. If nothing has moved the last speaking time since the trigger, it is forgotten,
  and with it that the VAD has heard speech start (:1877); else both stay.
- The last speaking time also moves with every window after a speech window (:1481), and with transcripts:
  with those that tell word times always, with others if it is forgotten (:1266).

What the VAD says depends on the restarts and these on the commits, hence the events are walked through one by
one. Settings are walked together for as long as they have decided alike: they part where some have committed
before the next event and others have not, and meet again where nothing is left of the difference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from ...core.traces import Bools, Cause, SttEvent, VadTrace
from .decisions import flush_samples
from .endpointing import AgentEvents, Learners, agent_events
from .records import TIE_S, TriggerCommits
from .refusals import Refusals, word_count
from .stt_events import speaking_time, tells_time
from .stt_state import Progress, State, Trigger
from .vad_runs import MissingRestarts, Restart, VadRuns


@dataclass(frozen=True)
class SttWorld:
    """What is heard on a tape or on one of its branches, stream times."""

    trace: VadTrace
    events: Sequence[SttEvent]
    """Of the speech-to-text, in order."""
    agent: Floats
    """The agent's turns, shape=(n, 2); dynamic endpointing learns from them."""
    refusals: Refusals | None = None
    """Where commits may be refused."""
    from_sample: int = 0
    """Where a branch leaves the tape: all before is the tape's."""
    shift: int = 0
    """Added to the origins of the restarts that it misses."""

    def shared(self, tape: SttWorld) -> int:
        """How many of a branch's first events are the tape's and come before it leaves the tape."""
        until_s = self.from_sample / SAMPLE_RATE_HZ - TIE_S
        pairs = zip(self.events, tape.events, strict=False)
        return sum(1 for _ in takewhile(lambda two: two[0] == two[1] and two[0].time_s < until_s, pairs))


def stt_commits(
    worlds: Sequence[SttWorld],
    vad: VadSettings,
    learners: Learners,
    frame_samples: int,
    lag_s: float,
    restart: Restart | None = None,
) -> list[TriggerCommits]:
    """Commits of settings with these delays on a tape, the first of the worlds, and on each of its branches.

    `lag_s`: how long after the user's last sound the speech-to-text speaks of it, which tells the pause that
    a commit belongs to and moves none. `restart`: of the VAD, at origins with the worlds' shifts; without it
    MissingRestarts is raised, with what the settings need next.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> events = [SttEvent(2.0, "final", "Yes."), SttEvent(2.0, "end_of_speech")]
    >>> learners = Learners(np.array([0.5]), np.array([3.0]), None)  # fixed endpointing
    >>> tape = SttWorld(trace, events, np.zeros((0, 2)))
    >>> (found,) = stt_commits([tape], VadSettings(model="silero"), learners, 800, lag_s=0.7)
    >>> found.commit_s.tolist(), found.last_speaking_s.tolist(), found.cause
    ([[2.5]], [[1.3]], ('stt',))
    """
    tape, *branches = worlds
    missing: dict[int, int] = {}

    def walk(world: SttWorld) -> _Walk:
        begun = None if restart is None else partial(_restarted, restart, world.shift)
        runs = VadRuns(world.trace, vad, frame_samples, begun)
        return _Walk(world, runs, agent_events(world.agent), lag_s, missing)

    shared = [branch.shared(tape) for branch in branches]
    first = Progress([State(np.arange(len(learners)), learners)])
    on_tape, forks = walk(tape).to_the_end(first, set(shared))
    found = [on_tape]
    for branch, events in zip(branches, shared, strict=True):
        found.append(walk(branch).to_the_end(forks[events].copy(), set())[0])
    if missing:
        raise MissingRestarts(missing)
    return [one.commits(len(learners)) for one in found]


def _restarted(restart: Restart, shift: int, origin: int, windows: int) -> Floats:
    return restart(origin + shift, windows)


@dataclass(frozen=True)
class _Walk:
    """All settings' way through the events of one world."""

    world: SttWorld
    runs: VadRuns
    agent: AgentEvents
    lag_s: float
    """From the user's last sound to what the speech-to-text says of it."""
    missing: dict[int, int]
    """Restarts that turn out to be missing, with the windows needed; who needs one goes no further."""

    def to_the_end(self, progress: Progress, stops: set[int]) -> tuple[Progress, dict[int, Progress]]:
        """All commits before the end of the stream, and the progress as it was before the events `stops`."""
        at: dict[int, Progress] = {}
        for number, event in list(enumerate(self.world.events))[progress.event :]:
            if event.time_s >= self.runs.end_s:
                break
            if number in stops:
                at[number] = progress.copy()
            states: dict[tuple[object, ...], State] = {}
            for state in self._until(progress, event.time_s, then_at_once=True):
                self._on_stt(state, event)
                key = state.key
                states[key] = states[key].with_settings_of(state) if key in states else state
            progress = Progress(list(states.values()), number + 1, progress.done)
        at |= {stop: progress.copy() for stop in stops - at.keys()}
        last_s = self.runs.end_s - 2 * TIE_S  # nothing counts from the end on
        self._until(progress, last_s, then_at_once=False)
        return progress, at

    def _until(self, progress: Progress, until_s: float, *, then_at_once: bool) -> list[State]:
        """Where all settings are at a moment.

        `then_at_once`: what a trigger at that very moment commits at once is committed.
        """
        waiting, arrived = list(progress.states), []
        while waiting:
            state = waiting.pop()
            try:
                self._vad_until(state, until_s, progress, waiting)
                if then_at_once and state.pending is not None:
                    self._commit(state, state.due_s == state.pending.at_s, progress, waiting)
            except MissingRestarts as needed:
                for origin, windows in zip(needed.origins, needed.windows, strict=True):
                    place = origin + self.world.shift
                    self.missing[place] = max(windows, self.missing.get(place, windows))
            else:
                arrived.append(state)
        return arrived

    def _vad_until(self, state: State, until_s: float, progress: Progress, waiting: list[State]) -> None:
        """What the VAD says until a moment, at it too, and the commits before it.

        Settings that part from the state's are added to `waiting` as they were before.
        """
        run = self.runs.run(state.origin, until_s)
        last = bisect_left(run.arrival_s, until_s + TIE_S)
        start, end = bisect_left(run.start, state.told), bisect_left(run.end, state.told)
        while True:
            starts = start <= end  # START_OF_SPEECH and END_OF_SPEECH take turns
            windows, number = (run.start, start) if starts else (run.end, end)
            if number == len(windows) or windows[number] >= last:
                break
            at_s = run.arrival_s[windows[number]]
            self._commit_before(state, at_s, progress, waiting)
            state.hear(run, windows[number] + 1)
            if starts:
                state.hear_start(at_s, run.speech_start_s[number], self.agent)
                start += 1
            else:
                self._on_vad_end(state, at_s, run.last_speaking_s[number])
                end += 1
        self._commit_before(state, until_s, progress, waiting)
        state.hear(run, last)

    def _on_vad_end(self, state: State, at_s: float, last_speaking_s: float) -> None:
        if state.speaking:
            state.learners.user_ends(at_s, last_speaking_s, self.agent)
        state.vad_speech_started = False
        state.speaking = False
        state.last_speaking_s, state.lagging = last_speaking_s, False
        if state.ended:
            self._trigger(state, at_s, "vad")

    def _on_stt(self, state: State, event: SttEvent) -> None:
        at_s = event.time_s
        if event.kind == "start_of_speech":
            if state.speech_start_s is None:
                state.speech_start_s = at_s if event.start_s is None else event.start_s
            state.learners.user_starts(at_s, state.speech_start_s, self.agent)
            state.speaking = True
            state.last_speaking_s, state.lagging = at_s, False
            state.pending = None
        elif event.kind == "end_of_speech":
            if state.speaking:
                state.learners.user_ends(at_s, at_s, self.agent)
            restart = state.vad_speech_started
            state.speaking = False
            state.ended = True
            end_s = at_s if event.end_s is None else min(event.end_s, at_s)
            state.last_speaking_s, state.lagging = end_s, event.end_s is None
            self._trigger(state, at_s, "stt")
            if restart:
                state.origin = int(flush_samples(np.array([at_s]), self.runs.frame_samples)[0])
                state.told = 0
        elif event.text and event.kind != "interim":
            if state.last_speaking_s is None or tells_time(event):
                state.last_speaking_s, state.lagging = speaking_time(event), not tells_time(event)
            if event.kind == "final":
                state.transcribed = state.transcribed or bool(event.text.strip())
                if self.world.refusals is not None:
                    state.words += word_count(event.text)
                if state.ended and not state.speaking:
                    self._trigger(state, at_s, "late_transcript")

    def _trigger(self, state: State, at_s: float, cause: Cause) -> None:
        """`_run_eou_detection`"""
        if state.transcribed and state.last_speaking_s is not None:
            silence_s = state.last_speaking_s - (self.lag_s if state.lagging else 0.0)
            state.pending = Trigger(at_s, cause, state.last_speaking_s, silence_s)
            state.due_s = np.maximum(at_s, state.last_speaking_s + state.learners.min_delay)

    def _commit_before(self, state: State, at_s: float, progress: Progress, waiting: list[State]) -> None:
        """Commit what waits and is due before a moment."""
        if state.pending is not None:
            self._commit(state, state.due_s < at_s - TIE_S, progress, waiting)

    def _commit(self, state: State, which: Bools, progress: Progress, waiting: list[State]) -> None:
        """Commit what waits under those settings; what differs from the first of them goes to `waiting`."""
        pending = state.pending
        if pending is None or not which.any():
            return
        run = self.runs.run(state.origin, float(state.due_s[which].max()))
        heard = np.searchsorted(run.heard_s, state.due_s + TIE_S)
        refused = self._refused(state)
        first = int(np.argmax(which))
        alike = which & (heard == heard[first]) & (refused == refused[first])
        if not alike.all():
            waiting.append(state.part(~alike))
            apart = state.part(alike)
            state.places, state.learners, state.due_s = apart.places, apart.learners, apart.due_s
        state.hear(run, bisect_left(run.arrival_s, float(state.due_s[0]) + TIE_S))
        state.pending = None
        state.ended = False
        if refused[first]:
            return
        progress.done.append((pending, state.places, state.due_s))
        state.transcribed, state.words = False, 0
        if state.last_speaking_s == pending.last_speaking_s:
            state.last_speaking_s = state.speech_start_s = None
            state.vad_speech_started = False

    def _refused(self, state: State) -> Bools:
        """Whether what is due is refused, shape=(settings,)."""
        refusals = self.world.refusals
        if refusals is None:
            return np.zeros(len(state.places), np.bool_)
        words = np.full(len(state.places), state.words)
        return refusals.part(state.places).refused(state.due_s, words)

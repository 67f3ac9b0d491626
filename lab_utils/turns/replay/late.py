"""Commits of many settings at once where transcripts may come at any time. Pure.

Goal and conventions as in `decisions`; steps through the events of one recording, all settings side by side.
Definitions (audio_recognition.py:1252-1435, detector modes "vad" and audio detectors): a final transcript
triggers unless the user is speaking, with the prediction of the pause if that is not used up. A commit
forgets its own last speaking time; if nothing has moved it since, a preflight or final transcript sets it: to
the end of its words if the speech-to-text tells word times, else to the moment it comes. Interim transcripts
and the speech-to-text's start and end of speech change nothing. A text detector is asked at each trigger
anew, about what was said until then (`said`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.timeline import Floats, Ints
from ...core.traces import Bools, EotTrace, SttEvent
from .decisions import Delays, Predictions
from .extra_delays import ExtraDelays
from .late_state import State
from .records import BranchPauses, Decisions, PauseCommits, Pauses, Rows
from .refusals import Refusals
from .said import Conversation, Talk
from .stt_events import speaking_time


@dataclass(frozen=True)
class World:
    """What is heard on a tape, or on a branch from its first sample on."""

    pauses: Pauses
    transcripts: Sequence[SttEvent]
    refusals: Refusals | None
    """Where commits may be refused, None where none is."""
    conversation: Conversation | None = None
    """What was said, for a text detector or extra delays; None without."""


def late_decisions(
    rows: Rows,
    worlds: Sequence[World],
    eot: EotTrace | None,
    delays: Delays,
    prediction_delay: float,
    frame_samples: int,
    *,
    modelled: bool,
    extra: ExtraDelays | None = None,
) -> Decisions:
    """Decisions where transcripts may come at any time (stream times); `eot` is None for plain VAD.

    `worlds`: what is heard on the tape, then on each branch of the `rows`. `modelled`: whether transcripts
    follow from what the VAD said; given ones come at times as coarse as the sessions' clock. `extra`: what is
    added to waits by what was said, which the worlds' conversations tell. A branch is
    walked from where it leaves the tape, in the state that the tape had led to. Raises MissingPredictions
    with all predictions that are needed and not in `eot`.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> tape = World(pauses, [SttEvent(3.0, "final", "Yes.")], None)
    >>> one, delays_s = np.zeros(1, dtype=np.int64), np.array([0.8])
    >>> delays = Delays(np.array([-np.inf]), delays_s, one, one, delays_s)
    >>> late_decisions(Rows.of(pauses), [tape], None, delays, 0.0, 800, modelled=False).accepted_s.tolist()
    [[3.0]]
    """
    predictions = Predictions(eot) if eot is not None else None
    columns = np.broadcast_to(delays.columns, (len(rows), delays.columns.shape[-1]))

    def walk_of(world: World, of_rows: Ints) -> _Walk:
        numbers = np.append(columns[of_rows], delays.first[None, :], axis=0)  # -1: before any pause
        shift = rows.shift[of_rows]
        return _Walk(
            world, numbers, shift, delays, predictions, prediction_delay, frame_samples, modelled, extra
        )

    tape = worlds[0]
    memory = tape.conversation.memory if tape.conversation is not None else None
    sizes = len(tape.transcripts), len(delays)
    talk = Talk.start(*sizes, answers=memory is not None) if tape.conversation is not None else None
    state = State.start(len(tape.pauses), *sizes, talk)
    forked = _walk_tape(walk_of(tape, np.arange(len(tape.pauses))), state, rows.branches, worlds[1:])
    by_pause, by_trigger = [state.by_pause(0, len(tape.pauses))], [state.by_trigger]
    for k, (branch, world, branched) in enumerate(zip(rows.branches, worlds[1:], forked, strict=True)):
        own = np.flatnonzero(rows.branch == k)
        walk_of(world, np.concatenate((np.arange(branch.shared), own))).on(branched, branch.from_s)
        by_pause.append(branched.by_pause(branch.shared, len(world.pauses)))
        by_trigger.append(branched.by_trigger)
    if predictions is not None:
        predictions.check()
    if memory is not None:
        memory.check()
    return Decisions.side_by_side(PauseCommits.joined(by_pause), rows.branch, by_trigger, rows.forks)


def _walk_tape(
    walk: _Walk, state: State, branches: Sequence[BranchPauses], worlds: Sequence[World]
) -> list[State]:
    """Walk through the tape's events; gives the state in which each branch leaves it."""
    forked: dict[int, State] = {}
    waiting = sorted(range(len(branches)), key=lambda k: branches[k].from_s, reverse=True)

    def fork_until(at_s: float) -> None:
        while waiting and branches[waiting[-1]].from_s <= at_s:
            k = waiting.pop()
            pauses, transcripts = len(worlds[k].pauses), len(worlds[k].transcripts)
            forked[k] = state.fork(branches[k].shared, pauses, transcripts)

    for event in walk.events():
        fork_until(event[0])
        walk.step(state, event)
    fork_until(np.inf)
    walk.finish(state)
    return [forked[k] for k in range(len(branches))]


@dataclass(frozen=True)
class _Walk:
    """What the events of a tape, or of a branch, do to the state of every setting."""

    world: World
    columns: Floats
    """By pause, and in the last row before any; shape=(pauses + 1, columns)."""
    shift: Ints
    delays: Delays
    predictions: Predictions | None
    prediction_delay: float
    frame_samples: int
    modelled: bool
    extra: ExtraDelays | None

    def step(self, state: State, event: tuple[float, int, int, int]) -> None:
        """One event of `_events`."""
        at_s, _, what, i = event
        pauses, transcripts, refusals = self.world.pauses, self.world.transcripts, self.world.refusals
        delays, predictions = self.delays, self.predictions
        state.commit_before(
            at_s, self.frame_samples, refusals, self.world.conversation, spoken=what == _TRANSCRIPT
        )
        if what == _RESUME:
            state.speaking = True
            state.cancel()
            return
        if what == _SHORT_SPEECH:
            state.last_speaking_s[:] = at_s
            return
        if what == _TRANSCRIPT:
            heard_s = speaking_time(transcripts[i])
            state.last_speaking_s = np.where(np.isnan(state.last_speaking_s), heard_s, state.last_speaking_s)
            if transcripts[i].kind == "preflight":
                return
            if state.talk is not None:
                state.talk.heard = i + 1
            if transcripts[i].text.strip():
                state.transcribed[:] = True
                state.words += refusals.words[i] if refusals is not None else 0
            if state.speaking:
                return
            state.pending_transcript = i
        else:
            state.pause, state.speaking = i, False
            state.last_speaking_s[:] = pauses.last_speaking_s[i]
            state.predicted[:] = predictions is not None
            if predictions is not None:
                p = self._predicted(state, predictions, i)
                state.probability[state.row], state.accepted[state.row] = p, p >= delays.threshold
        likely, ready_s, p = self._judged(state, at_s)
        wait_s = delays.waits(p, likely, self.columns[state.pause]) + self._extra_s(state, at_s)
        commit_s = np.maximum(ready_s, state.last_speaking_s + wait_s)
        state.wait(commit_s, commit_s == at_s)

    def _judged(self, state: State, at_s: float) -> tuple[Bools, Floats | float, Floats]:
        """At a trigger: whether the end of turn is likely, when that is known, and its probability.

        Each of shape=(settings,); no probability counts where the end is likely.
        """
        conversation = self.world.conversation
        if conversation is not None and conversation.memory is not None and state.talk is not None:
            p = conversation.asked(state.talk, conversation.memory, at_s)
            state.judge(p, p >= self.delays.threshold)
            return state.talk.likely, at_s + self.prediction_delay, p
        likely = state.accepted[state.row] | ~state.predicted
        if self.predictions is None or state.pause < 0:
            return likely, at_s, state.probability[state.row]
        ready_s = np.where(state.predicted, self._answered_s(state, at_s), at_s)
        return likely, ready_s, state.probability[state.row]

    def _answered_s(self, state: State, at_s: float) -> float:
        """When a detector that hears has answered, at a trigger in this pause."""
        return max(at_s, float(self.world.pauses.predict_s[state.pause]) + self.prediction_delay)

    def _extra_s(self, state: State, at_s: float) -> Floats | float:
        """What is added to the waits, by what is known when the detector answers or the text is asked about.

        A worker extends a wait where LiveKit asks for the threshold, that is, where there is a probability.
        """
        conversation = self.world.conversation
        if self.extra is None or conversation is None or state.talk is None:
            return 0.0
        if conversation.memory is not None:
            return self.extra.on(state.talk, conversation, at_s)
        if state.pause < 0:
            return 0.0
        extra_s = self.extra.on(state.talk, conversation, self._answered_s(state, at_s))
        return np.where(state.predicted, extra_s, 0.0)

    def _predicted(self, state: State, predictions: Predictions, pause: int) -> Floats:
        """What the detector says in a pause; shape=(settings,), or (1,) if it hears the same under all."""
        end, shift = self.world.pauses.predict_sample[pause], self.shift[pause]
        first = max(0, int(end) - predictions.hears_samples)
        if state.last_flush <= first or not predictions.since_commit:
            return predictions.needed(np.array([first + shift]), np.array([end + shift]))
        start = np.maximum(state.flushed, first)
        distinct, of_setting = np.unique(start + shift, return_inverse=True)
        return predictions.needed(distinct, np.full(len(distinct), end + shift))[of_setting]

    def events(self, from_s: float = -np.inf) -> list[tuple[float, int, int, int]]:
        """All from a moment on, in order."""
        return _events(self.world.pauses, self.world.transcripts, from_s, self.modelled)

    def on(self, state: State, from_s: float) -> None:
        """All events from a moment to the end of the stream."""
        for event in self.events(from_s):
            self.step(state, event)
        self.finish(state)

    def finish(self, state: State) -> None:
        """The end of the stream."""
        world = self.world
        state.commit_before(world.pauses.stream_end_s, self.frame_samples, world.refusals, world.conversation)


_RESUME, _END, _SHORT_SPEECH, _TRANSCRIPT = range(4)


def _events(
    pauses: Pauses, transcripts: Sequence[SttEvent], from_s: float, modelled: bool
) -> list[tuple[float, int, int, int]]:
    """(stream time, order, what, number of pause or transcript) from a moment on, in order.

    What the VAD says at one time keeps the order of its windows.
    """
    of_pause = np.searchsorted(pauses.end_of_speech_s, pauses.short_speech_s, side="right") - 1
    resume_s = [pauses.opening_s, *pauses.resume_s.tolist()]
    events = [(at_s, i, _RESUME, i) for i, at_s in enumerate(resume_s) if at_s >= from_s]
    first = int(np.searchsorted(pauses.end_of_speech_s, from_s))
    for i, at_s in enumerate(pauses.end_of_speech_s[first:].tolist(), first):
        events.append((at_s, i, _END, i))
    for at_s, i in zip(pauses.short_speech_s.tolist(), of_pause.tolist(), strict=True):
        events.append((at_s, i, _SHORT_SPEECH, i))
    for k, one in enumerate(transcripts):
        if modelled and one.time_s < from_s <= pauses.end_of_speech_s[k]:
            events.append((from_s, -1, _TRANSCRIPT, k))  # of speech that a tape which goes on doesn't end
        elif one.text and one.kind in ("final", "preflight"):
            at_s = one.time_s if modelled else round(one.time_s, 8)  # as the sessions' timers
            events.append((at_s, len(pauses) + k, _TRANSCRIPT, k))
    return sorted(event for event in events if from_s <= event[0] < pauses.stream_end_s)

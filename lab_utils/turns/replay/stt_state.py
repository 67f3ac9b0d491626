"""What `AudioRecognition` remembers while settings are walked through the events together (`stt_mode`)."""

from __future__ import annotations

from bisect import bisect_left
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from ...core.timeline import Floats, Ints
from ...core.traces import Bools, Cause
from .endpointing import AgentEvents, Learners
from .records import TriggerCommits
from .vad_runs import SpeechEvents


@dataclass(frozen=True)
class Trigger:
    at_s: float
    cause: Cause
    last_speaking_s: float
    """As it was then."""
    silence_s: float
    """Where the silence began that led to it."""


@dataclass
class State:
    """The state of `AudioRecognition` under settings that have decided alike; its own names in backquotes."""

    places: Ints
    """The settings, by place in the block."""
    learners: Learners
    """Theirs."""
    origin: int = 0
    """Where the VAD began last."""
    told: int = 0
    """Windows since then that have been heard."""
    speaking: bool = False
    """`_speaking`: the user speaks, by what the VAD or the speech-to-text said last."""
    vad_speech_started: bool = False
    """`_vad_speech_started`: the VAD has heard speech start in this turn, and not end."""
    ended: bool = False
    """`_user_turn_committed`: the speech-to-text has ended the turn, and nothing is committed since."""
    transcribed: bool = False
    """The turn has a final transcript."""
    words: int = 0
    """In the turn's final transcripts, counted where commits may be refused."""
    last_speaking_s: float | None = None
    """`_last_speaking_time`"""
    lagging: bool = False
    """It is the moment at which the speech-to-text said something."""
    speech_start_s: float | None = None
    """`_speech_start_time`: what dynamic endpointing is told."""
    pending: Trigger | None = None
    due_s: Floats = field(default_factory=lambda: np.zeros(0))
    """When each setting commits what is pending."""

    def part(self, which: Bools) -> State:
        """The same for some of the settings."""
        found = copy(self)
        found.places, found.learners = self.places[which], self.learners.part(which)
        found.due_s = self.due_s[which] if self.pending is not None else self.due_s
        return found

    @property
    def key(self) -> tuple[object, ...]:
        """States with the same one go on alike, but for the moments at which they commit."""
        own = (self.origin, self.told, self.speaking, self.vad_speech_started, self.ended, self.transcribed)
        times = (self.last_speaking_s, self.lagging, self.speech_start_s, self.pending)
        return (*own, self.words, *times, *self.learners.key)

    def with_settings_of(self, other: State) -> State:
        """The settings of both, whose keys are the same."""
        found = copy(self)
        found.places = np.concatenate((self.places, other.places))
        found.learners = self.learners.and_those_of(other.learners)
        found.due_s = self.due_s if self.pending is None else np.concatenate((self.due_s, other.due_s))
        return found

    def hear(self, run: SpeechEvents, windows: int) -> None:
        """Windows up to that number move the last speaking time if speech came before them."""
        first, after = bisect_left(run.heard, self.told), bisect_left(run.heard, windows)
        self.told = max(self.told, windows)
        if first < after:
            self.last_speaking_s, self.lagging = run.arrival_s[run.heard[after - 1]], False
            if self.speech_start_s is None:
                self.speech_start_s = run.heard_since_s[first]

    def hear_start(self, at_s: float, speech_start_s: float, agent: AgentEvents) -> None:
        """The VAD's START_OF_SPEECH."""
        if not self.vad_speech_started:
            self.speech_start_s = speech_start_s
            self.vad_speech_started = True
        self.learners.user_starts(at_s, speech_start_s, agent)
        self.speaking = True
        self.pending = None


@dataclass
class Progress:
    """How far a walk has come: before which event, in which states, with which commits."""

    states: list[State]
    event: int = 0
    done: list[tuple[Trigger, Ints, Floats]] = field(default_factory=list)
    """Each trigger's commits: the settings' places, and when they commit."""

    def copy(self) -> Progress:
        everyone = [state.part(np.ones(len(state.places), np.bool_)) for state in self.states]
        return Progress(everyone, self.event, list(self.done))

    def commits(self, n: int) -> TriggerCommits:
        """The commits of n settings, by what triggered them."""
        triggers = sorted({(one.at_s, one.cause) for one, _, _ in self.done})
        row_of = {trigger: row for row, trigger in enumerate(triggers)}
        late_s = np.full((len(triggers), n), np.inf)
        silence_s = np.full((len(triggers), n), np.nan)
        for one, places, commit_s in self.done:
            late_s[row_of[one.at_s, one.cause], places] = commit_s
            silence_s[row_of[one.at_s, one.cause], places] = one.silence_s
        return TriggerCommits(late_s, silence_s, tuple(cause for _, cause in triggers))

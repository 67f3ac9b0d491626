"""What a text detector is asked: the words that AgentSession knew at a moment, for many settings. Pure.

Definition (livekit-agents 1.8.9, audio_recognition.py:1570-1690, livekit-plugins-turn-detector base.py): at
each trigger the model is asked about the last six messages of the chat context and of the user, the last of
which are the final transcripts since the last commit. A committed turn stands in the context from its commit
on, what the agent says from its end on, in the order in which they began. A turn that is committed while the
agent speaks and can't be interrupted never gets there (agent_activity.py:2855).
Assumptions: the agent is the recorded one, and says all that was recorded. Times are stream seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...core.labels import Labels, agent_messages, spoken_words
from ...core.policies.number_words import asks_for_number, gives_numbers
from ...core.timeline import Floats, Ints
from ...core.traces import Bools, Cause, Prompt, SttEvent, TextAnswers, text_key
from .decisions import MissingTraces
from .records import TriggerCommits

MAX_HISTORY_TURNS = 6
"""Messages that the models are given (turn_detector/base.py)."""
History = tuple[tuple[int, str], ...]
"""Committed turns: how many of the agent's turns had begun by then, and the text."""


class MissingTexts(MissingTraces):
    """Raised when a replay needs answers to `prompts` that the trace does not hold."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = tuple(prompts)

    def __str__(self) -> str:
        return f"{len(self.prompts)} answers about texts are not in the trace; trace the recording for them"


@dataclass(frozen=True)
class Speech:
    """Who says what in a call."""

    words_s: Floats
    """The middle of each of the user's words, ascending."""
    words: tuple[str, ...]
    agent_s: Floats
    """Start and end of the agent's turns, shape=(n, 2)."""
    agent: tuple[str, ...]
    """What it says in each; "" where nobody knows."""
    interruptible: bool
    """Whether the user may interrupt it."""
    offset_s: float
    """Stream time less recording time."""

    @classmethod
    def of(cls, labels: Labels, offset_s: float, *, interruptible: bool = True) -> Speech:
        """What the labels tell, `offset_s` later."""
        user = [one for one in spoken_words(labels) if one.speaker == "user" and one.text.strip()]
        user.sort(key=lambda one: one.middle_s)
        agent = agent_messages(labels)
        spans = np.array([(start_s, end_s) for start_s, end_s, _ in agent], dtype=np.float64)
        return cls(
            np.array([one.middle_s for one in user], dtype=np.float64) + offset_s,
            tuple(one.text.strip() for one in user),
            spans.reshape(-1, 2) + offset_s,
            tuple(text for *_, text in agent),
            interruptible,
            offset_s,
        )

    def of_branch(self, labels: Labels) -> Speech:
        """The same where the caller waits, by the labels there."""
        return Speech.of(labels, self.offset_s, interruptible=self.interruptible)

    def finals(self, events: Sequence[SttEvent], last_speaking_s: Floats) -> list[SttEvent]:
        """Modelled finals, one for each pause, with the words up to it that no other had.

        Raises ValueError where no word of the user is known.

        >>> from lab_utils.core.labels import Ipu
        >>> speech = Speech.of(Labels(9.0, (Ipu("user", 1.0, 2.0, "One two."),), ()), 0.0)
        >>> events = [SttEvent(at_s, "final", "…") for at_s in (1.6, 2.1, 3.1)]
        >>> [one.text for one in speech.finals(events, np.array([1.5, 2.0, 3.0]))]
        ['One', 'two.', '…']
        """
        if not self.words:
            raise ValueError(
                "text detectors and extra delays depend on the user's words, and the labels have none; write "
                "them with `lab transcribe`, or use a detector that hears, without extra delays"
            )
        ends = np.searchsorted(self.words_s, last_speaking_s, side="right").tolist()
        texts = (" ".join(self.words[a:b]) for a, b in zip([0, *ends], ends, strict=False))
        return [replace(one, text=text or one.text) for one, text in zip(events, texts, strict=True)]

    def ended(self, at_s: float) -> int:
        """How many of the agent's turns are over."""
        return int(np.searchsorted(self.agent_s[:, 1], at_s, side="right"))

    def last_of_agent(self, ended: int) -> str:
        """What the agent said last when so many of its turns are over; "" if nobody knows."""
        return next((text for text in reversed(self.agent[:ended]) if text), "")

    def prompt(self, history: History, text: str, ended: int) -> Prompt:
        """What is asked when so many of the agent's turns are over.

        >>> from lab_utils.core.labels import Ipu
        >>> speech = Speech.of(Labels(9.0, (Ipu("agent", 3.0, 4.0, "Which one?"),), ()), 0.0)
        >>> speech.prompt(((0, "Hello."),), "Two.", ended=1)
        (('user', 'Hello.'), ('assistant', 'Which one?'), ('user', 'Two.'))
        """
        first = max(0, ended - MAX_HISTORY_TURNS)
        context = [(k + 0.5, "assistant", self.agent[k]) for k in range(first, ended) if self.agent[k]]
        context += [(begun, "user", said) for begun, said in history]
        context.sort(key=lambda one: one[0])
        messages = [*((role, said) for _, role, said in context), ("user", text)]
        return tuple(messages[-MAX_HISTORY_TURNS:])


@dataclass
class Talk:
    """What has been said under each setting while events are walked through; shape=(settings,)."""

    first: Ints
    """The first transcript since the last commit, by number."""
    history: Ints
    """What was committed before, by its number in `Memory`."""
    likely: Bools
    """The last answer: whether the end of turn is likely."""
    late_likely: Bools | None
    """That answer, for commits by transcript (`late_state.State.late_s`); shape=(transcripts, settings). None
    for a detector that hears, and is not asked anew at a transcript."""
    heard: int = 0
    """Transcripts so far."""

    @classmethod
    def start(cls, transcripts: int, n: int, *, answers: bool) -> Talk:
        """Before anything is said; `answers`: for a text detector."""
        first, history = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        late = np.ones((transcripts, n), np.bool_) if answers else None
        return cls(first, history, np.ones(n, np.bool_), late)

    def fork(self, transcripts: int) -> Talk:
        """The same, to go on with other events."""
        late = None if self.late_likely is None else np.ones((transcripts, len(self.first)), np.bool_)
        return Talk(self.first.copy(), self.history.copy(), self.likely.copy(), late, self.heard)

    def by_trigger(self, late_s: Floats, last_speaking_s: Floats) -> TriggerCommits:
        """Commits by transcript, those that the detector took for likely first."""
        if self.late_likely is None:
            late: Cause = "late_transcript"
            return TriggerCommits(late_s, last_speaking_s, (late,) * len(late_s))
        n, sides = len(late_s), (self.late_likely, ~self.late_likely)
        likely: tuple[Cause, ...] = ("detector",)
        unlikely: tuple[Cause, ...] = ("max_delay",)
        return TriggerCommits(
            np.concatenate([np.where(side, late_s, np.inf) for side in sides]),
            np.concatenate((last_speaking_s, last_speaking_s)),
            likely * n + unlikely * n,
        )


@dataclass
class Memory:
    """Answers to texts, and histories by number, for a tape and its branches."""

    answers: TextAnswers
    missing: dict[int, Prompt] = field(default_factory=dict)
    histories: list[History] = field(default_factory=lambda: [()])
    _numbers: dict[History, int] = field(default_factory=lambda: {(): 0})

    def number(self, history: History) -> int:
        """The number of a history; only what a model may be told of it counts."""
        history = history[-MAX_HISTORY_TURNS:]
        if history not in self._numbers:
            self._numbers[history] = len(self.histories)
            self.histories.append(history)
        return self._numbers[history]

    def check(self) -> None:
        """Raise MissingTexts if an answer wasn't known."""
        if self.missing:
            raise MissingTexts(tuple(self.missing.values()))


@dataclass(frozen=True)
class Conversation:
    """What is said on a tape or a branch, and what a text detector answers."""

    speech: Speech
    transcripts: Sequence[SttEvent]
    memory: Memory | None
    """None for a detector that hears: only waits depend on what was said (`extra_delays`)."""
    _keys: dict[tuple[int, int, int, int], int | None] = field(default_factory=dict)
    _gives: dict[tuple[int, int], bool] = field(default_factory=dict)

    def gives_numbers(self, first: int, heard: int) -> bool:
        """Whether the user is giving numbers, in the turn of the transcripts from `first` to `heard`."""
        if (first, heard) not in self._gives:
            self._gives[first, heard] = gives_numbers(self._text(first, heard))
        return self._gives[first, heard]

    def was_asked(self, at_s: float) -> bool:
        """Whether the agent's last message before a moment asks for a number."""
        return asks_for_number(self.speech.last_of_agent(self.speech.ended(at_s)))

    def asked(self, talk: Talk, memory: Memory, at_s: float) -> Floats:
        """The answers at a trigger, shape=(settings,); NaN where nothing was said, or nothing is known."""
        ended = self.speech.ended(at_s)
        pairs, of = np.unique(np.stack((talk.history, talk.first)), axis=1, return_inverse=True)
        keys = [self._key(memory, history, first, talk.heard, ended) for history, first in pairs.T.tolist()]
        said = np.array([key is not None for key in keys])
        p = np.full(len(keys), np.nan)
        p[said] = memory.answers.known(np.array([key for key in keys if key is not None], np.int64))
        for (history, first), key, one in zip(pairs.T.tolist(), keys, p.tolist(), strict=True):
            if key is not None and np.isnan(one):
                memory.missing[key] = self._prompt(memory, history, first, talk.heard, ended)
        found: Floats = p[of.reshape(-1)]
        return found

    def committed(self, talk: Talk, due: Bools, at_s: Floats) -> None:
        """Put the turn into the context of the settings that commit it, each at its moment."""
        if self.memory is None:
            talk.first[due] = talk.heard
            return
        begun, ended = (np.searchsorted(side, at_s[due], side="right") for side in self.speech.agent_s.T)
        kept = np.ones_like(begun) if self.speech.interruptible else begun == ended
        every = np.stack((talk.history[due], talk.first[due], begun, kept))
        distinct, of = np.unique(every, axis=1, return_inverse=True)
        after = []
        for history, first, place, is_kept in distinct.T.tolist():
            turn = ((place, self._text(first, talk.heard)),) if is_kept else ()
            after.append(self.memory.number(self.memory.histories[history] + turn))
        talk.history[due] = np.array(after, dtype=np.int64)[of.reshape(-1)]
        talk.first[due] = talk.heard

    def _key(self, memory: Memory, history: int, first: int, heard: int, ended: int) -> int | None:
        """Of the prompt; None where the turn has no words."""
        place = (history, first, heard, ended)
        if place not in self._keys:
            said = self._text(first, heard)
            self._keys[place] = text_key(self._prompt(memory, *place)) if said else None
        return self._keys[place]

    def _prompt(self, memory: Memory, history: int, first: int, heard: int, ended: int) -> Prompt:
        return self.speech.prompt(memory.histories[history], self._text(first, heard), ended)

    def _text(self, first: int, heard: int) -> str:
        """The finals joined as `_audio_transcript` is."""
        text = ""
        for one in self.transcripts[first:heard]:
            if one.kind == "final" and one.text:
                text = f"{text} {one.text}".lstrip()
        return text

"""What a speech-to-text with an eager end of turn sends, by the confidences that were recorded of it. Pure.

Goal: Deepgram Flux in `stt` mode, with drafts begun early and given up.
Source: `_process_stream_event` of livekit-plugins-deepgram 1.8.9 (stt_v2.py), by Flux's messages:

- StartOfTurn: START_OF_SPEECH and an interim; Update: an interim, every `UPDATE_S`;
- EagerEndOfTurn: a preflight transcript, on which LiveKit begins a draft (preemptive generation);
- TurnResumed: an interim. LiveKit gives the draft up at the first interim whose words are others;
- EndOfTurn: the final transcript, and END_OF_SPEECH. All texts hold the whole turn so far.

Model: in each silence of the user, the turn ends at the first confidence of at least `Thresholds.final`, or
after `Thresholds.longest_s`; a preflight comes at the first one of at least `Thresholds.eager`, if that is
earlier. A confidence counts from `LEAST_S` into the silence. A silence about which nothing was recorded ends
the turn by its length alone. Nothing is added for the service's own delay, which isn't known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.labels import Labels, Word
from ...core.traces import SttEvent
from ...turns.detectors.stt_services import VAD_SILENCE_S as LEAST_S
from ...turns.detectors.table import SLACK_S, Answers
from ...turns.replay.stt_events import START_DELAY_S
from .stt_plan import words_of

UPDATE_S = 0.25
"""Audio between two of Flux's Update messages."""

Silence = tuple[tuple[float, float], ...]
"""What was said in one silence: seconds since the speech before it ended, in order, and the confidence."""


@dataclass(frozen=True)
class Thresholds:
    """When a turn ends, and when it may have."""

    final: float
    longest_s: float
    """A silence of this length ends the turn whatever the confidence."""
    eager: float | None = None
    """None: no preflight transcripts."""


@dataclass(frozen=True)
class EagerStt:
    """Such a speech-to-text on one recording."""

    silences: tuple[Silence, ...]
    """What was said after each stretch of the user's speech (`recorded_silences`)."""
    thresholds: Thresholds

    def events(self, labels: Labels) -> tuple[SttEvent, ...]:
        """What it sends, in recording time and in order; `labels` may have longer silences than the recorded.

        Raises ValueError for labels with other speech.
        """
        stretches = _stretches(labels)
        if len(stretches) != len(self.silences):
            raise ValueError(
                f"confidences after {len(self.silences)} stretches of speech, but there are "
                f"{len(stretches)}; take them from the table with the same labels"
            )
        ends_s = [*(start_s for start_s, _ in stretches[1:]), np.inf]
        plan = _Plan(words_of(labels), self.thresholds)
        for (start_s, end_s), silence, next_s in zip(stretches, self.silences, ends_s, strict=True):
            plan.add_speech(start_s, end_s)
            plan.add_silence(end_s, silence, next_s)
        return tuple(plan.events)


def recorded_silences(answers: Answers, sha256: str, labels: Labels) -> tuple[Silence, ...]:
    """What a table of confidences says in the silence after each stretch of the user's speech.

    Of rows that count at one moment, the last holds, as in `Answers`.
    """
    stretches = _stretches(labels)
    if sha256 not in answers.of:
        return ((),) * len(stretches)
    known_s, p = answers.of[sha256]
    until_s = [*(start_s for start_s, _ in stretches[1:]), np.inf]
    found = []
    for (_, end_s), next_s in zip(stretches, until_s, strict=True):
        rows = np.flatnonzero((known_s >= end_s - SLACK_S) & (known_s < next_s))
        since_s = np.maximum(known_s[rows] - end_s, LEAST_S)
        found.append(tuple(dict(zip(since_s.tolist(), p[rows].tolist(), strict=True)).items()))
    return tuple(found)


def _stretches(labels: Labels) -> list[tuple[float, float]]:
    """Begin and end of each stretch of the user's speech, in order."""
    spans: list[tuple[float, float]] = []
    for start_s, end_s in sorted(map(tuple, labels.spans("user").tolist())):
        if spans and start_s < spans[-1][1]:
            start_s, before_s = spans.pop()
            end_s = max(end_s, before_s)
        spans.append((start_s, end_s))
    return spans


class _Plan:
    """Plans events in order, turn by turn."""

    def __init__(self, words: Sequence[Word], thresholds: Thresholds) -> None:
        self.events: list[SttEvent] = []
        self._words, self._thresholds = words, thresholds
        self._given = 0  # words of turns that are over
        self._turn_s: float | None = None  # when the turn began; None between turns
        self._sent = ""
        self._resumes = False  # whether the turn goes on after a preflight

    def _add(self, kind: str, time_s: float, text: str = "") -> None:
        self.events.append(SttEvent(time_s, kind, text))  # type: ignore[arg-type]

    def _said_by(self, time_s: float) -> str:
        """The turn's words that have ended by then."""
        return " ".join(word.text.strip() for word in self._words[self._given :] if word.end_s <= time_s)

    def add_speech(self, start_s: float, end_s: float) -> None:
        """A stretch of speech: a turn begins or goes on."""
        begins_s = min(start_s + START_DELAY_S, end_s)
        if self._turn_s is None:
            self._turn_s, self._sent = start_s, ""
            self._add("start_of_speech", begins_s)
        elif self._resumes and self._sent:
            self._add("interim", begins_s, self._sent)
        self._resumes = False
        ticks = np.arange(np.ceil((begins_s - self._turn_s) / UPDATE_S), (end_s - self._turn_s) / UPDATE_S)
        for at_s in (self._turn_s + UPDATE_S * ticks).tolist():
            text = self._said_by(at_s)
            if text != self._sent:
                self._add("interim", at_s, text)
                self._sent = text

    def add_silence(self, end_s: float, said: Silence, next_s: float) -> None:
        """The silence after it, up to the next stretch: what the confidences lead to."""
        rule = self._thresholds
        whole_s = next_s - end_s
        final_s = min((at_s for at_s, p in said if p >= rule.final), default=rule.longest_s)
        final_s = min(final_s, rule.longest_s)
        eager_s = np.inf
        if rule.eager is not None:
            eager_s = min((at_s for at_s, p in said if p >= rule.eager), default=np.inf)
        # a word of which the labels say that it ends a little later was spoken here, too
        count = sum(word.middle_s <= end_s for word in self._words)
        text = " ".join(word.text.strip() for word in self._words[self._given : count])
        if eager_s < min(final_s, whole_s) and text:
            self._add("preflight", end_s + eager_s, text)
            self._resumes, self._sent = True, text
        if final_s < whole_s:
            if text:
                self._add("final", end_s + final_s, text)
            self._add("end_of_speech", end_s + final_s)
            self._given, self._turn_s = count, None

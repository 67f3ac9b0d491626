"""Calls as the sessions of `lab techniques` hear them, made ready for the closed forms.

The agent greets, and the caller waits for an answer (`ablation.lengthened_pauses`). Commits are the replay's
(`turns.replay`) on exactly the transcripts that the session's simulated STT sends; replies are
`latency.reply`'s. So a configuration's turns are those of its session with the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...core.files.places import Place
from ...core.recording import Recording
from ...core.settings import Conditions, Settings
from ...core.timeline import WINDOW_S, Floats
from ...core.traces import SttEvent, Traced
from ...recordings.find import RecordingFiles, load_recording
from ...session.providers.schema import Providers
from ...session.scripted.from_provider import stt_timing_of
from ...session.scripted.stt_plan import planned
from ...turns.replay import MissingTraces, commit_times
from ...turns.replay.block import blocks_of_settings
from ...turns.tracing import TraceCache, Tracer
from ..ablation.lengthened_pauses import with_lengthened_pauses
from ..ablation.timing import AT_ONCE_S, turns_of
from ..reply.call import Heard, answered
from ..reply.records import TOGETHER_S, ReplyTimes
from ..reply.signals import Voice
from ..techniques.choice import Techniques
from ..techniques.switches import region


class Outcome(NamedTuple):
    """What a configuration does in one call."""

    e2e_s: Floats
    """From each true end of the caller's turn to the agent's first sound; infinity where none comes.
    shape=(turns,)"""
    dollars: float
    """Of the LLM and the TTS, greeting included."""
    answer_s: Floats
    """To the answer itself, after what is said before a tool has answered; shape as above."""


@dataclass
class JointCall:
    """One recording with its labels; traces are added as settings ask for them."""

    recording: Recording
    providers: Providers
    conditions: Conditions
    seed: int
    tracer: Tracer
    _traced: dict[tuple[bool, bool], Traced] = field(default_factory=dict)
    _events: dict[tuple[bool, bool], tuple[SttEvent, ...]] = field(default_factory=dict)
    _voices: dict[str, Voice] = field(default_factory=dict)
    """By model of the VAD."""

    @classmethod
    def of(
        cls,
        files: RecordingFiles,
        providers: Providers,
        conditions: Conditions,
        *,
        seed: int,
        cache: Place,
        wait_s: float,
    ) -> JointCall:
        """Load a recording. Raises BadRecording if it can't be used."""
        tracer = Tracer(TraceCache(cache))
        recording = with_lengthened_pauses(tracer.labelled(load_recording(files)), wait_s)
        return cls(recording, providers, conditions, seed, tracer)

    @cached_property
    def ends_s(self) -> Floats:
        """Of each turn: its true end and the start of the next one; shape=(turns, 2)."""
        assert self.recording.labels is not None
        ends = [(turn.end_s, turn.until_s) for turn in turns_of(self.recording.labels)]
        return np.array(ends, dtype=np.float64).reshape(-1, 2)

    def outcomes(self, rows: Sequence[tuple[Settings, Techniques]]) -> list[Outcome]:
        """What each configuration does here. Raises NotCovered for one that the closed form doesn't cover."""
        found: dict[int, Outcome] = {}
        for line in sorted({_line(techniques) for _, techniques in rows}):
            of_line = [k for k, (_, techniques) in enumerate(rows) if _line(techniques) == line]
            commits = self._commits(line, [rows[k][0] for k in of_line])
            for k, commits_s in zip(of_line, commits, strict=True):
                found[k] = self._outcome(*rows[k], commits_s)
        return [found[k] for k in range(len(rows))]

    def perfect_commits(self, techniques: Techniques) -> Floats:
        """When a perfect detector commits each turn that has words: at its true end, once they are there."""
        events = self.events(_line(techniques))
        finals_s = np.array([event.time_s for event in events if event.kind == "final"])
        ends_s = self.ends_s[:, 0]
        began_s = np.append(-math.inf, ends_s[:-1])
        commits_s = []
        for since_s, end_s, until_s in zip(began_s, ends_s, self.ends_s[:, 1], strict=True):
            spoken = [one for one in events if one.kind == "final" and since_s < one.time_s < until_s]
            if spoken:
                commits_s.append(max(end_s, _last_of_turn(finals_s, end_s, until_s)))
        return np.array(commits_s, dtype=np.float64)

    def perfect_waits(self, techniques: Techniques) -> Floats:
        """From the true end of each of those turns to its commit."""
        commits_s = self.perfect_commits(techniques)
        ends_s = self.ends_s[:, 0]
        waits_s: Floats = commits_s - ends_s[np.searchsorted(ends_s, commits_s, "right") - 1]
        return waits_s

    def floor(self, techniques: Techniques) -> Outcome:
        """What an agent does with a perfect detector (`perfect_commits`).

        The voice activity that ends and begins with the labelled speech goes with it: LiveKit's own comes a
        quarter of a second late, and would stop a reply that begins before.
        """
        events, commits_s = self.events(_line(techniques)), self.perfect_commits(techniques)
        perfect = Settings().replace(detector="vad", min_delay=0.0, min_silence_duration=0.0)
        heard = Heard(events, Voice(self._labelled_speech()), with_words(commits_s, events))
        return self._answered(heard, perfect, techniques)

    def _labelled_speech(self) -> Floats:
        """As a VAD's trace, shape=(windows,)."""
        assert self.recording.labels is not None
        speech = np.full(math.ceil(self.recording.duration_s / WINDOW_S), 0.01)
        for start_s, end_s in self.recording.labels.spans("user").tolist():
            speech[round(start_s / WINDOW_S) : round(end_s / WINDOW_S)] = 0.99
        return speech

    def events(self, line: tuple[bool, bool]) -> tuple[SttEvent, ...]:
        """What the STT of the session sends; `line`: whether it streams, and whether it is near."""
        if line not in self._events:
            streaming, near = line
            where = self.providers.regions["near" if near else "far"]
            timing = stt_timing_of(self.providers.stt, where, streaming=streaming)
            assert self.recording.labels is not None
            self._events[line] = planned(self.recording.labels, timing, self.seed)
        return self._events[line]

    def _commits(self, line: tuple[bool, bool], settings: Sequence[Settings]) -> list[Floats]:
        events = self.events(line)
        try:
            return commit_times(self._heard(line), settings, self.conditions, stt=events)
        except MissingTraces:
            blocks = [block for _, block in blocks_of_settings(settings, self.conditions)]
            self._traced[line] = self.tracer.complete(self.recording, self._heard(line), blocks, events)
            return commit_times(self._heard(line), settings, self.conditions, stt=events)

    def _heard(self, line: tuple[bool, bool]) -> Traced:
        if line not in self._traced:
            known = next(iter(self._traced.values()), None)
            self._traced[line] = known or self.tracer.trace_tape(self.recording)
        return self._traced[line]

    def _outcome(self, settings: Settings, techniques: Techniques, commits_s: Floats) -> Outcome:
        events = self.events(_line(techniques))
        model = settings.vad.model
        if model not in self._voices:
            self._voices[model] = Voice(self._heard(_line(techniques)).vad[model][0].probabilities)
        heard = Heard(events, self._voices[model], with_words(commits_s, events))
        return self._answered(heard, settings, techniques)

    def _answered(self, heard: Heard, settings: Settings, techniques: Techniques) -> Outcome:
        found = answered(heard, settings, self.conditions, techniques, self.providers, self.seed)
        replies, dollars = found.replies, found.usage.dollars(self.providers)
        return Outcome(e2e_of(replies, self.ends_s), dollars, answers_of(replies, self.ends_s))


def _line(techniques: Techniques) -> tuple[bool, bool]:
    """What of the techniques decides when transcripts come."""
    return techniques.streaming_stt, region(techniques) == "near"


def _last_of_turn(finals_s: Floats, end_s: float, until_s: float) -> float:
    """When the first final comes at or after the end of a turn; the end if its words were all there."""
    after = finals_s[(finals_s >= end_s) & (finals_s < until_s)]
    return float(after[0]) if len(after) else end_s


def with_words(commits_s: Floats, events: Sequence[SttEvent]) -> list[tuple[float, str]]:
    """Each commit with the words of the finals since the one before.

    >>> said = [SttEvent(1.0, "final", "A table."), SttEvent(2.0, "final", "For two.")]
    >>> with_words(np.array([1.5, 2.0]), said)
    [(1.5, 'A table.'), (2.0, 'For two.')]
    """
    finals = [(event.time_s, event.text) for event in events if event.kind == "final" and event.text]
    found, before = [], 0
    for commit_s in commits_s.tolist():
        count = before
        while count < len(finals) and finals[count][0] < commit_s + TOGETHER_S:
            count += 1
        found.append((commit_s, " ".join(text for _, text in finals[before:count])))
        before = count
    return found


def e2e_of(replies: Sequence[ReplyTimes], ends_s: Floats) -> Floats:
    """By turn, as `ablation.timing.turn_rows` has it: from its end to the first sound after the first commit.

    `ends_s`: true end and start of the next turn, shape=(turns, 2). Infinity where nothing is heard.
    """
    commits_s = np.array([reply.commit_s for reply in replies])
    heard_s = np.array([reply.heard_s for reply in replies])
    found = np.full(len(ends_s), np.inf)
    for k, (end_s, until_s) in enumerate(ends_s.tolist()):
        answers = (commits_s >= end_s - AT_ONCE_S) & (heard_s < until_s)
        if answers.any():
            found[k] = round(float(heard_s[answers].min()) - end_s, 9)
    return found


def answers_of(replies: Sequence[ReplyTimes], ends_s: Floats) -> Floats:
    """By turn, as `ablation.timing.answer_s` has it: from its end to the answer itself, of its first commit.

    `ends_s`: as for `e2e_of`. Infinity where the next commit comes before it.
    """
    commits_s = np.array([reply.commit_s for reply in replies])
    found = np.full(len(ends_s), np.inf)
    for k, (end_s, until_s) in enumerate(ends_s.tolist()):
        first = int(np.searchsorted(commits_s, end_s - AT_ONCE_S))
        if first == len(replies) or commits_s[first] >= until_s:
            continue
        next_s = commits_s[first + 1] if first + 1 < len(replies) else math.inf
        if replies[first].answer_s < min(next_s, until_s):
            found[k] = round(replies[first].answer_s - end_s, 9)
    return found

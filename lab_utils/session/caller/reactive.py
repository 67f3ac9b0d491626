"""The reactive caller: the recorded caller's turns, spoken when this session's agent gives the cue.

Conventions: *recording* seconds count from the recording's first sample, *stream* seconds from the first
sample the agent hears. Turns and their offsets are those of `caller_turns`. A turn begins:

- `opening`: `offset_s` after the stream's start, whatever the agent does.
- `answer`: `offset_s` after the agent's utterance ends. If the agent speaks again before that, the caller
  waits for the new end. Only an utterance that ended after the caller's last turn and was not interrupted is
  answered: after an interrupted one the agent's reply is still to come.
- `barge_in`: `offset_s` after the start of the agent's first utterance since the caller's last turn, or at
  its end if that comes earlier. An utterance that began in the caller's own turn is no cue before its end.
- `continuation`: `offset_s` after the caller's own previous speech, so that the pause is as recorded.

A backchannel ends no turn: the agent's utterance remains the cue for the caller's next turn. A backchannel is
left out if the agent's utterance ends before the backchannel is due, or if the agent says nothing.

If the agent speaks during the caller's turn, the caller goes on. If no cue comes and neither has spoken for
`silence_limit_s`, the caller goes on with the next turn.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from ...core.labels import Labels, as_spans
from ...core.recording import Pcm, Recording
from ...core.timeline import SAMPLE_RATE_HZ, Floats, to_samples
from ..audio.audio_in import AudioSource
from .turns import CallerTurn, caller_turns

log = logging.getLogger(__name__)

Cue = Literal["recording", "agent", "silence"]
OnTurn = Callable[[CallerTurn, float], None]

PADDING_S = 0.2
"""Seconds of the recording that are played before and after a turn's speech, if the user is silent there."""
FADE_S = 0.01
LOOP_FADE_S = 0.05
TONE_MARGIN_S = 0.1
"""Room tone is taken at least this far from speech: onsets and decays lie outside of the IPUs."""
CLEAN_TONE_S = 1.0
"""Room tone while the agent is silent too is preferred if it is at least this long: it has no crosstalk."""
LEAST_TONE_S = 0.1

OPEN_LOOP_CAVEATS = (
    "The caller is a tape: they speak when the recording says so, whatever this agent does.",
    "Overlaps, interruptions and false interruptions come from the recorded agent's pace, not this one's.",
    "After a boundary that the recorded agent didn't have, the caller talks on as if nothing had been said.",
    "Where this agent is slower or says more than the recorded one, the caller's next turn runs into it.",
    "Measure ends of turn here, and nothing that depends on how the caller takes the agent's reply.",
)
"""What a session that plays the recording from end to end can't know."""

REACTIVE_CAVEATS = (
    "The caller's words are the recorded ones: what they would have said to other words is not known.",
    "The caller never yields: whether they would have stopped for an agent that speaks is not known.",
    "Gaps and barge-ins keep the recorded offsets, which another agent's pace and words would have changed.",
    "Pauses keep their recorded length; those into which the recorded agent barged might have been longer.",
    "A backchannel is left out where the agent's utterance ends before it; a barge-in comes at that end.",
    "The caller doesn't notice that the agent's playout pauses, only that it starts and ends.",
    "Where the agent says nothing, the caller waits a fixed time and goes on with the next turn.",
)
"""What a session with a reactive caller can't know."""


class SpokenTurn(NamedTuple):
    """A turn as it happened in the session."""

    turn: CallerTurn
    start_s: float
    """Stream seconds of its first speech."""
    cue: Cue
    """What the turn reacted to; "recording" for openings and continuations."""


class ReactiveCaller(AudioSource):
    """Composes the caller's audio frame by frame, from the recording's user channel.

    A turn is cut out with up to 0.2 s of the recording around it (its padding) and faded into the room tone.
    Its first speech begins exactly at the sample at which it is due. This works since a frame is composed at
    its end, when all events within it are known.

    If the cue comes too late for the whole padding, the padding is shortened; without padding, the turn fades
    in over its first 10 ms. A turn whose moment has passed begins in the frame that is being composed. So the
    caller never reacts late to an event that was reported in time.

    Once its padding has begun, a turn isn't postponed any more. `on_turn` is called then, with the stream
    second of the turn's first speech: at most 0.2 s before that second, and at most one frame after it.

    The stream ends `tail_s` after the last turn, or later when the agent has finished speaking, and at
    `limit_s` at the latest. An agent whose playout is paused counts as speaking until the playout ends.
    """

    def __init__(
        self,
        recording: Recording,
        labels: Labels,
        frame_samples: int,
        *,
        silence_limit_s: float = 8.0,
        tail_s: float = 8.0,
        limit_s: float = 3600.0,
        on_turn: OnTurn | None = None,
    ) -> None:
        self.turns = caller_turns(labels)
        self.spoken: list[SpokenTurn] = []
        """The turns begun so far."""
        self.left_out: list[CallerTurn] = []
        """The backchannels whose moment never came."""
        self._user, self._ipus = recording.user, labels.spans("user")
        self._frame_samples = frame_samples
        self._silence_limit_s, self._tail_s, self._limit_s = silence_limit_s, tail_s, limit_s
        self._on_turn = on_turn
        self._tone = _Loop(room_tone(recording.user, labels), frame_samples)
        self._clips: list[tuple[int, Pcm]] = []  # (stream sample, samples), in order, not overlapping
        self._next = 0
        self._turn_end_s = -math.inf  # of the caller's last turn that was no backchannel
        self._speech_end_s = 0.0  # of the caller's last turn or backchannel
        self._agent_since_s: float | None = None  # start of the utterance under way
        self._agent_silent_s = 0.0  # end of the last utterance
        self._finished: tuple[float, float] | None = None  # the last utterance, unless it was interrupted

    def agent_started(self, at_s: float) -> None:
        """The agent is audible from stream second `at_s` on."""
        self._agent_since_s = at_s

    def agent_finished(self, at_s: float, interrupted: bool) -> None:
        """The agent's utterance ended at stream second `at_s`."""
        start_s = at_s if self._agent_since_s is None else self._agent_since_s
        self._finished = None if interrupted else (start_s, at_s)
        self._agent_since_s, self._agent_silent_s = None, at_s

    def frame(self, number: int) -> Pcm | None:
        start = number * self._frame_samples
        end = start + self._frame_samples
        while self._next < len(self.turns) and self._take_up(self.turns[self._next], start, end):
            self._next += 1
        if self._is_over(start / SAMPLE_RATE_HZ):
            return None
        self._clips = [(at, clip) for at, clip in self._clips if at + len(clip) > start]
        return self._render(start, end)

    def _is_over(self, now_s: float) -> bool:
        if self._next == len(self.turns) and self._agent_since_s is None:
            return now_s >= min(self._limit_s, self._speech_end_s + self._tail_s)
        return now_s >= self._limit_s

    def _take_up(self, turn: CallerTurn, start: int, end: int) -> bool:
        """Begin the turn, or leave it out, if that is due in the frame of stream samples `[start, end)`."""
        if turn.backchannel and self._has_missed(turn):
            self.left_out.append(turn)
            return True
        planned = self._planned(turn)
        if planned is None:
            return False
        due_s, cue = planned
        due = max(start, to_samples(due_s))
        padding = to_samples(self._padding_s(turn)[0])
        first = max(start, due - padding, min(due, to_samples(self._speech_end_s)))
        if first >= end:
            return False
        if cue == "silence":
            log.warning("nobody has spoken for %g s; the caller goes on with %s", self._silence_limit_s, turn)
            if turn.backchannel:
                self.left_out.append(turn)
                return True
        self._speak(turn, first, due, cue)
        return True

    def _has_missed(self, backchannel: CallerTurn) -> bool:
        """Whether the agent's utterance was over before the backchannel's moment."""
        finished = self._answerable()
        if finished is None or backchannel.kind != "barge_in":
            return False
        start_s, end_s = finished
        return start_s < self._turn_end_s or start_s + backchannel.offset_s > end_s

    def _planned(self, turn: CallerTurn) -> tuple[float, Cue] | None:
        """Stream second at which the turn begins by what is known now, and its cue; None before a cue."""
        if turn.kind == "opening":
            return max(turn.offset_s, self._speech_end_s), "recording"
        if turn.kind == "continuation":
            return max(self._turn_end_s + turn.offset_s, self._speech_end_s), "recording"
        cued_s = self._answer_s(turn) if turn.kind == "answer" else self._barge_in_s(turn)
        if cued_s is not None:
            return max(cued_s, self._speech_end_s), "agent"
        if self._agent_since_s is not None:
            return None
        return max(self._speech_end_s, self._agent_silent_s) + self._silence_limit_s, "silence"

    def _answerable(self) -> tuple[float, float] | None:
        """Start and end of the agent's last utterance if it was finished after the caller's last turn."""
        return self._finished if self._finished and self._finished[1] > self._turn_end_s else None

    def _answer_s(self, turn: CallerTurn) -> float | None:
        finished = self._answerable()
        if finished is None:
            return None
        due_s = max(finished[1] + turn.offset_s, self._speech_end_s)
        speaks_again = self._agent_since_s is not None and self._agent_since_s < due_s
        return None if speaks_again else due_s

    def _barge_in_s(self, turn: CallerTurn) -> float | None:
        finished = self._answerable()
        if finished is not None:
            start_s, end_s = finished
            return end_s if start_s < self._turn_end_s else min(start_s + turn.offset_s, end_s)
        if self._agent_since_s is None or self._agent_since_s < self._turn_end_s:
            return None
        return self._agent_since_s + turn.offset_s

    def _padding_s(self, turn: CallerTurn) -> tuple[float, float]:
        """Seconds of the recording to play before and after the turn's speech."""
        before = self._ipus[self._ipus[:, 1] <= turn.start_s, 1].max(initial=0.0)
        after = self._ipus[self._ipus[:, 0] >= turn.end_s, 0].min(initial=len(self._user) / SAMPLE_RATE_HZ)
        return min(PADDING_S, turn.start_s - before), max(0.0, min(PADDING_S, after - turn.end_s))

    def _speak(self, turn: CallerTurn, first: int, due: int, cue: Cue) -> None:
        """Put the turn's samples into the stream from sample `first` on; its speech begins at `due`."""
        speech = to_samples(turn.start_s)
        until = to_samples(turn.end_s + self._padding_s(turn)[1])
        clip = self._user[speech - (due - first) : until].copy()
        fade = min(to_samples(FADE_S), len(clip) // 2)
        last = len(clip) - fade
        clip[:fade] = _crossfaded(self._render(first, first + fade), clip[:fade])
        clip[last:] = _crossfaded(clip[last:], self._tone.between(first + last, first + len(clip)))
        self._clips = [(at, earlier[: max(0, first - at)]) for at, earlier in self._clips] + [(first, clip)]
        self._speech_end_s = due / SAMPLE_RATE_HZ + turn.end_s - turn.start_s
        if not turn.backchannel:
            self._turn_end_s = self._speech_end_s
        self.spoken.append(SpokenTurn(turn, due / SAMPLE_RATE_HZ, cue))
        if self._on_turn:
            self._on_turn(turn, due / SAMPLE_RATE_HZ)

    def _render(self, start: int, end: int) -> Pcm:
        """The caller's audio in stream samples `[start, end)`."""
        samples = self._tone.between(start, end)
        for at, clip in self._clips:
            lo, hi = max(start, at), min(end, at + len(clip))
            if lo < hi:
                samples[lo - start : hi - start] = clip[lo - at : hi - at]
        return samples


def room_tone(user: Pcm, labels: Labels) -> Pcm:
    """The longest stretch of the user's channel without speech, shape=(n,).

    The agent is silent in it too if that leaves at least a second. Empty if it is shorter than 0.1 s.
    """
    both = as_spans([(ipu.start_s, ipu.end_s) for ipu in labels.ipus])
    duration_s = len(user) / SAMPLE_RATE_HZ
    for spans, least_s in ((both, CLEAN_TONE_S), (labels.spans("user"), LEAST_TONE_S)):
        start_s, end_s = _longest_silence(spans, duration_s)
        if end_s - start_s >= least_s:
            return user[to_samples(start_s) : to_samples(end_s)]
    return user[:0]


def _longest_silence(spans: Floats, duration_s: float) -> tuple[float, float]:
    """The longest stretch of `[0, duration_s)` at least `TONE_MARGIN_S` from all `spans`, shape=(n, 2)."""
    spans = spans[np.argsort(spans[:, 0])]
    starts = np.maximum.accumulate(np.concatenate(([0.0], spans[:, 1] + TONE_MARGIN_S)))
    ends = np.concatenate((spans[:, 0] - TONE_MARGIN_S, [duration_s]))
    longest = int(np.argmax(ends - starts))
    return float(starts[longest]), float(ends[longest])


class _Loop:
    """Endless room tone: a stretch that fades into its own beginning; silence if it is empty."""

    def __init__(self, tone: Pcm, longest: int) -> None:
        """`longest`: the most samples ever asked for at once."""
        if not len(tone):
            tone = np.zeros(1, np.int16)
        fade = min(to_samples(LOOP_FADE_S), len(tone) // 2)
        self._period = len(tone) - fade
        once = tone[: self._period].copy()
        once[:fade] = _crossfaded(tone[self._period :], tone[:fade])
        self._samples = np.resize(once, self._period + max(longest, to_samples(FADE_S)))

    def between(self, start: int, end: int) -> Pcm:
        """A copy of samples `[start, end)` of the endless stream."""
        first = start % self._period
        return self._samples[first : first + end - start].copy()


def _crossfaded(out: Pcm, into: Pcm) -> Pcm:
    """From one sound to another of the same length, at constant power."""
    angle = (np.arange(len(out)) + 0.5) / max(1, len(out)) * (math.pi / 2)
    mixed = out * np.cos(angle) + into * np.sin(angle)
    return np.clip(np.rint(mixed), -32_768, 32_767).astype(np.int16)

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

What the VAD says depends on the restarts and these on the commits, hence the settings are walked one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...core.settings import VadSettings
from ...core.traces import Cause, SttEvent, VadTrace
from .decisions import flush_samples
from .endpointing import Learner
from .records import TIE_S, TriggerCommits
from .refusals import Refusals, word_count
from .stt_events import speaking_time, tells_time
from .vad_runs import MissingRestarts, SpeechEvents, VadRuns


def stt_commits(
    trace: VadTrace,
    vad: VadSettings,
    events: Sequence[SttEvent],
    learners: Sequence[Learner],
    frame_samples: int,
    lag_s: float,
    refusals: Refusals | None = None,
) -> TriggerCommits:
    """Commits of settings with these delays, given the events of the speech-to-text (stream times).

    `lag_s`: how long after the user's last sound the speech-to-text speaks of it, which tells the pause that
    a commit belongs to and moves none. `refusals`: where commits may be refused. Raises MissingRestarts with
    what the settings need next.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> events = [SttEvent(2.0, "final", "Yes."), SttEvent(2.0, "end_of_speech")]
    >>> learner = Learner(0.5, 3.0, None, np.zeros((0, 2)))  # fixed endpointing
    >>> found = stt_commits(trace, VadSettings(model="silero"), events, [learner], 800, lag_s=0.7)
    >>> found.commit_s.tolist(), found.last_speaking_s.tolist(), found.cause
    ([[2.5]], [[1.3]], ('stt',))
    """
    runs = VadRuns(trace, vad, frame_samples)
    commits: list[list[_Commit]] = []
    missing: dict[int, int] = {}
    for setting, learner in enumerate(learners):
        own = None if refusals is None else refusals.of_setting(setting)
        try:
            commits.append(_Walk(runs, learner, lag_s, own).commits(events))
        except MissingRestarts as needed:
            for origin, windows in zip(needed.origins, needed.windows, strict=True):
                missing[origin] = max(windows, missing.get(origin, windows))
    if missing:
        raise MissingRestarts(missing)
    n = len(learners)
    triggers = sorted({(one.trigger_s, one.cause) for found in commits for one in found})
    row_of = {trigger: row for row, trigger in enumerate(triggers)}
    late_s = np.full((len(triggers), n), np.inf)
    silence_s = np.full((len(triggers), n), np.nan)
    for setting, found in enumerate(commits):
        for one in found:
            late_s[row_of[one.trigger_s, one.cause], setting] = one.time_s
            silence_s[row_of[one.trigger_s, one.cause], setting] = one.silence_s
    return TriggerCommits(late_s, silence_s, tuple(cause for _, cause in triggers))


@dataclass(frozen=True)
class _Commit:
    time_s: float
    trigger_s: float
    cause: Cause
    last_speaking_s: float | None
    """As it was at the trigger."""
    silence_s: float
    """Where the silence began that led to it."""


@dataclass
class _Walk:
    """The state of `AudioRecognition` under one setting; an attribute's own name there in backquotes."""

    runs: VadRuns
    learner: Learner
    lag_s: float
    """From the user's last sound to what the speech-to-text says of it."""
    refusals: Refusals | None = None
    """Of this setting; None where none of its commits is refused."""
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
    pending: _Commit | None = None
    done: list[_Commit] = field(default_factory=list)

    def commits(self, events: Sequence[SttEvent]) -> list[_Commit]:
        """All commits before the end of the stream."""
        for event in events:
            if event.time_s >= self.runs.end_s:
                break
            self._vad_until(event.time_s)
            if self.pending is not None and self.pending.time_s == self.pending.trigger_s:
                self._commit_before(np.inf)
            self._on_stt(event)
        self._vad_until(self.runs.end_s - 2 * TIE_S)  # nothing counts from the end on
        return self.done

    def _vad_until(self, until_s: float) -> None:
        """What the VAD says until a moment, at it too, and the commits before it."""
        run = self.runs.run(self.origin, until_s)
        last = bisect_left(run.arrival_s, until_s + TIE_S)
        start, end = bisect_left(run.start, self.told), bisect_left(run.end, self.told)
        while True:
            starts = start <= end  # START_OF_SPEECH and END_OF_SPEECH take turns
            windows, number = (run.start, start) if starts else (run.end, end)
            if number == len(windows) or windows[number] >= last:
                break
            at_s = run.arrival_s[windows[number]]
            self._commit_before(at_s)
            self._hear(run, windows[number] + 1)
            if starts:
                self._on_vad_start(at_s, run.speech_start_s[number])
                start += 1
            else:
                self._on_vad_end(at_s, run.last_speaking_s[number])
                end += 1
        self._commit_before(until_s)
        self._hear(run, last)

    def _hear(self, run: SpeechEvents, windows: int) -> None:
        """Windows up to that number move the last speaking time if speech came before them."""
        first, after = bisect_left(run.heard, self.told), bisect_left(run.heard, windows)
        self.told = max(self.told, windows)
        if first < after:
            self._spoke(run.arrival_s[run.heard[after - 1]])
            if self.speech_start_s is None:
                self.speech_start_s = run.heard_since_s[first]

    def _on_vad_start(self, at_s: float, speech_start_s: float) -> None:
        if not self.vad_speech_started:
            self.speech_start_s = speech_start_s
            self.vad_speech_started = True
        self.learner.user_starts(at_s, speech_start_s)
        self.speaking = True
        self.pending = None

    def _on_vad_end(self, at_s: float, last_speaking_s: float) -> None:
        if self.speaking:
            self.learner.user_ends(at_s, last_speaking_s)
        self.vad_speech_started = False
        self.speaking = False
        self._spoke(last_speaking_s)
        if self.ended:
            self._trigger(at_s, "vad")

    def _on_stt(self, event: SttEvent) -> None:
        at_s = event.time_s
        if event.kind == "start_of_speech":
            if self.speech_start_s is None:
                self.speech_start_s = at_s if event.start_s is None else event.start_s
            self.learner.user_starts(at_s, self.speech_start_s)
            self.speaking = True
            self._spoke(at_s)
            self.pending = None
        elif event.kind == "end_of_speech":
            if self.speaking:
                self.learner.user_ends(at_s, at_s)
            restart = self.vad_speech_started
            self.speaking = False
            self.ended = True
            end_s = at_s if event.end_s is None else min(event.end_s, at_s)
            self._spoke(end_s, lagging=event.end_s is None)
            self._trigger(at_s, "stt")
            if restart:
                self.origin = int(flush_samples(np.array([at_s]), self.runs.frame_samples)[0])
                self.told = 0
        elif event.text and event.kind != "interim":
            if self.last_speaking_s is None or tells_time(event):
                self._spoke(speaking_time(event), lagging=not tells_time(event))
            if event.kind == "final":
                self.transcribed = self.transcribed or bool(event.text.strip())
                if self.refusals is not None:
                    self.words += word_count(event.text)
                if self.ended and not self.speaking:
                    self._trigger(at_s, "late_transcript")

    def _spoke(self, at_s: float, *, lagging: bool = False) -> None:
        self.last_speaking_s, self.lagging = at_s, lagging

    def _trigger(self, at_s: float, cause: Cause) -> None:
        """`_run_eou_detection`"""
        if self.transcribed and self.last_speaking_s is not None:
            due_s = max(at_s, self.last_speaking_s + self.learner.min_delay)
            silence_s = self.last_speaking_s - (self.lag_s if self.lagging else 0.0)
            self.pending = _Commit(due_s, at_s, cause, self.last_speaking_s, silence_s)

    def _is_refused(self, commit_s: float) -> bool:
        if self.refusals is None:
            return False
        return bool(self.refusals.refused(np.array([commit_s]), np.array([self.words]))[0])

    def _commit_before(self, at_s: float) -> None:
        """Commit what waits and is due before a moment."""
        one = self.pending
        if one is None or one.time_s >= at_s - TIE_S:
            return
        run = self.runs.run(self.origin, one.time_s)
        self._hear(run, bisect_left(run.arrival_s, one.time_s + TIE_S))
        self.pending = None
        self.ended = False
        if self._is_refused(one.time_s):
            return
        self.done.append(one)
        self.transcribed, self.words = False, 0
        if self.last_speaking_s == one.last_speaking_s:
            self.last_speaking_s = self.speech_start_s = None
            self.vad_speech_started = False

"""Walks through a call event by event: which replies are begun, when they are heard, what ends them.

Definition: livekit-agents 1.8.9, voice/agent_activity.py.
- A transcript begins a reply before the commit (`on_preemptive_generation`) unless one that answers an
  earlier commit is still current and not interrupted, the user has spoken for more than
  `max_speech_duration`, or `max_retries` were begun since the last commit. It replaces the one begun before.
- The commit uses it if words and conversation are still the same (`_user_turn_completed_impl`), else it asks
  anew. It interrupts the reply before. If that one's tool is at work, the commit first waits for the tool
  (`_interrupt_background_speeches`), whose result belongs into the conversation.
- A reply may be heard once the user is silent (`_user_silence_event`); it is spoken from the commit on, with
  `preemptive_tts` as soon as there is text.
- Speech of `min_duration`, and a final transcript, stop a reply (`_interrupt_by_audio_activity`): for good
  without `resume_false_interruption`; else they pause it, a final or a commit then ends it, and after an end
  of speech without words it goes on. The user's speech pauses a reply that isn't heard yet.
- A reply in two texts (`FlushSentinel`): the TTS is asked for the second once all audio of the first is there
  (`_produce_segments`), and it plays once the first was played. Cut off in the second, all words of the first
  count as heard.
- While a tool works, its filler is said as soon as nobody speaks (`with_filler`, filler_scheduler.py,
  `wait_for_idle`): once, and no longer once words of the user wait for their commit, for either that or more
  words end the wait. What ends the filler doesn't end the tool's turn. A commit ends that turn: it waits for
  the tool, and then ends the filler.
- One thing is current at a time, others stand in a queue (`_schedule_speech`). An answer to what a tool found
  while its filler is spoken is written at once, and current once that is over; it may be heard if the user
  was silent since. A commit ends what is current, and not what waits: that is then spoken, and the reply to
  the new words after it.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

from ...core.settings import Settings
from ...core.timeline import WINDOW_S, windows_to_reach
from ..techniques.intents import same_words
from .records import TOGETHER_S, Given, ReplyTimes
from .services import Services
from .speech import Speech
from .state import Begun
from .usage import Usage


class Walk(Speech):
    """One call. `given`: in order; `early`: whether replies are begun before the commit at all."""

    def __init__(
        self, given: Sequence[Given], settings: Settings, services: Services, *, early: bool
    ) -> None:
        super().__init__(settings, services)
        self._early = early and settings.preemptive.enabled
        self._given = given
        self._onset_s = windows_to_reach(settings.vad.min_speech_duration) * WINDOW_S

    def run(self) -> list[ReplyTimes]:
        """The replies to all commits, in order, after a greeting."""
        self._at(0.0, lambda: self._say(self._services.greeting))
        handlers, due, state = self._handlers, self._due, self._is
        for time_s, _, kind, text in self._given:  # at its moment before whatever the agent has to do then
            if due and due[0][0] < time_s:
                self._until(time_s)
            if kind == "window" and state.current is None:
                continue  # most of what is given: nothing that speech could stop
            self._now_s = self._services.now_s = time_s
            handlers[kind](text)
        self._until(math.inf)
        sounds_s = [*self._is.sounds_s, math.inf]
        found, next_s = [], math.inf
        for reply in reversed(self._is.told):
            heard_s = sounds_s[bisect_left(sounds_s, reply.commit_s)]
            found.append(reply.times(heard_s if heard_s < next_s else math.inf))
            next_s = reply.commit_s
        return found[::-1]

    @property
    def usage(self) -> Usage:
        """What all replies have used; complete once they were run."""
        calls = self._services.calls
        large, small = (tuple(one.request for one in calls if one.model == of) for of in ("large", "small"))
        return Usage(large, small, tuple(part.sent(reply.cut_s) for reply, part in self._is.spoken))

    def _until(self, time_s: float) -> None:
        """Do what is due before a moment."""
        while self._due and self._due[0][0] < time_s:
            self._now_s, _, happens = heapq.heappop(self._due)
            self._services.now_s = self._now_s
            happens()

    @property
    def _handlers(self) -> dict[str, Callable[[str], None]]:
        return {
            "preflight": self._preflight,
            "final": self._final,
            "commit": self._commit,
            "spoken": lambda _: self._spoken(),
            "start": lambda _: self._starts(),
            "window": lambda _: self._stop(),
            "end": lambda _: self._ends(),
            "quiet": lambda _: self._silence(True),
            "loud": lambda _: self._silence(False),
        }

    # --- transcripts and commits ----------------------------------------------------------------------

    def _preflight(self, text: str) -> None:
        self._is.preflight = f"{self._is.words} {text}".strip()
        self._begin_early(self._is.preflight)

    def _final(self, text: str) -> None:
        state = self._is
        state.unheard = True
        self._stop()
        state.words = f"{state.words} {text}".strip()
        changed, state.preflight = state.words != state.preflight, ""
        if changed:
            self._begin_early(state.words)
        self._end_pause()

    def _begin_early(self, text: str) -> None:
        state, limits = self._is, self._settings.preemptive
        if not self._early or (state.current is not None and not state.current.over):
            return
        self._discard()
        lasted_s = 0.0 if state.began_s is None else self._now_s - state.began_s
        if lasted_s > limits.max_speech_duration or state.begun >= limits.max_retries:
            return
        state.begun += 1
        state.ready = self._begin(text, early=True)
        if limits.preemptive_tts:
            self._write(state.ready)

    def _begin(self, text: str, *, early: bool) -> Begun:
        turn = self._is.turns + 1
        self._foresee(text)
        answer = self._services.ask(text, turn, self._is.prompted([("user", text)]))
        self._read(answer)
        begun = Begun(text, turn, self._is.version, early, self._now_s, answer)
        if answer.query is None:
            self._at(self._now_s + answer.ends_s, lambda: self._settle(begun))
        return begun

    def _discard(self) -> None:
        ready, self._is.ready = self._is.ready, None
        if ready is not None:
            self._drop(ready)

    def _commit(self, text: str) -> None:
        state = self._is
        state.begun, state.words, state.preflight = 0, "", ""
        if state.unheard:
            state.began_s = None
        if state.held:
            state.held.append((self._now_s, text))
            return
        before = state.working or state.current or self._just_cut
        self._add_cut_off()
        if state.working is None:
            self._end_pause()
        if before is not None and not before.over:
            self._add(self._cut(before))
        state.working = None
        if before is not None and before.looks_up:
            state.awaited = before
            state.held.append((self._now_s, text))
        else:
            self._reply(text, self._now_s)

    @property
    def _just_cut(self) -> Begun | None:
        """The reply that the transcript behind this commit has ended at this moment: it is still LiveKit's
        current speech, for which a commit waits."""
        cut = self._is.cut
        return cut if cut is not None and self._now_s - cut.cut_s < TOGETHER_S else None

    def _go_on_with_commits(self) -> None:
        held, self._is.held, self._is.awaited = self._is.held, [], None
        for commit_s, text in held:
            if (before := self._is.current) is not None:
                self._add(self._cut(before))
            self._reply(text, commit_s)

    def _reply(self, text: str, commit_s: float) -> None:
        """Answer a commit."""
        state = self._is
        ready = state.ready
        if ready is not None and ready.version == state.version and same_words(ready.text, text):
            reply, state.ready = ready, None
        else:
            self._discard()
            reply = self._begin(text, early=False)
        self._foresee(text)
        state.foreseen = None
        reply.commit_s = commit_s
        state.turns += 1
        state.add(("user", text), reply.asked_s)
        state.unanswered = reply
        state.told.append(reply)
        self._queue(reply)

    # --- the user's voice -----------------------------------------------------------------------------

    def _spoken(self) -> None:
        state = self._is
        state.unheard = False
        if state.began_s is None:
            state.began_s = self._now_s - WINDOW_S

    def _starts(self) -> None:
        state = self._is
        state.began_s = self._now_s - self._onset_s
        state.silent, state.user_speaks = False, True
        state.resuming += 1
        reply = state.current
        if self._pauses and not state.speaking and reply is not None and state.paused is not reply:
            self._pause(reply, 0.0)

    def _ends(self) -> None:
        state = self._is
        state.unheard, state.user_speaks = True, False
        self._silence(True)
        if state.paused is not None:
            state.resuming += 1
            number = state.resuming
            self._at(self._now_s + state.timeout_s, lambda: self._resumes(number))
        self._fill()

    def _resumes(self, number: int) -> None:
        state = self._is
        if number == state.resuming and state.paused is not None and not state.words:
            reply, state.paused = state.paused, None
            state.speaking = state.paused_speaking
            self._try(reply)

    def _silence(self, silent: bool) -> None:
        state = self._is
        state.silent = silent
        if silent:
            for reply in (state.current, *state.next):
                if reply is not None:
                    reply.let = True
            self._allow()

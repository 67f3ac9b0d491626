"""How a reply is written, spoken, paused and ended: the part of a walk that is about the agent."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable

from ...core.settings import Settings
from ..techniques.intents import same_words
from .prompts import Item
from .records import TOGETHER_S
from .services import Answer, Services
from .state import Begun, LookUp, Part, State

ECHO_S = 3.0
"""From the agent's first speech on, the user's speech can't stop it for so long (`aec_warmup_duration`)."""


class Speech:
    """The agent's side of a call."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings, self._services = settings, services
        self._is = State()
        self._now_s = 0.0
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        interruption = settings.interruption
        self._pauses = (
            interruption.resume_false_interruption and interruption.false_interruption_timeout is not None
        )

    def _at(self, time_s: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time_s, next(self._numbers), happens))

    def _say(self, text: str) -> None:
        """Speak a text that needs no model."""
        self._queue(Begun("", 0, 0, False, self._now_s, self._services.known(text)))

    def _queue(self, reply: Begun) -> None:
        """A reply is written from now on, and current as soon as nothing else is."""
        state = self._is
        state.speaking, reply.let = False, state.silent
        state.next.append(reply)
        self._write(reply)
        self._go_on()

    def _go_on(self) -> None:
        """What waits is current now, if nothing is."""
        state = self._is
        if state.current is None and state.next:
            state.current = state.next.pop(0)
            self._allow()

    # --- from text to sound ---------------------------------------------------------------------------

    def _write(self, reply: Begun) -> None:
        """Let the reply's text go to the TTS as soon as there is any, and its tool be called."""
        answer = reply.answer
        if reply.parts:
            self._write_part(reply, reply.parts[0])
        if answer.query is not None:
            self._at(max(self._now_s, reply.asked_s + answer.ends_s), lambda: self._call(reply))

    def _write_part(self, reply: Begun, part: Part) -> None:
        self._at(max(self._now_s, reply.asked_s + part.text.begins_s), lambda: self._text(reply, part))

    def _text(self, reply: Begun, part: Part) -> None:
        if reply.over or part.request is not None:
            return
        line = self._services.tts_line
        part.request = line.request()
        part.open_s = self._now_s + line.open(part.request)
        sent_s = max(self._now_s, reply.asked_s + part.text.sent_s)
        first_s = reply.asked_s + part.text.pieces[0][0]
        self._at(max(self._now_s, first_s), lambda: self._sentence(reply, part, sent_s))
        self._forward(reply)

    def _sentence(self, reply: Begun, part: Part, sent_s: float) -> None:
        if reply.over or part.request is None:
            return
        part.sentence_s = sent_s
        came = [(max(self._now_s, reply.asked_s + s), text) for s, text in part.text.pieces]
        part.frames = self._services.speak(came, part.request, part.open_s)
        self._is.spoken.append((reply, part))
        self._at(part.frames.ready_s[0], lambda: self._try(reply))
        self._at(part.frames.done_s, lambda: self._made(reply, part))

    def _made(self, reply: Begun, part: Part) -> None:
        """The TTS has sent all of a part's audio: the next part can be asked for."""
        if reply.over:
            return
        self._services.tts_line.used()
        if part is not reply.parts[-1]:
            self._write_part(reply, reply.parts[reply.parts.index(part) + 1])

    def _read(self, answer: Answer) -> None:
        """Note when the model has read its prompt."""
        call = answer.call
        if call is not None:
            self._at(call.first_s, lambda: self._services.computed(call))

    def _call(self, reply: Begun) -> None:
        """The tool is called once the reply may be heard; a reply without words is then no longer current."""
        query = reply.answer.query
        if query is None or reply.over or reply.allowed_s == math.inf or reply.look_up is not None:
            return
        if self._now_s < reply.asked_s + reply.answer.ends_s:
            return
        reply.look_up = LookUp(self._now_s, *self._services.found(query))
        self._is.looking_up.append(reply.look_up)
        if not reply.parts:
            self._leave(reply)
            self._is.working = reply
        found_s = self._look_up(query)
        reply.filled = found_s <= self._now_s or not self._services.filler
        self._at(found_s, lambda: self._found(reply))
        self._fill()

    def _fill(self) -> None:
        """Say the filler of a tool at work, if nobody speaks; never once words wait for their commit."""
        state, reply = self._is, self._is.working
        if reply is None or reply.filled or state.current is not None or state.next or state.user_speaks:
            return
        reply.filled = True
        if not state.words:
            self._say(self._services.filler)

    def _found(self, reply: Begun) -> None:
        state, reply.found_s = self._is, self._now_s
        assert reply.look_up is not None
        state.looking_up.remove(reply.look_up)
        if reply.over:
            self._add(self._found_by(reply))
            if state.awaited is reply:
                self._go_on_with_commits()
        elif state.working is reply:
            self._answer(reply)

    def _found_by(self, reply: Begun) -> list[tuple[Item, float]]:
        """A tool's call and its result belong into the conversation whether or not they are answered."""
        work = reply.look_up
        return [] if work is None else [(work.call, work.since_s), (work.output, reply.found_s)]

    def _answer(self, reply: Begun) -> None:
        """Answer to what the tool of a reply has found, once that reply has said all."""
        state = self._is
        self._add(self._found_by(reply))
        answer = self._services.ask(reply.text, reply.turn, state.prompted(), found=True)
        after = Begun(reply.text, reply.turn, state.version, False, self._now_s, answer, reply.commit_s)
        state.working, reply.after = None, after
        self._read(answer)
        self._queue(after)

    def _go_on_with_commits(self) -> None:
        """A commit waits for the tool of the reply that it ends."""
        raise NotImplementedError

    # --- look-ups ahead -------------------------------------------------------------------------------

    def _foresee(self, text: str) -> None:
        """Begin the look-up that the words call for, unless these words were looked at before."""
        state = self._is
        if state.foreseen is not None and same_words(state.foreseen, text):
            return
        state.foreseen = text
        query = self._services.foreseen(text)
        if query is None:
            state.ahead = None
        elif state.ahead is None or not same_words(state.ahead[0], query):
            state.ahead = query, self._now_s + self._services.look_up_s(query)

    def _settle(self, reply: Begun) -> None:
        """The model has answered without the tool: nobody will ask for what was looked up."""
        if not reply.over:
            self._is.ahead = None

    def _look_up(self, query: str) -> float:
        """When the tool has its result."""
        ahead, self._is.ahead = self._is.ahead, None
        if ahead is not None and same_words(ahead[0], query):
            return max(self._now_s, ahead[1])
        return self._now_s + self._services.look_up_s(query)

    # --- when it may be heard -------------------------------------------------------------------------

    def _allow(self) -> None:
        reply = self._is.current
        if reply is None or reply.over or not reply.let or reply.allowed_s < math.inf:
            return
        reply.allowed_s = self._now_s
        self._call(reply)
        self._forward(reply)

    def _forward(self, reply: Begun) -> None:
        """Text and permission are both there: from here on audio is played as it comes."""
        state, part = self._is, reply.part
        if part is None or part.forwarded or part.request is None or reply.allowed_s == math.inf:
            return
        part.forwarded = True
        if self._pauses and state.paused is not reply:
            state.paused = None
            if not state.speaking and not state.silent:
                self._pause(reply, 0.0)
        self._try(reply)

    def _try(self, reply: Begun) -> None:
        """Play, if nothing is in the way."""
        state, part = self._is, reply.part
        if state.current is not reply or reply.over or state.paused is reply or reply.playing_s is not None:
            return
        if part is None or not part.forwarded or part.frames is None:
            return
        if self._now_s < part.frames.ready_s[0] - 1e-9:
            return
        state.speaking = True
        reply.heard_s = min(reply.heard_s, self._now_s)
        if not part.played:
            state.sounds_s.append(self._now_s)
        state.echo_until_s = min(state.echo_until_s, self._now_s + ECHO_S)
        reply.playing_s = self._now_s
        end_s = part.frames.end_s(self._now_s) - part.played_s
        self._at(end_s, lambda since_s=self._now_s: self._ended(reply, since_s))  # type: ignore[misc]

    # --- what stops it --------------------------------------------------------------------------------

    def _ended(self, reply: Begun, since_s: float) -> None:
        if reply.over or reply.playing_s != since_s:
            return
        reply.playing_s = None
        reply.parts[reply.place].played.clear()
        reply.place += 1
        if reply.place < len(reply.parts):
            self._forward(reply)
            return
        self._leave(reply)
        self._answers(reply)
        self._is.add(("assistant", reply.answer.said), reply.belongs_s)
        if reply.looks_up:
            self._is.working = reply
            self._fill()
        elif reply.look_up is not None:
            self._answer(reply)
        self._go_on()

    def _leave(self, reply: Begun) -> None:
        """Nothing is current any more; a pause ends with what was paused."""
        state = self._is
        if state.current is reply:
            state.current, state.speaking = None, False
        if state.paused is reply:
            state.paused = None
            state.resuming += 1

    def _stop(self) -> None:
        """The user's speech or a final transcript stops the agent."""
        state, reply = self._is, self._is.current
        first_s = state.echo_until_s - ECHO_S
        if first_s <= self._now_s < state.echo_until_s or reply is None or reply.over:
            return
        state.resuming += 1
        if self._pauses:
            self._pause(reply, self._settings.interruption.false_interruption_timeout or 0.0)
            state.speaking = False
        else:
            # after what the same transcript begins, before what it commits
            self._is.cut_off += self._cut(reply)
            self._at(self._now_s, self._add_cut_off)

    def _add_cut_off(self) -> None:
        self._add(self._is.cut_off)
        self._is.cut_off.clear()

    def _add(self, items: Iterable[tuple[Item, float]]) -> None:
        """The conversation has more items, each from a moment on."""
        for item, since_s in items:
            self._is.add(item, since_s)

    def _pause(self, reply: Begun, timeout_s: float) -> None:
        state = self._is
        if state.paused is not reply:
            state.paused_speaking = state.speaking
        state.paused, state.timeout_s = reply, timeout_s
        self._rest(reply)

    def _rest(self, reply: Begun) -> None:
        if reply.playing_s is not None and reply.part is not None:
            reply.part.played.append((reply.playing_s, self._now_s))
            reply.playing_s = None

    def _end_pause(self) -> None:
        """A final transcript or a commit ends a paused reply for good."""
        state = self._is
        state.resuming += 1
        reply, state.paused = state.paused, None
        if reply is not None and not reply.over:
            self._add(self._cut(reply))

    def _cut(self, reply: Begun) -> list[tuple[Item, float]]:
        """End a reply. Returns what of it belongs into the conversation: the words of it that were heard, and
        what its tool has found; a tool at work goes on."""
        self._rest(reply)
        self._drop(reply)
        self._leave(reply)
        self._is.cut = reply
        if self._is.next:  # after what the same moment commits
            self._at(self._now_s + TOGETHER_S / 2, self._go_on)
        found = [] if reply.looks_up else self._found_by(reply)
        heard = reply.heard
        if not heard:
            return found
        self._answers(reply)
        return [(("assistant", heard), reply.belongs_s), *found]

    def _answers(self, reply: Begun) -> None:
        """Words of a reply are in the conversation."""
        if self._is.unanswered is not None:
            self._is.unanswered.answered_by, self._is.unanswered = reply, None

    def _drop(self, reply: Begun) -> None:
        """The reply is given up; a synthesis that isn't done takes its connection with it."""
        reply.cut_s = self._now_s
        if reply.answer.call is not None:
            reply.answer.call.stopped_s = self._now_s
        if any(part.in_work(self._now_s) for part in reply.parts):
            self._services.tts_line.close()

"""A guardrail between LLM and TTS: every sentence is checked before anybody hears it, within a time budget.

LiveKit surface: `Agent.llm_node`:

    def llm_node(self, chat_ctx, tools, model_settings):
        return self.guardrail.guarded(Agent.default.llm_node(self, chat_ctx, tools, model_settings))

There and not in `tts_node`: what is taken out there would still stand in the transcript and in the
conversation's history, where the next call of the LLM reads it as said. LiveKit 1.8.9 checks nothing by
itself.

What it costs: the check of the first sentence, at most the budget, comes on top of the first audio (less
where the reply is generated preemptively); later sentences are checked while earlier ones are heard. The
first sentence is followed by a `FlushSentinel`, without which a streaming TTS would wait for the beginning
of the second, which is still being checked; the TTS speaks the rest as a segment of its own. LiveKit's
`llm_node_ttft` then ends with the first *checked* sentence, so compare first audios. Preemptive replies are
checked too, also those that are thrown away.

A sentence is what LiveKit's tokenizer takes for one: one of fewer than 20 characters is checked, and blocked,
together with the next.

Common mistake: a guard without a time limit, or around the whole reply. A check that hangs or fails costs at
most the budget here and never the turn; whether its sentence is then said is the user's choice, for only
they know which is worse. Tools are called as the LLM asks for them, and `session.say` says what it is given:
unchecked.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from livekit.agents import FlushSentinel, llm, tokenize

from .bounded import ask, checked_limit

Check = Callable[[str], Awaitable[bool]]
"""Takes a sentence, says whether it may be said."""
Piece = llm.ChatChunk | str | FlushSentinel
"""What an `llm_node` yields."""

CONTEXT_CHARACTERS = 10
"""So much text is there before a sentence is taken to have ended, as in LiveKit's sentence streams."""


@dataclass(frozen=True)
class Checked:
    """What came of checking one sentence."""

    sentence: str
    outcome: Literal["passed", "blocked", "timed_out", "failed"]
    said: bool
    error: str
    at_s: float
    """`time.time()` when the sentence was complete."""
    took_s: float
    """Seconds that it was held for."""


class Guardrail:
    """Checks the sentences of all replies of one agent; `checks` holds what came of each."""

    def __init__(
        self,
        check: Check,
        *,
        budget_s: float = 0.1,
        without_verdict: Literal["pass", "block"] = "pass",
        instead: str = "",
    ) -> None:
        """Hold a sentence for at most `budget_s`, and then or if the check fails, say it ("pass") or not.

        `instead` is said in place of the first blocked sentence of a reply. Raises ValueError for a budget
        that is none, and for another `without_verdict`.
        """
        if without_verdict not in ("pass", "block"):
            raise ValueError(f'without_verdict is {without_verdict!r}; expected "pass" or "block"')
        self._check, self._budget_s = check, checked_limit("budget_s", budget_s)
        self._without_verdict, self._instead = without_verdict, instead
        self.checks: list[Checked] = []

    async def guarded(self, reply: AsyncIterable[Piece]) -> AsyncGenerator[Piece, None]:
        """The reply without the sentences that may not be said, its text sentence by sentence.

        All else of it (tool calls, usage) is passed on at once. Raises what `reply` raises.
        """
        waiting, said, replaced = _Sentences(), False, False
        try:
            async for piece in reply:
                text, rest = _parted(piece)
                if rest is not None:
                    yield rest
                ends = isinstance(piece, FlushSentinel)
                for sentence in waiting.rest() if ends else waiting.add(text):
                    spoken = await self._allowed(sentence, replaced)
                    replaced = replaced or spoken != sentence
                    if spoken:
                        yield spoken
                        if not (said or ends):
                            yield FlushSentinel()
                        said = True
                if ends:
                    yield piece
            for sentence in waiting.rest():
                spoken = await self._allowed(sentence, replaced)
                replaced = replaced or spoken != sentence
                if spoken:
                    yield spoken
        finally:
            if isinstance(reply, AsyncGenerator):
                await reply.aclose()

    async def _allowed(self, sentence: str, replaced: bool) -> str:
        """The sentence itself; or if it is blocked what is said in its place, the first time."""
        if not sentence.strip():
            return sentence
        at_s = time.time()
        answer = await ask(lambda: self._check(sentence.strip()), self._budget_s)
        if answer.outcome == "done":
            said = bool(answer.value)
            outcome: Literal["passed", "blocked", "timed_out", "failed"] = "passed" if said else "blocked"
        else:
            said, outcome = self._without_verdict == "pass", answer.outcome
        self.checks.append(Checked(sentence.strip(), outcome, said, answer.error, at_s, answer.took_s))
        if said:
            return sentence
        before = sentence[: len(sentence) - len(sentence.lstrip())]
        return "" if replaced or not self._instead else before + self._instead


class _Sentences:
    """Text that comes piece by piece, out again in sentences."""

    def __init__(self) -> None:
        self._tokenizer = tokenize.blingfire.SentenceTokenizer(retain_format=True)
        self._text = ""

    def add(self, text: str) -> Iterator[str]:
        """The sentences that have ended now."""
        self._text += text
        while text and len(self._text) >= CONTEXT_CHARACTERS:
            sentences = self._tokenizer.tokenize(self._text)
            if len(sentences) < 2:
                return
            self._text = self._text[len(sentences[0]) :]
            yield sentences[0]

    def rest(self) -> Iterator[str]:
        """The sentences that are left, when no more text comes."""
        text, self._text = self._text, ""
        yield from self._tokenizer.tokenize(text) or ([text] if text else [])  # none of white space alone


def _parted(piece: Piece) -> tuple[str, Piece | None]:
    """A piece's text, and what else it holds."""
    if isinstance(piece, str):
        return piece, None
    if isinstance(piece, FlushSentinel):
        return "", None
    if piece.delta is None or not piece.delta.content:
        return "", piece
    rest = piece.delta.model_copy(update={"content": None})
    holds_more = bool(rest.tool_calls or rest.extra or piece.usage)
    return piece.delta.content, piece.model_copy(update={"delta": rest}) if holds_more else None

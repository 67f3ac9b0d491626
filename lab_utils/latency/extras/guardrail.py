"""A guardrail between LLM and TTS: every sentence is checked before it is spoken, within a time budget.

LiveKit surface: `Agent.llm_node`:

    def llm_node(self, chat_ctx, tools, model_settings):
        return self.guardrail.guarded(Agent.default.llm_node(self, chat_ctx, tools, model_settings))

Not in `tts_node`: a sentence removed there would remain in the transcript and in the conversation's history,
where the LLM's next call reads it as said. LiveKit 1.8.9 checks nothing by itself.

What it costs: the first audio comes later by the check of the first sentence, at most the budget (less if the
reply is generated preemptively). Later sentences are checked while earlier ones are spoken. A `FlushSentinel`
follows the first sentence; without it a streaming TTS would wait for the beginning of the second sentence,
which is still being checked. The TTS speaks the rest as a separate segment. LiveKit's `llm_node_ttft` then
ends with the first *checked* sentence, so compare first audios instead. Preemptive replies are checked too,
including those that are discarded.

Sentences are those of LiveKit's tokenizer: a sentence of fewer than 20 characters is checked, and blocked,
together with the next one.

Common mistake: a check without a time limit, or of the whole reply at once. Here a check that hangs or fails
costs at most the budget, and the turn goes on. Whether its sentence is then said is your choice
(`without_verdict`). Not checked: tool calls of the LLM, and the text of `session.say`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from livekit.agents import FlushSentinel, llm, tokenize

from .bounded import ask, checked_limit

Check = Callable[[str], Awaitable[bool]]
"""Takes a sentence, returns whether it may be spoken."""
Piece = llm.ChatChunk | str | FlushSentinel
"""What an `llm_node` yields."""

CONTEXT_CHARACTERS = 10
"""A sentence isn't split off before so many characters have come, as in LiveKit's sentence streams."""


@dataclass(frozen=True)
class Checked:
    """The outcome of checking one sentence."""

    sentence: str
    outcome: Literal["passed", "blocked", "timed_out", "failed"]
    said: bool
    error: str
    at_s: float
    """`time.time()` when the sentence was complete."""
    took_s: float
    """Seconds that the sentence waited for its check."""


class Guardrail:
    """Checks the sentences of all replies of one agent; `checks` holds the outcomes."""

    def __init__(
        self,
        check: Check,
        *,
        budget_s: float = 0.1,
        without_verdict: Literal["pass", "block"] = "pass",
        instead: str = "",
    ) -> None:
        """`budget_s`: most seconds that a sentence waits for its check.

        `without_verdict`: whether a sentence is spoken ("pass") or not ("block") if its check fails or takes
        too long. `instead` is spoken in place of the first blocked sentence of a reply. Raises ValueError for
        a `budget_s` that isn't a finite number above 0, and for another `without_verdict`.
        """
        if without_verdict not in ("pass", "block"):
            raise ValueError(f'without_verdict is {without_verdict!r}; expected "pass" or "block"')
        self._check, self._budget_s = check, checked_limit("budget_s", budget_s)
        self._without_verdict, self._instead = without_verdict, instead
        self.checks: list[Checked] = []

    async def guarded(self, reply: AsyncIterable[Piece]) -> AsyncGenerator[Piece, None]:
        """The reply without blocked sentences; its text comes sentence by sentence.

        Everything else in it (tool calls, usage) is passed on at once. Raises what `reply` raises.
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
        """The sentence, or if it is blocked `instead` for the first one of a reply, "" for later ones."""
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
    """Splits text that comes piece by piece into sentences."""

    def __init__(self) -> None:
        self._tokenizer = tokenize.blingfire.SentenceTokenizer(retain_format=True)
        self._text = ""

    def add(self, text: str) -> Iterator[str]:
        """Add text. Yields the sentences that end in it."""
        self._text += text
        while text and len(self._text) >= CONTEXT_CHARACTERS:
            sentences = self._tokenizer.tokenize(self._text)
            if len(sentences) < 2:
                return
            self._text = self._text[len(sentences[0]) :]
            yield sentences[0]

    def rest(self) -> Iterator[str]:
        """The remaining sentences, when no more text comes."""
        text, self._text = self._text, ""
        yield from self._tokenizer.tokenize(text) or ([text] if text else [])  # none for white space


def _parted(piece: Piece) -> tuple[str, Piece | None]:
    """A piece's text, and the piece without its text (None if nothing else is in it)."""
    if isinstance(piece, str):
        return piece, None
    if isinstance(piece, FlushSentinel):
        return "", None
    if piece.delta is None or not piece.delta.content:
        return "", piece
    rest = piece.delta.model_copy(update={"content": None})
    holds_more = bool(rest.tool_calls or rest.extra or piece.usage)
    return piece.delta.content, piece.model_copy(update={"delta": rest}) if holds_more else None

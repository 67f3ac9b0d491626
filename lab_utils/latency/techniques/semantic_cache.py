"""Technique 10: a semantic cache for common questions.

What it does: a question that means the same as a stored one gets the stored answer, without the LLM, and
without the TTS from the second time on (the audio of the first is kept).

LiveKit surface: `on_user_turn_completed`: `session.interrupt()` (which also drops the preemptive reply: a
public way to do that), `session.say(...)`, `StopResponse`. After `StopResponse` LiveKit forgets what the user
said, so the agent adds it to both histories.

What 1.8.9 does by itself: nothing.

Common mistake ("shared_cache"): one key for all tenants, so that customer A hears customer B's balance.

With preemptive generation the LLM is called before the hook: unless the cache is asked in `llm_node` too, as
`StackedAgent` does, each hit still pays for a discarded call.

A worker runs each call in a process of its own: what a call adds (audio too) is gone after it, so fill the
cache before.

Offline: as it is; the provider of the answers is whoever fills the cache. Nothing that the LLM said is stored
by itself: an answer that holds for one caller's account need not hold for the next one's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from livekit import rtc

from .intents import Similarity, similarity

THRESHOLD = 0.92
"""The guide's value."""
PER_TENANT = 1000
FOREIGN = "another tenant's answer"
"""Note in the turn log: what the mistake "shared_cache" leads to."""


@dataclass(frozen=True)
class _Entry:
    tenant: str
    question: str
    answer: str
    audio: tuple[rtc.AudioFrame, ...]


class Hit(NamedTuple):
    """A stored answer."""

    tenant: str
    """The tenant that the answer belongs to."""
    question: str
    """The stored question; tenant and question identify the entry."""
    answer: str
    audio: tuple[rtc.AudioFrame, ...]
    """The answer's audio; empty if it hasn't been spoken yet."""
    similarity: float

    async def frames(self) -> AsyncIterator[rtc.AudioFrame]:
        """The audio as `session.say(audio=…)` takes it."""
        for frame in self.audio:
            yield frame


class SemanticCache:
    """Stored answers, found by tenant and by the meaning of a question.

    `alike` gives the similarity of two texts, 0 to 1 (`intents.similarity`, or `intents.cosine` over
    embeddings). A stored question with a similarity of at least `threshold` is a hit. For each tenant the
    newest `per_tenant` answers are kept. `one_key_for_all` is the mistake "shared_cache": all tenants share
    their answers.
    """

    def __init__(
        self,
        threshold: float = THRESHOLD,
        alike: Similarity = similarity,
        *,
        per_tenant: int = PER_TENANT,
        one_key_for_all: bool = False,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(
                f"threshold is {threshold}; expected more than 0 and at most 1, such as {THRESHOLD}"
            )
        if per_tenant < 1:
            raise ValueError(f"per_tenant is {per_tenant}; expected 1 or more answers")
        self.threshold, self.one_key_for_all = threshold, one_key_for_all
        self._alike, self._per_tenant = alike, per_tenant
        self._entries: dict[str, dict[str, _Entry]] = {}

    def _of(self, tenant: str) -> dict[str, _Entry]:
        return self._entries.setdefault("" if self.one_key_for_all else tenant, {})

    def store(
        self, tenant: str, question: str, answer: str, audio: Sequence[rtc.AudioFrame] | None = None
    ) -> None:
        """Store an answer; replaces one to exactly the same question. Raises ValueError without a tenant."""
        if not tenant:
            raise ValueError("tenant is empty; expected the id of the customer whose answer this is")
        if not question.strip() or not answer.strip():
            raise ValueError(f"question {question!r} with answer {answer!r}; expected text in both")
        entries = self._of(tenant)
        entries.pop(question, None)
        entries[question] = _Entry(tenant, question, answer, tuple(audio or ()))
        if len(entries) > self._per_tenant:
            del entries[next(iter(entries))]

    def lookup(self, tenant: str, text: str) -> Hit | None:
        """The stored answer to the tenant's question most similar to `text`; None below `threshold`."""
        best: tuple[float, _Entry] | None = None
        for entry in self._of(tenant).values():
            score = self._alike(text, entry.question)
            if score >= self.threshold and (best is None or score > best[0]):
                best = score, entry
        if best is None:
            return None
        score, found = best
        return Hit(found.tenant, found.question, found.answer, found.audio, score)

    def add_audio(self, hit: Hit, audio: Sequence[rtc.AudioFrame]) -> None:
        """Store the audio of a hit's answer, unless the answer has been replaced."""
        entries = self._of(hit.tenant)
        entry = entries.get(hit.question)
        if entry is not None and entry.answer == hit.answer and audio:
            entries[hit.question] = replace(entry, audio=tuple(audio))

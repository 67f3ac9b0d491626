"""What a session's replies have used, as the requests that `session.scripted` would list; so cost is counted
by `ablation.costs` for both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.timeline import Ints
from ...session.providers.schema import Providers
from ...session.scripted.usage import LlmRequest, TtsRequest
from ..ablation.costs import llm_dollars, tts_dollars
from ..techniques.model_routing import Model


@dataclass(eq=False)
class Call:
    """One request to a language model. Times in seconds."""

    model: Model
    at_s: float
    prompt: Ints
    """Its tokens, as numbers."""
    read: int
    """How many of them the cache held."""
    first_s: float
    """When its first token comes; of nothing but a tool call, which comes whole, its last."""
    tokens: int
    """Of what is said."""
    tokens_per_s: float
    called: int = 0
    """Tokens of the tool call that comes after it."""
    written: int = 0
    stopped_s: float = math.inf
    """When it was given up, if it was."""

    @property
    def ends_s(self) -> float:
        """When its last token comes."""
        if not self.tokens:
            return self.first_s
        return self.first_s + (self.tokens + self.called - (not self.called)) / self.tokens_per_s

    @property
    def request(self) -> LlmRequest:
        """As the simulated model lists it."""
        whole = self.tokens + self.called
        sent = whole
        if self.stopped_s < self.ends_s:
            passed_s = self.stopped_s - self.first_s
            came = 0 if passed_s < 0 else 1 + math.floor(passed_s * self.tokens_per_s)
            sent = min(came, self.tokens)
        return LlmRequest(
            self.at_s,
            self.model,
            len(self.prompt),
            self.read,
            self.written,
            sent,
            "done" if sent == whole else "discarded",
        )


@dataclass(frozen=True)
class Usage:
    """All requests of a call."""

    large: tuple[LlmRequest, ...]
    small: tuple[LlmRequest, ...]
    tts: tuple[TtsRequest, ...]

    def dollars(self, providers: Providers) -> float:
        """What they cost."""
        llm = llm_dollars(providers.large, self.large) + llm_dollars(providers.small, self.small)
        return llm + tts_dollars(providers.tts, self.tts)

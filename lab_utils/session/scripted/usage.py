"""The requests to simulated parts, one by one, including discarded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "discarded", "failed"]
"""Done: sent to its end, whether it was used or not. Discarded: the session cancelled the request before the
end, or it is still being answered. (Preemptive generation gives up replies of both kinds.)"""


@dataclass(frozen=True)
class LlmRequest:
    """A call of a simulated LLM; its retries are part of it."""

    at_s: float
    """Loop time of the call."""
    model: str
    prompt_tokens: int
    read_tokens: int = 0
    """Number of the prompt's tokens that the cache held."""
    written_tokens: int = 0
    """Number of tokens that the call added to the cache."""
    completion_tokens: int = 0
    """Tokens that were sent, not those planned: a discarded call costs as much as it has sent."""
    outcome: Outcome = "discarded"
    marked: bool = False
    """Whether caching was asked for."""
    network_s: float = 0.0
    """Seconds spent waiting for connection and network."""
    setup: bool = False
    """Whether it found no open connection."""


@dataclass(frozen=True)
class TtsRequest:
    """A stream of a simulated TTS: one reply."""

    at_s: float
    """Loop time at which the stream was made."""
    characters: int = 0
    """Characters of the sentences that were sent to be spoken."""
    outcome: Outcome = "discarded"
    network_s: float = 0.0
    """Seconds from the first sentence on spent waiting for connection and network."""
    setup: bool = False
    """Whether it found no open connection."""

"""What simulated parts have been asked for, request by request, the discarded ones included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "discarded", "failed"]
"""Done: sent to its end, whether it was used or not. Discarded: whoever asked went away before the end, or
is still being answered. (Preemptive generation gives up replies of both kinds.)"""


@dataclass(frozen=True)
class LlmRequest:
    """A call of a simulated LLM; its retries are part of it."""

    at_s: float
    """Loop time of the call."""
    model: str
    prompt_tokens: int
    read_tokens: int = 0
    """Of the prompt's tokens, those that the cache held."""
    written_tokens: int = 0
    """Those that it holds since, newly."""
    completion_tokens: int = 0
    """Sent, not planned: a discarded call has been paid as far as it got."""
    outcome: Outcome = "discarded"
    marked: bool = False
    """Whether caching was asked for."""
    network_s: float = 0.0
    """Waited for connection and network."""
    setup: bool = False
    """Whether it found no open connection."""


@dataclass(frozen=True)
class TtsRequest:
    """A stream of a simulated TTS: one reply."""

    at_s: float
    """Loop time at which the stream was made."""
    characters: int = 0
    """Of the sentences that were sent to be spoken."""
    outcome: Outcome = "discarded"
    network_s: float = 0.0
    """From the first sentence on, waited for connection and network."""
    setup: bool = False
    """Whether it found no open connection."""

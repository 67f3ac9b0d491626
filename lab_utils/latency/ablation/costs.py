"""What a session has used, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...session.providers.schema import LlmProvider, Providers, TtsProvider
from ...session.scripted.from_provider import SimulatedTool
from ...session.scripted.llm import ScriptedLLM
from ...session.scripted.tts import ScriptedTTS
from ...session.scripted.usage import LlmRequest, TtsRequest
from ..techniques.notes import Note
from ..techniques.semantic_cache import FOREIGN
from ..techniques.tool_prefetch import STALE

MILLION = 1e6


def usage_and_cost(
    providers: Providers,
    large: ScriptedLLM,
    small: ScriptedLLM,
    tts: ScriptedTTS,
    tool: SimulatedTool,
    notes: Sequence[Note],
) -> dict[str, int | float]:
    """The columns of `turns.SESSION_COLUMNS` computed from the parts' lists of requests and calls."""
    requests = [*large.requests, *small.requests]
    dollars = llm_dollars(providers.large, large.requests) + llm_dollars(providers.small, small.requests)
    return {
        "llm_calls": len(requests),
        "discarded_calls": sum(request.outcome == "discarded" for request in requests),
        "prompt_tokens": sum(request.prompt_tokens for request in requests),
        "cached_tokens": sum(request.read_tokens for request in requests),
        "written_tokens": sum(request.written_tokens for request in requests),
        "completion_tokens": sum(request.completion_tokens for request in requests),
        "tts_characters": sum(request.characters for request in tts.requests),
        "cache_hits": _notes(notes, "semantic_cache", {"hit", FOREIGN}),
        "tool_calls": len(tool.calls),
        "unused_prefetches": _notes(notes, "tool_prefetch", {"unused", "cancelled"}),
        "wasted_look_ups": sum(call.outcome == "done" for call in tool.calls)
        - _notes(notes, "tool_prefetch", {"hit", STALE, "called cold"}),
        "wrong_answers": _notes(notes, "semantic_cache", {FOREIGN}) + _notes(notes, "tool_prefetch", {STALE}),
        "dollars": dollars + tts_dollars(providers.tts, tts.requests),
    }


def llm_dollars(provider: LlmProvider, requests: Iterable[LlmRequest]) -> float:
    """The price of these calls. A discarded call costs what it has computed."""
    cache = provider.cache
    read_price = provider.input_price if cache is None or cache.read_price is None else cache.read_price
    write_price = provider.input_price if cache is None or cache.write_price is None else cache.write_price
    total = 0.0
    for request in requests:
        fresh = request.prompt_tokens - request.read_tokens - request.written_tokens
        total += request.read_tokens * read_price + request.written_tokens * write_price
        total += max(fresh, 0) * provider.input_price + request.completion_tokens * provider.output_price
    return total / MILLION


def tts_dollars(provider: TtsProvider, requests: Iterable[TtsRequest]) -> float:
    """The price of the sentences that were sent to the TTS."""
    return sum(request.characters for request in requests) * provider.price / MILLION


def _notes(notes: Sequence[Note], technique: str, what: set[str]) -> int:
    return sum(note.technique == technique and note.what in what for note in notes)

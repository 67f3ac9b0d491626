"""What the guide claims, with the line of `livekit-latency-guide.txt` where it does."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...techniques.choice import TechniqueName
from ..plan import DEFAULT, FULL

View = Literal["alone", "left out", "stacked"]


class SavingClaim(NamedTuple):
    """A technique saves so much at p95, in ms."""

    technique: TechniqueName
    low_ms: float
    high_ms: float
    line: int
    on_its_turns: bool = False
    """The claim itself speaks only of the turns where the technique acts ("on hits")."""


class LevelClaim(NamedTuple):
    """A configuration's p95 lies in such a range, in ms."""

    what: str
    configuration: str
    low_ms: float
    high_ms: float
    line: int
    most_words: int | None = None
    """Only turns of at most so many words."""


SAVINGS = (
    SavingClaim("streaming_stt", 200, 400, 18),
    SavingClaim("token_streaming", 200, 500, 19),
    SavingClaim("prefix_caching", 200, 400, 20),
    SavingClaim("model_routing", 100, 300, 21),
    SavingClaim("tool_prefetch", 200, 400, 22),
    SavingClaim("audio_prebuffering", 80, 200, 23, on_its_turns=True),
    SavingClaim("async_evaluation", 100, 300, 24),
    SavingClaim("tts_warmup", 50, 150, 25, on_its_turns=True),
    SavingClaim("short_turn_models", 100, 300, 26),
    SavingClaim("semantic_cache", 400, 800, 27, on_its_turns=True),
    SavingClaim("kv_cache_reuse", 100, 300, 28),
    SavingClaim("regional_routing", 30, 80, 29),
)
"""Of "audio_prebuffering" line 204 says "first-turn latency", of "tts_warmup" line 25 "first turn"."""
LEVELS = (
    LevelClaim("default agent", DEFAULT, 1200, 1400, 13),
    LevelClaim("all twelve", FULL, 500, 650, 31),
    LevelClaim("all twelve, short turns", FULL, 0, 400, 472, most_words=3),
)
DISCARDED_SHARE, DISCARDED_LINE = 0.05, 528
"""Preemptive replies thrown away: "usually sits below 5 percent of turns"."""

STAGE_MS = {
    "stt_first_partial_ms": 140.0,
    "llm_ttft_ms": 220.0,
    "tts_first_audio_ms": 90.0,
    "turn_total_ms": 520.0,
}
"""What the guide says that its agent with all twelve measures (lines 467-470); the total is a p95."""

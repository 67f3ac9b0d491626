"""The guide's claims, each with its line in `livekit-latency-guide.txt`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...techniques.choice import TechniqueName
from ..plan import DEFAULT, FULL

View = Literal["alone", "left out", "stacked"]


class SavingClaim(NamedTuple):
    """The claim that a technique saves so many seconds at p95."""

    technique: TechniqueName
    low_s: float
    high_s: float
    line: int
    on_its_turns: bool = False
    """Whether the claim is only about turns where the technique acts ("on hits")."""


class LevelClaim(NamedTuple):
    """The claim that a configuration's p95 lies in a range, in seconds."""

    what: str
    configuration: str
    low_s: float
    high_s: float
    line: int
    most_words: int | None = None
    """The claim is only about turns of at most so many words; None: all turns."""


SAVINGS = (
    SavingClaim("streaming_stt", 0.2, 0.4, 18),
    SavingClaim("token_streaming", 0.2, 0.5, 19),
    SavingClaim("prefix_caching", 0.2, 0.4, 20),
    SavingClaim("model_routing", 0.1, 0.3, 21),
    SavingClaim("tool_prefetch", 0.2, 0.4, 22),
    SavingClaim("audio_prebuffering", 0.08, 0.2, 23, on_its_turns=True),
    SavingClaim("async_evaluation", 0.1, 0.3, 24),
    SavingClaim("tts_warmup", 0.05, 0.15, 25, on_its_turns=True),
    SavingClaim("short_turn_models", 0.1, 0.3, 26),
    SavingClaim("semantic_cache", 0.4, 0.8, 27, on_its_turns=True),
    SavingClaim("kv_cache_reuse", 0.1, 0.3, 28),
    SavingClaim("regional_routing", 0.03, 0.08, 29),
)
"""For "audio_prebuffering" line 204 says "first-turn latency", for "tts_warmup" line 25 "first turn"."""
LEVELS = (
    LevelClaim("default agent", DEFAULT, 1.2, 1.4, 13),
    LevelClaim("all twelve", FULL, 0.5, 0.65, 31),
    LevelClaim("all twelve, short turns", FULL, 0, 0.4, 472, most_words=3),
)
DISCARDED_SHARE, DISCARDED_LINE = 0.05, 528
"""The claim about discarded preemptive replies: "usually sits below 5 percent of turns"."""

STAGE_FIGURES = {
    "stt_first_partial_s": 0.140,
    "llm_ttft_s": 0.220,
    "tts_first_audio_s": 0.090,
    "turn_total_s": 0.520,
}
"""The guide's figures for its agent with all twelve techniques (lines 467-470); the total is a p95."""


def guides_name(column: str) -> str:
    """The guide's name for a column: "turn_total_ms" for "turn_total_s", as its latencies are in ms."""
    return f"{column.removesuffix('_s')}_ms"

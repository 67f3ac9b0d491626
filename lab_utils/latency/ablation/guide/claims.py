"""What the guide claims, with the line of `livekit-latency-guide.txt` where it does."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...techniques.choice import TechniqueName
from ..plan import DEFAULT, FULL

View = Literal["alone", "left out", "stacked"]


class SavingClaim(NamedTuple):
    """A technique saves so much at p95, in seconds."""

    technique: TechniqueName
    low_s: float
    high_s: float
    line: int
    on_its_turns: bool = False
    """The claim itself speaks only of the turns where the technique acts ("on hits")."""


class LevelClaim(NamedTuple):
    """A configuration's p95 lies in such a range, in seconds."""

    what: str
    configuration: str
    low_s: float
    high_s: float
    line: int
    most_words: int | None = None
    """Only turns of at most so many words."""


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
"""Of "audio_prebuffering" line 204 says "first-turn latency", of "tts_warmup" line 25 "first turn"."""
LEVELS = (
    LevelClaim("default agent", DEFAULT, 1.2, 1.4, 13),
    LevelClaim("all twelve", FULL, 0.5, 0.65, 31),
    LevelClaim("all twelve, short turns", FULL, 0, 0.4, 472, most_words=3),
)
DISCARDED_SHARE, DISCARDED_LINE = 0.05, 528
"""Preemptive replies thrown away: "usually sits below 5 percent of turns"."""

STAGE_FIGURES = {
    "stt_first_partial_s": 0.140,
    "llm_ttft_s": 0.220,
    "tts_first_audio_s": 0.090,
    "turn_total_s": 0.520,
}
"""What the guide says that its agent with all twelve measures (lines 467-470); the total is a p95."""


def guides_name(column: str) -> str:
    """What the guide calls a figure, whose latencies are in ms: "turn_total_ms" for "turn_total_s"."""
    return f"{column.removesuffix('_s')}_ms"

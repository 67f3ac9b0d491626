"""What a joint search chooses beside the knobs of turn-taking, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..techniques.choice import LEVER_NAMES, NAMES, TechniqueName, Techniques

ALWAYS_ON: Final[tuple[TechniqueName, ...]] = (
    "token_streaming",
    "prefix_caching",
    "audio_prebuffering",
    "async_evaluation",
    "kv_cache_reuse",
)
"""LiveKit does it by itself, it costs nothing, or (the judge) only waits without it."""
LEFT_OUT: Final = ("semantic_cache",)
"""What the closed form of a reply doesn't cover (`reply.scope`): `lab techniques` measures it."""
CHOSEN_TECHNIQUES: Final = tuple(name for name in NAMES if name not in (*ALWAYS_ON, *LEFT_OUT))
CHOSEN_LEVERS: Final = LEVER_NAMES
SWITCHES: Final[tuple[str, ...]] = (*CHOSEN_TECHNIQUES, *CHOSEN_LEVERS)
"""Columns of a table of configurations beside its knobs; true or false."""
E2E: Final = {"e2e_p50": 50.0, "e2e_p95": 95.0}
"""Columns of what came of them, percentiles of latency in s: their names, and which percentile."""
ANSWER: Final = "answer_p95"
"""The column of the 95th percentile of latency to the answer itself, in s."""
DOLLARS: Final = "dollars_per_1000"
"""The column of money per 1,000 turns."""


def techniques_of(row: Mapping[Any, Any]) -> Techniques:
    """The techniques and levers of a row.

    >>> techniques_of(dict.fromkeys(SWITCHES, False)).on == ALWAYS_ON
    True
    """
    on = [name for name in CHOSEN_TECHNIQUES if row[name]]
    return Techniques.of(*on, *ALWAYS_ON).with_levers(*(name for name in CHOSEN_LEVERS if row[name]))


EVERY_ONE: Final = techniques_of(dict.fromkeys(SWITCHES, True))
"""All that a joint search may switch on."""
TWELVE_COMPUTED: Final = Techniques.everything().without("semantic_cache")
"""Of the twelve techniques those that the closed form covers."""

"""The same agent under several prompts, side by side: how long it speaks, how fast, and for how much.

Figures are medians over all replies of a prompt's sessions; money is by the prices of the base profile. The
sessions of the prompts take turns, so that a provider's slow hour meets them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...session.providers.schema import Providers
from .figures import Measured

AS_IT_IS = "as it is"
"""The prompt that the worker brings."""
LONGEST = 200_000
"""Characters of a prompt."""


def read_prompts(paths: Sequence[Path]) -> dict[str, str | None]:
    """The worker's own prompt (None), then the text of each file, by its name. Raises InputError."""
    found: dict[str, str | None] = {AS_IT_IS: None}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--instructions {path}: can't be read as UTF-8 text ({error})") from None
        if not text.strip() or len(text) > LONGEST:
            raise InputError(f"--instructions {path}: has {len(text)} characters; expected 1 to {LONGEST}")
        if path.stem in found:
            raise InputError(f"--instructions {path}: a second prompt called {path.stem!r}; rename the file")
        found[path.stem] = text
    return found


def side_by_side(sessions: dict[str, list[Measured]], prices: Providers) -> pd.DataFrame:
    """A row per prompt; NaN where nothing is known.

    Columns: prompt, replies, first_sentence_characters, reply_characters, first_token_s, first_sentence_s,
    whole_s (medians), tokens_per_turn (of answers) and dollars_per_1000_turns (LLM and TTS).
    """
    return pd.DataFrame([{"prompt": name, **_row(several, prices)} for name, several in sessions.items()])


def _row(sessions: list[Measured], prices: Providers) -> dict[str, Any]:
    turns = sum(one.said.turns for one in sessions)
    prompt, completion, characters = (
        sum(getattr(one.said, name) for one in sessions)
        for name in ("prompt_tokens", "completion_tokens", "tts_characters")
    )
    tokens = prompt * prices.large.input_price + completion * prices.large.output_price
    dollars = (tokens + characters * prices.tts.price) / 1e6
    told = bool(prompt and turns)
    return {
        "replies": sum(len(one.said.replies) for one in sessions),
        "first_sentence_characters": _median(n for one in sessions for n in one.said.first_sentences),
        "reply_characters": _median(n for one in sessions for n in one.said.replies),
        "first_token_s": _median(
            s for one in sessions for s in (*one.seconds["large.ttft"], *one.seconds["small.ttft"])
        ),
        "first_sentence_s": _median(s for one in sessions for s in one.seconds["first_sentence"]),
        "whole_s": _median(s for one in sessions for s in one.seconds["whole"]),
        "tokens_per_turn": completion / turns if told else np.nan,
        "dollars_per_1000_turns": 1000 * dollars / turns if told else np.nan,
    }


def _median(values: Any) -> float:
    known = list(values)
    return float(np.median(known)) if known else float("nan")

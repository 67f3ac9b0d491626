"""What a model is asked to read for each reply, and how much of that its provider's cache holds.

Definition: `session.scripted.llm` and `techniques.agent.StackedAgent._prompt`: the tool, the instructions,
the conversation and the time of day, in tokens. Here tokens are numbers: prompts are long, and numpy compares
arrays of numbers in a hundredth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from ...core.timeline import Ints
from ...session.clock.virtual_time import EPOCH_S
from ...session.providers.schema import LlmProvider
from ...session.scripted.prompt import piece
from ...session.scripted.prompt_cache import PrefixCache
from ..ablation.earlier_calls import described, earlier_prompt
from ..ablation.scenario import Scenario
from ..techniques.choice import Techniques
from ..techniques.kv_cache_reuse import age
from ..techniques.levers import instructed
from ..techniques.prefix_caching import said_time

Item = tuple[str, str]
"""Who says it (as `session.scripted.prompt` names them), and the text."""


class Prompts:
    """The prompts of one session."""

    def __init__(self, techniques: Techniques, scenario: Scenario) -> None:
        self._techniques = techniques
        self._tool = _numbers("tool", described(scenario.tool))
        self._instructions = instructed(scenario.instructions, techniques.levers)
        self.earlier = _numbered(earlier_prompt(techniques, scenario))
        """With what other calls' prompts begin."""

    def tokens(self, said: Sequence[Item], now_s: float) -> Ints:
        """The prompt at `now_s` for a conversation that ends with the user's words or a tool's output."""
        now, caches = said_time(datetime.fromtimestamp(EPOCH_S + now_s, UTC)), self._techniques.prefix_caching
        top = self._instructions if caches else f"{now}\n\n{self._instructions}"
        found = [self._tool, _numbers("system", top)]
        found += [_numbers(*one) for one in (said if self._techniques.kv_cache_reuse else rewritten(said))]
        return np.concatenate([*found, _numbers("system", now)] if caches else found)


def rewritten(said: Sequence[Item]) -> list[Item]:
    """`techniques.kv_cache_reuse.rewritten` on plain items.

    >>> [text.split("\\n") for _, text in rewritten([("user", "Hi."), ("assistant", "Ah?"), ("user", "No")])]
    [['(1 turns ago)', 'Hi.'], ['(1 turns ago)', 'Ah?'], ['No']]
    """
    found: list[Item] = []
    turns = 0
    for kind, text in reversed(said):
        earlier = turns and kind in ("user", "assistant")
        found.append((kind, f"{age(turns)}\n{text}" if earlier else text))
        turns += kind == "user"
    return found[::-1]


class Reader:
    """One model reading prompts, with its provider's cache."""

    def __init__(self, provider: LlmProvider, earlier: Ints, *, marked: bool) -> None:
        self._cache = None if provider.cache is None else PrefixCache(provider.cache, earlier)
        self._marked, self._s_per_token = marked, provider.prefill_s_per_1k / 1000

    def begin(self, tokens: Ints, now_s: float) -> tuple[int, float]:
        """How many tokens the cache holds, and the seconds that the others take to read."""
        read = 0 if self._cache is None else self._cache.find(tokens, now_s, marked=self._marked)
        return read, (len(tokens) - read) * self._s_per_token

    def done(self, tokens: Ints, now_s: float) -> int:
        """The prompt has been read: how many tokens the cache has now that it hadn't."""
        return 0 if self._cache is None else self._cache.keep(tokens, now_s, marked=self._marked)


_NUMBERS: dict[str, int] = {}
"""Token → its number, in this process."""


@lru_cache(maxsize=4096)
def _numbers(kind: str, text: str) -> Ints:
    return _numbered(piece(kind, text))


def _numbered(tokens: Sequence[str]) -> Ints:
    return np.array([_NUMBERS.setdefault(one, len(_NUMBERS)) for one in tokens], dtype=np.int64)

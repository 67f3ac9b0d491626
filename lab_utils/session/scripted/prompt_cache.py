"""A provider's prompt cache: how much of a prompt's beginning it has stored, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.timeline import Ints
from ..providers.schema import PromptCache

Tokens = Sequence[str] | Ints
"""As texts, or as numbers."""


class CacheUse(NamedTuple):
    """What a request found in the cache and added to it, in tokens."""

    read: int
    """Number of the prompt's tokens that the cache held."""
    written: int
    """Number of the prompt's tokens that were added to the cache."""


class _Kept(NamedTuple):
    """A stored prompt, with all its prefixes."""

    tokens: Tokens
    used_s: float


class PrefixCache:
    """Keeps the prefixes of prompts by the rules of a provider.

    A prefix matches only if all its tokens are the same: if a prompt's first token changes, nothing matches.
    Only prefixes of at least `min_tokens` tokens and of whole steps (`step_tokens`) are kept. Each use of a
    prefix restarts its time to live, and that of all shorter prefixes. With `PromptCache.warm`, `earlier` is
    the beginning of other calls' prompts, which keep it there all the time.
    """

    def __init__(self, rules: PromptCache, earlier: Tokens = ()) -> None:
        self._rules = rules
        self._earlier = earlier[: self._whole(len(earlier))] if rules.warm else ()
        self._kept: list[_Kept] = []  # without prompts that begin a later used one

    def use(self, tokens: Tokens, now_s: float, *, marked: bool = True) -> CacheUse:
        """`find` and `keep` in one: what a request finds in the cache at `now_s`, and adds to it."""
        return CacheUse(self.find(tokens, now_s, marked=marked), self.keep(tokens, now_s, marked=marked))

    def find(self, tokens: Tokens, now_s: float, *, marked: bool = True) -> int:
        """Number of tokens of this prompt that the cache holds at `now_s`; they need not be computed.

        `marked`: whether the request asks for caching; without that, only an automatic cache works.
        """
        if not (marked or self._rules.automatic):
            return 0
        shared = self._shared(tokens, now_s)
        found = self._longest(tokens, shared)
        if found:
            self._add(tokens[:found], now_s, shared)
        return found

    def keep(self, tokens: Tokens, now_s: float, *, marked: bool = True) -> int:
        """Store a prompt that has been computed by `now_s`. Returns how many of its tokens are new."""
        if not (marked or self._rules.automatic):
            return 0
        length, shared = self._whole(len(tokens)), self._shared(tokens, now_s)
        if length:
            self._add(tokens[:length], now_s, shared)
        return length - self._longest(tokens, shared)

    def _longest(self, tokens: Tokens, shared: Sequence[int]) -> int:
        """How many tokens are known; `shared`: with each prompt that is kept."""
        return self._whole(max([*shared, _shared(tokens, self._earlier) if len(self._earlier) else 0]))

    def _whole(self, length: int) -> int:
        """Length of the longest prefix that the rules keep, of a prompt with this length."""
        whole = length - length % self._rules.step_tokens
        return whole if whole >= self._rules.min_tokens else 0

    def _shared(self, tokens: Tokens, now_s: float) -> list[int]:
        """How many tokens this prompt shares with each that is kept still."""
        self._kept = [kept for kept in self._kept if now_s - kept.used_s <= self._rules.ttl_s]
        return [_shared(tokens, kept.tokens) for kept in self._kept]

    def _add(self, tokens: Tokens, now_s: float, shared: Sequence[int]) -> None:
        """`shared`: of a prompt that begins with these tokens."""
        with_shared = zip(self._kept, shared, strict=True)
        others = [kept for kept, n in with_shared if min(n, len(tokens)) < len(kept.tokens)]
        self._kept = [*others, _Kept(tokens, now_s)]


_STRIDE = 64
"""Tokens compared at a time: comparing slices is fast, and most prompts share all tokens or none."""


def _shared(left: Tokens, right: Tokens) -> int:
    """Number of tokens that both share from the beginning."""
    limit = min(len(left), len(right))
    if isinstance(left, np.ndarray):
        differs = left[:limit] != right[:limit]
        first = int(differs.argmax()) if limit else 0
        return first if limit and differs[first] else limit
    if left[:limit] == right[:limit]:
        return limit
    same = 0
    while same < limit and left[same : same + _STRIDE] == right[same : same + _STRIDE]:
        same += _STRIDE
    same = min(same, limit)
    while same < limit and left[same] == right[same]:
        same += 1
    return same

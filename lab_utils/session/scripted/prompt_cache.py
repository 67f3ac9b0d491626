"""A provider's prompt cache: which prefix of a prompt it has seen, token for token, and still keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..providers.schema import PromptCache


class CacheUse(NamedTuple):
    """What a request found and left, in tokens."""

    read: int
    """Of the prompt's tokens, those whose computation was reused."""
    written: int
    """Those that were added to the cache."""


class _Kept(NamedTuple):
    """A prompt whose prefixes are all kept."""

    tokens: Sequence[str]
    used_s: float


class PrefixCache:
    """Keeps the prefixes of prompts by the rules of a provider.

    A prefix matches only if every token in it is the same: one token changed at the top, and nothing does.
    Only prefixes of at least `min_tokens` tokens and of whole steps (`step_tokens`) are kept. Each use of a
    prefix, which is a use of all shorter ones, begins its time to live anew.
    """

    def __init__(self, rules: PromptCache) -> None:
        self._rules = rules
        self._kept: list[_Kept] = []  # none of them the beginning of one that was used later

    def use(self, tokens: Sequence[str], now_s: float, *, marked: bool = True) -> CacheUse:
        """What a request with this prompt finds at `now_s`, which then is kept: `find` and `keep` in one."""
        return CacheUse(self.find(tokens, now_s, marked=marked), self.keep(tokens, now_s, marked=marked))

    def find(self, tokens: Sequence[str], now_s: float, *, marked: bool = True) -> int:
        """How many tokens of this prompt needn't be computed at `now_s`.

        `marked`: whether the request asks for caching; without that, only an automatic cache works.
        """
        if not (marked or self._rules.automatic):
            return 0
        found = self._longest(tokens, now_s)
        if found:
            self._add(tokens[:found], now_s)
        return found

    def keep(self, tokens: Sequence[str], now_s: float, *, marked: bool = True) -> int:
        """Keep a prompt that has been computed by `now_s`; how many of its tokens weren't kept before."""
        if not (marked or self._rules.automatic):
            return 0
        length = self._whole(len(tokens))
        written = length - self._longest(tokens, now_s)
        if length:
            self._add(tokens[:length], now_s)
        return written

    def _whole(self, length: int) -> int:
        """The longest prefix of a prompt of this length that the rules keep."""
        whole = length - length % self._rules.step_tokens
        return whole if whole >= self._rules.min_tokens else 0

    def _longest(self, tokens: Sequence[str], now_s: float) -> int:
        self._kept = [kept for kept in self._kept if now_s - kept.used_s <= self._rules.ttl_s]
        shared = max((_shared(tokens, kept.tokens) for kept in self._kept), default=0)
        return self._whole(shared)

    def _add(self, tokens: Sequence[str], now_s: float) -> None:
        others = [kept for kept in self._kept if _shared(tokens, kept.tokens) < len(kept.tokens)]
        self._kept = [*others, _Kept(tokens, now_s)]


_STRIDE = 64
"""Tokens compared at a time: slices are compared by machine code, and most prompts share all or nothing."""


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    """How many tokens the two begin with in common."""
    limit = min(len(left), len(right))
    same = 0
    while same < limit and left[same : same + _STRIDE] == right[same : same + _STRIDE]:
        same += _STRIDE
    same = min(same, limit)
    while same < limit and left[same] == right[same]:
        same += 1
    return same

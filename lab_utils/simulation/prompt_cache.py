"""A provider's prompt cache: which prefix of a prompt it has seen, token for token, and still keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from ..providers.schema import PromptCache


class CacheUse(NamedTuple):
    """What a request found and left, in tokens."""

    read: int
    """Of the prompt's tokens, those whose computation was reused."""
    written: int
    """Those that were added to the cache."""


class PrefixCache:
    """Keeps the prefixes of prompts by the rules of a provider.

    A prefix matches only if every token in it is the same: the cache knows prefixes by a hash over all their
    tokens, so that a byte changed at the top leaves nothing to match.
    """

    def __init__(self, rules: PromptCache) -> None:
        self._rules = rules
        self._kept: dict[bytes, float] = {}  # hash of a prefix -> when it was last used

    def use(self, tokens: Sequence[str], now_s: float, *, marked: bool = True) -> CacheUse:
        """What a request with this prompt finds at `now_s`, which then is kept.

        `marked`: whether the request asks for caching; without that, only an automatic cache works.
        """
        rules = self._rules
        if not (marked or rules.automatic):
            return CacheUse(0, 0)
        self._kept = {key: used_s for key, used_s in self._kept.items() if now_s - used_s <= rules.ttl_s}
        read = kept = 0
        digest = hashlib.blake2b(digest_size=16)
        for count, token in enumerate(tokens, 1):
            digest.update(token.encode() + b"\0")
            if count % rules.step_tokens or count < rules.min_tokens:
                continue
            key = digest.digest()
            if key in self._kept:
                read = count
            self._kept[key] = now_s
            kept = count
        return CacheUse(read, kept - read)

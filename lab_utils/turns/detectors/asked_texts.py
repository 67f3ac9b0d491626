"""What a text detector answered about one recording, kept by a hash of what it was asked, without words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.traces import Prompt, TextAnswers, check_probabilities, text_key
from ..cache import TraceCache
from .base import TextPredictor


@dataclass(frozen=True)
class AskedTexts:
    """Asks a text detector, reading and filling a cache."""

    name: str
    predictor: TextPredictor
    cache: TraceCache

    def known(self, sha256: str) -> TextAnswers:
        """The answers at hand about a recording. Raises InputError without weights."""
        entry = self.cache.load(self._address(sha256), ["keys", "probabilities"])
        keys, p = entry if entry is not None else (np.zeros(0, dtype=np.int64), np.zeros(0))
        return TextAnswers(keys, p, self.predictor.thresholds())

    def ask(self, sha256: str, known: TextAnswers, prompts: Sequence[Prompt]) -> TextAnswers:
        """`known` with more answers, which are cached, too. Raises ValueError for a NaN among them."""
        p = self.predictor.probabilities(prompts)
        check_probabilities(p, "end-of-turn probabilities", self.name)
        more = known.merged(np.array([text_key(one) for one in prompts], dtype=np.int64), p)
        self.cache.store(self._address(sha256), keys=more.keys, probabilities=more.probabilities)
        return more

    def _address(self, sha256: str) -> str:
        return f"{sha256}-{self.name}-{self.predictor.model_version()}-texts"

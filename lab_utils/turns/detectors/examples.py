"""Detectors of a few lines, to be copied: what a function of your own looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.labels import Word
from ...core.recording import Pcm

QUIET = 200.0
"""Of 32,768; below it the last quarter of a second counts as silence."""


def is_quiet(audio: Pcm) -> float:
    """High where the last quarter of a second is nearly silent: little more than a VAD knows.

    >>> is_quiet(np.zeros(8000, dtype=np.int16)), is_quiet(np.full(8000, 3000, dtype=np.int16))
    (0.9, 0.1)
    """
    return 0.9 if np.abs(audio[-4000:].astype(np.float64)).mean() < QUIET else 0.1


def ends_a_sentence(audio: Pcm, words: Sequence[Word]) -> float:
    """High where the user's last word ends a sentence in the labels' own punctuation.

    No speech-to-text knows its punctuation so soon and so well: this is what perfect words could give.

    >>> ends_a_sentence(np.zeros(1), [Word("user", 1.0, 1.3, "Two,")])
    0.1
    """
    said = [word.text for word in words if word.speaker == "user"]
    return 0.9 if said and said[-1].rstrip("\"'").endswith((".", "?", "!")) else 0.1

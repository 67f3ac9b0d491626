"""Corrects Whisper's word times where they are known to be wrong.

Whisper aligns words by its decoder's attention. It stretches words into the pause beside them, and it gives
some words (20 of 706 in a real call) no duration at all. These are spoken just before the time that Whisper
gives. Unless they get a duration, the check against the VAD would drop words that were spoken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ...core.labels import Word
from ...core.timeline import WINDOW_S
from ...core.traces import Bools
from .spans import windows_of

SQUEEZED_S = 0.03
"""A word shorter than this got no duration from Whisper."""
ROOM_S = 0.2
"""Duration that such a word gets at most; if the word before touches it, it gets half of that word."""


def given_room(words: Iterable[Word]) -> list[Word]:
    """The words, with a duration for those that have none."""
    roomy: list[Word] = []
    for word in words:
        if word.end_s - word.start_s < SQUEEZED_S:
            before = roomy[-1] if roomy else None
            if before is not None and before.end_s > word.start_s - SQUEEZED_S:
                middle_s = (before.start_s + before.end_s) / 2
                roomy[-1] = replace(before, end_s=middle_s)
                word = replace(word, start_s=middle_s)
            else:
                free_s = before.end_s if before is not None else 0.0
                word = replace(word, start_s=max(free_s, word.start_s - ROOM_S))
        roomy.append(word)
    return roomy


def tightened(words: Iterable[Word], mask: Bools) -> Iterator[Word]:
    """The words without silence at their edges; a word without any speech in its span stays as it is."""
    for word in words:
        first, end = windows_of(word.start_s, word.end_s)
        speech = np.flatnonzero(mask[first:end])
        if len(speech):
            start_s = max(word.start_s, float(first + speech[0]) * WINDOW_S)
            end_s = min(word.end_s, float(first + speech[-1] + 1) * WINDOW_S)
            word = replace(word, start_s=start_s, end_s=end_s)
        yield word


def in_order(words: Iterable[Word]) -> Iterator[Word]:
    """The words with ascending starts and no overlaps; a word inside the one before loses its duration."""
    last_start_s = last_end_s = 0.0
    for word in words:
        start_s = max(word.start_s, last_start_s, min(last_end_s, word.end_s))
        last_start_s, last_end_s = start_s, max(start_s, word.end_s)
        yield replace(word, start_s=start_s, end_s=last_end_s)

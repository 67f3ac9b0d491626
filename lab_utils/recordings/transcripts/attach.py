"""Adds words to labels. Words and texts that are there already, by hand or by import, are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...core.labels import Ipu, Labels, Speaker, Word

NEAR_S = 0.3
"""A word outside every IPU still belongs to the nearest one if that is this near."""


def with_words(labels: Labels, words: Sequence[Word], source: str = "") -> Labels:
    """Labels with the words of those speakers of whom they have none, and with their IPUs' texts.

    A speaker of whom the labels have any word or any text is left unchanged, so that imported and corrected
    transcripts are kept. A word belongs to the IPU it overlaps most, or to the nearest within 0.3 s; every
    word is kept among the words. `source` is added to that of the labels if any word is. Words past the end
    are left out.
    """
    texts = {ipu.speaker for ipu in labels.ipus if ipu.text.strip()}
    known: set[Speaker] = texts | {word.speaker for word in labels.words}
    new = [w for w in words if w.speaker not in known and w.start_s < labels.duration_s]
    if not new:
        return labels
    new = [replace(word, end_s=min(word.end_s, labels.duration_s)) for word in new]
    spoken: dict[int, list[str]] = {}
    for word in sorted(new, key=lambda word: word.start_s):
        k = _ipu_of(word, labels.ipus)
        if k is not None:
            spoken.setdefault(k, []).append(word.text)
    ipus = tuple(
        replace(ipu, text=" ".join(spoken[k])) if k in spoken else ipu for k, ipu in enumerate(labels.ipus)
    )
    both = sorted([*labels.words, *new], key=lambda word: (word.start_s, word.end_s))
    sources = [one for one in (labels.source, source) if one]
    return replace(labels, ipus=ipus, words=tuple(both), source="; ".join(sources))


def source_of(model: str, version: str) -> str:
    """What `Labels.source` says of words by a model, under a version of faster-whisper."""
    return f"words: faster-whisper {version} {model}"


def _ipu_of(word: Word, ipus: Sequence[Ipu]) -> int | None:
    """Index of the word's IPU: the one with the smallest gap, which is negative where they overlap."""
    gaps = [
        (max(ipu.start_s, word.start_s) - min(ipu.end_s, word.end_s), k)
        for k, ipu in enumerate(ipus)
        if ipu.speaker == word.speaker
    ]
    gap, k = min(gaps, default=(NEAR_S + 1, -1))
    return k if gap <= NEAR_S else None

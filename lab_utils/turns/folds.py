"""Folds of recordings: which of them a choice is made on, and on which others it is judged.

Recordings are numbered; a fold is left out as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from .origins import Origins

MOST_FOLDS = 10


def subsets_of(
    n_recordings: int, origins: Origins | None = None
) -> tuple[tuple[tuple[int, ...], ...], list[Sequence[int]]]:
    """Folds of recordings, and on which of them a sweep scores: on all, and without each fold."""
    everyone = range(n_recordings)
    folds = make_folds(n_recordings) if origins is None else folds_of_parts(origins.parts)
    return folds, [everyone, *([r for r in everyone if r not in fold] for fold in folds)]


def make_folds(n_recordings: int) -> tuple[tuple[int, ...], ...]:
    """Recordings split for cross-validation: one by one up to ten, else in ten folds; none if under two."""
    if n_recordings < 2:
        return ()
    n = min(n_recordings, MOST_FOLDS)
    return tuple(tuple(range(k, n_recordings, n)) for k in range(n))


def folds_of_parts(parts: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """`make_folds` within parts of the recordings, which share the folds by their sizes; none of one part."""
    if len(parts) < 2:
        return ()
    n = min(sum(map(len, parts)), MOST_FOLDS)
    of_part = [min(len(part), max(1, round(n * len(part) / sum(map(len, parts))))) for part in parts]
    return tuple(tuple(part[k::n]) for part, n in zip(parts, of_part, strict=True) for k in range(n))

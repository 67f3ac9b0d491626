"""Which recordings lead which search."""

from __future__ import annotations

from ..guarantee import split
from ..sweep import Corpus


def parts_of(corpus: Corpus) -> tuple[tuple[int, ...], ...]:
    """Two parts of the recordings, by number; one if fewer than two of them have holds.

    The first are those that give a guarantee its order (`guarantee.split`): what was found on them is then
    tested on the others. Where that would leave none, they are halved.
    """
    first, others, _ = split(corpus)
    if not others:
        first = first[: len(first) // 2]
    everyone = range(len(corpus.recordings))
    if not first:
        return (tuple(everyone),)
    return tuple(sorted(first)), tuple(r for r in everyone if r not in first)

"""Marks that work on some pieces is under way, so that another run at the same time begins at their end.

A mark changes the order alone: one that a kill left behind does no harm, and is gone after a week.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from . import BEGUN, TraceCache


def mark(cache: TraceCache, pieces: Sequence[str]) -> tuple[str, bool]:
    """Mark that these are worked on; the mark's address, and whether it was there before.

    It never was in a store that can't be written to: there nobody takes what another run has made.
    """
    address = f"{hashlib.sha256(''.join(pieces).encode()).hexdigest()}{BEGUN}"
    before = cache.load(address, ["none"]) is not None
    try:
        cache.store(address, none=np.zeros(0))
    except ValueError:
        return address, False
    return address, before


@contextmanager
def marked(cache: TraceCache, pieces: Sequence[str]) -> Iterator[bool]:
    """While the block lasts, these are marked. Gives whether they were before."""
    address, before = mark(cache, pieces)
    try:
        yield before
    finally:
        cache.remove(address)

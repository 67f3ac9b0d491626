"""Traced recordings, lent to a cluster's workers through the cache: each reads one when it comes to it.

Sent along with the work, all recordings would go to each worker, and stay in its memory. They lie in entries
of the cache for as long as the work takes: probabilities and labels with their words, but no path, notes or
settings of a session. What was killed leaves them behind: they go with the recording's other entries (`lab
forget`), or, once a day old, first of all when the cache is full (`TraceCache.prune`).
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from ...core.errors import InputError
from ...core.samples.kept_objects import OnDemand
from ...core.traces import Traced
from . import LENT, TraceCache

PART_BYTES = 32 << 20
"""Of one entry; a longer recording takes several."""


@dataclass(frozen=True)
class _Lent:
    """Where a recording's parts lie, and what they are together."""

    addresses: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class _Reader:
    """Reads a recording; what isn't exactly what was lent is never unpickled."""

    cache: TraceCache
    lent: tuple[_Lent, ...]

    def __call__(self, number: int) -> Traced:
        one = self.lent[number]
        parts = [self.cache.load(address, ["pickled"]) for address in one.addresses]
        pickled = b"".join(part[0].tobytes() for part in parts if part is not None)
        if hashlib.sha256(pickled).hexdigest() != one.sha256:
            raise InputError(
                f"{self.cache.folder}: the traces that were put there for the workers aren't there, or not "
                "whole; give a cache that all machines share (--cache)"
            )
        found: Traced = pickle.loads(pickled)
        return found


@contextmanager
def lent(cache: TraceCache, recordings: Iterable[Traced]) -> Iterator[Sequence[Traced]]:
    """The recordings, read from the cache as they are asked for, in any process that reaches it.

    What scoring has no need of is left out (`_for_scoring`). Raises ValueError if they can't be kept there.
    """
    run, addresses, made = uuid4().hex, list[str](), list[_Lent]()
    try:
        for one in recordings:
            pickled = pickle.dumps(_for_scoring(one), pickle.HIGHEST_PROTOCOL)
            first = len(addresses)
            for at in range(0, len(pickled), PART_BYTES):
                addresses.append(f"{one.sha256}{LENT}{run}-{at // PART_BYTES}")
                part = np.frombuffer(pickled[at : at + PART_BYTES], np.uint8)
                cache.store(addresses[-1], pickled=part)
            made.append(_Lent(tuple(addresses[first:]), hashlib.sha256(pickled).hexdigest()))
        yield OnDemand(range(len(made)), _Reader(cache, tuple(made)))
    finally:
        for address in addresses:
            cache.remove(address)


def _for_scoring(one: Traced) -> Traced:
    return replace(one, path=one.name, notes=(), told={})

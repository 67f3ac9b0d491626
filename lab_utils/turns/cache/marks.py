"""Marks that runs are at work on the same pieces, so that each takes them in an order of its own.

A mark tells who holds it. One whose process has died, or that another machine hasn't renewed for a while, is
the next run's. A mark changes the order alone: where two runs hold the same one, or one is lost, both are
right, and pieces are made twice.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TypeVar
from uuid import uuid4

import numpy as np
import psutil

from . import BEGUN, TraceCache

T = TypeVar("T")
RENEWED_S = 60.0
"""As pieces are finished."""
ELSEWHERE_S = 900.0
"""A run on another machine that hasn't renewed its mark for so long has died, or is in a very long piece."""
_SAME_START_S = 2.0
"""The system tells a process's start by its clock, which is set now and then."""


@dataclass(frozen=True)
class _Holder:
    """Whose a mark is."""

    run: str
    host: str
    pid: int
    started_s: float
    """By which another process of the same number is told from it."""
    at_s: float
    """When it was written; `time.time`."""

    @property
    def lives(self) -> bool:
        if self.host != platform.node():
            return abs(time.time() - self.at_s) < ELSEWHERE_S
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.started_s) < _SAME_START_S
        except psutil.Error:
            return False


class Mark:
    """That a run is at work on some pieces, until `close`."""

    def __init__(self, cache: TraceCache, pieces: Iterable[str]) -> None:
        """`pieces`: what tells them from those of other runs."""
        self._cache, self._run, self._renewed_s = cache, uuid4().hex, 0.0
        work = hashlib.sha256("\n".join(pieces).encode()).hexdigest()
        self.number = 0
        """0 for the first of the runs that are under way. Also in a store that can't be written to: nobody
        takes there what another run has made."""
        for number in itertools.count():
            self._address = f"{work}-{number}{BEGUN}"
            if self._is_anothers():
                continue
            try:
                self._write()
            except ValueError:
                return
            if not self._is_anothers():  # which began at the same moment
                self.number = number
                return

    def in_order(self, pieces: Sequence[T]) -> list[T]:
        """Pieces as this run takes them: the second from the end, each further one by a draw of its own."""
        ordered = list(pieces)
        if self.number == 1:
            ordered.reverse()
        elif self.number > 1:
            random.Random(self.number).shuffle(ordered)
        return ordered

    def renew(self) -> None:
        """Tell other machines that the run is still at work, if the last time was a while ago."""
        if time.monotonic() - self._renewed_s > RENEWED_S:
            with suppress(ValueError):
                self._write()

    def close(self) -> None:
        """The run is no longer at work. Another's mark is left to it."""
        holder = self._holder()
        if holder is not None and holder.run == self._run:
            self._cache.remove(self._address)

    def _write(self) -> None:
        """Raises ValueError if it can't be kept."""
        started_s = psutil.Process().create_time()
        holder = _Holder(self._run, platform.node(), os.getpid(), started_s, time.time())
        self._cache.store(self._address, told=np.frombuffer(json.dumps(asdict(holder)).encode(), np.uint8))
        self._renewed_s = time.monotonic()

    def _holder(self) -> _Holder | None:
        entry = self._cache.load(self._address, ["told"])
        try:
            return None if entry is None else _Holder(**json.loads(entry[0].tobytes()))
        except TypeError:  # of another version
            return None

    def _is_anothers(self) -> bool:
        """Whether a run that lives, and isn't this one, holds this mark."""
        holder = self._holder()
        return holder is not None and holder.run != self._run and holder.lives

"""Sessions in worker processes, watched by the parent: what an agent breaks affects its own recording only.

In the parent, `Watch` ends a worker that takes too much memory or can't be stopped at its limit, keeps its
output short, and ends the processes that it has started. In the worker, `kept_within` tells the parent which
item is being worked on, and undoes what an agent has left behind (`leftovers`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from ...core.batch import NOT_BEGUN, WorkerDied
from ...core.files import scratch_folder
from .. import clock
from .leftovers import put_right

Result = TypeVar("Result")

POLL_S = 0.2
LOOKS_PER_FAMILY = 5
MEMORY_GB = 4.0
"""A worker is ended if it and the processes that it has started take more resident memory than this."""
CANCELLED = "it was cancelled"
OUTPUT_BYTES = 20_000
"""At most so much of what an agent prints during a recording is passed on."""
_GROUPS = hasattr(os, "setpgid")


@dataclass(frozen=True)
class _Task:
    """What a worker is working on."""

    number: int
    pid: int
    until_s: float | None
    """Of the monotonic clock; None while nothing limits it."""
    limit: str


class Watch:
    """The parent's side; use it in a `with`."""

    def __init__(self, memory_gb: float = MEMORY_GB, cancel: threading.Event | None = None) -> None:
        """`cancel`: once it is set, workers are ended with what they are working on."""
        if not memory_gb > 0:
            raise ValueError(f"the memory limit is {memory_gb} GB; expected more than 0")
        self._memory_gb, self._cancel = memory_gb, cancel or threading.Event()
        self._reasons: dict[int, str] = {}
        self._left_out: dict[int, int] = {}
        self._seen: set[int] = set()
        self._stopped = threading.Event()
        self._until_exit = contextlib.ExitStack()
        self.folder = str(self._until_exit.enter_context(scratch_folder("watch")))
        """Folder in which workers write what they are working on."""
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()
        for pid in self._seen:
            _end_group(pid)
        self._until_exit.close()

    def blame(self, number: int) -> Exception | None:
        """Why the worker of an item was ended; None if it wasn't ended because of that item."""
        reason = self._reasons.get(number)
        return None if reason is None else WorkerDied(reason)

    def output(self, number: int) -> str:
        """What was printed while an item was worked on: the beginning of it, and how much more there was."""
        path = Path(self.folder, f"{number}.out")
        self._shorten(path, number)
        try:
            text = path.read_bytes()[:OUTPUT_BYTES].decode(errors="replace")
        except OSError:
            return ""
        left_out = self._left_out.pop(number, 0)
        return f"{text}\n… at least {left_out:,} more bytes of output left out\n" if left_out else text

    def _look(self) -> None:
        looks = 0
        while not self._stopped.wait(POLL_S):
            looks += 1
            for path in Path(self.folder).glob("*.task"):
                with contextlib.suppress(OSError, ValueError):
                    task = _Task(**json.loads(path.read_text()))
                    self._judge(path, task, descendants=looks % LOOKS_PER_FAMILY == 0)
            for path in Path(self.folder).glob("*.out"):
                self._shorten(path, int(path.stem))

    def _judge(self, path: Path, task: _Task, *, descendants: bool) -> None:
        self._seen.add(task.pid)
        try:
            memory = _resident(psutil.Process(task.pid), descendants)
        except psutil.Error:  # the process has ended meanwhile
            path.unlink(missing_ok=True)
            _end_group(task.pid)
            return
        if self._cancel.is_set():
            reason = CANCELLED
        elif memory > self._memory_gb * 1e9:
            reason = f"it took more than {self._memory_gb:g} GB of memory (--memory-limit)"
        elif task.until_s is not None and time.monotonic() > task.until_s:
            reason = f"it could not be stopped after {task.limit}"
        else:
            return
        self._reasons[task.number] = reason
        path.unlink(missing_ok=True)
        _end_group(task.pid)

    def _shorten(self, path: Path, number: int) -> None:
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            if size > OUTPUT_BYTES:
                self._left_out[number] = self._left_out.get(number, 0) + size - OUTPUT_BYTES
                os.truncate(path, OUTPUT_BYTES)


def _resident(process: psutil.Process, descendants: bool) -> int:
    """Resident bytes of a process; with `descendants` (slower) those of its descendants are added."""
    total = process.memory_info().rss
    for child in process.children(recursive=True) if descendants else ():
        with contextlib.suppress(psutil.Error):
            total += child.memory_info().rss
    return int(total)


def _end_group(pid: int) -> None:
    """End a worker and what it has started."""
    if _GROUPS:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    else:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).kill()


# --- in the worker ------------------------------------------------------------------------------------

_HERE: ContextVar[_Reporter | None] = ContextVar("watch", default=None)
_SPOILT: ContextVar[bool] = ContextVar("spoilt", default=False)
"""Whether an agent's threads still run in this process, or functions that it replaced may be in use."""


class _Reporter:
    def __init__(self, folder: str, number: int) -> None:
        self._path, self.number = Path(folder, f"{os.getpid()}.task"), number
        self.tell(None, "")

    def tell(self, until_s: float | None, limit: str) -> None:
        task = {"number": self.number, "pid": os.getpid(), "until_s": until_s, "limit": limit}
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(task))
        written.replace(self._path)

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def at_most(seconds: float, grace_s: float = 0.0) -> Iterator[None]:
    """Let the parent end this worker if the block takes longer, whatever it is busy with."""
    reporter = _HERE.get()
    if reporter is not None:
        reporter.tell(clock.real_monotonic() + seconds + grace_s, f"{seconds:g} s of real time")
    try:
        yield
    finally:
        if reporter is not None:
            reporter.tell(None, "")


@contextmanager
def kept_within(folder: str, number: int) -> Iterator[None]:
    """Work on item `number` in this worker, observed by the `Watch` whose folder this is.

    If an agent has left something behind that can't be undone, the worker ends before the next item.
    """
    if _SPOILT.get():
        os._exit(NOT_BEGUN)
    own = os.getpid()
    if _GROUPS and os.getpgid(0) != own:
        os.setpgid(0, 0)
    reporter = _Reporter(folder, number)
    token, left = _HERE.set(reporter), ["what it was at"]
    try:
        with _output_to(Path(folder, f"{number}.out")), put_right() as left:
            try:
                yield
            finally:
                if os.getpid() != own:  # the agent has forked this worker
                    os._exit(0)
    finally:
        _SPOILT.set(bool(left))
        _HERE.reset(token)
        reporter.done()


def watched(function: Callable[..., Result], folder: str, numbered: tuple[int, tuple[Any, ...]]) -> Result:
    """`function(*arguments)` of a numbered call, as `kept_within`."""
    number, arguments = numbered
    with kept_within(folder, number):
        return function(*arguments)


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Redirect to a file all that this process prints, and all that the processes that it starts print."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    saved = {number: os.dup(number) for number in (1, 2)}
    try:
        _flush(streams)
        for number in saved:
            os.dup2(file, number)
        yield
    finally:
        _flush(streams)
        with contextlib.suppress(OSError):  # an agent may have closed them
            for number, before in saved.items():
                os.dup2(before, number)
                os.close(before)
            os.close(file)


def _flush(streams: list[Any]) -> None:
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()

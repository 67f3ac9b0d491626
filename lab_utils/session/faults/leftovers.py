"""Finds what an agent has changed or left running in its worker, undoes it where possible, and reports it.

A worker serves several recordings. Functions of the clock that an agent has replaced are put back, processes
that it has started are ended, and its threads, which nothing can end, are found by the code that they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

import psutil

from ...core.files.users_code import is_users

_REPLACEABLE: tuple[tuple[ModuleType, str], ...] = (
    *((time, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")),
    *((datetime, name) for name in ("datetime", "date")),
    *((asyncio, name) for name in ("sleep", "create_task", "get_running_loop", "get_event_loop")),
    (uuid, "uuid4"),
    (random, "random"),
    (sys, "stdout"),
    (sys, "stderr"),
    (sys, "exit"),
    (os, "_exit"),
)
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name))


@contextmanager
def put_right() -> Iterator[list[str]]:
    """Undo what the block leaves behind. The list names why this process may not run further sessions."""
    left: list[str] = []
    before = {(module, name): getattr(module, name) for module, name in _REPLACEABLE}
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    policy, folder = asyncio.get_event_loop_policy(), os.getcwd()
    children, limits = _children(), _limits()
    try:
        yield left
    finally:
        for (module, name), function in before.items():
            if getattr(module, name) is not function:
                setattr(module, name, function)
                left.append(f"{module.__name__}.{name} replaced")
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
                left.append(f"handler of {number.name} replaced")
        if _limits() != limits:
            left.append("limits of the process changed")
        if asyncio.get_event_loop_policy() is not policy:
            asyncio.set_event_loop_policy(policy)
            left.append("event loop policy replaced")
        with contextlib.suppress(OSError):
            os.chdir(folder)
        _end(_children() - children)
        left += [f"thread {thread.name}" for thread in _users_threads()]


def _limits() -> list[tuple[int, int]]:
    """The process's limits of memory, time and files."""
    if sys.platform == "win32":
        return []
    import resource

    names = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_FSIZE")
    return [resource.getrlimit(getattr(resource, name)) for name in names if hasattr(resource, name)]


def _children() -> set[psutil.Process]:
    try:
        return set(psutil.Process().children(recursive=True))
    except psutil.Error:
        return set()


def _end(processes: set[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(processes), timeout=1.0)


def _users_threads() -> list[threading.Thread]:
    """Threads, except this one, that run a function of the user's."""
    frames = sys._current_frames()
    here = threading.current_thread()
    return [
        thread
        for thread in threading.enumerate()
        if thread is not here and thread.ident is not None and _in_users(frames.get(thread.ident))
    ]


def _in_users(frame: Any) -> bool:
    found: FrameType | None = frame
    while found is not None:
        if is_users(found.f_code.co_filename):
            return True
        found = found.f_back
    return False

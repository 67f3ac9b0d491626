"""A process that has loaded what workers need, and of which each of them is a fork.

LiveKit and what is around it take 2 s of CPU to load: that is done once, and begun while the parent reads
what it was given. A template has one thread and no model; it ends with its parent and the workers forked from
it. Where processes can't be forked well (`forking.can_fork`), workers load everything themselves.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from multiprocessing import context, current_process, popen_forkserver, reduction, util
from multiprocessing.forkserver import ForkServer, read_signed
from typing import Any

from . import template_process
from .forking import GROWTH, THREADS

ONE_THREAD = dict.fromkeys(THREADS, "1") | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Leave no thread of NumPy's or Arrow's in a process that loads them."""
TRIES = 5
BETWEEN_S = 0.1
"""A template that was killed takes a moment until that is known."""


def template(prepare: Callable[[], None] | None, loads: tuple[str, ...]) -> Template:
    """A running template, in whose process `prepare` was called before these modules were loaded.

    It is the one that runs already, as long as this process's environment and import path are what they were:
    modules may have read them.
    """
    found = _template(os.getpid(), prepare, loads, tuple(sorted(os.environ.items())), tuple(sys.path))
    found.begin()
    return found


@lru_cache(maxsize=1)
def _template(
    _: int,
    prepare: Callable[[], None] | None,
    loads: tuple[str, ...],
    __: tuple[tuple[str, str], ...],
    path: tuple[str, ...],
) -> Template:
    return Template(prepare, loads, path)


class Template(context.ForkServerContext):
    """As a context of multiprocessing: its processes are forks of the template."""

    def __init__(
        self, prepare: Callable[[], None] | None, loads: tuple[str, ...], path: tuple[str, ...]
    ) -> None:
        called = "" if prepare is None else f"{prepare.__module__}:{prepare.__qualname__}"
        meanwhile = {name: value for name, value in ONE_THREAD.items() if name not in os.environ}
        told = {"path": path, "prepare": called, "loads": loads, "meanwhile": [*meanwhile]}
        self._server = _Server(GROWTH | meanwhile | {template_process.TOLD: json.dumps(told)})

    def begin(self) -> None:
        """Start it, unless it runs; it loads on its own from here."""
        self._server.ensure_running()

    def Process(self, *arguments: Any, **named: Any) -> _Forked:  # type: ignore[override]
        """A process that isn't started yet."""
        process = _Forked(*arguments, **named)
        process.server = self._server
        return process


class _Server(ForkServer):
    """Ends when it isn't needed any more, as well as when its parent ends."""

    _forkserver_alive_fd: int | None

    def __init__(self, environment: dict[str, str]) -> None:
        """`environment`: beside this process's own."""
        super().__init__()
        self._environment = environment
        self.set_forkserver_preload(["loky.process_executor", template_process.__name__])

    def ensure_running(self) -> None:
        """Start it, also if it was killed; called before each fork, too."""
        before = {name: os.environ.get(name) for name in self._environment}
        os.environ.update(self._environment)
        try:
            super().ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def __del__(self) -> None:
        if self._forkserver_alive_fd is not None:
            os.close(self._forkserver_alive_fd)


class _Forked(context.ForkServerProcess):
    server: _Server | None = None

    @staticmethod
    def _Popen(process: _Forked) -> _Popen:  # type: ignore[override]
        return _Popen(process)


class _Popen(popen_forkserver.Popen):
    """As multiprocessing's, with a template of one's own, and without the parent's main module."""

    _fds: list[int]

    def _launch(self, process: _Forked) -> None:
        server, process.server = process.server, None
        assert server is not None
        own = current_process()
        prepared = {
            "name": process.name,
            "authkey": own.authkey,
            "sys_path": list(sys.path),
            "sys_argv": sys.argv,
            "dir": os.getcwd(),
        }
        written = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(prepared, written)
            reduction.dump(process, written)
        finally:
            context.set_spawning_popen(None)
        for left in reversed(range(TRIES)):
            try:
                self._start(server, written.getvalue())
                return
            except (EOFError, OSError):  # the template was killed a moment ago, and is started again
                if not left:
                    raise
                time.sleep(BETWEEN_S)

    def _start(self, server: _Server, written: bytes) -> None:
        self.sentinel, end = server.connect_to_new_process(self._fds)
        # The worker ends when nobody has the other end of its pipe any more.
        self.finalizer = util.Finalize(self, _close, (os.dup(end), self.sentinel))
        with open(end, "wb") as pipe:
            pipe.write(written)
        self.pid = read_signed(self.sentinel)


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)

"""A process that has loaded what workers need, and of which each of them is a fork.

LiveKit and what is around it take 2 s of CPU to load: that is done once, and begun while the parent reads
what it was given. A template has one thread and no model; it ends with its parent and the workers forked from
it. Where processes can't be forked well (`forking.can_fork`), workers load everything themselves.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from multiprocessing import context, current_process, popen_forkserver, reduction, resource_tracker, util
from multiprocessing.forkserver import read_signed
from pathlib import Path
from typing import Any, ClassVar

from .forking import GROWTH, THREADS
from .template_process import take_over

ONE_THREAD = dict.fromkeys(THREADS, "1") | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Leave no thread of NumPy's or Arrow's in a process that loads them."""
TRIES = 5
BETWEEN_S = 0.1
"""A template that was killed takes a moment until that is known."""
_PROGRAM = """
import json, sys
told = json.loads(sys.argv.pop())
sys.path[:] = told.pop("path")
from lab_utils.core.batch.template_process import serve
serve(**told)
"""
_asked_for = threading.Lock()
_number = count()


def template(prepare: Callable[[], None] | None, loads: tuple[str, ...]) -> Template:
    """A running template, in whose process `prepare` was called before these modules were loaded.

    It is the one that runs already, as long as this process's environment and import path are what they were:
    modules may have read them.
    """
    with _asked_for:
        found = _template(os.getpid(), prepare, loads, tuple(sorted(os.environ.items())), tuple(sys.path))
        found.begin()
        for process in [*Template.left]:
            if process.poll() is not None:
                Template.left.remove(process)
        return found


@lru_cache(maxsize=1)
def _template(
    _: int,
    prepare: Callable[[], None] | None,
    loads: tuple[str, ...],
    environment: tuple[tuple[str, str], ...],
    path: tuple[str, ...],
) -> Template:
    return Template(prepare, loads, dict(environment), path)


class _Process(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Nothing to warn of: it ends with this process."""


class Template(context.ForkServerContext):
    """As a context of multiprocessing: its processes are forks of the template, which ends with this object.

    Unlike multiprocessing's fork server, it has an environment and an import path of its own from the start.
    """

    left: ClassVar[list[_Process]] = []
    """Those that aren't needed any more, until their end was seen."""

    def __init__(
        self,
        prepare: Callable[[], None] | None,
        loads: tuple[str, ...],
        environment: Mapping[str, str],
        path: tuple[str, ...],
    ) -> None:
        self._told = {
            "path": path,
            "prepare": "" if prepare is None else f"{prepare.__module__}:{prepare.__qualname__}",
            "loads": loads,
            "afterwards": {name: environment.get(name) for name in ONE_THREAD},
        }
        self._environment = {**environment, **GROWTH, **ONE_THREAD}
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._address = Path()
        self._alive = -1
        self._serves: bool | None = None

    def begin(self) -> None:
        """Start it, unless it runs, also if it was killed; it loads on its own from here."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._let_go()
                self._start()

    def _start(self) -> None:
        address = Path(util.get_temp_dir(), f"template-{os.getpid()}-{next(_number)}")
        with socket.socket(socket.AF_UNIX) as listener, _shortened(address) as short:
            listener.bind(short)
            listener.listen()
            ended, alive = os.pipe()  # everybody who may ask for forks has the other end
            told = self._told | {"listener": listener.fileno(), "ended": ended}
            flags = util._args_from_interpreter_flags()  # type: ignore[attr-defined]
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until `serve` ignores it
            try:
                self._process = _Process(
                    [sys.executable, *flags, "-c", _PROGRAM, json.dumps(told)],
                    env=self._environment,
                    pass_fds=(listener.fileno(), ended),
                    # None of this process's, which somebody may read until all that have them have ended.
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except BaseException:
                os.close(alive)
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
                os.close(ended)
        self._address, self._alive = address, alive

    def _let_go(self) -> None:
        if self._process is not None:
            os.close(self._alive)
            self.left.append(self._process)
            self._process = None

    def __del__(self) -> None:
        self._let_go()

    def serves(self) -> bool:
        """Whether it can be forked; waits until it has loaded. Loading may have ended it."""
        if self._serves is None:
            one = self.Process(target=int)
            try:
                one.start()
                one.join()
                self._serves = True
            except (EOFError, OSError):
                self._serves = False
        return self._serves

    def fork(self, files: list[int]) -> tuple[int, int]:
        """A new fork with these open files: where to read its process ID and end, where to write to it."""
        self.begin()
        tracker = resource_tracker.getfd()
        assert tracker is not None
        with socket.socket(socket.AF_UNIX) as client, _shortened(self._address) as short:
            client.connect(short)
            from_it, its_own = os.pipe()
            its_orders, to_it = os.pipe()
            try:
                reduction.sendfds(client, [its_orders, its_own, self._alive, tracker, *files])
            except BaseException:
                os.close(from_it)
                os.close(to_it)
                raise
            finally:
                os.close(its_own)
                os.close(its_orders)
        return from_it, to_it

    def Process(self, *arguments: Any, **named: Any) -> _Forked:  # type: ignore[override]
        """A process that isn't started yet."""
        process = _Forked(*arguments, **named)
        process.template = self
        return process


class _Forked(context.ForkServerProcess):
    template: Template | None = None

    @staticmethod
    def _Popen(process: _Forked) -> _Popen:  # type: ignore[override]
        return _Popen(process)


class _Popen(popen_forkserver.Popen):
    """As multiprocessing's, with a template of one's own, and without the parent's main module."""

    _fds: list[int]

    def _launch(self, process: _Forked) -> None:
        template, process.template = process.template, None
        assert template is not None
        own = current_process()
        prepared = {
            "of the parent": _Own({number: self.duplicate_for_child(number) for number in _open_streams()}),
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
                self._start(template, written.getvalue())
                return
            except (EOFError, OSError):  # the template was killed a moment ago, and is started again
                if not left:
                    raise
                time.sleep(BETWEEN_S)

    def _start(self, template: Template, written: bytes) -> None:
        self.sentinel, end = template.fork(self._fds)
        # The worker ends when nobody has the other end of its pipe any more.
        self.finalizer = util.Finalize(self, _close, (os.dup(end), self.sentinel))
        with open(end, "wb") as pipe:
            pipe.write(written)
        self.pid = read_signed(self.sentinel)


class _Own:
    """What a fork takes over from this process, rather than from the template, as soon as it is unpickled."""

    def __init__(self, streams: dict[int, int]) -> None:
        self._streams = streams

    def __reduce__(self) -> tuple[Callable[..., None], tuple[int, dict[int, int]]]:
        return take_over, (_umask(), self._streams)


@contextmanager
def _shortened(address: Path) -> Iterator[str]:
    """Another name of a socket for as long: it may have 107 bytes, and a `TMPDIR` can be longer than that."""
    folder = os.open(address.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{address.name}"
    finally:
        os.close(folder)


def _open_streams() -> list[int]:
    found = []
    for number in (1, 2):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def _umask() -> int:
    """Read where it stands: `os.umask` can only change it, for other threads too."""
    return int(Path("/proc/self/status").read_text().split("Umask:")[1].split()[0], 8)


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)

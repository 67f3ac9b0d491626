"""What a template does in its own process, and its forks first of all."""

from __future__ import annotations

import gc
import io
import os
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing import forkserver

from .collecting import collect_seldom


def serve(
    listener: int, ended: int, prepare: str, loads: list[str], afterwards: dict[str, str | None]
) -> None:
    """Prepare this process, load modules, and fork for whoever asks at `listener` until `ended` is closed.

    What can't be loaded is left to the workers, which tell of it. `afterwards`: variables of the environment
    as they are to be once all is loaded.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    collect_seldom()
    with suppress(BaseException):  # also what a module ends its process with
        import_module("loky.process_executor")
        if prepare:
            module, _, name = prepare.partition(":")
            getattr(import_module(module), name)()
        for module in loads:
            if select.select([ended], [], [], 0)[0]:
                return
            import_module(module)
    for name, value in afterwards.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    gc.freeze()  # so that what is loaded isn't looked through, and copied, in each worker
    forkserver.main(listener, ended, [])


def take_over(umask: int, streams: dict[int, int]) -> None:
    """In a fork: the parent's umask and open streams, by their places among the files that it was sent."""
    os.umask(umask)
    sent = forkserver.get_inherited_fds() or []
    for number, at in streams.items():
        os.dup2(sent[at], number)
        os.close(sent[at])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=os.isatty(1))

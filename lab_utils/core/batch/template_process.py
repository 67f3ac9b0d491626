"""In a template: what it was told to load is loaded as this module is, before multiprocessing makes it serve.

The one module that does something on being imported: this is what a fork server has for it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module

TOLD = "LAB_TEMPLATE"
"""Variable of the environment that tells a new process what to load, if it is to be a template."""


def load(path: list[str], prepare: str, loads: list[str], meanwhile: list[str]) -> None:
    """Prepare this process and load modules. What can't be loaded is left to the workers, which tell of it.

    `meanwhile`: variables of the environment that are for this alone.
    """
    from .collecting import collect_seldom

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    sys.path[:] = path
    collect_seldom()
    with suppress(Exception):
        if prepare:
            module, _, name = prepare.partition(":")
            getattr(import_module(module), name)()
        for module in loads:
            import_module(module)
    for name in meanwhile:
        del os.environ[name]
    gc.freeze()  # so that what is loaded isn't looked through, and copied, in each worker


if TOLD in os.environ:
    load(**json.loads(os.environ.pop(TOLD)))

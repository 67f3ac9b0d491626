"""A worker file's entrypoint, in each form in which livekit-agents 1.8.9 takes it.

The forms: `cli.run_app(…)` with an `AgentServer` that has an `rtc_session`, or with `WorkerOptions`; inside
the file's `if __name__ == "__main__":` or outside of it. Call this in a worker process, after its clock is
installed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..stand_ins.imports import ProcessStandIns
from ..user_parts import BadPart, answering, import_failed, import_module

OPTION = "worker"


@dataclass(frozen=True)
class Worker:
    """The functions of a worker file that LiveKit calls."""

    name: str
    """As the user named it."""
    entrypoint: Callable[[Any], Awaitable[None]]
    setup: Callable[[Any], Any] | None = None
    """`prewarm`: called before the job, with its `JobProcess`."""
    session_end: Callable[[Any], Awaitable[None]] | None = None


def load_worker(name: str, stand_ins: ProcessStandIns | None = None) -> Worker:
    """The worker of a file or module. Raises BadPart for one that can't be used."""
    with answering(stand_ins), _captured() as servers:
        module = import_module(OPTION, name, name)
        try:
            _run_main_block(module)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            raise BadPart.of(OPTION, name, *import_failed(name, error)) from None
    return _worker(name, module, servers)


@contextmanager
def _captured() -> Iterator[list[Any]]:
    """While the block runs, `cli.run_app` only appends its argument to the list, and starts nothing."""
    from livekit.agents import cli

    servers: list[Any] = []
    run_app = cli.run_app
    cli.run_app = lambda server, *_, **__: servers.append(server)
    try:
        yield servers
    finally:
        cli.run_app = run_app


def _run_main_block(module: ModuleType) -> None:
    """Run the `if __name__ == "__main__":` of a module, as if the file had been started."""
    if module.__file__ is None:
        return
    tree = ast.parse(Path(module.__file__).read_bytes())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and _asks_for_main(node.test)]
    body = [statement for block in blocks for statement in block.body]
    argv = sys.argv
    sys.argv = [module.__file__, "start"]
    try:
        exec(compile(ast.Module(body, []), module.__file__, "exec"), vars(module))
    finally:
        sys.argv = argv


def _asks_for_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and {
        ast.unparse(part) for part in (test.left, *test.comparators)
    } == {
        "__name__",
        "'__main__'",
    }


def _worker(name: str, module: ModuleType, servers: list[Any]) -> Worker:
    from livekit.agents import AgentServer, WorkerOptions

    for found in (*servers, *vars(module).values()):
        if isinstance(found, WorkerOptions):
            return Worker(name, found.entrypoint_fnc, found.prewarm_fnc)
        if isinstance(found, AgentServer) and found._entrypoint_fnc is not None:
            return Worker(name, found._entrypoint_fnc, found.setup_fnc, found._session_end_fnc)
    raise BadPart.of(
        OPTION,
        name,
        "it has no entrypoint: no AgentServer with an rtc_session, and no WorkerOptions",
        "name the file that calls cli.run_app (lab run takes an agent alone: --agent file.py:Class)",
    )

"""Two runs of the same calls at once, on one cache: who makes what, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paths import ROOT

from lab_utils.core.files.places import Folder
from lab_utils.turns.cache.finished import Command, Kept, Run, going_on

made: list[int] = []
"""The calls that were made, not taken over, by whichever run."""
meanwhile: list[Callable[[], None]] = []
"""What is done while the next call is in hand."""


@dataclass
class OneOfTwo:
    """A run that is told when to take its next call."""

    command: Command
    run: Run[str]
    answers: list[Any] = field(default_factory=list)

    def step(self) -> None:
        rest = self.run.rest
        if len(self.answers) < len(rest):
            self.answers.append(self.run.work(*rest[len(self.answers)]))

    def ends(self) -> list[Any]:
        """What its calls came to; the command ends well."""
        while len(self.answers) < len(self.run.rest):
            self.step()
        came = list(self.run.all(answer for answer in self.answers))
        self.command.remove()
        return came


def call(number: int) -> str:
    made.append(number)
    if meanwhile:
        meanwhile.pop()()
    return f"{number} squared is {number**2}"


def killed_run(cache: Path, calls: int, after: int) -> None:
    """A process that begins such a run and is killed after so many calls."""
    code = f"import two_runs; two_runs.begin_and_die({str(cache)!r}, {calls}, {after})"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert ended.returncode == -signal.SIGKILL


def begin_and_die(cache: str, calls: int, after: int) -> None:
    with going_on(cache, lambda _: None) as command:
        run = OneOfTwo(command, Run(call, [(k,) for k in range(calls)], Kept(str), "call"))
        for _ in range(after):
            run.step()
        os.kill(os.getpid(), signal.SIGKILL)


def two_runs(cache: Folder, calls: int, turns: Callable[[OneOfTwo, OneOfTwo], None]) -> list[list[Any]]:
    """What both came to, having taken `turns`; the first one ends first."""
    made.clear()
    with ExitStack() as stack:
        both = []
        for _ in range(2):
            command = stack.enter_context(going_on(cache, lambda _: None))
            both.append(OneOfTwo(command, Run(call, [(k,) for k in range(calls)], Kept(str), "call")))
        turns(*both)
        return [one.ends() for one in both]

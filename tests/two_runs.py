"""Two runs of the same calls at once, on one cache: who makes what, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from lab_utils.core.files.places import Folder
from lab_utils.turns.cache.finished import Command, Kept, Run, going_on

made: list[int] = []
"""The calls that were made, not taken over, by whichever run."""


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
    return f"{number} squared is {number**2}"


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

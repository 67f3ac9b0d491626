"""What becomes of an item, and how that is told between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import WorkerDied as WorkerDied
from ..text import one_line

T = TypeVar("T")
ENDED = "it ended its process"
"""Of a worker's death, where nobody knows more."""
NOT_BEGUN = 86
"""Exit code of a worker process that ends before it begins an item, which another one then works on."""


class RaisedInWorker(RuntimeError):
    """What an item's work raised, if that can't be sent between processes or would end this one."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind

    def __str__(self) -> str:
        return ": ".join(part for part in self.args if part)

    @classmethod
    def of(cls, error: BaseException) -> RaisedInWorker:
        return cls(type(error).__name__, str(error))


@dataclass(frozen=True)
class Done(Generic[T]):
    """An item's result."""

    value: T


@dataclass(frozen=True)
class Skipped:
    """An item that can't be used; the error says why and what to do."""

    error: Exception

    @property
    def reason(self) -> str:
        return one_line(str(self.error))


@dataclass(frozen=True)
class Failed:
    """An item whose work went wrong."""

    error: Exception

    @property
    def reason(self) -> str:
        name = "" if isinstance(self.error, RaisedInWorker) else f"{type(self.error).__name__}: "
        return one_line(f"{name}{self.error}")


Outcome = Done[T] | Skipped | Failed


def nobody_knows(_: Any) -> None:
    """Nobody knows why a worker has died."""


def bound(function: Callable[..., T], shared: Any, skips: Any) -> Callable[[Any], Outcome[T]]:
    """`outcome_of` with everything but the item given."""
    return partial(outcome_of, function if shared is None else partial(function, shared), skips)


def outcome_of(function: Callable[[Any], T], skips: Any, item: Any) -> Outcome[T]:
    """What becomes of an item, in the process that works on it."""
    try:
        return Done(function(item))
    except skips as error:
        return Skipped(error)
    except Exception as error:
        return Failed(error)

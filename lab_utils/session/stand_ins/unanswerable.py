"""Errors for what no stand-in can replace; they name the line of the user's code that asks for it."""

from __future__ import annotations

from typing import Any

from ...core.errors import InputError
from .places import users_place


class Unanswerable(InputError):
    """A user's code asks for what doesn't work offline; the message names its line and the remedy."""

    @classmethod
    def of(cls, what: str, why: str) -> Unanswerable:
        """The exception for what the user's code asks for now."""
        place = users_place()
        where = f"{place}: " if place else ""
        return cls(f"{where}{what} can't be simulated: it is {why}, or run with --real-time")


def unanswerable_class(_: Any, what: str, why: str) -> type:
    """A class that can be imported and named; making an instance raises Unanswerable."""

    def __new__(cls: type, *_: Any, **__: Any) -> Any:
        raise Unanswerable.of(what, why)

    return type(what.rpartition(".")[2], (), {"__new__": __new__, "__module__": what.rpartition(".")[0]})

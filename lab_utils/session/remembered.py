"""What LiveKit works out again each time it needs it, remembered for the length of a session.

Each answer depends on nothing but what is asked about: whether objects of a type fulfil a protocol (asked at
every VAD window in speech), a listener's signature (at every event), the class that a statement in a function
makes (at every reply). Working them out takes a tenth of a session's CPU. livekit-agents 1.8.9.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import MethodType, SimpleNamespace
from typing import Any, Protocol

from livekit.agents.voice import agent_activity, turn
from livekit.rtc import event_emitter

PROTOCOLS: tuple[Any, ...] = (turn._StreamingTurnDetector, turn._StreamingTurnDetectorStream)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember answers inside this context, in this process; forget them after it."""
    by_type = _protocol_type()
    with ExitStack() as before:
        for owner, name, value in (
            *((protocol, "__class__", by_type) for protocol in PROTOCOLS),
            (event_emitter, "inspect", SimpleNamespace(**{**vars(inspect), "signature": _signatures()})),
            (agent_activity, "dataclass", _dataclasses()),
        ):
            before.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def _protocol_type() -> type:
    """The type of a protocol that looks at one object of each type."""
    fulfils: dict[tuple[type, type], bool] = {}

    class ByType(type(Protocol)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: Any) -> bool:
            asked = cls, type(instance)
            if asked not in fulfils:
                fulfils[asked] = super().__instancecheck__(instance)
            return fulfils[asked]

    return ByType


def _signatures() -> Callable[[Callable[..., Any]], inspect.Signature]:
    """`inspect.signature`; methods of all objects share the one of their function."""
    of_function = cache(inspect.signature)
    of_method = cache(lambda function: inspect.signature(MethodType(function, object())))

    def signature(listener: Callable[..., Any]) -> inspect.Signature:
        if isinstance(listener, MethodType):
            return of_method(listener.__func__)
        return of_function(listener)

    return signature


def _dataclasses() -> Callable[[type], type]:
    """`dataclass`; a class statement that runs again gets the class that it made the first time."""
    made: dict[str, type] = {}

    def dataclass(cls: type) -> type:
        if cls.__qualname__ not in made:
            made[cls.__qualname__] = dataclasses.dataclass(cls)
        return made[cls.__qualname__]

    return dataclass

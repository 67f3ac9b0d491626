"""Calls before methods of LiveKit's `AgentActivity`, for one session; and errors in one line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice.agent_activity import AgentActivity

Hook = Callable[..., Callable[[Any], None] | None]
"""Called with a method's arguments; what it returns is called with the method's result."""


def described(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@contextmanager
def hooked(session: AgentSession[Any], hooks: dict[str, Hook]) -> Iterator[None]:
    """Call each hook before the method of `AgentActivity` of that name, in the activities of one session.

    What a hook returns is called with the method's result.
    """
    originals = {name: getattr(AgentActivity, name) for name in hooks}

    def with_hook(name: str) -> Callable[..., Any]:
        @functools.wraps(originals[name])
        def call(activity: Any, *args: Any, **kwargs: Any) -> Any:
            told = hooks[name](*args, **kwargs) if activity._session is session else None
            result = originals[name](activity, *args, **kwargs)
            if told is not None:
                told(result)
            return result

        return call

    for name in hooks:
        setattr(AgentActivity, name, with_hook(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(AgentActivity, name, original)

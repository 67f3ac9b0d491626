"""What stand-in parts play, and what all of them share while a session runs. Doesn't import LiveKit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from ...core.delays import Delay

if TYPE_CHECKING:
    from ..scripted.llm import Replies


@dataclass(frozen=True)
class Script:
    """What stand-in LLMs and TTSs do; None is what the scripted parts do by themselves."""

    replies: Replies | None = None
    ttft: Mapping[str, Delay] = field(default_factory=dict)
    """Time to first token by `model=`."""
    first_audio: Delay | None = None


class Restartable(Protocol):
    """A stand-in STT, LLM or TTS."""

    def restart(self) -> None:
        """Make it as it was when it was new."""


class SharedScript:
    """The script, the seed of the session that runs, and the parts that were made so far."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.seed = 0
        """Of the session that runs."""
        self._parts: WeakSet[Restartable] = WeakSet()

    def begin(self, seed: int) -> None:
        """A new session: parts that a module keeps from one session to the next start afresh."""
        self.seed = seed
        for part in tuple(self._parts):
            part.restart()

    def made(self, part: Restartable) -> None:
        """Take notice of a part."""
        self._parts.add(part)

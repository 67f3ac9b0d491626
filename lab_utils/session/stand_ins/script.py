"""What stand-in parts play, and what all of them share while a session runs. Doesn't import LiveKit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from ...core.delays import Delay
from .places import users_place

if TYPE_CHECKING:
    from ..scripted.llm import Replies
    from ..scripted.stt import Hearing, ScriptedSTT


@dataclass(frozen=True)
class Script:
    """What stand-in LLMs and TTSs do; None is what the scripted parts do by themselves."""

    replies: Replies | None = None
    ttft: Mapping[str, Delay] = field(default_factory=dict)
    """Time to first token by `model=`."""
    first_audio: Delay | None = None


@dataclass(frozen=True)
class StoodIn:
    """Something that was answered by a stand-in."""

    name: str
    by: str
    """What answered in its place."""
    at: tuple[str, ...] = ()
    """Lines of the user's code that asked for it."""
    remarks: tuple[str, ...] = ()
    """What is different for that."""
    missed: tuple[str, ...] = ()
    """Where it was needed after all, and raised."""


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
        self.named: dict[str, StoodIn] = {}
        """What was answered besides modules, in order."""
        self._parts: WeakSet[Restartable] = WeakSet()
        self._hearing: Hearing | None = None

    def begin(self, seed: int) -> None:
        """A new session: parts that a module keeps from one session to the next start afresh."""
        self.seed, self._hearing = seed, None
        for part in tuple(self._parts):
            part.restart()

    def made(self, part: Restartable) -> None:
        """Take notice of a part."""
        self._parts.add(part)

    @property
    def listens(self) -> bool:
        """Whether there is an STT that hears with others."""
        return self._hearing is not None

    def hear_together(self, stt: ScriptedSTT) -> None:
        """Let an STT share what is to be heard with the others: each says what none has said before.

        An agent's own, those of a fallback adapter and of agents that take over belong to one call.
        """
        if self._hearing is None:
            self._hearing = stt.hearing
        stt.hearing = self._hearing

    def name(self, what: str, by: str, remark: str = "") -> None:
        """Note what is answered here, and by what; the line of the user's code that asked is added."""
        known = self.named.get(what, StoodIn(what, by))
        place = users_place()
        at = known.at if place is None else tuple(sorted({*known.at, str(place)}))
        remarks = tuple(sorted({*known.remarks, *([remark] if remark else [])}))
        self.named[what] = StoodIn(what, known.by, at, remarks)

"""The script of stand-in parts, and what they share while a session runs. Doesn't import LiveKit."""

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
    """What stand-in LLMs and TTSs do; None: the scripted parts' defaults."""

    replies: Replies | None = None
    ttft: Mapping[str, Delay] = field(default_factory=dict)
    """Time to first token by `model=`."""
    other_ttft: Delay | None = None
    """That of all other models."""
    first_audio: Delay | None = None


@dataclass(frozen=True)
class StoodIn:
    """Something that was replaced by a stand-in."""

    name: str
    by: str
    """What replaced it."""
    at: tuple[str, ...] = ()
    """Lines of the user's code that asked for it."""
    remarks: tuple[str, ...] = ()
    """What works differently because of the stand-in."""
    missed: tuple[str, ...] = ()
    """Where the real one was needed, so that an error was raised."""


class Restartable(Protocol):
    """A stand-in STT, LLM or TTS."""

    def restart(self) -> None:
        """Reset the part to its initial state."""


class SharedScript:
    """The script, the seed of the current session, and the parts made so far."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.seed = 0
        """Seed of the current session."""
        self.named: dict[str, StoodIn] = {}
        """What was replaced besides modules, in order."""
        self._parts: WeakSet[Restartable] = WeakSet()
        self._hearing: Hearing | None = None

    def begin(self, seed: int) -> None:
        """Begin a new session: reset all parts, since a module may keep them from one session to the next."""
        self.seed, self._hearing = seed, None
        for part in tuple(self._parts):
            part.restart()

    def made(self, part: Restartable) -> None:
        """Add a part that was made."""
        self._parts.add(part)

    @property
    def listens(self) -> bool:
        """Whether there is an STT that shares the caller's words."""
        return self._hearing is not None

    def hear_together(self, stt: ScriptedSTT) -> None:
        """Let an STT share the pending transcripts with the other STTs: each transcript is sent once.

        An agent's STT, those of a fallback adapter and those of later agents belong to one call.
        """
        if self._hearing is None:
            self._hearing = stt.hearing
        stt.hearing = self._hearing

    def name(self, what: str, by: str, remark: str = "") -> None:
        """Note that `by` replaces `what`, with the line of the user's code that asked for it."""
        known = self.named.get(what, StoodIn(what, by))
        place = users_place()
        at = known.at if place is None else tuple(sorted({*known.at, str(place)}))
        remarks = tuple(sorted({*known.remarks, *([remark] if remark else [])}))
        self.named[what] = StoodIn(what, known.by, at, remarks)

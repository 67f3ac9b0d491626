"""What is known of a session and its replies while a call is walked through."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...session.scripted.connection import Request
from ...session.scripted.usage import TtsRequest
from .prompts import Item
from .records import ReplyTimes
from .sentences import heard_text
from .services import Answer, Text
from .sound import Frames

IN_PROGRESS = "The tool call is still in progress."
"""LiveKit's output of a tool that works (generation.py, `_RUNNING_TOOL_PLACEHOLDER`)."""


class LookUp(NamedTuple):
    """The tool at work."""

    since_s: float
    call: Item
    output: Item


@dataclass(eq=False)
class Part:
    """What of a reply the TTS gets in one request, with what has become of it. Times in seconds."""

    text: Text
    request: Request | None = None
    """Of the TTS, once there is text for it."""
    open_s: float = 0.0
    sentence_s: float = math.inf
    frames: Frames | None = None
    forwarded: bool = False
    played: list[tuple[float, float]] = field(default_factory=list)
    """From when to when it was played before; nothing once it was played to its end."""

    @property
    def played_s(self) -> float:
        """How much of it was played, up to the last break."""
        return sum(until_s - since_s for since_s, until_s in self.played)

    def in_work(self, now_s: float) -> bool:
        """Whether the TTS was asked and hasn't sent all of it."""
        return self.request is not None and (self.frames is None or now_s < self.frames.done_s)

    def heard(self, until_s: float) -> str:
        """The words of it that count as heard by then."""
        if self.frames is None or not self.played:
            return ""
        audio_s = sum(self.frames.length_s)
        return heard_text(self.text.said, self.played, until_s, self.frames.done_s, audio_s)

    def sent(self, cut_s: float) -> TtsRequest:
        """What the TTS was sent, if the reply ended at `cut_s`."""
        pieces, done_s = (self.frames.taken, self.frames.done_s) if self.frames else ((), math.inf)
        characters = sum(count for since_s, count in pieces if since_s <= cut_s)
        return TtsRequest(self.sentence_s, characters, "discarded" if cut_s < done_s else "done")


@dataclass(eq=False)
class Begun:
    """One reply, with what has become of it so far. Times in seconds; infinity: not yet."""

    text: str
    """The user's words."""
    turn: int
    """How many messages of the user the conversation has with this one."""
    version: int
    """Of the conversation that it was begun with."""
    early: bool
    asked_s: float
    answer: Answer
    commit_s: float = math.inf
    let: bool = False
    """Whether the user has been silent since it was committed, or said: then it may be heard once current."""
    allowed_s: float = math.inf
    """From when on it may be heard."""
    filled: bool = False
    """Whether a filler is said, or won't be any more."""
    answered_by: Begun | None = None
    """Whose words are the agent's first in the conversation after the user's."""
    place: int = 0
    """Of the part that plays, or would next; their number once all were played."""
    heard_s: float = math.inf
    cut_s: float = math.inf
    """When it was interrupted, or given up."""
    look_up: LookUp | None = None
    """Its tool, once it was called."""
    found_s: float = math.inf
    """When the tool had its result."""
    after: Begun | None = None
    """The reply to that result."""
    playing_s: float | None = None
    """Since when it plays; None: it doesn't."""
    parts: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = tuple(Part(text) for text in self.answer.texts)

    @property
    def part(self) -> Part | None:
        """What plays, or would next."""
        return self.parts[self.place] if self.place < len(self.parts) else None

    @property
    def heard(self) -> str:
        """The words of a reply that was cut off that count as heard."""
        before = "".join(part.text.said for part in self.parts[: self.place])
        return before + self.part.heard(self.cut_s) if self.part is not None else ""

    @property
    def over(self) -> bool:
        """Whether it was interrupted, or never used."""
        return self.cut_s < math.inf

    @property
    def looks_up(self) -> bool:
        """Whether its tool is at work."""
        return self.look_up is not None and self.found_s == math.inf

    @property
    def belongs_s(self) -> float:
        """By which its words are in order: of `say` when it is heard, of a model since when it may be."""
        return self.allowed_s if self.answer.call is not None else self.heard_s

    def times(self, heard_s: float) -> ReplyTimes:
        """What is told of it: of what is said first if it asks for a tool, or else of the answer after it.

        `heard_s`: the agent's first sound after its commit.
        """
        last = self.after or self
        one = self.answered_by or (self if self.answer.said else last)
        asked = one if one.answer.call is not None else last
        first = one.parts[0] if one.parts else None
        audio_s = first.frames.ready_s[0] if first is not None and first.frames else math.inf
        return ReplyTimes(
            self.commit_s,
            self.text,
            self.early,
            asked.asked_s,
            asked.asked_s + asked.answer.first_s,
            math.inf if first is None else first.sentence_s,
            audio_s,
            heard_s,
            last.cut_s,
            heard_s if self.answer.query is None else self.after.heard_s if self.after else math.inf,
        )


@dataclass
class State:
    """A session at one moment."""

    words: str = ""
    """Of the turn's finals so far."""
    preflight: str = ""
    began_s: float | None = None
    """Newest start of the user's speech, since the last commit."""
    unheard: bool = True
    """Whether the user wasn't heard since the end of speech or final that leads to the next commit: only then
    does the commit end their speech (audio_recognition.py:1896)."""
    begun: int = 0
    """Replies begun since the last commit."""
    turns: int = 0
    """User messages in the conversation."""
    said: list[Item] = field(default_factory=list)
    """The conversation."""
    said_at: list[float] = field(default_factory=list)
    """When each item of it began, by which they are in order."""
    cut_off: list[tuple[Item, float]] = field(default_factory=list)
    """What replies that end at this moment leave in the conversation, from when on; not in it yet."""
    user_speaks: bool = False
    """Whether the user does, by the VAD."""
    silent: bool = True
    speaking: bool = False
    """Whether the agent is."""
    echo_until_s: float = math.inf
    paused: Begun | None = None
    paused_speaking: bool = False
    """Whether the agent was speaking when that was paused."""
    timeout_s: float = 0.0
    resuming: int = 0
    """The number of the newest wait for the end of a pause; any other is void."""
    current: Begun | None = None
    next: list[Begun] = field(default_factory=list)
    """What waits until nothing is current any more, in order."""
    ready: Begun | None = None
    """Begun before the commit."""
    working: Begun | None = None
    """Has said all it has to say, and waits for its tool."""
    looking_up: list[LookUp] = field(default_factory=list)
    """What tools are looking up, for whichever reply."""
    cut: Begun | None = None
    """The newest that was ended while it was current."""
    awaited: Begun | None = None
    """Was ended by a commit that waits for its tool."""
    held: list[tuple[float, str]] = field(default_factory=list)
    """The commits that wait: when they came, and their words."""
    foreseen: str | None = None
    """The words of the turn that were looked at for a look-up ahead."""
    ahead: tuple[str, float] | None = None
    """A look-up that was begun ahead, and when it has its result."""
    unanswered: Begun | None = None
    """The newest committed, until the agent's next words are in the conversation."""
    sounds_s: list[float] = field(default_factory=list)
    """When the agent begins to be heard, anew for each request to the TTS."""
    told: list[Begun] = field(default_factory=list)
    """Committed, in order."""
    spoken: list[tuple[Begun, Part]] = field(default_factory=list)
    """What the TTS was sent."""

    @property
    def version(self) -> int:
        """Of the conversation, which only grows."""
        return len(self.said)

    def add(self, item: Item, since_s: float) -> None:
        """The conversation has another item, where it belongs by when it began (`ChatContext.insert`)."""
        place = bisect_right(self.said_at, since_s)
        self.said.insert(place, item)
        self.said_at.insert(place, since_s)

    def prompted(self, further: Sequence[Item] = ()) -> list[Item]:
        """What a model is asked to go on with: the conversation, with a tool's call and a placeholder while
        it works (generation.py, `_inject_running_tool_calls`), and `further` items."""
        found = list(self.said)
        for one in reversed(self.looking_up):
            place = bisect_right(self.said_at, one.since_s)
            found[place:place] = [one.call, ("output", IN_PROGRESS)]
        return [*found, *further]

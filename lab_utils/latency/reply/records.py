"""What a reply's times are computed from, and what they are. Times: seconds of one axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple, get_args

TOGETHER_S = 1e-6
"""Moments no further apart are one: float seconds are inexact."""
Kind = Literal["preflight", "final", "spoken", "start", "window", "loud", "quiet", "end", "commit"]
"""Of the STT: preflight, final. Of the VAD: spoken, a window after one of speech where no speech has started;
start and end of speech; window, one whose speech has lasted `min_duration`; loud and quiet, a window that
makes the agent wait with its reply, or no longer. In the order of what happens at the same moment."""
_RANK = {kind: rank for rank, kind in enumerate(get_args(Kind))}


class Given(NamedTuple):
    """Something that happens whatever the agent says."""

    time_s: float
    """In whole nanoseconds."""
    rank: int
    kind: Kind
    text: str = ""
    """Of a transcript; of a commit, the turn's words."""

    @classmethod
    def at(cls, time_s: float, kind: Kind, text: str = "") -> Given:
        """What happens at a moment."""
        return cls(round(time_s, 9), _RANK[kind], kind, text)


def in_order(given: Iterable[Given]) -> list[Given]:
    """By time, and at the same nanosecond by the order of `Kind`."""
    return sorted(given, key=itemgetter(0, 1))


@dataclass(frozen=True)
class ReplyTimes:
    """One commit and what it led to; infinity for what didn't come."""

    commit_s: float
    text: str
    """The user's words that it answers."""
    early: bool
    """Whether the reply was begun before the commit."""
    asked_s: float = math.inf
    """The LLM is asked; after a tool that was called without a word of it, once more."""
    first_token_s: float = math.inf
    """Its first token."""
    sentence_s: float = math.inf
    """The TTS is sent the first sentence, or with a schedule the first word: of what is said first, which may
    be a filler."""
    audio_s: float = math.inf
    """The TTS's first audio."""
    heard_s: float = math.inf
    """The agent is heard: its first sound before the next commit, whatever it says."""
    cut_s: float = math.inf
    """The user's speech or the next commit ends it before its end."""
    answer_s: float = math.inf
    """The answer itself is heard, after what is said before a tool has answered."""


class NotCovered(ValueError):
    """The closed form doesn't hold for this; the message names what is in its way."""

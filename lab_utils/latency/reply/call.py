"""The replies of one call: from commits, transcripts and a VAD trace, with the drawn delays of its services.

Goal: the very times of a real session with `latency.ablation.measure`'s parts and the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.settings import Conditions, Settings
from ...core.timeline import frame_samples
from ...core.traces import SttEvent
from ...session.providers.schema import Providers
from ..ablation.scenario import call_centre
from ..techniques.choice import Techniques
from ..techniques.levers import lever_settings
from .records import TOGETHER_S, Given, ReplyTimes, in_order
from .scope import check_covered
from .services import Services
from .signals import Voice
from .usage import Usage
from .walk import Walk


@dataclass(frozen=True)
class Heard:
    """What of a call doesn't depend on the agent. Stream seconds from the session's first moment."""

    transcripts: Sequence[SttEvent]
    """Of the STT; those that aren't preflights or finals don't matter."""
    voice: Voice
    commits: Sequence[tuple[float, str]]
    """When each turn is committed, and its words."""


class Answered(NamedTuple):
    """The replies of a call, and what they used."""

    replies: list[ReplyTimes]
    usage: Usage


def answered(
    heard: Heard,
    settings: Settings,
    conditions: Conditions,
    techniques: Techniques,
    providers: Providers,
    seed: int,
) -> Answered:
    """The reply to each commit, in order, of a call in which the agent speaks first, and what that takes.

    `settings`: without the techniques' levers, which are applied here. `seed`: of the session's delays.
    Raises NotCovered for what isn't modelled (`scope`).
    """
    settings = lever_settings(settings, techniques.levers)
    check_covered(settings, conditions, techniques, providers)
    services = Services(providers, techniques, seed, call_centre())
    spoken = [one for one in heard.transcripts if one.kind in ("preflight", "final")]
    given = in_order(
        [
            *heard.voice.signals(settings, frame_samples(conditions.frame_duration)),
            *(Given.at(one.time_s, one.kind, one.text) for one in spoken),  # type: ignore[arg-type]
            *(Given.at(_after(time_s, spoken), "commit", text) for time_s, text in heard.commits),
        ]
    )
    walk = Walk(given, settings, services, early=techniques.streaming_stt)
    return Answered(walk.run(), walk.usage)


def _after(commit_s: float, spoken: Sequence[SttEvent]) -> float:
    """A commit at the moment of a final comes after it: float seconds are inexact."""
    together = (one.time_s for one in spoken if 0 <= one.time_s - commit_s < TOGETHER_S)
    return max(together, default=commit_s)

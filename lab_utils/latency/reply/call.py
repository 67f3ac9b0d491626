"""The replies of one call: from commits, transcripts and a VAD trace, with the drawn delays of its services.

Goal: the very times of a real session with `latency.ablation.measure`'s parts and the same seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.settings import Conditions, Settings
from ...core.timeline import Floats, frame_samples
from ...core.traces import SttEvent
from ...session.providers.schema import Providers
from ..ablation.scenario import call_centre
from ..techniques.choice import Techniques
from ..techniques.levers import lever_settings
from .records import Given, Kind, ReplyTimes
from .scope import check_covered
from .services import Services
from .signals import vad_signals
from .usage import Usage
from .walk import Walk

TOGETHER_S = 1e-6
ORDER: tuple[Kind, ...] = ("preflight", "final", "start", "window", "loud", "quiet", "end", "commit")
"""Of what happens at the same moment."""
_RANK = {kind: rank for rank, kind in enumerate(ORDER)}


@dataclass(frozen=True)
class Heard:
    """What of a call doesn't depend on the agent. Stream seconds from the session's first moment."""

    transcripts: Sequence[SttEvent]
    """Of the STT; those that aren't preflights or finals don't matter."""
    speech: Floats
    """The VAD's probability by window, shape=(windows,)."""
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
    spoken = [Given(one.time_s, one.kind, one.text) for one in heard.transcripts if one.kind in ORDER[:2]]
    given = in_order(
        [
            *spoken,
            *vad_signals(heard.speech, settings, frame_samples(conditions.frame_duration)),
            *(Given(_after(time_s, spoken), "commit", text) for time_s, text in heard.commits),
        ]
    )
    walk = Walk(given, settings, services, early=techniques.streaming_stt)
    return Answered(walk.run(), walk.usage)


def _after(commit_s: float, spoken: Sequence[Given]) -> float:
    """A commit at the moment of a final comes after it: float seconds are inexact."""
    together = (one.time_s for one in spoken if 0 <= one.time_s - commit_s < TOGETHER_S)
    return max(together, default=commit_s)


def in_order(given: Iterable[Given]) -> list[Given]:
    """By time, and at the same nanosecond by `ORDER`."""
    return sorted(given, key=lambda one: (round(one.time_s, 9), _RANK[one.kind]))

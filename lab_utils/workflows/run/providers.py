"""What a run takes from a provider profile: delays of parts that the user does not bring, and of stand-ins.

All are those of the profile's near region.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...core.settings import Conditions, Settings
from ...session.prepare import stt_timing
from ...session.providers.schema import Providers
from ...session.scripted.stt_plan import SttTiming
from ...session.stand_ins.script import Script
from ...session.user_parts import PartKind

_OF_THE_SESSION = ("end_of_speech", "utterance_gap_s", "end_time", "language")
"""What a provider profile doesn't tell of an STT's timing."""


def timing_of(settings: Settings, conditions: Conditions, providers: Providers | None) -> SttTiming:
    """The scripted STT's timing: the profile's delays with their spread, or one delay by the conditions."""
    usual = stt_timing(settings, conditions)
    if providers is None:
        return usual
    from ...session.scripted.from_provider import stt_timing_of  # imports LiveKit: not before a clock

    timing = stt_timing_of(providers.stt, providers.regions["near"])
    return timing.model_copy(update={name: getattr(usual, name) for name in _OF_THE_SESSION})


def with_simulated(
    parts: dict[PartKind, Callable[[], Any] | None], providers: Providers | None, seed: int
) -> dict[PartKind, Callable[[], Any] | None]:
    """The parts, with the profile's large model and its TTS where the user brings none."""
    if providers is None:
        return parts
    from ...session.scripted.from_provider import simulated_llm, simulated_tts

    near = providers.regions["near"]
    return {
        **parts,
        "llm": parts["llm"] or partial(simulated_llm, providers.large, near, seed=seed, prewarms=True),
        "tts": parts["tts"] or partial(simulated_tts, providers.tts, near, seed=seed, voice=None),
    }


def script_of(providers: Providers) -> Script:
    """How stand-ins for plug-ins answer: a model of the profile's small one's name as that, others as the
    large one. Connections, prompt caches and the reading of prompts are not simulated for them.
    """
    return Script(
        ttft={providers.small.model: providers.small.ttft, providers.large.model: providers.large.ttft},
        other_ttft=providers.large.ttft,
        first_audio=providers.tts.first_audio,
    )

"""The delays of a provider profile in one list, in the order of a turn."""

from __future__ import annotations

from typing import NamedTuple

from ...core.delays import Delay
from .schema import Origin, Providers


class Stage(NamedTuple):
    """One delay of a profile."""

    name: str
    """The delay's key in the profile, such as "large.ttft"."""
    does: str
    """What happens during the delay."""
    delay: Delay
    origin: Origin


def stages(providers: Providers) -> tuple[Stage, ...]:
    """Every delay of a turn. A stage that the profile lacks (such as preflight) is left out."""
    p, far = providers, providers.regions["far"]
    listed = (
        ("room.join", "room: join", p.room.join, p.room.origin_of("join")),
        ("stt.preflight", "STT: early transcript", p.stt.preflight, p.stt.origin_of("preflight")),
        ("stt.final", "STT: final transcript", p.stt.final, p.stt.origin_of("final")),
        ("stt.batch", "STT: batch request", p.stt.batch, p.stt.origin_of("batch")),
        ("judge.verdict", "judge: verdict", p.judge.verdict, p.judge.origin_of("verdict")),
        ("large.ttft", f"LLM {p.large.model}: first token", p.large.ttft, p.large.origin_of("ttft")),
        ("small.ttft", f"LLM {p.small.model}: first token", p.small.ttft, p.small.origin_of("ttft")),
        ("tool.latency", "tool: answer", p.tool.latency, p.tool.origin_of("latency")),
        ("tts.first_audio", "TTS: first audio", p.tts.first_audio, p.tts.origin_of("first_audio")),
        (
            "tts.connection.setup",
            "TTS: connection",
            p.tts.connection.setup,
            p.tts.connection.origin_of("setup"),
        ),
        ("regions.far", "far region: round trip", far.round_trip, far.origin_of("round_trip")),
    )
    return tuple(
        Stage(name, does, delay, origin) for name, does, delay, origin in listed if delay is not None
    )

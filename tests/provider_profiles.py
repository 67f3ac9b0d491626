"""Provider profiles for tests: one that says little, and hypothesis' of all kinds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lab_utils.core.delays import Delay
from lab_utils.session.providers.schema import (
    Connection,
    Judge,
    LlmProvider,
    Origin,
    PromptCache,
    Providers,
    Region,
    Room,
    Sourced,
    SttProvider,
    Tool,
    TtsProvider,
)

ORIGIN = Origin(source="a test")
CONNECTION = Connection(setup=Delay(0.1), origin=ORIGIN)


def small_profile(**others: Any) -> Providers:
    """A profile of constants, with the fields of `others` changed."""
    llm = LlmProvider(provider="a", model="b", ttft=Delay(0.3), connection=CONNECTION, origin=ORIGIN)
    fields: dict[str, Any] = {
        "name": "small",
        "stt": SttProvider(
            provider="a", model="b", final=Delay(0.3), first_partial=Delay(0.1), batch=Delay(0.5),
            connection=CONNECTION, origin=ORIGIN,
        ),
        "large": llm,
        "small": llm,
        "tts": TtsProvider(
            provider="a", model="b", first_audio=Delay(0.1), connection=CONNECTION, origin=ORIGIN
        ),
        "regions": {name: Region(round_trip=Delay(0.0), origin=ORIGIN) for name in ("near", "far")},
        "room": Room(join=Delay(0.1), origin=ORIGIN),
        "judge": Judge(verdict=Delay(0.4), origin=ORIGIN),
        "tool": Tool(latency=Delay(0.3), origin=ORIGIN),
    }  # fmt: skip
    return Providers(**fields | others)


def delays() -> st.SearchStrategy[Delay]:
    """Constants, zero among them, and log-normals."""
    spread = st.tuples(st.floats(1e-3, 30.0), st.floats(1.0, 2.0)).map(lambda d: Delay(d[0], d[0] * d[1]))
    return st.floats(0.0, 60.0).map(Delay) | spread


def profiles() -> st.SearchStrategy[Providers]:
    """Any profile that the schema accepts."""
    text = st.text(min_size=1, max_size=20)
    dates = st.none() | st.dates().map(lambda day: day.isoformat()) | st.sampled_from(["2026", "2026-08"])
    origins = st.builds(Origin, source=text, date=dates, note=st.text(max_size=20))

    def part(kind: type[Sourced], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        elsewhere = st.dictionaries(st.sampled_from(kind.figures()), origins, max_size=2)
        return st.builds(kind, origin=origins, origins=elsewhere, **fields)

    connections = part(Connection, setup=delays(), idle_s=st.floats(1.0, 600.0))
    prices = st.floats(0.0, 100.0)
    caches = part(
        PromptCache,
        min_tokens=st.integers(0, 4096),
        automatic=st.booleans(),
        read_price=st.none() | prices,
    )
    named = {"provider": text, "model": text, "connection": connections}
    llms = part(LlmProvider, **named, ttft=delays(), cache=st.none() | caches, input_price=prices)
    regions = part(Region, round_trip=delays())
    return st.builds(
        Providers,
        name=text,
        description=st.text(max_size=40),
        stt=part(
            SttProvider,
            **named,
            final=delays(),
            first_partial=delays(),
            preflight=st.none() | delays(),
            batch=delays(),
        ),
        large=llms,
        small=llms,
        tts=part(
            TtsProvider,
            **named,
            first_audio=delays(),
            price=prices,
            chunk_length_schedule=st.none() | st.lists(st.integers(50, 500), min_size=1).map(tuple),
        ),
        regions=st.fixed_dictionaries({"near": regions, "far": regions}),
        room=part(Room, join=delays()),
        judge=part(Judge, verdict=delays()),
        tool=part(Tool, latency=delays()),
    )

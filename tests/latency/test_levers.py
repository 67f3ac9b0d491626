"""The levers: what they are, what they set, and what they do in a real session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import astuple

import pytest
from ablation_tables import made_up
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import FlushSentinel, llm
from own_process import run_virtually
from paths import ROOT, SAMPLES

from lab_utils.core.settings import Settings
from lab_utils.latency.ablation.plan import (
    BASELINE,
    DEFAULT,
    LEVERS,
    alone,
    left_out,
    lever_configurations,
)
from lab_utils.latency.ablation.summary import summarize, waterfall
from lab_utils.latency.techniques import levers as described
from lab_utils.latency.techniques.choice import LEVER_NAMES, NAMES, parse_techniques
from lab_utils.latency.techniques.levers import (
    OPENING_RULE,
    PREAMBLE_RULE,
    SETTINGS,
    instructed,
    lever_settings,
    min_sentence_len,
)
from lab_utils.latency.techniques.token_streaming import flushed
from lab_utils.workflows.techniques import describe_levers


def test_each_lever_is_described_where_a_user_looks() -> None:
    assert tuple(described.LEVERS) == LEVER_NAMES
    assert all(len(part) > 5 for lever in described.LEVERS.values() for part in astuple(lever))
    page = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in LEVER_NAMES)
    assert len(describe_levers().frame) == len(LEVER_NAMES)


@given(st.sets(st.sampled_from(LEVER_NAMES)))
def test_a_lever_changes_its_own_setting_and_nothing_else(levers: set) -> None:
    given = Settings().replace(min_delay=0.4)
    changed = lever_settings(given, levers)
    assert (changed.vad, changed.detector, changed.endpointing) == (
        given.vad,
        given.detector,
        given.endpointing,
    )
    assert changed.interruption.resume_false_interruption == ("resume_false_interruption" not in levers)
    assert changed.preemptive.max_retries == (20 if "max_retries" in levers else 3)
    assert changed.preemptive.max_speech_duration == (60 if "max_speech_duration" in levers else 10)
    assert changed.preemptive.preemptive_tts == ("preemptive_tts" in levers)
    assert (changed == given) == (not levers & set(SETTINGS))
    assert min_sentence_len(levers) == (5 if "min_sentence_len" in levers else 20)
    told = instructed("Be brief.", levers)
    assert told.startswith("Be brief.")
    assert (OPENING_RULE in told, PREAMBLE_RULE in told) == (
        "short_opening" in levers,
        "tool_preamble" in levers,
    )


def test_levers_are_read_from_a_line_and_stay_with_their_techniques() -> None:
    chosen = parse_techniques("all", "max_retries, tool_filler")
    assert (chosen.on, chosen.levers) == (NAMES, frozenset({"max_retries", "tool_filler"}))
    assert chosen.without("tts_warmup").levers == chosen.levers
    assert parse_techniques("none", "all").levers == frozenset(LEVER_NAMES)
    with pytest.raises(ValueError, match="unknown lever 'teleport'; levers are resume_false_interruption, "):
        parse_techniques("none", "teleport")


def test_agents_differ_by_their_levers_alone() -> None:
    chosen = lever_configurations(automatic_cache=True)
    assert len(chosen) == 2 + 3 * len(LEVER_NAMES)
    assert all(one.on == NAMES for name, one in chosen.items() if name != DEFAULT)
    assert (chosen[BASELINE].levers, chosen[LEVERS.full].levers) == (frozenset(), frozenset(LEVER_NAMES))
    for name in LEVER_NAMES:
        assert chosen[alone(name)].levers == {name}
        assert chosen[left_out(name)].levers == set(LEVER_NAMES) - {name}


def test_savings_of_levers_are_those_that_were_put_in() -> None:
    found = summarize(*made_up(noise_s=0.0, family=LEVERS), family=LEVERS)
    assert not found.verdicts
    steps = waterfall(found)
    assert steps["name"].tolist() == [LEVERS.none, *LEVER_NAMES, DEFAULT]
    assert steps["saved_p50"].iloc[1:-1].tolist() == pytest.approx(
        [0.01 * place for place in range(1, len(LEVER_NAMES) + 1)]
    )


@pytest.mark.parametrize(
    ("tokens", "first"),
    [
        (["Of", " course", ".", " You", " owe", " 3", ".", "50", "."], "Of course."),
        (["Dr", ".", " Smith", " is", " here", ".", " Shall", " I", "?"], "Dr. Smith is here."),
        (["Your", " balance", " is", " 3", ".", "50", " euros", "."], None),  # one sentence
        (["Sure", ".", " Let", " me", "."], "Sure."),
        (["Sure. Let", " me", "."], None),  # both in one chunk
        ([], None),
    ],
)
def test_the_first_sentence_is_flushed_when_the_second_begins(tokens: list, first: str | None) -> None:
    async def chunks() -> AsyncGenerator[llm.ChatChunk, None]:
        for token in tokens:
            yield llm.ChatChunk(id="x", delta=llm.ChoiceDelta(role="assistant", content=token))
        yield llm.ChatChunk(
            id="x", usage=llm.CompletionUsage(completion_tokens=1, prompt_tokens=1, total_tokens=2)
        )

    async def run() -> list:
        return [chunk async for chunk in flushed(chunks())]

    came = asyncio.run(run())
    flushes = [place for place, chunk in enumerate(came) if isinstance(chunk, FlushSentinel)]
    said = [chunk.delta.content for chunk in came if isinstance(chunk, llm.ChatChunk) and chunk.delta]
    assert said == tokens
    assert came[-1].usage is not None
    if first is None:
        assert not flushes
    else:
        (place,) = flushes
        assert "".join(tokens[:place]) == first


@pytest.mark.slow
def test_whatever_the_levers_the_first_prompt_finds_what_other_calls_left_in_the_cache() -> None:
    """The tool and the instructions as this very agent tells them; cold, or with the time on top, nothing."""
    found = run_virtually(
        """
from lab_utils.latency.ablation.cells import Cell, Plan
from lab_utils.latency.ablation.earlier_calls import earlier_prompt
from lab_utils.latency.ablation.measure import _Parts
from lab_utils.latency.ablation.scenario import call_centre
from lab_utils.latency.techniques.choice import LEVER_NAMES, Techniques
from lab_utils.recordings.find import find_recordings
from lab_utils.session.providers.files import load_providers
from lab_utils.session.workers import run_watched
from lab_utils.core.settings import Conditions, Settings
from lab_utils.turns.tracing import default_cache

def first(techniques, providers):
    (files,) = find_recordings("SAMPLES/03_blocked_card.flac")
    settings = Settings().replace(detector="vad")
    plan = Plan(settings, Conditions(), providers, default_cache(), 0.0)
    parts = _Parts(plan, Cell(files, "x", techniques, 3))
    run_watched(parts.job())
    return parts.large.requests[0].read_tokens, len(earlier_prompt(techniques, call_centre()))

def main():
    guide, one = load_providers("guide"), Techniques.of("streaming_stt", "prefix_caching", "kv_cache_reuse")
    warm = [first(one.with_levers(*levers), guide) for levers in ((), LEVER_NAMES)]
    return warm, first(one, guide.with_cold_caches()), first(one.without("prefix_caching"), guide)
""".replace("SAMPLES", str(SAMPLES))
    )
    warm, cold, time_on_top = found
    for read, earlier in warm:
        assert earlier - 128 < read <= earlier  # OpenAI keeps whole steps of 128 tokens
    assert cold[0] == time_on_top[0] == 0


@pytest.mark.slow
def test_a_preamble_is_heard_before_the_tool_has_answered_and_the_answer_comes_no_sooner() -> None:
    """The same call under three agents: what is said ahead, and what a short first sentence is worth."""
    none, preamble, short, flush = run_virtually(
        """
from lab_utils.latency.ablation.cells import Cell, Plan
from lab_utils.latency.ablation.measure import measure
from lab_utils.recordings.find import find_recordings
from lab_utils.session.providers.files import load_providers
from lab_utils.core.settings import Conditions, Settings
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.turns.tracing import default_cache

def main():
    (files,) = find_recordings("SAMPLES/03_blocked_card.flac")
    plan = Plan(Settings(), Conditions(), load_providers("guide"), default_cache(), 7.0)
    short = ("min_sentence_len", "short_opening")
    levers = (), ("tool_preamble",), short, ("first_sentence_flush",)
    agents = [Techniques.everything().with_levers(*chosen) for chosen in levers]
    return [list(measure(plan, Cell(files, "x", agent, 3)).turns) for agent in agents]
""".replace("SAMPLES", str(SAMPLES))
    )
    tool = [place for place, turn in enumerate(none) if turn["tool"]]
    assert tool
    for place, (before, after) in enumerate(zip(none, preamble, strict=True)):
        if place in tool:
            assert after["turn_total_s"] < before["turn_total_s"] - 0.1
            assert after["answer_s"] > before["answer_s"]
        else:
            assert after["answer_s"] == after["turn_total_s"]
    by_llm = [place for place, turn in enumerate(none) if turn["answered_by"] in ("large", "small")]
    by_llm = [place for place in by_llm if place not in tool]
    assert all(short[place]["turn_total_s"] < none[place]["turn_total_s"] - 0.03 for place in by_llm)
    assert all(flush[place]["turn_total_s"] < none[place]["turn_total_s"] - 0.01 for place in by_llm)
    assert all(turn["answer_s"] == turn["turn_total_s"] for turn in flush)  # its second part is no answer

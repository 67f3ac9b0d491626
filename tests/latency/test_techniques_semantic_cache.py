"""The semantic cache: hits by meaning, never across tenants."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc

from lab_utils.latency.techniques.semantic_cache import Hit, SemanticCache

QUESTIONS = st.sampled_from(
    ["What are your hours?", "what are your hours", "Where is it?", "Is it open?", "?"]
)
TENANTS = st.sampled_from(["acme", "globex", "initech", "Acme", " "])


def frame(samples: int = 160) -> rtc.AudioFrame:
    return rtc.AudioFrame(bytes(2 * samples), 16_000, 1, samples)


@given(
    st.lists(st.tuples(TENANTS, st.text(min_size=1).filter(str.strip) | QUESTIONS)),
    TENANTS,
    st.text() | QUESTIONS,
)
def test_a_hit_never_crosses_tenants(stored: list[tuple[str, str]], asking: str, text: str) -> None:
    anything = SemanticCache(alike=lambda one, other: 1.0)  # the worst similarity there is
    for cache in (anything, SemanticCache(threshold=0.01)):
        for tenant, question in stored:
            cache.store(tenant, question, f"of {tenant}: {question}", [frame()])
        hit = cache.lookup(asking, text)
        if hit is not None:
            assert hit.tenant == asking
            assert hit.answer.startswith(f"of {asking}: ")
            cache.add_audio(hit, [frame(), frame()])
        others = {tenant for tenant, _ in stored if tenant != asking}
        if hit is not None and stored:
            for tenant in others:
                found = cache.lookup(tenant, text)
                assert found is None or len(found.audio) == 1
    assert (anything.lookup(asking, text) is None) == (asking not in [tenant for tenant, _ in stored])


def test_the_mistake_of_one_key_for_all_gives_away_what_others_were_told() -> None:
    cache = SemanticCache(one_key_for_all=True)
    cache.store("globex", "What is my balance?", "You owe nine dollars.")
    hit = cache.lookup("acme", "what is my balance")
    assert hit is not None
    assert hit.tenant == "globex"


def test_the_most_similar_question_of_those_above_the_threshold_answers() -> None:
    scores = {"far": 0.5, "near": 0.95, "nearer": 0.97}
    cache = SemanticCache(0.9, lambda text, question: scores[question])
    for question in scores:
        cache.store("acme", question, f"the answer to {question}")
    hit = cache.lookup("acme", "anything")
    assert hit is not None
    assert (hit.question, hit.similarity) == ("nearer", 0.97)
    strict = SemanticCache(0.98, lambda text, question: scores[question])
    strict.store("acme", "nearer", "no")
    assert strict.lookup("acme", "anything") is None


def test_a_question_stored_again_has_the_new_answer_and_no_old_audio() -> None:
    cache = SemanticCache()
    cache.store("acme", "Are you open?", "Yes.", [frame()])
    old = cache.lookup("acme", "Are you open?")
    assert old is not None
    cache.store("acme", "Are you open?", "Not today.")
    cache.add_audio(old, [frame()])  # of "Yes.", spoken meanwhile
    new = cache.lookup("acme", "Are you open?")
    assert new is not None
    assert (new.answer, new.audio) == ("Not today.", ())


def test_audio_comes_back_as_it_was_given() -> None:
    frames = [frame(), frame(80)]
    cache = SemanticCache()
    cache.store("acme", "Are you open?", "Yes.")
    hit = cache.lookup("acme", "Are you open?")
    assert hit is not None
    cache.add_audio(hit, frames)

    async def heard(hit: Hit) -> list[rtc.AudioFrame]:
        return [frame async for frame in hit.frames()]

    again = cache.lookup("acme", "Are you open?")
    assert again is not None
    assert asyncio.run(heard(again)) == frames


@given(st.integers(1, 4), st.integers(0, 8))
def test_a_tenant_keeps_its_newest_answers(kept: int, stored: int) -> None:
    cache = SemanticCache(alike=lambda one, other: float(one == other), per_tenant=kept)
    cache.store("globex", "first", "stays")
    for number in range(stored):
        cache.store("acme", f"question {number}", "answer")
    held = [number for number in range(stored) if cache.lookup("acme", f"question {number}")]
    assert held == list(range(stored))[-kept:]
    assert cache.lookup("globex", "first") is not None


def test_impossible_caches_and_entries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold is 1\.1; expected more than 0 and at most 1"):
        SemanticCache(1.1)
    with pytest.raises(ValueError, match="per_tenant is 0; expected 1 or more"):
        SemanticCache(per_tenant=0)
    with pytest.raises(ValueError, match="tenant is empty; expected the id of the customer"):
        SemanticCache().store("", "a", "b")
    with pytest.raises(ValueError, match="expected text in both"):
        SemanticCache().store("acme", "a", " ")

"""`interruption.min_words`: which commits are refused, and what becomes of the turn then."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents.tokenize.basic import split_words
from synthetic import complete, traced_of

from lab_utils.core.labels import Ipu, Labels, Word
from lab_utils.core.settings import Conditions, Settings, parse_settings
from lab_utils.core.traces import SttEvent
from lab_utils.turns.replay import Block, commit_times, replay
from lab_utils.turns.replay.refusals import word_count, word_times, words_by_pause

TEXTS = st.text(st.sampled_from("ab1 é.,…-'!?\u3042\u6f22\u0e01\u3002\u060c+$"), max_size=30)


@given(TEXTS)
def test_words_are_counted_as_livekit_counts_them(text):
    assert word_count(text) == len(split_words(text, split_character=True))


def call_of(seed: int) -> Labels:
    """A call in which caller and agent speak over each other much of the time; every word is known."""
    rng = np.random.default_rng(seed)
    ipus, words, t = [], [], 0.4
    while t < 24.0:
        n = int(rng.integers(1, 7))
        end = t + 0.3 * n
        ipus.append(Ipu("user", round(t, 3), round(end, 3)))
        words += [Word("user", t + 0.3 * k, t + 0.3 * (k + 1), f"w{k}") for k in range(n)]
        t = end + float(rng.choice([0.4, 0.7, 1.2, 2.4]))
    t = float(rng.uniform(0.0, 2.0))
    while t < 24.0:
        end = t + float(rng.uniform(0.5, 4.0))
        ipus.append(Ipu("agent", round(t, 3), round(end, 3)))
        t = end + float(rng.uniform(0.2, 3.0))
    ipus.sort(key=lambda ipu: ipu.start_s)
    return Labels(34.0, tuple(ipus), (), words=tuple(words), source="construction")


def settings_of(seed: int, min_words: int | None = None) -> tuple[Settings, Conditions]:
    rng = np.random.default_rng(seed)
    detector = ("vad", "stt", "v1-mini")[seed % 3]
    settings = parse_settings(
        {
            "detector": {"model": detector},
            "endpointing": {
                "mode": ("fixed", "dynamic")[int(rng.integers(2))],
                "min_delay": float(rng.choice([0.0, 0.3, 0.6])),
                "max_delay": 1.2,
            },
            "interruption": {"min_words": int(rng.integers(1, 8)) if min_words is None else min_words},
        }
    )
    conditions = Conditions(transcription_delay=float(rng.choice([0.0, 0.2, 0.9])), stt_silence=0.4)
    return settings, conditions


def finals_of(labels: Labels, seed: int) -> tuple[SttEvent, ...]:
    """One final for each stretch of the user's speech, late by chance, and END_OF_SPEECH after it."""
    rng = np.random.default_rng(seed)
    events = []
    for start, end in labels.spans("user").tolist():
        text = " ".join(one.text for one in labels.words if start <= one.middle_s <= end)
        at = round(end + float(rng.uniform(0.1, 1.5)), 4)
        events += [SttEvent(start + 0.1, "start_of_speech"), SttEvent(at, "final", text)]
        events.append(SttEvent(at, "end_of_speech"))
    return tuple(sorted(events, key=lambda event: event.time_s))


@pytest.mark.slow
@pytest.mark.parametrize("given_events", [False, True])
def test_replay_agrees_with_the_event_by_event_twin_and_refusals_are_met(given_events):
    refused = {"vad": 0, "stt": 0, "v1-mini": 0}
    for seed in range(45):
        labels = call_of(seed)
        settings, conditions = settings_of(seed)
        stt = finals_of(labels, seed) if given_events else None
        plain = settings_of(seed, min_words=0)[0]
        blocks = [Block.of(one, conditions) for one in (settings, plain)]
        recording = complete(traced_of(labels, seed=seed, tail_s=3.0), blocks, stt)
        fast = replay(recording, settings, conditions, stt=stt)
        slow = naive.replay(recording, settings, conditions, stt=stt)
        np.testing.assert_array_equal(
            commit_times(recording, [settings], conditions, stt=stt)[0], fast.time_s
        )
        assert fast.cause == slow.cause, seed
        np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(fast.probability, slow.probability)
        all_of_them = replay(recording, plain, conditions, stt=stt)
        refused[settings.detector.model] += len(set(all_of_them.time_s) - set(fast.time_s))
    assert min(refused.values()) >= 10, refused


def one_overlap(n_words: int, agent: tuple[float, float]) -> Labels:
    words = tuple(Word("user", 1.0 + 0.2 * k, 1.2 + 0.2 * k, "yes") for k in range(n_words))
    ipus = (Ipu("user", 1.0, 1.0 + 0.2 * n_words), Ipu("agent", *agent))
    ordered = tuple(sorted(ipus, key=lambda ipu: ipu.start_s))
    return Labels(8.0, ordered, (), words=words, source="construction")


def commits(labels: Labels, min_words: int, enabled: bool = True, detector: str = "vad") -> list[float]:
    settings = Settings().replace(detector=detector, min_delay=0.5)
    interruption = settings.interruption.model_copy(update={"min_words": min_words, "enabled": enabled})
    settings = settings.model_copy(update={"interruption": interruption})
    return list(replay(traced_of(labels, noise=0.0), settings).time_s)


@pytest.mark.parametrize("detector", ["vad", "stt"])
def test_too_few_words_while_the_agent_speaks_are_no_turn(detector):
    assert len(commits(one_overlap(2, (0.5, 6.0)), min_words=3, detector=detector)) == 0
    assert len(commits(one_overlap(3, (0.5, 6.0)), min_words=3, detector=detector)) == 1


def test_once_the_agent_is_silent_any_word_will_do():
    assert len(commits(one_overlap(2, (0.5, 1.4)), min_words=3)) == 1


def test_an_agent_that_cannot_be_interrupted_refuses_nothing():
    assert len(commits(one_overlap(2, (0.5, 6.0)), min_words=3, enabled=False)) == 1


def test_without_words_or_agent_it_says_what_to_do():
    labels = one_overlap(2, (0.5, 6.0))
    with pytest.raises(ValueError, match="lab transcribe"):
        commits(replace(labels, words=()), min_words=3)
    alone = replace(labels, ipus=tuple(ipu for ipu in labels.ipus if ipu.speaker == "user"))
    with pytest.raises(ValueError, match="channel"):
        commits(alone, min_words=3)
    assert len(commits(alone, min_words=0)) == 1


def test_only_words_of_the_user_count():
    ipus = (Ipu("user", 1.0, 3.0), Ipu("agent", 4.0, 5.0))
    words = (Word("user", 1.0, 1.4, "one"), Word("user", 1.4, 1.8, " "), Word("agent", 4.0, 4.4, "yes"))
    assert word_times(Labels(9.0, ipus, (), words)).tolist() == [1.2]


def test_words_of_a_text_without_times_are_spread_over_the_speech():
    labels = Labels(9.0, (Ipu("user", 1.0, 3.0, "one two"), Ipu("agent", 4.0, 5.0)), (), source="x")
    assert word_times(labels).tolist() == [1.5, 2.5]
    assert words_by_pause(word_times(labels), np.array([2.0, 3.1])).tolist() == [1, 1]
    single = replace(labels, ipus=(*labels.ipus, Ipu("user", 6.0, 7.0, "yes"), Ipu("user", 7.5, 8.0, "…")))
    assert word_times(single).tolist() == [1.5, 2.5, 6.5]

"""Replays of text detectors and extra delays against the event-by-event twin: on the tape, on branches, side
by side."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import (
    WAIT_SHAPES,
    Turn,
    complete,
    conditions_strategy,
    conversations,
    labels_of,
    stt_event_lists,
    traced_of,
    with_texts,
)

from lab_utils.core.labels import Ipu, Labels, agent_turns
from lab_utils.core.settings import Conditions, InterruptionSettings, Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.core.traces import Commits
from lab_utils.turns.replay import Block, MissingTexts, commit_times, replay, replay_branches
from lab_utils.turns.replay.said import Speech


@st.composite
def settings_strategy(draw: st.DrawFn) -> Settings:
    min_delay = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8]))
    interruption = InterruptionSettings(
        enabled=draw(st.booleans()), min_words=draw(st.sampled_from([0, 0, 3]))
    )
    mode = draw(st.sampled_from(["fixed", "dynamic"]))
    detector = draw(st.sampled_from(["english", "v1-mini", "own:mine"]))
    extra = st.sampled_from([0.0, 0.4, 1.3]) if mode == "fixed" else st.just(0.0)
    return Settings(interruption=interruption).replace(
        detector=detector,
        extra_delay_numbers=draw(extra),
        extra_delay_asked=draw(extra),
        wait_shape=draw(st.sampled_from([None, *WAIT_SHAPES])) if mode == "fixed" else None,
        min_silence_duration=draw(
            st.sampled_from([0.25, 0.3, 0.55] if detector != "english" else [0.1, 0.25, 0.55])
        ),
        min_delay=min_delay,
        max_delay=min_delay + draw(st.sampled_from([0.0, 0.5, 1.7])),
        endpointing_mode=mode,
        unlikely_threshold=draw(st.sampled_from([0.0, 0.36, 0.7])),
    )


def assert_equal(fast: Commits, slow: Commits) -> None:
    np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
    assert fast.cause == slow.cause


def speaks(labels: Labels) -> bool:
    return {"user", "agent"} <= {word.speaker for word in with_texts(labels).words}


@pytest.mark.slow
@given(conversations().filter(speaks), settings_strategy(), conditions_strategy(), st.sampled_from([0, 300]))
def test_replays_agree_with_the_twin_on_the_tape_and_on_branches(labels, settings, conditions, phase):
    traced = traced_of(with_texts(labels), offsets=[phase])
    recording = complete(traced, [Block.of(settings, conditions)])
    assert_equal(replay(recording, settings, conditions), naive.replay(recording, settings, conditions))
    slow = naive.waits(recording, settings, conditions)
    forks_s = {one.turn: one.from_sample / SAMPLE_RATE_HZ for one in recording.branches}
    for turn, (from_s, fast) in replay_branches(recording, settings, conditions).items():
        if any(a < forks_s[turn] < b for a, b in agent_turns(labels).tolist()):
            continue  # until the frame after the fork the replay takes the agent to speak on
        here = slow[turn][1]
        late = here.time_s >= from_s - 1e-9
        causes = tuple(cause for cause, is_late in zip(here.cause, late, strict=True) if is_late)
        after = fast.time_s >= from_s - 1e-9
        assert_equal(
            replace(fast, time_s=fast.time_s[after], cause=tuple(np.array(fast.cause)[after].tolist())),
            replace(here, time_s=here.time_s[late], cause=causes),
        )


@pytest.mark.slow
@given(conversations().filter(speaks), settings_strategy(), conditions_strategy(), st.data())
def test_replays_of_given_events_agree_with_the_twin(labels, settings, conditions, data):
    stt = data.draw(stt_event_lists(labels.duration_s))
    traced = traced_of(with_texts(labels))
    recording = complete(traced, [Block.of(settings, conditions)], stt)
    fast = replay(recording, settings, conditions, stt=stt)
    assert_equal(fast, naive.replay(recording, settings, conditions, stt=stt))


@pytest.mark.slow
@given(conversations().filter(speaks), st.lists(settings_strategy(), min_size=2, max_size=8))
def test_settings_side_by_side_commit_as_each_alone(labels, settings):
    recording = complete(traced_of(with_texts(labels)), [Block.of(one) for one in settings])
    together = commit_times(recording, settings)
    for times_s, one in zip(together, settings, strict=True):
        np.testing.assert_array_equal(times_s, replay(recording, one).time_s)


def test_waits_that_depend_on_nothing_the_agent_said_need_no_words_of_it() -> None:
    labels = with_texts(labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=1.0)] * 2))
    users = replace(labels, words=tuple(word for word in labels.words if word.speaker == "user"))
    numbers, asked = (Settings().replace(**{f"extra_delay_{name}": 0.4}) for name in ("numbers", "asked"))
    assert len(replay(complete(traced_of(users), [Block.of(numbers)]), numbers).time_s) > 0
    with pytest.raises(
        ValueError, match="depends on what the agent said, and the labels have no words of it"
    ):
        replay(traced_of(users), asked)


def test_a_text_detector_is_asked_nothing_before_words_have_come() -> None:
    labels = with_texts(labels_of([Turn(speech=(1.0,), pauses=(), gap=1.0, reply=1.0)] * 2))
    settings, late = Settings().replace(detector="english"), Conditions(transcription_delay=60.0)
    assert len(replay(traced_of(labels), settings, late).time_s) == 0
    with pytest.raises(MissingTexts):
        replay(traced_of(labels), settings)


def test_what_is_said_is_known_at_stream_times() -> None:
    """The stream begins half a second before the recording."""
    labels = Labels(9.0, (Ipu("user", 1.0, 2.0, "One."), Ipu("agent", 3.0, 4.0, "Which one?")), ())
    speech = Speech.of(labels, 0.5)
    assert speech.words_s.tolist() == [2.0]
    assert speech.agent_s.tolist() == [[3.5, 4.5]]
    assert [speech.ended(at_s) for at_s in (4.0, 4.4, 4.5)] == [0, 0, 1]

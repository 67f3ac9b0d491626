"""Learned delays against LiveKit's own `DynamicEndpointing`, many pairs at once."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents.voice.endpointing import DynamicEndpointing

from lab_utils.turns.replay.endpointing import Learners, agent_events, learned_min_delays
from lab_utils.turns.replay.records import Pauses

PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.125, 0.3, 0.75]), st.sampled_from([0.0, 0.25, 1.2, 3.0])),
    min_size=1,
    max_size=5,
).map(lambda pairs: (np.array([a for a, _ in pairs]), np.array([a + b for a, b in pairs])))


def pauses_of(utterances: list[tuple[float, float, float, float]]) -> Pauses:
    """From rows (speech start, START_OF_SPEECH, last speech, END_OF_SPEECH)."""
    table = np.array(utterances, dtype=float).reshape(-1, 4)
    return Pauses(
        speech_start_s=table[:, 0],
        start_of_speech_s=table[:, 1],
        last_speaking_s=table[:, 2],
        end_of_speech_s=table[:, 3],
        resume_s=np.append(table[1:, 1], np.inf)[: len(table)],
        predict_sample=np.zeros(len(table), dtype=np.int64),
        short_speech_s=np.zeros(0),
        opening_s=float(table[0, 1]) if len(table) else np.inf,
        stream_end_s=np.inf,
    )


def livekits(pauses: Pauses, agent: np.ndarray, min_delay: float, max_delay: float, alpha: float):
    """LiveKit's object told of one event after the other; its `min_delay` at each END_OF_SPEECH."""
    endpointing = DynamicEndpointing(min_delay=min_delay, max_delay=max_delay, alpha=alpha)
    events = []
    for start, end in agent.tolist():
        events += [(start, 1, "agent starts", start), (end, 0, "agent ends", end)]
    for i in range(len(pauses)):
        events.append((pauses.start_of_speech_s[i], 3, "user starts", pauses.speech_start_s[i]))
        events.append((pauses.end_of_speech_s[i], 2, "user ends", pauses.last_speaking_s[i]))
    learned, agent_speaks = [], False
    for _, _, event, about_s in sorted(events):
        if event == "agent starts":
            agent_speaks = True
            endpointing.on_start_of_agent_speech(started_at=about_s)
        elif event == "agent ends":
            agent_speaks = False
            endpointing.on_end_of_agent_speech(ended_at=about_s)
        elif event == "user starts":
            endpointing.on_start_of_speech(started_at=about_s, overlapping=agent_speaks)
        else:
            endpointing.on_end_of_speech(ended_at=about_s)
            learned.append(endpointing.min_delay)
    return learned


TICKS = 2048
"""Times are whole ticks of a binary fraction of a second, so that sums and differences are exact."""
some_ticks = st.one_of(st.integers(1, 5), st.sampled_from([256, 512, 1024]), st.integers(1, 5000))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Pauses, np.ndarray]:
    """The user's utterances, and an agent whose turns begin and end around them or anywhere."""
    rows, t = [], 0
    for _ in range(draw(st.integers(0, 8))):
        row = [t := t + draw(some_ticks) for _ in range(4)]
        rows.append(tuple(ticks / TICKS for ticks in row))
    moments = [round(x * TICKS) for row in rows for x in row] or [0]
    near = st.tuples(st.sampled_from(moments), st.one_of(st.integers(-5, 5), some_ticks)).map(sum)
    edges = sorted(draw(st.sets(near.filter(lambda tick: tick >= 0), max_size=12)))
    agent = np.array(edges[: len(edges) // 2 * 2], dtype=float).reshape(-1, 2) / TICKS
    return pauses_of(rows), agent


@pytest.mark.slow
@given(conversations(), PAIRS, st.sampled_from([0.1, 0.5, 0.9, 1.0]))
@hypothesis.settings(max_examples=5 * hypothesis.settings().max_examples)
def test_learned_delays_are_those_of_livekits_object(conversation, pairs, alpha):
    pauses, agent = conversation
    table = learned_min_delays(pauses, agent, *pairs, alpha)
    assert table.shape == (len(pauses), len(pairs[0]))
    for k, (low, high) in enumerate(zip(*pairs, strict=True)):
        np.testing.assert_array_equal(table[:, k], livekits(pauses, agent, float(low), float(high), alpha))


def learners(delays, alpha):
    return Learners(*(np.array([delay]) for delay in delays), alpha)


def hear_utterance(learners, pauses, i, agent):
    events = agent_events(agent)
    learners.user_starts(float(pauses.start_of_speech_s[i]), float(pauses.speech_start_s[i]), events)
    learners.user_ends(float(pauses.end_of_speech_s[i]), float(pauses.last_speaking_s[i]), events)


@given(conversations(), st.sampled_from([(0.0, 0.25), (0.3, 3.3), (0.75, 0.75)]), st.sampled_from([0.1, 0.9]))
def test_who_walks_through_the_events_learns_the_same(conversation, delays, alpha):
    pauses, agent = conversation
    table = learned_min_delays(pauses, agent, *(np.array([delay]) for delay in delays), alpha)
    walk, fixed = learners(delays, alpha), learners(delays, None)
    for i in range(len(pauses)):
        for one in (walk, fixed):
            hear_utterance(one, pauses, i, agent)
        assert walk.min_delay.tolist() == table[i].tolist()
        assert fixed.min_delay.tolist() == [delays[0]]


@given(conversations(), PAIRS, st.sampled_from([0.1, 0.9]), st.data())
def test_settings_that_part_and_meet_again_learn_what_each_would_alone(conversation, pairs, alpha, data):
    pauses, agent = conversation
    table = learned_min_delays(pauses, agent, *pairs, alpha)
    walk, places = Learners(*pairs, alpha), np.arange(len(pairs[0]))
    for i in range(len(pauses)):
        first = np.array(data.draw(st.lists(st.booleans(), min_size=len(places), max_size=len(places))), bool)
        parts = [walk.part(first), walk.part(~first)]
        for one in parts:
            hear_utterance(one, pauses, i, agent)
        assert parts[0].key == parts[1].key
        walk, places = parts[0].and_those_of(parts[1]), np.concatenate((places[first], places[~first]))
        assert walk.min_delay.tolist() == table[i, places].tolist()


def test_what_happens_to_the_agent_at_the_very_moment_comes_first():
    """The agent begins as START_OF_SPEECH comes: the user talks over it, and the pause was no turn's end."""
    pauses = pauses_of([(0.0, 0.125, 1.0, 1.25), (2.0, 2.125, 3.0, 3.25)])
    for agent in ([[2.125, 5.0]], [[1.5, 2.125]], [[3.25, 5.0]], [[1.25, 1.5]]):
        learner = learners((0.25, 2.0), 0.9)
        for i in range(2):
            hear_utterance(learner, pauses, i, np.array(agent))
        assert learner.min_delay.tolist()[0] == livekits(pauses, np.array(agent), 0.25, 2.0, 0.9)[-1]


def test_max_delay_bounds_what_is_learned_even_from_below_min_delay():
    """LiveKit takes such delays; fixed endpointing heeds `min_delay` alone."""
    pauses = pauses_of([(0.0, 0.1, 1.0, 1.3), (2.3, 2.4, 3.0, 3.3)])
    learned = learned_min_delays(pauses, NOBODY, np.array([2.0]), np.array([1.0]), 0.9)[:, 0]
    assert learned.tolist() == livekits(pauses, NOBODY, 2.0, 1.0, 0.9) == [1.0, 1.0]
    assert learners((2.0, 1.0), 0.9).min_delay.tolist() == [1.0]
    assert learners((2.0, 1.0), None).min_delay.tolist() == [2.0]


NOBODY = np.zeros((0, 2))
LOW, HIGH = np.array([0.3]), np.array([2.0])


def test_a_pause_without_the_agent_pulls_the_delay_towards_it():
    """0.9 of the old delay and 0.1 of the pause of 1.3 s."""
    pauses = pauses_of([(0.0, 0.1, 1.0, 1.3), (2.3, 2.4, 3.0, 3.3)])
    learned = learned_min_delays(pauses, NOBODY, LOW, HIGH, 0.9)
    np.testing.assert_allclose(learned[:, 0], [0.3, 0.9 * 0.3 + 0.1 * 1.3])


def test_a_pause_across_an_agents_turn_teaches_nothing():
    pauses = pauses_of([(0.0, 0.1, 1.0, 1.3), (2.3, 2.4, 3.0, 3.3)])
    learned = learned_min_delays(pauses, np.array([[1.5, 2.2]]), LOW, HIGH, 0.9)
    assert learned[:, 0].tolist() == [0.3, 0.3]


def test_an_agent_interrupted_at_once_teaches_the_pause_it_cut_short():
    """The user goes on 0.2 s after the agent began and while it speaks: the pause of 1.0 s was a hold."""
    pauses = pauses_of([(0.0, 0.1, 1.0, 1.3), (2.0, 2.1, 3.0, 3.3)])
    learned = learned_min_delays(pauses, np.array([[1.8, 5.0]]), LOW, HIGH, 0.9)
    np.testing.assert_allclose(learned[:, 0], [0.3, 0.9 * 0.3 + 0.1 * 1.0])


TICK = 1 / 1024


@pytest.mark.parametrize(
    ("agent_s", "resumes_s", "learns"),
    [
        (1.5, 1.5 + 0.25, True),
        (1.5, 1.5 + 0.25 + TICK, False),
        (1.0 + 2.0, 3.125, True),
        (1.0 + 2.0 + TICK, 3.125, False),
        (1.0, 1.125, False),
        (1.5, 1.5, False),
    ],
)
def test_an_interruption_teaches_if_it_comes_within_min_delay_and_its_turn_within_max_delay(
    agent_s, resumes_s, learns
):
    """0.25 s and 2.0 s, both included; binary fractions, so the sums are exact."""
    pauses = pauses_of([(0.0, 0.1, 1.0, 1.0 + TICK), (resumes_s, resumes_s + TICK, 4.0, 4.3)])
    agent = np.array([[agent_s, 8.0]])
    learned = learned_min_delays(pauses, agent, np.array([0.25]), HIGH, 0.9)[:, 0]
    expected = 0.9 * 0.25 + 0.1 * (resumes_s - 1.0) if learns else 0.25
    np.testing.assert_allclose(learned, [0.25, expected])
    assert learned.tolist() == livekits(pauses, agent, 0.25, 2.0, 0.9)


@pytest.mark.parametrize("pause_s", [0.01, 50.0])
def test_the_learned_delay_stays_between_the_two_delays(pause_s):
    rows = [(k * 100.0, k * 100.0, k * 100.0 + 100.0 - pause_s, k * 100.0 + 99.99) for k in range(30)]
    learned = learned_min_delays(pauses_of(rows), NOBODY, LOW, HIGH, 0.5)
    assert np.all((learned >= 0.3) & (learned <= 2.0))
    assert learned[-1, 0] == (0.3 if pause_s < 0.3 else 2.0)


def test_what_is_learned_leaves_the_given_delays_alone():
    low = LOW.copy()
    learned_min_delays(pauses_of([(0.0, 0.1, 1.0, 1.3), (2.3, 2.4, 3.0, 3.3)]), NOBODY, low, HIGH, 0.9)
    assert low.tolist() == LOW.tolist()

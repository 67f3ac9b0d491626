"""The vectorised replay against its event-by-event twin, and its semantics on hand-made traces."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.records import EotTrace, Ipu, Labels, Traced, VadTrace
from lab_utils.replay import Block, MissingPredictions, commits_of, decide, find_pauses, replay
from lab_utils.settings import Settings
from lab_utils.timeline import frame_samples


def probability_of(start: int, end: int) -> float:
    """A stand-in detector: a fixed pseudo-random number for each stretch of audio."""
    return (start * 7919 + end * 104_729) % 10_007 / 10_006


def traced(windows: list[float], phase_samples: int = 0, agent: list[tuple[float, float]] = ()) -> Traced:
    duration_s = len(windows) * 0.032
    trace = VadTrace("livekit", phase_samples, np.array(windows))
    ipus = tuple(Ipu("agent", start, end) for start, end in agent)
    return Traced("x", "x", "0", duration_s, Labels(duration_s, ipus, ()), {"livekit": (trace,)}, (EotTrace(),), 0.0)


def with_predictions(recording: Traced, settings: Settings) -> Traced:
    """The recording with every prediction the replay asks for."""
    while True:
        try:
            replay(recording, settings)
            return recording
        except MissingPredictions as missing:
            p = [probability_of(int(a), int(b)) for a, b in zip(missing.starts, missing.ends, strict=True)]
            more = recording.eot[0].merged(EotTrace(missing.starts, missing.ends, np.array(p)))
            recording = Traced(**{**recording.__dict__, "eot": (more,)})


@st.composite
def speech_traces(draw: st.DrawFn) -> list[float]:
    """Alternating stretches of loud, doubtful and silent windows, with single-window blips."""
    level = st.sampled_from([0.05, 0.05, 0.4, 0.6, 0.95, 0.95])
    runs = draw(st.lists(st.tuples(level, st.integers(1, 40)), min_size=1, max_size=40))
    return [p for p, n in runs for _ in range(n)] + [0.0] * 20


@st.composite
def settings_strategy(draw: st.DrawFn) -> Settings:
    detector = draw(st.sampled_from(["vad", "v1-mini"]))
    min_delay = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8]))
    return (
        Settings()
        .replace(
            detector=detector,
            activation_threshold=draw(st.sampled_from([0.3, 0.5, 0.7])),
            deactivation_threshold=draw(st.sampled_from([None, 0.2, 0.45])),
            min_speech_duration=draw(st.sampled_from([0.0, 0.05, 0.1, 0.2])),
            min_silence_duration=draw(st.sampled_from([0.25, 0.3, 0.55] if detector == "v1-mini" else [0.0, 0.1, 0.5])),
            min_delay=min_delay,
            max_delay=min_delay + draw(st.sampled_from([0.0, 0.5, 1.7])),
            endpointing_mode=draw(st.sampled_from(["fixed", "dynamic"])),
            unlikely_threshold=draw(st.sampled_from([0.0, 0.36, 0.7])),
            transcription_delay=draw(st.sampled_from([0.0, 0.05, 0.27, 0.4, 0.9, 2.0])),
        )
        .model_copy(
            update={
                "conditions": Settings().conditions.model_copy(
                    update={
                        "frame_duration": draw(st.sampled_from([0.01, 0.02, 0.032, 0.05])),
                        "prediction_delay": draw(st.sampled_from([0.0, 0.04, 0.3])),
                    }
                )
            }
        )
    )


@st.composite
def agent_spans(draw: st.DrawFn) -> list[tuple[float, float]]:
    edges = sorted(draw(st.lists(st.integers(1, 4000), max_size=6, unique=True)))
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=False)]


def with_delay(settings: Settings, name: str, value: float) -> Settings:
    return settings.model_copy(update={"conditions": settings.conditions.model_copy(update={name: value})})


@given(speech_traces(), settings_strategy(), agent_spans(), st.sampled_from([0, 128, 300]))
def test_replay_agrees_with_the_event_by_event_twin(windows, settings, agent, phase_samples):
    recording = with_predictions(traced(windows, phase_samples, agent), settings)
    fast, slow = replay(recording, settings), naive.replay(recording, settings)
    assert fast.cause == slow.cause
    np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(fast.probability, slow.probability)


@given(speech_traces(), settings_strategy(), agent_spans(), st.data())
def test_a_block_of_settings_gives_each_setting_what_it_gets_alone(windows, base, agent, data):
    """Settings of one block share their work; none may feel the others."""
    changes = data.draw(
        st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.8]), st.sampled_from([0.0, 0.6, 1.5]), st.sampled_from([0.2, 0.6])), min_size=1, max_size=6)
    )
    block_settings = [base.replace(min_delay=a, max_delay=a + b, unlikely_threshold=t) for a, b, t in changes]
    recording = traced(windows, 0, agent)
    for settings in block_settings:
        recording = with_predictions(recording, settings)
    block = Block.of(base)
    block = Block(**{**block.__dict__, "threshold": np.array([s.detector.unlikely_threshold for s in block_settings]),
                     "min_delay": np.array([s.endpointing.min_delay for s in block_settings]),
                     "max_delay": np.array([s.endpointing.max_delay for s in block_settings])})
    from lab_utils.replay import agent_turns
    pauses = find_pauses(recording.vad["livekit"][0], base.vad, frame_samples(base.conditions.frame_duration))
    decisions = decide(pauses, recording.eot[0], agent_turns(recording.labels), block)
    for k, settings in enumerate(block_settings):
        together, alone = commits_of(decisions, k, base.detector.model, 0.0), replay(recording, settings)
        assert together.cause == alone.cause
        np.testing.assert_array_equal(together.time_s, alone.time_s)

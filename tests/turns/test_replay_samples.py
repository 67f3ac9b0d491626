"""Sample calls under drawn settings, against the twins: the VAD as it really wavers, on tapes and branches.

Only the detector is a stand-in, which answers with the thresholds themselves more often than a real one does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import naive
import numpy as np
import pytest
from paths import SAMPLES
from synthetic import WAIT_SHAPES, complete
from turns.test_branches import assert_branches_agree, assert_tape_agrees

from lab_utils.core.labels import agent_turns
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import frame_samples
from lab_utils.core.traces import EotTrace, Traced
from lab_utils.recordings.find import find_recordings
from lab_utils.turns.metrics import labelled_pauses
from lab_utils.turns.metrics.setting_counts import setting_counts
from lab_utils.turns.replay import Block, counted_words, decide, find_rows, replay, stt_events_for
from lab_utils.turns.tracing import trace_recordings

pytestmark = pytest.mark.slow

N_CALLS = 2
N_SETTINGS = {"vad": 10, "v1-mini": 10, "stt": 4}
"""Restarts of a VAD, which `stt` mode leads to, are slow to make."""


@pytest.fixture(scope="module")
def calls() -> list[Traced]:
    """The first calls of the demo at two takes, whose traces come with the package."""
    files = [
        find_recordings(path)[0] for path in sorted((SAMPLES / "calls" / "demo").glob("*.flac"))[:N_CALLS]
    ]
    found = list(trace_recordings(files, [Block.of(Settings())], phases=2, jobs=1, quiet=True))
    return [replace(one, eot=tuple(EotTrace() for _ in one.eot)) for one in found if isinstance(one, Traced)]


def drawn(detector: str, rng: np.random.Generator) -> tuple[Settings, Conditions]:
    low = float(rng.choice([0.0, 0.1, 0.3, 0.5, 2.0]))
    settings = Settings().replace(
        detector=detector,
        activation_threshold=float(rng.choice([0.3, 0.5, 0.7])),
        deactivation_threshold=rng.choice([None, 0.2]),
        min_speech_duration=float(rng.choice([0.0, 0.05, 0.2])),
        min_silence_duration=float(rng.choice([0.25, 0.3, 0.55])),
        min_delay=low,
        max_delay=low + float(rng.choice([0.0, 0.3, 1.0, 4.0])),
        endpointing_mode=str(rng.choice(["fixed", "fixed", "dynamic"])),
        unlikely_threshold=float(rng.choice([0.2, 0.36, 0.65])),
    )
    if settings.endpointing.mode == "fixed" and detector == "v1-mini" and rng.random() < 0.3:
        settings = settings.replace(wait_shape=WAIT_SHAPES[0])
    least = int(rng.choice([0, 0, 0, 3]))
    spoken_over = settings.interruption.model_copy(update={"min_words": least})
    settings = settings.model_copy(update={"interruption": spoken_over})
    return settings, Conditions(
        transcription_delay=float(rng.choice([0.0, 0.35, 1.0])),
        prediction_delay=float(rng.choice([0.0, 0.04, 0.3])),
        frame_duration=float(rng.choice([0.01, 0.02, 0.05])),
        stt_silence=float(rng.choice([0.3, 0.5, 0.8])),
        stt_tells_end=bool(rng.random() < 0.5),
    )


def assert_counts_agree(
    traced: Traced, settings: Settings, conditions: Conditions, phase: int
) -> Counter[str]:
    """The counts of a sweep are those of the definitions, commit by commit; what was counted."""
    block, labels = Block.of(settings, conditions), traced.labels
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / 16_000
    rows = find_rows(traced, block.vad, phase, frame_samples(conditions.frame_duration))
    heard = stt_events_for(block, labels, offset_s, None)
    agent_s, on_take = agent_turns(labels) + offset_s, block.on(traced, offset_s)
    words_s = counted_words(on_take, labels, offset_s)
    decisions = decide(rows, traced.eot[phase], agent_s, on_take, heard, trace, words_s)
    found = setting_counts(decisions, labelled_pauses(labels, traced.tail_s), offset_s, np.array([8.0]))
    commits, waits = (
        replay(traced, settings, conditions, phase),
        naive.waits(traced, settings, conditions, phase),
    )
    slow = naive.score(labels, commits, traced.tail_s, branches=waits)
    names = ("holds_cut", "turns_cut", "turns_cut_at_most", "cut_offs_cut", "in_no_label", "timeouts")
    for name in (*names, "backchannels_hit"):
        assert getattr(found, name)[0] == getattr(slow, name), name
    np.testing.assert_allclose(found.latency_s[:, 0], slow.latencies_s, atol=1e-9)
    return Counter({name: int(getattr(slow, name)) for name in names} | {"missed": slow.missed})


@pytest.mark.parametrize("detector", ["vad", "v1-mini", "stt"])
def test_sample_calls_under_drawn_settings_are_what_the_twins_say(calls: list[Traced], detector: str) -> None:
    assert len(calls) == N_CALLS
    reached: Counter[str] = Counter()
    for seed in range(N_SETTINGS[detector]):
        settings, conditions = drawn(detector, np.random.default_rng([seed, len(detector)]))
        phase = seed % 2
        for call in calls:
            traced = complete(call, [Block.of(settings, conditions)])
            fast = assert_tape_agrees(traced, settings, conditions, phase)
            slow = naive.replay(traced, settings, conditions, phase)
            np.testing.assert_array_equal(fast.probability, slow.probability)
            reached["commit of a branch"] += assert_branches_agree(traced, settings, conditions, phase)
            reached.update(fast.cause)
            reached.update(assert_counts_agree(traced, settings, conditions, phase))
    needed = {"commit of a branch", "holds_cut", "turns_cut"} | {
        "vad": {"vad", "in_no_label"}, "stt": {"stt"}, "v1-mini": {"detector", "max_delay", "timeouts"},
    }[detector]  # fmt: skip
    assert {what for what in needed if not reached[what]} == set(), dict(reached)

"""What recordings tell of themselves: their language, and their session's own final transcripts."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pandas as pd
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.languages import by_language
from lab_utils.core.recording import ObservedTurn, Provenance, Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.core.traces import Traced
from lab_utils.turns import grid
from lab_utils.turns.metrics import labelled_pauses
from lab_utils.turns.replay import Block, blocks_of, commit_times, replay, replay_branches
from lab_utils.turns.sweep import Corpus, sweep

SEEDS = range(30)
CONDITIONS = Conditions(transcription_delay=0.2)


def call(seed: int, noise: float = 0.1) -> tuple[Traced, np.random.Generator]:
    """A call of three turns, each with a hold, whose session tells most of its finals."""
    rng = np.random.default_rng(seed)
    turns = [Turn((1.0, 1.2), ((0.7, "hold"),), gap=1.0, reply=1.0, rest=0.4) for _ in range(3)]
    recording = traced_of(labels_of(turns), seed=seed, offsets=(0, 300), noise=noise)
    ends_s = labelled_pauses(recording.labels).start_s[rng.random(6) < 0.8]
    ends_s = ends_s + rng.normal(0.0, 0.12, len(ends_s))
    finals = np.stack((ends_s, ends_s + rng.choice([0.05, 0.3, 0.8, 1.5], len(ends_s))), axis=1)
    return replace(recording, finals=finals[np.argsort(finals[:, 0])]), rng


def settings_of(rng: np.random.Generator) -> Settings:
    detector = str(rng.choice(["vad", "v1-mini"]))
    threshold = 0.36 if rng.random() < 0.3 else {"en": 0.2, "de": 0.65}
    return Settings().replace(detector=detector, unlikely_threshold=threshold, min_delay=0.4)


@pytest.mark.slow
def test_the_twin_agrees_on_told_finals_and_languages() -> None:
    moved = 0
    for seed in SEEDS:
        recording, rng = call(seed)
        recording = replace(recording, language=str(rng.choice(["", "de", "ko"])))
        settings, conditions = settings_of(rng), CONDITIONS.replace(language="de")
        recording = complete(recording, [Block.of(settings, conditions)])
        for phase in (0, 1):
            fast = replay(recording, settings, conditions, phase)
            slow = naive.replay(recording, settings, conditions, phase)
            np.testing.assert_allclose(fast.time_s, slow.time_s, rtol=0, atol=1e-9)
            assert fast.cause == slow.cause
        untold = complete(replace(recording, finals=np.zeros((0, 2))), [Block.of(settings, conditions)])
        moved += replay(untold, settings, conditions).time_s.tolist() != fast.time_s.tolist()
    assert moved > 20, "the told finals hardly ever moved a commit"


def test_a_told_final_is_taken_as_it_was_and_others_after_the_assumed_delay() -> None:
    recording, _ = call(0)
    recording = replace(recording, finals=np.array([[100.0, 101.0]]))
    settings = Settings().replace(detector="vad", min_delay=0.0)
    recording = complete(recording, [Block.of(settings, CONDITIONS)])
    usual = replay(recording, settings, CONDITIONS)
    last_s = float(usual.last_speaking_s[0])
    told = replace(recording, finals=np.array([[last_s + 0.2, last_s + 0.55]]))
    commits = replay(complete(told, [Block.of(settings, CONDITIONS)]), settings, CONDITIONS)
    assert commits.time_s[0] == pytest.approx(last_s + 0.55)
    np.testing.assert_array_equal(commits.time_s[1:], usual.time_s[1:])
    far = replace(recording, finals=np.array([[last_s + 0.3, last_s + 0.55]]))
    assert replay(far, settings, CONDITIONS).time_s.tolist() == usual.time_s.tolist()


def test_a_branch_hears_the_told_finals_of_what_was_said_before_it() -> None:
    settings = Settings().replace(detector="vad", min_delay=0.0)
    recording, _ = call(1, noise=0.0)
    labelled = labelled_pauses(recording.labels)
    ends_s = labelled.start_s[labelled.ends_of_turn]
    recording = replace(recording, finals=np.stack((ends_s, ends_s + 2.9), axis=1))
    recording = complete(recording, [Block.of(settings, CONDITIONS)])
    branches = replay_branches(recording, settings, CONDITIONS)
    assert branches
    for turn, (from_s, commits) in branches.items():
        assert from_s < ends_s[turn] + 2.9, "the final comes on the branch"
        assert np.isclose(commits.time_s, ends_s[turn] + 2.9).any()


@pytest.mark.slow
def test_a_sweep_scores_each_recording_in_its_own_language() -> None:
    values = [0.3, {"en": 0.65, "de": 0.1}, 0.36]
    table, impossible = grid.expand({"unlikely_threshold": values, "min_delay": [0.3, 0.6]})
    assert (len(table), impossible) == (6, 0)
    conditions = CONDITIONS
    blocks = [block for _, block in blocks_of(table, conditions, 100)]
    german = complete(replace(call(3)[0], language="de", name="german"), blocks)
    english = complete(replace(call(4)[0], name="english"), blocks)
    corpus = Corpus.of([german, english])
    result = sweep(corpus, table, conditions, quiet=True)
    every = [grid.settings_of(dict(row)) for _, row in result.table[list(table.columns)].iterrows()]
    assert every[2].detector.unlikely_threshold == by_language(values[1])
    for row, settings in enumerate(every):
        for one in (german, english):
            alone = settings.replace(unlikely_threshold=settings.detector.threshold_in(one.language))
            if alone.detector.unlikely_threshold == 0.36:
                continue  # which would stand for LiveKit's calibration again
            plain = replace(one, language="")
            assert (
                replay(one, settings, conditions).time_s.tolist()
                == replay(plain, alone, conditions).time_s.tolist()
            )
        (found,) = commit_times(german, [settings], conditions)
        assert found.tolist() == replay(german, settings, conditions).time_s.tolist()
        assert result.table["false_boundary_rate"][row] == result.table["false_boundary_rate"][row]
    rates = [
        float(sweep(Corpus.of([one]), table, conditions, quiet=True).table["latency_mean"][2])
        for one in (german, english)
    ]
    assert rates[0] < rates[1], "0.1 accepts what 0.65 refuses"


def test_a_recording_tells_its_language_and_finals() -> None:
    turns = (
        ObservedTurn("user", 5.0, 6.0, stages={"transcription_delay": 0.4}),
        ObservedTurn("user", 1.0, 2.0, stages={"transcription_delay": 0.3}),
        ObservedTurn("user", 7.0, None, stages={"transcription_delay": 0.3}),
        ObservedTurn("agent", 3.0, 4.0, stages={"transcription_delay": 0.3}),
    )
    provenance = Provenance("livekit_report", turns, details={"language": "pt-BR"})
    silence = np.zeros(SAMPLE_RATE_HZ, dtype=np.int16)
    recording = Recording("a", "a.wav", silence, None, "0", provenance=provenance)
    assert recording.finals.tolist() == [[2.0, 2.3], [6.0, 6.4]]
    assert recording.language == "pt"
    labels = replace(labels_of([]), language="de")
    assert replace(recording, labels=labels).language == "de"
    assert Recording("a", "a.wav", silence, None, "0").language == ""


@pytest.mark.slow
def test_a_table_with_thresholds_by_language_is_stored_and_read_again(tmp_path) -> None:
    table, _ = grid.expand(
        {"unlikely_threshold": [0.3, {"de": 0.4, "en": 0.5}], "detector": ["vad", "v1-mini"]}
    )
    assert len(table) == 3  # idle with plain VAD
    grid.storable(table).to_parquet(tmp_path / "a.parquet")
    again = grid.restored(pd.read_parquet(tmp_path / "a.parquet"))
    for row in range(3):
        assert grid.settings_of(dict(again.iloc[row])) == grid.settings_of(dict(table.iloc[row]))
    plain, _ = grid.expand({"unlikely_threshold": [0.3, 0.4]})
    assert grid.storable(plain)["unlikely_threshold"].dtype == np.float64
    assert grid.restored(plain)["unlikely_threshold"].dtype == np.float64

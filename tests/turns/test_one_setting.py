"""One setting on all recordings at once, beside the sweep's own way: recording by recording, take by take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from synthetic import (
    Turn,
    complete,
    conditions_strategy,
    conversations,
    labels_of,
    settings_strategy,
    traced_of,
)

from lab_utils.core.labels import Labels
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.traces import EotTrace
from lab_utils.turns.metrics import figures
from lab_utils.turns.one_setting import CorpusPauses, CorpusPredictions, Outcome, can_score, score
from lab_utils.turns.replay import Block, MissingTraces, find_all_rows, find_rows
from lab_utils.turns.replay.state_machine import reached, run_length
from lab_utils.turns.sweep import Corpus, score_one


def corpus_of(conversations: list[Labels], settings: Settings, conditions: Conditions) -> Corpus:
    made = [
        traced_of(labels, name=f"call {k}", seed=k, offsets=(0, 256), tail_s=9.0, noise=0.04)
        for k, labels in enumerate(conversations)
    ]
    return Corpus.of([complete(one, [Block.of(settings, conditions)]) for one in made])


def scored(corpus: Corpus, settings: Settings, conditions: Conditions) -> Outcome:
    rows = CorpusPauses.of(corpus, settings.vad, conditions.frame_duration)
    assume(can_score(rows, settings, conditions))
    return score(corpus, rows, CorpusPredictions.of(corpus, rows), settings, conditions)


def early(settings: Settings, conditions: Conditions) -> tuple[Settings, Conditions]:
    """The same with transcripts that come in time, as `can_score` wants them."""
    detector = "vad" if settings.detector.model == "stt" else settings.detector.model
    silence_s = settings.vad.min_silence_duration
    return (
        settings.replace(detector=detector, endpointing_mode="fixed"),
        conditions.replace(transcription_delay=min(conditions.transcription_delay, 0.9 * silence_s)),
    )


@given(conversations(), settings_strategy())
def test_takes_that_are_segmented_together_have_the_pauses_that_each_has_alone(
    call: Labels, settings: Settings
) -> None:
    traced = traced_of(call, offsets=(0, 256, 300), tail_s=9.0, noise=0.04)
    together = find_all_rows(traced, settings.vad, 800)
    assert len(together) == traced.phases
    for phase, rows in enumerate(together):
        alone = find_rows(traced, settings.vad, phase, 800)
        assert_same(rows.pauses, alone.pauses)
        assert_same(rows.tape, alone.tape)
        np.testing.assert_array_equal(rows.branch, alone.branch)
        np.testing.assert_array_equal(rows.shift, alone.shift)
        for one, other in zip(rows.branches, alone.branches, strict=True):
            assert_same(one.own, other.own)
            assert (one.shared, one.from_s) == (other.shared, other.from_s)


def assert_same(one: object, other: object) -> None:
    for name, value in vars(other).items():
        np.testing.assert_array_equal(getattr(one, name), value, err_msg=name)


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=4), st.integers(1, 5))
def test_a_run_reaches_a_length_where_counting_says_so(streams: list[list[bool]], n: int) -> None:
    mask = np.array([one for stream in streams for one in stream], dtype=np.bool_)
    begins = np.cumsum([0, *map(len, streams)])[: len(streams)]
    np.testing.assert_array_equal(reached(mask, begins, n), np.flatnonzero(run_length(mask, begins) == n))


@given(st.lists(conversations(), min_size=1, max_size=3), settings_strategy(), conditions_strategy())
def test_the_figures_are_those_of_the_sweep(
    calls: list[Labels], settings: Settings, conditions: Conditions
) -> None:
    settings, conditions = early(settings, conditions)
    corpus = corpus_of(calls, settings, conditions)
    outcome = scored(corpus, settings, conditions)
    assert not outcome.lacking
    pd.testing.assert_frame_equal(
        figures(outcome.recordings), score_one(corpus, settings, conditions), check_exact=True
    )


@given(conversations(), settings_strategy(), settings_strategy(), conditions_strategy())
def test_it_tells_which_recordings_lack_predictions(
    call: Labels, traced_for: Settings, settings: Settings, conditions: Conditions
) -> None:
    traced_for, conditions = early(traced_for, conditions)
    settings = early(settings, conditions)[0].replace(detector="v1-mini", min_silence_duration=0.3)
    corpus = corpus_of([call], traced_for, conditions)
    outcome = scored(corpus, settings, conditions)
    try:
        exact = score_one(corpus, settings, conditions)
    except MissingTraces:
        assert outcome.lacking == {0}
    else:
        assert not outcome.lacking
        pd.testing.assert_frame_equal(figures(outcome.recordings), exact, check_exact=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [({}, True), ({"endpointing_mode": "dynamic"}, False), ({"detector": "stt"}, False)],
)
def test_it_tells_what_it_can_score(changed: dict[str, str], told: bool) -> None:
    settings, conditions = Settings().replace(**changed), Conditions(transcription_delay=0.2)
    corpus = corpus_of([Labels(4.0, (), ())], settings, conditions)
    rows = CorpusPauses.of(corpus, settings.vad, conditions.frame_duration)
    assert can_score(rows, settings, conditions) == told


def test_finals_that_came_late_are_not_for_it() -> None:
    settings, conditions = Settings().replace(detector="vad"), Conditions(transcription_delay=0.0)
    corpus = corpus_of([labels_of([Turn((1.0, 0.5), ((0.8, "hold"),))])], settings, conditions)
    rows = CorpusPauses.of(corpus, settings.vad, conditions.frame_duration)
    assert can_score(rows, settings, conditions)
    end_s = float(rows.last_speaking_s[0] - rows.offset_s[0])
    late = Corpus.of([replace(corpus.recordings[0], finals=np.array([[end_s, end_s + 2.0]]))])
    told = CorpusPauses.of(late, settings.vad, conditions.frame_duration)
    assert not can_score(told, settings, conditions)


def test_without_any_prediction_a_guess_is_even() -> None:
    settings, conditions = Settings(), Conditions(transcription_delay=0.0)
    corpus = corpus_of([labels_of([Turn((1.0, 0.5), ((0.8, "hold"),))])], settings, conditions)
    bare = Corpus.of([replace(corpus.recordings[0], eot=(EotTrace(), EotTrace()))])
    rows = CorpusPauses.of(bare, settings.vad, conditions.frame_duration)
    guessed = CorpusPredictions.of(bare, rows).guessed(np.arange(len(rows)), rows.predict_sample)
    assert set(guessed.tolist()) == {0.5}


def test_takes_must_be_as_many_everywhere() -> None:
    corpus = corpus_of([Labels(4.0, (), ())] * 2, Settings(), Conditions())
    one = replace(corpus.recordings[0], vad={"livekit": corpus.recordings[0].vad["livekit"][:1]})
    uneven = Corpus.of([replace(one, eot=one.eot[:1]), corpus.recordings[1]])
    with pytest.raises(ValueError, match=r"the same number of takes of every recording, got \[1, 2\]"):
        CorpusPauses.of(uneven, Settings().vad, 0.05)

"""Scoring for a slider: exact where it can be, a guess that says so where it can't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.settings import Settings
from lab_utils.core.traces import EotTrace, Traced
from lab_utils.turns.replay import Block, replay
from lab_utils.turns.sweep import Corpus, score_one
from lab_utils.widgets import scorer
from lab_utils.widgets.scorer import Scorer, guess, lacks_traces

SETTINGS = Settings()
OTHER = Settings().replace(min_delay=0.55, max_delay=0.9)
SCRIPT = [
    Turn((1.0, 0.3, 0.3, 0.3), ((0.6, "hold"), (0.6, "hold"), (0.6, "hold"))),
    Turn((0.7, 0.3, 0.3), ((2.9, "hold"), (0.6, "hold"))),
    Turn((1.2, 0.3), ((0.65, "hold"),)),
]


def recordings(n: int = 2) -> list[Traced]:
    labels = labels_of(SCRIPT)
    made = [traced_of(labels, name=f"call {k}", seed=k, offsets=(0, 256)) for k in range(n)]
    return [complete(recording, [Block.of(SETTINGS)]) for recording in made]


def by_detector(number: int, traced: Traced, settings: Settings) -> Traced:
    return complete(traced, [Block.of(settings)])


def test_figures_are_those_of_the_sweep():
    corpus = Corpus.of(recordings())
    scored = Scorer(corpus).score(SETTINGS)
    assert scored.exact
    pd.testing.assert_frame_equal(scored.figures, score_one(corpus, SETTINGS)[["value", "n"]])


@pytest.mark.parametrize("min_delay", [0.2, 0.62, 1.0, 3.0])
def test_recordings_with_a_false_boundary_are_those_whose_commits_have_one(min_delay: float):
    settings = Settings().replace(detector="vad", min_delay=min_delay, max_delay=3.0)
    other = traced_of(labels_of([Turn((1.0, 0.5), ((0.8, "hold"),))]), offsets=(0, 256))
    scored = Scorer(Corpus.of([*recordings(1), other, *recordings(1)])).score(settings)
    slow = [k for k in range(3) if scored.commits(k)["false_boundary"].any()]
    assert list(scored.failing) == slow
    assert len(slow) == {0.2: 3, 0.62: 3, 1.0: 2, 3.0: 0}[min_delay]


@pytest.mark.slow
def test_what_is_missing_is_guessed_then_computed_recording_by_recording():
    mine = Scorer(Corpus.of(recordings(4)), by_detector)
    exact = Corpus.of([by_detector(0, recording, OTHER) for recording in recordings(4)])
    lacking = [k for k, recording in enumerate(recordings(4)) if lacks_traces(recording, OTHER)]
    assert len(lacking) > 1
    assert not mine.score(OTHER).exact
    assert [mine.complete_next(OTHER) for _ in range(len(lacking) + 1)] == [*lacking, None]
    scored = mine.score(OTHER)
    assert scored.exact
    pd.testing.assert_frame_equal(scored.figures, score_one(exact, OTHER)[["value", "n"]])


@pytest.mark.slow
def test_a_restart_that_is_missing_is_guessed_then_computed():
    settings = Settings().replace(detector="stt", min_silence_duration=0.9, min_delay=0.2)
    mine = Scorer(Corpus.of(recordings()), by_detector)
    assert not mine.score(settings).exact
    assert [mine.complete_next(settings) for _ in range(3)] == [0, 1, None]
    scored = mine.score(settings)
    assert scored.exact
    assert scored.corpus.recordings[0].vad["livekit"][0].restarts
    exact = Corpus.of([by_detector(0, recording, settings) for recording in recordings()])
    pd.testing.assert_frame_equal(scored.figures, score_one(exact, settings)[["value", "n"]])


def test_a_guess_is_not_kept():
    mine = Scorer(Corpus.of(recordings()))
    before = mine.corpus
    assert not mine.score(OTHER).exact
    assert mine.corpus is before
    assert mine.complete_next(OTHER) is None
    assert not mine.can_complete


def test_commits_belong_to_the_figures():
    scored = Scorer(Corpus.of(recordings())).score(OTHER)
    frame = scored.commits(1)
    np.testing.assert_allclose(frame["commit_s"], replay(scored.corpus.recordings[1], OTHER).time_s)


def test_a_guess_takes_the_prediction_of_the_same_audio_with_another_start():
    traced = next(one for one in recordings(4) if lacks_traces(one, OTHER))
    guessed = guess(traced, OTHER)
    assert lacks_traces(traced, OTHER)
    assert not lacks_traces(guessed, OTHER)
    for before, after in zip(traced.eot, guessed.eot, strict=True):
        for k in np.flatnonzero(~np.isin(after.keys, before.keys)):
            same_end = before.probabilities[before.ends == after.ends[k]]
            assert not len(same_end) or after.probabilities[k] in same_end


def test_without_any_prediction_a_guess_is_even():
    traced = replace(recordings(1)[0], eot=(EotTrace(), EotTrace()))
    guessed = guess(traced, SETTINGS)
    assert set(np.concatenate([eot.probabilities for eot in guessed.eot])) == {0.5}


def test_segmentations_are_kept_but_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    mine = Scorer(Corpus.of(recordings(1)))
    counted = []
    monkeypatch.setattr(
        Corpus, "pauses", lambda self, *key, f=Corpus.pauses: counted.append(key) or f(self, *key)
    )
    plain = Settings().replace(detector="vad")
    for delay in (0.3, 0.4, 0.5):
        mine.score(plain.replace(min_delay=delay))
    assert len(counted) == 1
    for k in range(scorer.KEPT + 5):
        mine.score(plain.replace(min_silence_duration=0.3 + 0.05 * k))
    assert len(mine._pauses) == scorer.KEPT

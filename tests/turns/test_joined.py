"""Recordings that are counted together have the figures of recordings counted one by one, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from test_large_grid import EARLY, GRID, corpus_of

from lab_utils.turns import grid as grids
from lab_utils.turns import sweep
from lab_utils.turns.metrics import Pooled, joined
from lab_utils.turns.metrics.joined import joined_by_subsets
from lab_utils.turns.replay import blocks_of


@pytest.fixture(scope="module")
def corpus() -> sweep.Corpus:
    """Five calls with two takes each, with branches, and with pauses that hang on both delays."""
    return corpus_of(5)


SUBSETS = ([0, 1, 2, 3, 4], [0, 1, 2], [3])
"""Three kinds of recordings: 0 to 2, 3 and 4."""


def one_by_one(corpus: sweep.Corpus, table: pd.DataFrame) -> list[pd.DataFrame]:
    parts = []
    for rows, block in blocks_of(table, EARLY, len(table)):
        pooled = Pooled(SUBSETS, len(block))
        for r, takes in corpus.counted(block, corpus.pauses(block.vad, EARLY.frame_duration)):
            pooled.add(r, takes, corpus.labelled[r])
        parts.append([pd.DataFrame(of, index=rows) for of in pooled.summaries()])
    return [pd.concat(of).sort_index() for of in zip(*parts, strict=True)]


@pytest.mark.parametrize("most", [64, 2])
def test_joined_recordings_are_counted_as_each_of_them(corpus, monkeypatch, most) -> None:
    monkeypatch.setattr(joined, "MOST_JOINED", most)
    table, _ = grids.expand(GRID)
    together = sweep.score_table(corpus, table, EARLY, SUBSETS, quiet=True)
    for own, other in zip(one_by_one(corpus, table), together, strict=True):
        pd.testing.assert_frame_equal(own, other, check_exact=True)


def sizes(corpus: sweep.Corpus, most_turns: int = 1000, **knobs) -> list[tuple[int, int]]:
    """First recording and number of recordings of each join."""
    table, _ = grids.expand(GRID | {"detector": ["v1-mini"], "min_silence_duration": [0.4]} | knobs)
    ((_, block),) = blocks_of(table, EARLY, len(table))
    decided = corpus.decisions(block, corpus.pauses(block.vad, EARLY.frame_duration))
    found = joined_by_subsets(decided, corpus.labelled, SUBSETS, most_turns)
    return sorted((one.first, one.recordings) for one in found)


def test_those_are_joined_that_are_in_the_same_subsets_and_not_too_many(corpus) -> None:
    assert sizes(corpus) == [(0, 3), (3, 1), (4, 1)]
    assert sizes(corpus, most_turns=24) == [(0, 2), (2, 1), (3, 1), (4, 1)]  # six turns in two takes each


def test_a_recording_with_other_thresholds_stays_alone(corpus) -> None:
    recordings = list(corpus.recordings)
    recordings[1] = replace(recordings[1], language="de")  # where 0.36 stands for another threshold
    mixed, thresholds = sweep.Corpus.of(recordings), {"unlikely_threshold": [0.36, 0.65]}
    assert sizes(corpus, **thresholds) == [(0, 3), (3, 1), (4, 1)]
    assert sizes(mixed, **thresholds) == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]
    table, _ = grids.expand(GRID | thresholds)
    together = sweep.score_table(mixed, table, EARLY, SUBSETS, quiet=True)
    for own, other in zip(one_by_one(mixed, table), together, strict=True):
        pd.testing.assert_frame_equal(own, other, check_exact=True)

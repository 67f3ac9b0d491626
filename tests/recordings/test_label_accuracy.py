"""Estimated labels against true ones."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.labels import Label, Labels
from lab_utils.recordings.labels.accuracy import label_accuracy, match_starts

TIMES = st.lists(st.integers(0, 60).map(lambda n: n / 20), max_size=12).map(
    lambda t: np.array(sorted(t), float)
)


def labels(*kinds_and_spans):
    return Labels(10.0, (), tuple(Label(kind, *span) for kind, *span in kinds_and_spans))


@given(TIMES, TIMES)
def test_as_many_are_paired_as_there_can_be(found_s, true_s):
    pairs = match_starts(found_s, true_s)
    assert len(pairs) == naive.matching_size(found_s, true_s, 0.25)
    assert (np.diff(pairs, axis=0) > 0).all()
    assert (np.abs(found_s[pairs[:, 0]] - true_s[pairs[:, 1]]) <= 0.25 + 1e-6).all()


def test_counts_shares_and_edges_by_kind():
    true = labels(("hold", 1.0, 2.0), ("hold", 4.0, 5.0), ("shift", 6.0, 7.0))
    found = labels(("hold", 1.1, 2.0), ("hold", 4.5, 5.0), ("shift", 6.0, 6.8), ("cut_off", 8.0, 9.0))
    table = label_accuracy([(found, true), (labels(), labels(("hold", 3.0, 3.5)))])
    assert table.index.tolist() == ["hold", "shift", "cut_off"]
    assert table["true"].tolist() == [3, 1, 0]
    assert table["found"].tolist() == [2, 1, 1]
    assert table["right"].tolist() == [1, 1, 0]
    assert table.loc["hold", ["recall", "precision"]].tolist() == pytest.approx([1 / 3, 1 / 2])
    assert table.loc["hold", "start_off_s"] == pytest.approx(0.1)
    assert table.loc["shift", "end_off_s"] == pytest.approx(0.2)
    assert np.isnan(table.loc["cut_off", "recall"])
    assert np.isnan(table.loc["cut_off", "start_off_s"])


def test_nothing_found_and_nothing_true_is_an_empty_table():
    assert label_accuracy([]).empty
    assert "recall" in label_accuracy([(labels(), labels())])

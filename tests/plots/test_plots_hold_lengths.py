"""The picture of hold lengths shows the record's curves."""

from __future__ import annotations

import numpy as np
import pytest

from lab_utils.core.labels import Label, Labels
from lab_utils.plots import hold_lengths_figure
from lab_utils.plots.hold_lengths import hold_curves
from lab_utils.plots.style import blank_figure
from lab_utils.recordings.labels.hold_lengths import hold_lengths


def test_each_curve_is_the_records_share_of_longer_holds():
    labels = Labels(9.0, (), (Label("hold", 0, 0.5), Label("hold", 2, 3), Label("cut_off", 4, 4.7)))
    record = hold_lengths(labels)
    artists = hold_curves(blank_figure((4, 3)).subplots(), record)
    for name in ("naive", "estimated"):
        x, y = artists[name].get_data()
        np.testing.assert_allclose(x[1:], record.length_s)
        np.testing.assert_allclose(y, [100, *(100 * getattr(record, name))])
    x, y = artists["cut"].get_data()
    assert x.tolist() == record.cut_s.tolist() == [0.7]
    assert y.tolist() == [pytest.approx(200 / 3)], "of three that lasted 0.5 s one ended there"
    assert len(hold_lengths_figure(hold_lengths(Labels(1.0, (), ()))).axes) == 1

"""Late predictions by load: what is counted. How long they take is the machine's, and no test's, affair."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.assumed import LATE_PREDICTIONS
from lab_utils.core.settings import USUAL_CONDITIONS
from lab_utils.turns.detectors import prediction_load
from lab_utils.turns.detectors.prediction_load import answer_delays, arrivals, load_figures, measure_load


def test_late_is_what_comes_after_livekits_timeout():
    from livekit.agents.inference.eot.base import DEFAULT_PREDICTION_TIMEOUT

    assert prediction_load.TIMEOUT_S == DEFAULT_PREDICTION_TIMEOUT
    found = load_figures(2.0, np.array([0.2, 1.0, np.nextafter(1.0, 2.0), 3.0]))
    assert (found.n, found.late) == (4, 0.5)
    assert str(load_figures(10.0, np.array([0.1] * 19 + [1.5]))) == (
        "10 requests/s (about 39 calls): p50 100 ms, p95 170 ms, late 5.0% of 20"
    )
    with pytest.raises(ValueError, match="no request was made; give a longer time or a higher load"):
        load_figures(2.0, np.zeros(0))


def test_requests_come_at_random_as_often_as_asked_and_the_same_for_a_seed():
    times_s = arrivals(20.0, 50.0, seed=3)
    assert len(times_s) == pytest.approx(1000, abs=100)
    assert 0 < times_s[0] < times_s[-1] < 50.0
    assert np.std(np.diff(times_s)) == pytest.approx(0.05, rel=0.2), "exponential: as much spread as mean"
    np.testing.assert_array_equal(times_s, arrivals(20.0, 50.0, seed=3))
    with pytest.raises(ValueError, match="a load and a time above 0, got 0 /s for 5 s"):
        arrivals(0.0, 5.0)


def test_each_request_is_answered_once_and_its_delay_counts_from_when_it_was_due():
    heard = []

    def predict(pcm):
        heard.append(len(pcm))
        return 0.5

    delays_s = answer_delays(predict, [0.0, 0.01, 0.01])
    assert len(delays_s) == 3
    assert (delays_s >= 0).all()
    assert set(heard) == {19_200}
    (figures,) = measure_load([100.0], 0.1, predict=predict)
    assert figures.n == len(arrivals(100.0, 0.1))


@pytest.mark.slow
def test_the_command_prints_a_line_for_each_load(monkeypatch):
    monkeypatch.setattr(prediction_load, "v1_mini", lambda: lambda pcm: 0.5)
    options = ["plan", "load", "--requests", "50", "--requests", "100", "--seconds", "1", "--json"]
    found = CliRunner().invoke(cli.app, options)
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["requests_per_s"] for one in lines] == [50.0, 100.0]


def test_every_result_says_that_no_prediction_is_assumed_late():
    assert USUAL_CONDITIONS.in_words[-1] == LATE_PREDICTIONS
    assert "lab plan load" in LATE_PREDICTIONS

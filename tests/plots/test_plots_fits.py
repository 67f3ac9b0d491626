"""The drawn fit: what stands where, never pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from provider_profiles import small_profile
from session_reports import drawn, log_normal, write_report

from lab_utils import plots
from lab_utils.latency.fitting import fit, fit_stage, read_figures

FITTED = fit_stage("large.ttft", log_normal(80, 0.6, 0.6, 3))


def axes():
    return plots.blank_figure((5, 4)).subplots()


def test_measured_steps_and_fitted_curve_are_the_records() -> None:
    artists = plots.stage_fit(axes(), FITTED).artists
    x, share = artists.measured.get_data()
    assert np.array_equal(np.asarray(x)[1:], FITTED.seconds)
    assert share[-1] == pytest.approx(1.0)
    x, share = artists.fitted.get_data()
    assert np.array_equal([x, share], FITTED.curve())


def test_percentiles_stand_on_the_curve_with_their_intervals() -> None:
    artists = plots.stage_fit(axes(), FITTED).artists
    for name, height, at_s in (("p50", 0.5, FITTED.delay.p50_s), ("p95", 0.95, FITTED.delay.p95_s)):
        assert getattr(artists, name).mark.get_data() == ([at_s], [height])
        ((start, end),) = getattr(artists, name).interval.get_segments()
        assert (start[0], end[0]) == getattr(FITTED, f"{name}_interval_s")


def test_the_plot_says_log_normal_and_whether_it_is_one() -> None:
    ax = axes()
    artists = plots.stage_fit(ax, FITTED).artists
    assert artists.fitted.get_label() == "log-normal, fitted"
    assert "not log-normal" not in artists.text.get_text()
    two_humps = np.concatenate((log_normal(60, 0.2, 0.1, 0), log_normal(60, 1.5, 0.1, 1)))
    artists = plots.stage_fit(axes(), fit_stage("large.ttft", two_humps)).artists
    assert "not log-normal" in artists.text.get_text()
    assert "n = 120" in artists.text.get_text()


@pytest.mark.slow
def test_a_figure_has_a_panel_for_each_stage_that_was_fitted(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.json", drawn(50))
    figure = plots.fit_figure(fit(read_figures([report], small_profile())))
    assert [ax.get_title(loc="left").partition(":")[0] for ax in figure.axes] == ["STT", "LLM", "TTS"]
    assert plots.png(figure).startswith(b"\x89PNG")


def test_constants_can_be_drawn() -> None:
    artists = plots.stage_fit(axes(), fit_stage("stt.final", np.full(40, 0.3))).artists
    assert artists.p95.mark.get_data() == ([0.3], [0.95])

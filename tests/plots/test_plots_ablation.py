"""Pictures of an ablation: what is drawn is what the record says."""

import numpy as np
import pytest
from ablation_tables import made_up
from matplotlib.figure import Figure

from lab_utils.latency.ablation.plan import BASELINE, configurations
from lab_utils.latency.ablation.summary import alone_and_left_out, summarize, waterfall
from lab_utils.plots.ablation import saving_dumbbells, savings_figure, stack_waterfall, waterfall_figure
from lab_utils.plots.agg.raster import png


@pytest.fixture(scope="module")
def summary():
    return summarize(*made_up({"audio_prebuffering": -0.08}))


@pytest.mark.slow
def test_waterfall_draws_each_step_from_level_to_level(summary):
    steps = waterfall(summary)
    ax = Figure().subplots()
    drawn = stack_waterfall(ax, steps, 95).artists
    assert None not in (drawn.level, drawn.saves, drawn.costs, drawn.interval)
    boxes = {round(bar.get_y() + bar.get_height() / 2): bar for bar in ax.patches}
    level = 1000 * steps["p95"].to_numpy()
    for row in range(1, 13):
        ends = boxes[row].get_x(), boxes[row].get_x() + boxes[row].get_width()
        assert ends == pytest.approx(sorted((level[row - 1], level[row])))
    assert boxes[0].get_width() == pytest.approx(level[0])
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[:2] == ["none of the twelve", "+ streaming stt"]
    assert labels[-1] == "LiveKit's default"
    texts = [text.get_text() for text in ax.texts]
    assert texts[1] == "−10"
    assert texts[6] == "+80"  # the sixth technique costs
    assert ax.get_xlabel() == "p95 (ms)"


@pytest.mark.slow
@pytest.mark.parametrize("silent", [[BASELINE], list(configurations(automatic_cache=True))])
def test_agents_that_never_answered_are_said_to_be_silent(silent):
    turns, sessions = made_up()
    turns.loc[turns["configuration"].isin(silent), "turn_total_s"] = np.nan
    steps = waterfall(summarize(turns, sessions))
    ax = Figure().subplots()
    stack_waterfall(ax, steps, 95)
    assert [text.get_text() for text in ax.texts].count("never answered") == steps["p95"].isna().sum() > 0


@pytest.mark.slow
def test_waterfall_without_intervals_draws_none():
    steps = waterfall(summarize(*made_up(recordings=("a",))))
    assert stack_waterfall(Figure().subplots(), steps, 50).artists.interval is None


@pytest.mark.slow
def test_dumbbells_stand_at_the_savings(summary):
    savings = alone_and_left_out(summary)
    ax = Figure().subplots()
    drawn = saving_dumbbells(ax, savings, 50).artists
    np.testing.assert_allclose(np.asarray(drawn.alone.get_xdata(), float), 1000 * savings["alone_p50"])
    np.testing.assert_allclose(np.asarray(drawn.left_out.get_xdata(), float), 1000 * savings["left_out_p50"])


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["turn_total_s", "after_commit_s"])
def test_figures_say_what_is_measured_and_on_what(summary, measure):
    for figure in (
        waterfall_figure(waterfall(summary, measure), measure, "96 turns of 4 recordings"),
        savings_figure(alone_and_left_out(summary, measure), measure, "96 turns of 4 recordings"),
    ):
        assert "first audio" in figure.get_suptitle()
        assert "96 turns of 4 recordings" in figure.get_suptitle()
        assert png(figure).startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_floor_is_a_line_at_each_percentile_with_a_name(summary):
    steps = waterfall(summary)
    figure = waterfall_figure(steps, "turn_total_s", floor=(0.5, 1.25))
    lines = [line for ax in figure.axes for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in lines] == [500, 1250]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "floor: perfect detector" in told
    plain = waterfall_figure(steps, "turn_total_s")
    assert "floor" not in " ".join(text.get_text() for text in plain.legends[0].get_texts())

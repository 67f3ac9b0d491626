"""Settings on bad lines: one table, its worst case, and traces from the cache the second time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLES

from lab_utils.core.settings import Settings
from lab_utils.plots.conditions import channel_condition_figure, channel_condition_tradeoff
from lab_utils.recordings.audio import write_wav
from lab_utils.recordings.conditions import CLEAN, ChannelCondition
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.turns import tracing
from lab_utils.workflows.conditions import COLUMNS, score_conditions

pytestmark = pytest.mark.slow

NOISE = ChannelCondition(noise="pink", snr_db=10.0)
SETTINGS = {
    "defaults": Settings(),
    "silence": Settings().replace(detector="vad", min_silence_duration=0.6, min_delay=0.8),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    recording = load_recording(find_recordings(SAMPLES)[0])
    n = 15 * 16_000
    write_wav(folder / "a.wav", np.stack((recording.user[:n], recording.agent[:n]), axis=1))
    return find_recordings(folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def frame(files, cache) -> pd.DataFrame:
    return score_conditions(files, SETTINGS, [CLEAN, NOISE], phases=1, jobs=1, cache=cache, quiet=True)


def test_every_line_and_setting_is_scored(frame):
    assert tuple(frame.columns) == COLUMNS
    assert frame["channel_condition"].unique().tolist() == ["clean", "pink:10"]
    assert frame["setting"].unique().tolist() == ["defaults", "silence"]
    counted = frame[frame["metric"] == "false_boundary_rate"].groupby("setting")["n"].unique()
    assert all(len(n) == 1 and n[0] > 0 for n in counted)  # labels are those of the clean audio


def test_a_second_time_the_models_are_not_asked(files, cache, frame, monkeypatch):
    def refuse(model, streams, continuations):
        assert not streams
        return []

    monkeypatch.setattr(tracing, "forked_probabilities", refuse)
    again = score_conditions(files, SETTINGS, [CLEAN, NOISE], phases=1, jobs=1, cache=cache, quiet=True)
    pd.testing.assert_frame_equal(again, frame)


def test_bad_calls_are_refused(files):
    with pytest.raises(ValueError, match="at least one setting and one channel"):
        score_conditions(files, {}, [CLEAN])
    with pytest.raises(ValueError, match="one is given twice"):
        score_conditions(files, SETTINGS, [NOISE, NOISE])


def test_the_figure_shows_each_setting_on_each_line(frame):
    figure = channel_condition_figure(frame)
    (ax,) = figure.axes
    wide = frame.pivot(index=["setting", "channel_condition"], columns="metric", values="value")
    artists = channel_condition_tradeoff(figure.add_subplot(), frame).artists
    for name, drawn in zip(SETTINGS, artists.settings, strict=True):
        assert drawn.get_xdata().tolist() == pytest.approx(wide.loc[name, "latency_mean"].tolist())
        rates = 100 * wide.loc[name, "false_boundary_rate"]
        assert drawn.get_ydata().tolist() == pytest.approx(rates.tolist())
    assert {text.get_text() for text in ax.texts} == {"1", "2"}
    told = {text.get_text() for text in artists.legend.get_texts()}
    assert told == {*SETTINGS, "1  clean", "2  pink:10"}

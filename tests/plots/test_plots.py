"""The drawn data: artists' positions, numbers and texts, never pixels."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils import plots
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Settings
from lab_utils.core.sound import envelope
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.plots.recordings import LABEL_NAMES
from lab_utils.turns.metrics import attribute, labelled_pauses
from lab_utils.turns.replay import Block, replay

SCRIPT = [
    Turn((1.0, 0.8), ((0.9, "hold"),), gap=0.6),
    Turn((0.7, 0.6, 0.9), ((1.4, "hold"), (0.8, "cut_off")), gap=0.0, reply=3.0, backchannel=True),
]
LABELS = labels_of(SCRIPT)
SETTINGS = Settings().replace(min_delay=0.3, max_delay=1.2)


def traced():
    return complete(traced_of(LABELS, name="call", noise=0.0), [Block.of(SETTINGS)])


def recording(agent: bool = True) -> Recording:
    n = round(LABELS.duration_s * SAMPLE_RATE_HZ)
    rng = np.random.default_rng(0)
    user = rng.integers(-8000, 8000, n).astype(np.int16)
    return Recording("call", "call.wav", user, user[::-1].copy() if agent else None, "0" * 64, LABELS)


def commits(settings: Settings = SETTINGS) -> pd.DataFrame:
    return attribute(replay(traced(), settings), labelled_pauses(LABELS, 4.0))


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "detector": ["vad", "vad", "v1-mini", "v1-mini", "v1-mini"],
            "false_boundary_rate": [0.4, 0.1, 0.3, 0.05, 0.01],
            "latency_mean": [0.5, 1.5, 0.4, 1.0, 0.1],
            "missed_rate": [0.0, 0.0, 0.0, 0.01, 0.5],
        }
    )


def figures(rate: float, latency_s: float, width: float = np.nan) -> pd.DataFrame:
    values = pd.Series({"false_boundary_rate": rate, "latency_mean": latency_s})
    return pd.DataFrame({"value": values, "low": values - width, "high": values + width, "n": 10})


def draw(**others):
    ax = Figure().subplots()
    defaults = others.pop("defaults", figures(0.3, 0.6))
    return ax, plots.tradeoff(ax, table(), [2, 3], defaults=defaults, **others).artists


class TestTradeoff:
    def test_every_setting_has_a_dot_in_seconds_and_per_cent(self):
        _, artists = draw()
        np.testing.assert_allclose(
            artists.settings.get_offsets(), [[0.5, 40], [1.5, 10], [0.4, 30], [1.0, 5]]
        )
        np.testing.assert_allclose(artists.unanswering.get_offsets(), [[0.1, 1]])
        assert artists.unanswering.get_label() == "leave too many turns unanswered (n = 1)"

    def test_frontier_and_baseline_are_steps_in_order_of_latency(self):
        _, artists = draw()
        np.testing.assert_allclose(artists.frontier.get_xydata(), [[0.4, 30], [1.0, 5]])
        np.testing.assert_allclose(artists.baseline.get_xydata(), [[0.5, 40], [1.5, 10]])
        assert artists.frontier.get_drawstyle() == "steps-post"

    def test_of_a_large_grids_best_nothing_is_drawn_that_they_lack(self):
        ax, artists = draw(of=3_000_000)
        assert artists.baseline is None
        assert artists.unanswering is None
        assert _legend(ax)[0] == "best of 3,000,000 settings (n = 4)"
        assert not any("VAD alone" in text or "unanswered" in text for text in _legend(ax))
        np.testing.assert_allclose(artists.frontier.get_xydata(), [[0.4, 30], [1.0, 5]])

    def test_markers_lie_where_the_figures_say(self):
        _, artists = draw(defaults=figures(0.31, 0.58), chosen=figures(0.09, 1.02))
        np.testing.assert_allclose(artists.defaults.get_xydata(), [[0.58, 31]])
        np.testing.assert_allclose(artists.chosen.get_xydata(), [[1.02, 9]])

    def test_a_perfect_detectors_latency_is_a_line_if_it_is_known(self):
        ax, artists = draw(floor_s=0.2)
        assert list(artists.floor.get_xdata()) == [0.2, 0.2]
        assert "floor: a perfect detector's mean wait,\nwith the agent of the least e2e" in _legend(ax)
        assert draw()[1].floor is None

    def test_intervals_are_drawn_where_there_are_any(self):
        bars, _ = draw(defaults=figures(0.3, 0.6, width=0.1))
        without, _ = draw()
        assert len(bars.lines) == len(without.lines) + 2
        horizontal, vertical = (line.get_xydata() for line in bars.lines if line.get_marker() == "None")
        np.testing.assert_allclose(horizontal, [[0.5, 30], [0.7, 30]])
        np.testing.assert_allclose(vertical, [[0.6, 20], [0.6, 40]])
        assert "LiveKit's defaults (95 % interval)" in _legend(bars)
        assert "LiveKit's defaults" in _legend(without)

    def test_title_and_labels_give_n_and_units(self):
        ax, _ = draw(counts={"recordings": 1, "holds": 29, "turns": 11, "backchannels": 3})
        assert ax.get_title(loc="left") == "1 recording; 29 holds; 11 ends of turn"
        assert ax.get_xlabel() == "mean latency of an end of turn (s)"
        assert ax.get_ylabel() == "false boundaries per hold (%)"
        assert "settings tried (n = 4)" in _legend(ax)

    def test_all_that_matters_is_in_sight(self):
        ax, _ = draw(defaults=figures(0.3, 3.0, width=0.2))
        assert ax.get_xlim()[0] == 0
        assert ax.get_xlim()[1] > 3.2

    def test_a_sweep_without_plain_vad_has_an_empty_baseline(self):
        ax = Figure().subplots()
        part = table()[2:].reset_index(drop=True)
        artists = plots.tradeoff(ax, part, [0, 1], defaults=figures(0.3, 0.6)).artists
        assert len(artists.baseline.get_xydata()) == 0

    @pytest.mark.slow
    def test_a_composer_makes_a_figure_that_pyplot_does_not_know(self):
        backend = matplotlib.rcParams._get_backend_or_none()
        figure = plots.tradeoff_figure(table(), [2, 3], defaults=figures(0.3, 0.6))
        assert matplotlib.rcParams._get_backend_or_none() == backend
        assert len(figure.axes) == 1
        assert _pixels(plots.png(figure)) == (800, 500)


class TestEnvelope:
    def test_few_values_are_kept_as_they_are(self):
        shape = envelope(np.array([1, 5, -2]), 10.0, 3.0, (0.0, 9.0))
        np.testing.assert_allclose(shape.time_s, [3.0, 3.1, 3.2])
        np.testing.assert_allclose(shape.low, [1, 5, -2])
        np.testing.assert_allclose(shape.high, [1, 5, -2])

    def test_only_the_span_is_taken(self):
        shape = envelope(np.arange(10), 1.0, 0.0, (2.0, 5.0))
        np.testing.assert_allclose(shape.low, [2, 3, 4])

    @pytest.mark.parametrize("span", [(20.0, 30.0), (-5.0, 0.0), (3.0, 3.0)])
    def test_beyond_the_signal_there_is_nothing(self, span):
        assert len(envelope(np.arange(10), 1.0, 0.0, span).time_s) == 0

    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.integers(1, 20))
    def test_columns_hold_the_extremes_of_their_values(self, values, columns):
        x = np.array(values)
        shape = envelope(x, 1.0, 0.0, (0.0, len(x)), columns)
        n = min(columns, len(x))
        edges = [k * len(x) // n for k in range(n)] + [len(x)]
        parts = [values[a:b] for a, b in pairwise(edges)]
        assert shape.low.tolist() == [min(part) for part in parts]
        assert shape.high.tolist() == [max(part) for part in parts]
        assert shape.time_s.tolist() == edges[:-1]


class TestTimeline:
    def draw(self, settings: Settings = SETTINGS, span=None, agent: bool = True):
        axes = plots.timeline_axes(Figure())
        frame = commits(settings)
        display = plots.timeline(axes, recording(agent), traced(), frame, settings, span=span)
        return axes, display.artists, frame

    def test_commits_and_false_boundaries_stand_where_they_happened(self):
        _, artists, frame = self.draw()
        false = frame["false_boundary"]
        assert false.any()
        assert not false.all()
        np.testing.assert_allclose(artists.decisions.commits.get_xdata(), frame.loc[~false, "commit_s"])
        np.testing.assert_allclose(
            artists.decisions.false_boundaries.get_xdata(), frame.loc[false, "commit_s"]
        )
        for k in range(2):
            lines = artists.decisions.false_boundary_lines[k].get_segments()
            np.testing.assert_allclose([segment[0][0] for segment in lines], frame.loc[false, "commit_s"])
        assert artists.decisions.commits.get_color() != artists.decisions.false_boundaries.get_color()
        assert artists.decisions.commits.get_marker() != artists.decisions.false_boundaries.get_marker()

    def test_pauses_have_a_band_and_a_colour_each(self):
        _, artists, _ = self.draw()
        for kind in LABEL_NAMES:
            spans = LABELS.of_kind(kind)
            boxes = [path.get_extents() for path in getattr(artists.pauses, kind).get_paths()]
            np.testing.assert_allclose([[box.x0, box.x1] for box in boxes], spans)
        colours = {tuple(getattr(artists.pauses, kind).get_facecolor()[0]) for kind in LABEL_NAMES}
        assert len(colours) == len(LABEL_NAMES)

    def test_thresholds_and_probabilities(self):
        settings = SETTINGS.replace(activation_threshold=0.6, unlikely_threshold=0.36)
        _, artists, frame = self.draw(settings)
        assert artists.voice_activity.activation.get_ydata()[0] == 0.6
        assert artists.voice_activity.deactivation.get_ydata()[0] == pytest.approx(0.45)
        assert artists.decisions.threshold.get_ydata()[0] == 0.36
        np.testing.assert_allclose(artists.decisions.probabilities.get_ydata(), frame["probability"])

    def test_plain_vad_has_no_detector_to_show(self):
        settings = Settings().replace(detector="vad")
        _, artists, _ = self.draw(settings)
        assert artists.decisions.threshold is None
        assert artists.decisions.probabilities is None

    def test_a_span_zooms_and_writes_probabilities_out(self):
        axes, artists, frame = self.draw(span=(0.0, 6.0))
        shown = frame[frame["commit_s"] <= 6.0]
        assert 0 < len(shown) < len(frame)
        assert axes[1].get_xlim() == (0.0, 6.0)
        assert len(artists.decisions.probabilities.get_xdata()) == len(shown)
        texts = [text.get_text() for text in artists.decisions.texts]
        assert texts == [f"{p:.2f}" for p in shown["probability"]]

    def test_the_vad_is_drawn_in_recording_time(self):
        phase = traced_of(LABELS, offsets=(0, 256), noise=0.0)
        ax = Figure().subplots()
        drawn = [plots.recordings.voice_activity(ax, phase, SETTINGS, k, (0, 9)) for k in range(2)]
        begins = [one.probability.get_paths()[0].vertices[:, 0].min() for one in drawn]
        assert begins == pytest.approx([0.032, 0.016])

    def test_title_names_recording_and_n(self):
        axes, _, frame = self.draw()
        n = int(frame["false_boundary"].sum())
        words = f"{n} false boundar{'y' if n == 1 else 'ies'}"
        title = f"call; 2 holds; 2 ends of turn; {len(frame)} commits, {words}"
        assert axes[0].get_title(loc="left") == title

    def test_a_recording_of_the_user_alone(self):
        axes, artists, _ = self.draw(agent=False)
        assert artists.speech.agent is None
        assert axes[0].get_ylim()[0] > -0.5

    @pytest.mark.slow
    def test_the_legend_names_what_occurs(self):
        figure = plots.timeline_figure(recording(), traced(), commits(), SETTINGS)
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert set(LABEL_NAMES.values()) | {"commit", "false boundary"} <= set(texts)
        assert _pixels(plots.png(figure)) == (1000, 420)


def _legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def _pixels(data: bytes) -> tuple[int, int]:
    height, width = imread(BytesIO(data)).shape[:2]
    return width, height

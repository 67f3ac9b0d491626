"""Sessions as drawn: lanes, spans, markers, stacked latencies; artists and texts, never pixels."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils import plots
from lab_utils.core.traces import CAUSES
from lab_utils.plots import style
from lab_utils.plots.session_figures import named
from lab_utils.plots.sessions import CAUSE_MARKERS, LANES
from lab_utils.plots.stages import STAGE_COLOURS, STAGE_NAMES
from lab_utils.session.metrics import (
    VISIBLE,
    ReplyStages,
    session_commits,
    session_timeline_of,
    stage_table,
    visible,
)

pytestmark = pytest.mark.slow

SCRIPT = [
    Exchange(0.5, 4.0, hold=(1.5, 2.5), hold_commit_s=2.1, interrupted=True),
    Exchange(
        8.0, 10.0, preemptive=0.2, cause="max_delay", probability=0.2, end_of_turn=1.2, pause=(0.5, 1.0)
    ),
    Exchange(15.0, 17.0, cause=None, probability=None, tool=0.7, error="no answer"),
]
LOG = session_of(SCRIPT)
LABELS = labels_of_session(SCRIPT, LOG.duration_s)


def draw(log=LOG, labels=LABELS, span=None):
    ax = Figure().subplots()
    record = session_timeline_of(log, session_commits(log, labels), labels, span)
    return ax, plots.session_timeline(ax, record).artists


def commits(artists, cause: str, false: bool = False):
    (found,) = [one for one in artists.commits if (one.cause, one.false_boundary) == (cause, false)]
    return found


def occurring(artists) -> set[str]:
    """Names of all that was drawn, of every lane."""
    found = set()
    for lane in (getattr(artists, field.name) for field in fields(artists)):
        if is_dataclass(lane):
            found |= {field.name for field in fields(lane) if getattr(lane, field.name) is not None}
        elif lane:
            found.add(str(lane))
    return found


def boxes_of(bars) -> list[Bbox]:
    return [path.get_extents() for path in bars.get_paths()] if bars else []


def extents(artist) -> np.ndarray:
    return np.array([[box.x0, box.x1] for box in boxes_of(artist)])


def at(artist) -> list[float]:
    return [segment[0][0] for segment in artist.get_segments()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestSessionTimeline:
    def test_false_boundaries_differ_from_commits_in_colour_and_stroke(self):
        _, artists = draw()
        false, true = commits(artists, "detector", false=True), commits(artists, "detector")
        assert false.markers.get_xdata().tolist() == [2.1]
        assert true.markers.get_xdata().tolist() == [pytest.approx(4.6)]
        assert false.markers.get_color() != true.markers.get_color()
        assert false.lines.get_linestyle() != true.lines.get_linestyle()
        assert at(false.lines) == [2.1]

    def test_each_cause_has_a_marker_of_its_own(self):
        _, artists = draw()
        assert commits(artists, "max_delay").markers.get_marker() == "s"
        assert commits(artists, "unknown").markers.get_xdata().tolist() == [pytest.approx(17.6)]
        assert set(CAUSES) < set(CAUSE_MARKERS)
        assert len(set(CAUSE_MARKERS.values())) == len(CAUSE_MARKERS)

    def test_a_cause_not_foreseen_is_drawn_as_unknown(self):
        record = session_timeline_of(LOG, session_commits(LOG).assign(cause="manual"))
        artists = plots.session_timeline(Figure().subplots(), record).artists
        assert commits(artists, "manual").markers.get_marker() == CAUSE_MARKERS["unknown"]

    def test_models_are_pale_until_their_first_output(self):
        _, artists = draw()
        times = [e.times() for e in SCRIPT]
        waits, works = extents(artists.llm.waits), extents(artists.llm.works)
        for t in times:
            assert np.isclose(waits, [t["llm"], t["token"]]).all(axis=1).any()
            assert np.isclose(works, [t["token"], t["token"] + 0.8]).all(axis=1).any()
        assert artists.llm.waits.get_alpha() < artists.llm.works.get_alpha()
        np.testing.assert_allclose(extents(artists.tts.waits), [[t["sends"], t["audio"]] for t in times])
        t = times[2]
        np.testing.assert_allclose(extents(artists.tool.works), [[t["llm"] - 0.7, t["llm"]]])
        assert artists.tool.waits is None

    def test_a_run_without_an_end_lasts_to_the_next_one(self):
        kept = tuple(event for event in LOG.events if event.kind != "tts_ends")
        _, artists = draw(replace(LOG, events=kept))
        times = [e.times() for e in SCRIPT]
        ends = [times[1]["sends"], times[2]["sends"], LOG.duration_s]
        expected = [[t["audio"], end] for t, end in zip(times, ends, strict=True)]
        np.testing.assert_allclose(extents(artists.tts.works), expected)

    def test_playouts_pauses_and_interruptions_lie_where_they_happened(self):
        _, artists = draw()
        times = [e.times() for e in SCRIPT]
        np.testing.assert_allclose(
            extents(artists.playouts.playouts), [[t["speaks"], t["ends"]] for t in times]
        )
        speaks = times[1]["speaks"]
        np.testing.assert_allclose(extents(artists.playouts.pauses), [[speaks + 0.5, speaks + 1.0]])
        np.testing.assert_allclose(artists.playouts.interrupted.get_xdata(), [times[0]["ends"]])

    def test_labels_are_bands_over_all_lanes(self):
        ax, artists = draw()
        for kind, drawn in (("hold", artists.labels.holds), ("shift", artists.labels.ends_of_turn)):
            np.testing.assert_allclose(extents(drawn), LABELS.of_kind(kind))
            box = drawn.get_paths()[0].get_extents()
            np.testing.assert_allclose([box.y0, box.y1], ax.get_ylim())
        assert draw(labels=None)[1].labels.holds is None

    def test_predictions_stand_as_high_as_their_probability_beside_their_threshold(self):
        _, artists = draw()
        base = LANES["prediction"] - 0.5
        np.testing.assert_allclose(artists.predictions.points.get_ydata() - base, [0.55, 0.8, 0.2])
        heights = [segment[0][1] - base for segment in artists.predictions.thresholds.get_segments()]
        np.testing.assert_allclose(heights, 0.36)
        assert [text.get_text() for text in artists.predictions.texts] == ["0.55", "0.80", "0.20"]

    def test_transcripts_and_the_vads_speech(self):
        _, artists = draw()
        finals = [e.time_s for e in LOG.of_kind("transcript") if e.data["final"]]
        assert at(artists.transcripts.final) == finals
        assert len(at(artists.transcripts.interim)) == len(LOG.of_kind("transcript")) - len(finals)
        np.testing.assert_allclose(
            extents(artists.voices.vad_speech), [[0.6, 1.8], [2.6, 4.3], [8.1, 10.3], [15.1, 17.3]]
        )

    def test_waveforms_stay_in_their_lanes(self):
        _, artists = draw()
        for name, drawn in (("caller", artists.voices.caller), ("agent", artists.voices.agent)):
            box = drawn.get_paths()[0].get_extents()
            assert LANES[name] - 0.96 < box.y0 < box.y1 < LANES[name] + 0.96

    def test_errors_are_named(self):
        _, artists = draw()
        np.testing.assert_allclose(artists.troubles.stars.get_xdata(), [18.0])
        assert artists.troubles.texts[0].get_text() == "error: no answer"

    def test_only_the_span_is_drawn_and_spans_are_cut_at_its_edges(self):
        ax, artists = draw(span=(5.5, 11.5))
        assert ax.get_xlim() == (5.5, 11.5)
        assert not any(one.false_boundary for one in artists.commits)
        assert artists.troubles is None
        for drawn in (
            artists.playouts.playouts,
            artists.labels.ends_of_turn,
            artists.llm.works,
            artists.voices.vad_speech,
        ):
            found = extents(drawn)
            assert found.min() >= 5.5 - 1e-9
            assert found.max() <= 11.5 + 1e-9

    def test_a_session_with_nothing_in_it(self):
        ax, artists = draw(session_of([], 5.0), None)
        assert occurring(artists) == {"caller", "agent"}
        lanes = [text.get_text() for text in ax.get_yticklabels()]
        assert lanes == [lane for lane in LANES if lane != "tool"]
        assert "tool" in [text.get_text() for text in draw()[0].get_yticklabels()]
        silent = replace(session_of([], 5.0), heard=np.zeros((0, 2), dtype=np.int16))
        assert occurring(draw(silent, None)[1]) == set()


class TestSessionFigure:
    def test_sessions_are_stacked_on_one_time_axis_and_named(self):
        figure = plots.session_figure([LOG, LOG], labels=LABELS, names=["LiveKit's defaults", "support-line"])
        upper, lower = figure.axes
        assert upper.get_xlim() == lower.get_xlim() == (0.0, LOG.duration_s)
        assert upper.get_title(loc="left") == (
            "LiveKit's defaults: call-03; open loop; virtual clock; 4 commits; 1 false boundary"
        )
        assert lower.get_title(loc="left").startswith("support-line: call-03")
        part = plots.session_figure(LOG, (0.0, 9.0), LABELS).axes[0].get_title(loc="left")
        assert part.endswith("; whole call: 4 commits; 1 false boundary")
        assert lower.get_xlabel() == "time (s)"

    def test_a_long_call_is_broken_into_rows_with_the_sessions_together(self):
        long = session_of(SCRIPT, 100.0)
        figure = plots.session_figure([long, long], names=["a", "b"])
        edges = [0.0, 100 / 3, 200 / 3, 100.0]
        assert [ax.get_xlim() for ax in figure.axes[::2]] == list(pairwise(edges))
        assert [ax.get_title(loc="left") for ax in figure.axes[2:4]] == ["a", "b"]
        assert len(plots.session_figure(long, span_s=(0, 20)).axes) == 1
        assert len(plots.session_figure(long, span_s=(0, 20), row_s=5.0).axes) == 4

    def test_a_failure_is_in_the_title_and_red(self):
        failed = replace(LOG, failure="RuntimeError: the LLM gave up", mode="reactive", clock="real")
        ax = plots.session_figure(failed).axes[0]
        title = ax.get_title(loc="left")
        assert title == "call-03; reactive; real clock; 4 commits; FAILED: RuntimeError: the LLM gave up"
        assert ax._left_title.get_color() == style.VERMILLION
        assert "FAILED" in plots.latency_figure(failed).axes[0].get_title(loc="left")

    def test_the_legend_names_what_occurs_and_nothing_else(self):
        shown = texts(plots.session_figure(LOG, labels=LABELS))
        assert {"hold", "false boundary", "commit: detector", "tool", "interrupted", "error or limit"} <= set(
            shown
        )
        assert "commit: STT" not in shown
        assert texts(plots.session_figure(session_of([], 5.0))) == []

    def test_it_touches_no_backend(self):
        backend = matplotlib.rcParams._get_backend_or_none()
        assert plots.png(plots.session_figure(LOG))[:4] == b"\x89PNG"
        assert matplotlib.rcParams._get_backend_or_none() == backend

    def test_nothing_to_draw_is_refused(self):
        with pytest.raises(ValueError, match="at least one SessionLog"):
            plots.session_figure([])
        with pytest.raises(ValueError, match="2 names for 1 sessions"):
            named(LOG, ["a", "b"])
        with pytest.raises(ValueError, match="end after the start"):
            plots.session_figure(LOG, (5, 5))
        with pytest.raises(ValueError, match="row_s is 0"):
            plots.time_rows((0, 9), 0)

    @given(st.floats(0, 100), st.floats(0.1, 500), st.floats(5, 60))
    def test_rows_cover_the_span_without_gaps(self, start_s, length_s, row_s):
        rows = plots.time_rows((start_s, start_s + length_s), row_s)
        assert rows[0][0] == start_s
        assert len(rows) == 1 or rows[0][1] - rows[0][0] <= 1.15 * row_s + 1e-6
        assert rows[-1][0] < start_s + length_s <= rows[-1][1] + 1e-6
        np.testing.assert_allclose([a[1] for a in rows[:-1]], [b[0] for b in rows[1:]])


class TestStageBars:
    def bars(self, log=LOG):
        ax = Figure().subplots()
        table = stage_table(log)
        return ax, plots.stage_bars(ax, ReplyStages.of(log), "title").artists, table

    def test_visible_stages_follow_each_other_up_to_the_total(self):
        _, artists, table = self.bars()
        parts = visible(table)
        ends = np.zeros(len(table))
        for name, bars in zip(VISIBLE, artists.stages, strict=True):
            shown = parts[name] > 0
            boxes = boxes_of(bars)
            assert len(boxes) == shown.sum()
            np.testing.assert_allclose([box.x0 for box in boxes], ends[shown])
            np.testing.assert_allclose([box.width for box in boxes], parts[name][shown])
            ends = ends + parts[name].to_numpy()
        np.testing.assert_allclose(ends, table["e2e_latency"])
        np.testing.assert_allclose(at(artists.totals), table["e2e_latency"])

    def test_what_was_saved_follows_the_total(self):
        _, artists, table = self.bars()
        (box,) = boxes_of(artists.saved)
        assert box.x0 == pytest.approx(table["e2e_latency"][1])
        assert box.width == pytest.approx(0.35)
        total = table["e2e_latency"]
        assert artists.texts[0].get_text() == f"{total[0]:.2f}"
        assert artists.texts[1].get_text() == f"{total[1]:.2f} (0.35 saved)"

    def test_percentiles_and_final_transcripts(self):
        _, artists, table = self.bars()
        for name, q in (("p50", 50), ("p95", 95)):
            x = np.percentile(table["e2e_latency"], q)
            drawn = getattr(artists, name)
            assert drawn.line.get_xdata()[0] == pytest.approx(x)
            assert drawn.text.get_text() == f"{name} {x:.2f} s"
        assert at(artists.final) == [0.3] * 3

    def test_axes_have_units_and_each_reply_a_name(self):
        ax, _, _ = self.bars(session_of(SCRIPT, greeting=True))
        assert ax.get_xlabel() == "time after the user's last speech (s)"
        names = [text.get_text() for text in ax.get_yticklabels()]
        assert names == ["2: at 4.6 s \u2715", "3: at 11.2 s", "4: at 17.6 s"]
        bottom, top = ax.get_ylim()
        assert bottom > top

    def test_colours_tell_all_stages_apart(self):
        assert set(STAGE_NAMES) == set(STAGE_COLOURS) == set(VISIBLE)
        assert len({to_hex(colour) for colour in STAGE_COLOURS.values()}) == len(VISIBLE)

    def test_a_reply_never_heard_has_a_name_and_no_bar(self):
        unheard = replace(LOG.replies[0], stages={"end_of_turn_delay": 0.6, "transcription_delay": 0.3})
        _, artists, _ = self.bars(replace(LOG, replies=(unheard, *LOG.replies[1:])))
        assert (
            artists.texts[0].get_text()
            == "no total (not reported: on_user_turn_completed, LLM, TTS, playback)"
        )
        assert [
            box.y0 for box in boxes_of(artists.stages[VISIBLE.index("end_of_turn_delay")])
        ] == pytest.approx([0.64, 1.64])
        assert len(at(artists.final)) == 2

    def test_what_livekit_did_not_report_is_named(self):
        stages = {name: value for name, value in LOG.replies[0].stages.items() if name != "llm_node_ttft"}
        _, artists, _ = self.bars(replace(LOG, replies=(replace(LOG.replies[0], stages=stages),)))
        assert artists.texts[0].get_text() == "1.30 (not reported: LLM)"
        assert artists.stages[VISIBLE.index("llm_node_ttft")] is None

    def test_none_or_many_replies(self):
        ax, artists, _ = self.bars(session_of([], 5.0))
        assert artists.p50 is None
        assert [text.get_text() for text in ax.texts] == ["no replies"]
        many = session_of([Exchange(10.0 * k, 10.0 * k + 2) for k in range(60)], events=False, duration_s=9.0)
        ax, artists, _ = self.bars(many)
        assert len(boxes_of(artists.stages[VISIBLE.index("llm_node_ttft")])) == 60
        assert len(ax.get_yticklabels()) == 12
        assert artists.texts == ()


class TestLatencyFigure:
    def test_sessions_side_by_side_share_their_scale(self):
        figure = plots.latency_figure([LOG, session_of(SCRIPT[:1])], ["before", "after"])
        left, right = figure.axes
        assert left.get_xlim() == right.get_xlim()
        longest = (stage_table(LOG)["e2e_latency"] + stage_table(LOG)["saved"]).max()
        assert left.get_xlim()[1] > longest
        assert left.get_title(loc="left") == "before\ncall-03; open loop; virtual clock"
        assert {*STAGE_NAMES.values(), "total (e2e_latency)", "reply was interrupted"} <= set(texts(figure))

    def test_the_legend_names_what_was_saved_only_if_something_was(self):
        saved = "saved: ran during the wait"
        assert saved in texts(plots.latency_figure(LOG))
        assert saved not in texts(plots.latency_figure(session_of(SCRIPT[:1])))

    def test_no_replies_make_a_figure_all_the_same(self):
        assert plots.png(plots.latency_figure(session_of([], 5.0)))[:4] == b"\x89PNG"

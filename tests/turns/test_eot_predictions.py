"""eot-bench's files: read, written, scored as its harness scores them; and detectors asked in its way."""

from __future__ import annotations

import json
import math

import naive_eot_bench as naive
import numpy as np
import pandas as pd
import pytest
from recording_fixtures import one_line

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.recordings.audio import BadRecording
from lab_utils.turns import eot_bench
from lab_utils.turns.detectors.base import Predictor
from lab_utils.turns.eot_bench.asked import LONGEST_TURN_END_S, asked
from lab_utils.turns.eot_bench.predictions import COLUMNS, is_predictions


@pytest.mark.slow
@pytest.mark.parametrize("score_point", [None, 0.2])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_summary_is_that_of_the_harness(seed, score_point):
    table = naive.made_predictions(40, 25, seed)
    ours = eot_bench.Predictions(table, "made", score_point).scores
    expected = naive.cells(table, score_point)
    found = eot_bench.score_grid(ours)[list(expected)]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12, atol=1e-12)
    theirs, told = naive.summary(table, score_point), eot_bench.summary(ours)
    for most, point in theirs["operating_points"].items():
        ours_at = told["operating_points"][most]
        if point is None:
            assert math.isnan(ours_at["mean_latency"])
            continue
        for knob in ("threshold", "action_delay", "timeout"):
            assert ours_at[knob] == point[knob]
    assert told["mean_frontier_latency_0_10"] == pytest.approx(theirs["mean_frontier_latency_0_10"])


def test_a_detector_that_gives_one_score_is_taken_at_its_score_point():
    table = naive.made_predictions(20, 10, 3)
    at = eot_bench.Predictions(table, "made", 0.2).scores
    assert set(np.round(at.time_s, 9)) == {0.2}
    assert len(at.p) == len(np.unique(at.of_span))
    with pytest.raises(ValueError, match=r"made: \d+ of 30 spans have no score at 0.25 s of silence"):
        _ = eot_bench.Predictions(table, "made", 0.25).scores


def test_what_is_written_is_read_again(tmp_path):
    made = eot_bench.Predictions(naive.made_predictions(6, 4, 0), "A & <b>", 0.2)
    path = eot_bench.write_predictions(made, tmp_path / "run", inference_interval=0.1)
    again = eot_bench.read_predictions(path)
    assert (again.name, again.score_point) == ("A & <b>", 0.2)
    pd.testing.assert_frame_equal(again.table, made.table)
    assert eot_bench.read_predictions(path, 0.3).score_point == 0.3
    (tmp_path / "run" / "manifest.json").unlink()
    alone = eot_bench.read_predictions(path)
    assert (alone.name, alone.score_point) == ("run", None)
    assert is_predictions(path)
    assert not is_predictions(tmp_path / "run.flac")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda t: t.drop(columns="p_eot"), "lacks p_eot"),
        (lambda t: t.assign(p_eot=t["p_eot"] * 100), "expected probabilities, 0 to 1"),
        (lambda t: t.assign(silence_dur=math.nan), "no time"),
        (lambda t: t.assign(label="shift"), "has the label 'shift'"),
        (lambda t: t.assign(label=["eot", *["hold"] * (len(t) - 1)]), "both hold and eot"),
        (lambda t: t.assign(span_index="first"), "aren't numbers"),
        (lambda t: t.head(0), "has no row"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_refused_by_name(tmp_path, change, finding):
    path = tmp_path / "predictions.parquet"
    change(naive.made_predictions(3, 2, 0)).to_parquet(path)
    with pytest.raises(BadRecording, match=finding) as error:
        eot_bench.read_predictions(path)
    one_line(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["[1]", "{", json.dumps({"score_point": "soon"}), '{"score_point": NaN}'])
def test_a_manifest_that_makes_no_sense_is_refused_by_name(tmp_path, text):
    naive.made_predictions(3, 2, 0).to_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadRecording, match=r"manifest.json: can't be used"):
        eot_bench.read_predictions(tmp_path / "predictions.parquet")


def test_a_detector_is_asked_at_each_step_of_each_silence_about_all_that_it_may_hear():
    ipus = (Ipu("user", 0.5, 1.0), Ipu("user", 1.25, 2.0), Ipu("agent", 2.5, 3.0), Ipu("user", 3.2, 3.5))
    marks = (Label("hold", 1.0, 1.25), Label("shift", 2.0, 2.5), Label("shift", 3.5, 4.0))
    user = np.arange(4 * 16_000, dtype=np.int16)
    recording = Recording("call", "call.wav", user, None, "0" * 64, Labels(4.0, ipus, marks))
    heard = []

    def share(questions):
        heard.extend(zip(questions.starts.tolist(), questions.ends.tolist(), strict=True))
        return questions.ends / (16_000 * 60)

    found = asked(recording, Predictor(lambda: "1", share), 16_000)
    assert list(found) == list(COLUMNS)
    first = found[(found["id"] == "call/0") & (found["span_index"] == 0)]
    assert first["silence_dur"].tolist() == [0.0, 0.1, 0.2, 0.25]
    assert first["timestamp"].tolist() == [1.0, 1.1, 1.2, 1.25]
    assert set(first["label"]) == {"hold"}
    end = found[(found["id"] == "call/0") & (found["label"] == "eot")]
    assert end["silence_dur"].max() == pytest.approx(1.2), "until the user sounds again"
    last = found[found["id"] == "call/1"]
    assert last["silence_dur"].max() == pytest.approx(LONGEST_TURN_END_S), "silence follows the recording"
    assert heard[1] == (1_600, 17_600)
    assert found["p_eot"].iloc[1] == pytest.approx(17_600 / 960_000)

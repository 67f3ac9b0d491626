"""`lab eot-bench`: tables of its harness, detectors asked in its way, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import naive_eot_bench as naive
import numpy as np
import pytest
from recording_fixtures import RECORDINGS
from typer.testing import CliRunner

import lab_utils as lab
from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.turns.eot_bench import read_predictions, write_predictions
from lab_utils.turns.eot_bench.predictions import Predictions


def loud(audio) -> float:
    """Certain once the last tenth of a second is silent."""
    return 0.9 if np.abs(audio[-1600:].astype(float)).mean() < 100 else 0.1


def tables(folder: Path) -> list[Path]:
    """Two runs of a harness: one streams, one gives a score at 0.2 s."""
    made = naive.made_predictions(40, 25, 0)
    runs = (Predictions(made, "stream"), Predictions(made, "A & <b>", 0.2))
    return [write_predictions(one, folder / f"run{k}") for k, one in enumerate(runs)]


def test_tables_of_the_harness_give_its_operating_points(tmp_path):
    found = lab.eot_bench(tables(tmp_path))
    assert found.table["detector"].tolist() == ["stream", "A & <b>", "silence alone"]
    made = naive.made_predictions(40, 25, 0)
    for row, point in zip(found.table.to_dict("records")[:2], (None, 0.2), strict=True):
        theirs = naive.best(naive.cells(made, point), 0.1)
        assert theirs is not None
        assert row["latency_10_pct"] == pytest.approx(theirs["mean_latency"])
    assert "A &amp; &lt;b&gt;" in found._repr_html_()
    ran = CliRunner().invoke(cli.app, ["eot-bench", *map(str, tables(tmp_path)), "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)["table"]
    assert told[0]["latency_10_pct"] == pytest.approx(found.table["latency_10_pct"][0])
    assert told[0]["holds"] + told[0]["turns"] < 65


def test_a_detector_asked_on_recordings_writes_what_the_harness_reads(tmp_path):
    here = f"{Path(__file__).as_posix()}:loud"
    ran = CliRunner().invoke(
        cli.app,
        ["eot-bench", str(RECORDINGS / "eot_bench"), "--detector", here, "--out", str(tmp_path / "out"),
         "--jobs", "1", "--cache", str(tmp_path / "cache")],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert "loud" in ran.stdout
    written = read_predictions(tmp_path / "out" / "loud" / "predictions.parquet")
    assert (written.name, written.score_point) == ("loud", 0.2)
    assert written.table["id"].nunique() == 2
    again = lab.eot_bench(tmp_path / "out" / "loud" / "predictions.parquet")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for most, told in again.summaries["loud"]["operating_points"].items():
        same, latency_s = summary["loud"]["operating_points"][str(most)]["mean_latency"], told["mean_latency"]
        assert (math.nan if same is None else same) == pytest.approx(latency_s, nan_ok=True)


def test_what_gives_no_probabilities_and_what_comes_twice_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"vad: can.t be asked so; name a detector that hears"):
        lab.eot_bench(RECORDINGS / "eot_bench", ["vad"], quiet=True)
    with pytest.raises(InputError, match="two tables are of one detector: stream, stream"):
        lab.eot_bench([tables(tmp_path)[0]] * 2)

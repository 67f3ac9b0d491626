"""`lab eot-bench`: tables of its harness, detectors asked in its way, and what is refused."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import naive_eot_bench as naive
import numpy as np
import pytest
from paths import ROOT
from recording_fixtures import RECORDINGS
from typer.testing import CliRunner

import lab_utils as lab
from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.turns.eot_bench import read_predictions, write_predictions
from lab_utils.turns.eot_bench.predictions import Predictions
from lab_utils.workflows.detectors.eot_bench import _Answers, _Ask, _may_stand


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


DETECTOR = """
import os

import level


def loud(audio):
    with open("asked", "a") as asked:
        asked.write(".")
    if os.path.exists("kill") and os.path.getsize("asked") == int(open("kill").read()):
        os._exit(9)
    return level.LEVEL
"""


@pytest.mark.slow
def test_after_a_kill_a_detector_is_asked_anew_if_a_module_that_it_imports_has_changed(tmp_path):
    (tmp_path / "det.py").write_text(DETECTOR)
    level, kill, asked = tmp_path / "level.py", tmp_path / "kill", tmp_path / "asked"
    level.write_text("LEVEL = 0.25\n")

    def run() -> tuple[int, int, str]:
        """Exit code, how often the detector was asked, and what was told."""
        asked.unlink(missing_ok=True)
        command = [sys.executable, "-m", "lab_utils.cli", "eot-bench", RECORDINGS / "eot_bench"]
        command += ["--detector", "det.py:loud", "--jobs", "1", "--cache", "cache", "--out", "out"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, asked.stat().st_size, done.stderr

    code, every, _ = run()
    assert code == 0
    kill.write_text(str(every))  # of the last recording
    assert run()[:2] == (9, every)
    kill.unlink()
    code, times, told = run()
    assert code == 0
    assert 0 < times < every
    assert "going on: 1 of 2 recordings" in told
    kill.write_text(str(every))
    assert run()[:2] == (9, every)
    kill.unlink()
    level.write_text("LEVEL = 0.125\n")
    code, times, told = run()
    assert (code, times) == (0, every)
    assert "going on" not in told
    assert set(read_predictions(tmp_path / "out" / "loud" / "predictions.parquet").table["p_eot"]) == {0.125}


def test_answers_of_modules_that_were_not_known_are_not_gone_on_from():
    ask = _Ask(None, None, 0, "what was loaded", "")
    table = naive.made_predictions(1, 1, 0)
    assert _may_stand(ask, _Answers(table, ask.code))
    assert not _may_stand(ask, _Answers(table, "and more"))

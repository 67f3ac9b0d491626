"""`lab optimize` and `Study.optimize`: on the samples, from the search to an exported profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.errors import InputError
from lab_utils.turns.choose import answering
from lab_utils.turns.metrics import hypervolume
from lab_utils.turns.origins import BY_EACH
from lab_utils.workflows.study import measure, reopen_study

SAMPLES = Path(__file__).resolve().parent.parent.parent / "audio_samples" / "calls" / "demo"
CALLS = ["13_savings_account", "14_clinic_appointment", "15_train_tickets", "16_shoe_return", "17_water_bill"]
PATHS = [SAMPLES / f"{name}.flac" for name in CALLS]
GRID = {
    "vad": ["livekit"],
    "min_silence_duration": [0.25, 0.4, 0.55, 0.7],
    "min_delay": [0.0, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2],
    "max_delay": [0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0],
    "unlikely_threshold": [0.1, 0.15, 0.2, 0.25, 0.3, 0.36, 0.42, 0.5, 0.6],
}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_a_search_goes_on_and_its_folder_can_be_exported(tmp_path: Path) -> None:
    """12 settings, then 8 more; the choice is held out and exported; other objectives are refused."""
    calls = [*map(str, PATHS), "--phases", "1", "--jobs", "1", "--json"]
    out = tmp_path / "out"
    first = json.loads(run("optimize", *calls, "--evaluations", "12", "--out", str(out)))
    assert first["settings"] == 12
    summary = json.loads(run("optimize", *calls, "--evaluations", "20", "--out", str(out)))
    table = pd.read_parquet(out / "sweep.parquet")
    assert summary["settings"] == len(table) == 20
    assert sorted(map(len, summary["search"]["parts"])) == [2, 3]
    assert table["part"].value_counts().to_dict() == {BY_EACH: 10, 0: 5, 1: 5}
    assert summary["held_out"]["latency_mean"]["n"] > 0
    study = reopen_study(out, jobs=1, quiet=True)
    assert study.result.origins is not None
    assert [list(part) for part in study.result.origins.parts] == summary["search"]["parts"]
    profile = tmp_path / "profile.yaml"
    budget = ("--max-false-boundary-rate", "0.9")
    run("export", str(out), "--name", "found", "-o", str(profile), *budget, "--jobs", "1")
    assert "held_out" in profile.read_text("utf-8")
    other = ["optimize", *calls, "--evaluations", "20", "--out", str(out), "--minimize", "latency_p95"]
    refused = CliRunner().invoke(app, other)
    assert refused.exit_code == 1
    assert "is of a search with other objectives; give another folder" in refused.stderr


def test_frames_have_the_length_that_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def kept(*_: Any, **options: Any) -> None:
        given.update(options)
        raise InputError("enough")

    monkeypatch.setattr("lab_utils.workflows.study.optimize", kept)
    result = CliRunner().invoke(
        app, ["optimize", str(PATHS[0]), "--frame-ms", "20", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert given["conditions"].frame_duration == 0.02


@pytest.mark.slow
def test_a_tenth_of_a_grids_evaluations_finds_98_per_cent_of_its_hypervolume() -> None:
    """On three calls."""

    def covered(table: pd.DataFrame) -> float:
        best = table[answering(table)]
        return hypervolume(best["false_boundary_rate"].to_numpy(), best["latency_mean"].to_numpy())

    exhaustive = measure(PATHS[:3], grid=GRID, phases=1, jobs=1, quiet=True)
    found = exhaustive.optimize(GRID, evaluations=len(exhaustive.table) // 10, jobs=1, quiet=True)
    assert len(found.table) == len(exhaustive.table) // 10
    figure = found.plot_frontiers({"grid": exhaustive}).figure
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["search", "grid"]
    assert covered(found.table) >= 0.98 * covered(exhaustive.table)

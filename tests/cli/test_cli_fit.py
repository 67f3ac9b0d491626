"""`lab fit` from reports to a profile, and one clear line for what can't be fitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from session_reports import drawn, write_report
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.session.providers.files import load_providers


def lab_fit(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


@pytest.mark.slow
def test_reports_become_a_profile_and_a_plot(tmp_path: Path) -> None:
    for k in range(3):
        write_report(tmp_path / "calls" / f"{k}" / "report.json", drawn(30, seed=k))
    out, plot = tmp_path / "new" / "mine.yaml", tmp_path / "new" / "fit.png"
    result = lab_fit(tmp_path / "calls", "--base", "guide", "--out", out, "--plot", plot, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    profile = load_providers(out)
    assert profile.name == "mine"
    assert summary["files"] == 3
    assert summary["stages"]["large.ttft"]["n"] == 90
    assert summary["stages"]["large.ttft"]["p95_s"] == profile.large.ttft.p95_s
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in out.parent.iterdir()) == ["fit.png", "mine.yaml"]


@pytest.mark.slow
def test_the_table_names_stages_intervals_and_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    turns = drawn(50)
    for turn in turns[5:]:
        del turn["tts_node_ttfb"]
    turns.append({"transcription_delay": 0.0})
    report = write_report(tmp_path / "report.json", turns)
    result = lab_fit(report, "--base", "guide", "--out", tmp_path / "mine.yaml")
    assert result.exit_code == 0, result.output
    assert "large.ttft" in result.stdout
    assert "520, 700 ms" in result.stdout
    assert "stt.final: 1 left out: zero" in result.stdout
    assert "tts.first_audio: 5 turns, 30 are needed; as in guide" in result.stdout


def test_too_few_turns_end_in_one_line_and_no_file(tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.json", drawn(29))
    result = lab_fit(report, "--base", "guide", "--out", tmp_path / "mine.yaml")
    assert result.exit_code == 1
    assert "lab: error: too few turns to fit: stt.final 29" in result.stderr
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("base", "message"), [("guidance", "no built-in provider profile"), ("none.yaml", "can't be read")]
)
def test_a_base_that_is_not_there_is_named(base: str, message: str, tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.json", drawn(30))
    result = lab_fit(report, "--base", base, "--out", tmp_path / "mine.yaml")
    assert result.exit_code == 1
    assert message in result.stderr

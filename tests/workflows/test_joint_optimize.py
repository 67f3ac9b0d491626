"""`lab optimize --minimize e2e_p95` from end to end, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.turns.profile import load_profile
from lab_utils.turns.search import Objectives, Space
from lab_utils.workflows.study import measure
from lab_utils.workflows.study import search as study_search
from lab_utils.workflows.study.search import Work

CALLS = [
    str(SAMPLES / "calls" / "demo" / f"{name}.flac")
    for name in ("13_savings_account", "14_clinic_appointment")
]
GRID = {"vad": ["livekit"], "detector": ["v1-mini"], "min_delay": [0.0, 1.2], "max_delay": [1.2, 2.5]}


def ran(*arguments: str):
    return CliRunner().invoke(app, ["optimize", *arguments])


def table_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "joint.parquet")


@pytest.mark.slow
def test_the_choice_is_run_as_sessions_that_say_the_same_and_is_exported_with_its_levers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scouted: list[int] = []
    scouts = study_search.scouts
    monkeypatch.setattr(study_search, "scouts", lambda *of: (scouted.append(of[3]), scouts(*of))[1])
    grid, out = tmp_path / "grid.yaml", tmp_path / "out"
    grid.write_text(yaml.safe_dump(GRID), encoding="utf-8")
    joint = [*CALLS, "--grid", str(grid), "--providers", "guide", "--minimize", "e2e_p95", "--phases", "1"]
    usual = [*joint, "--evaluations", "8", "--jobs", "1", "--json"]
    first = ran(*usual, "--sessions", "1", "--out", str(out))
    assert first.exit_code == 0, first.output
    assert scouted == [80, 80]  # twenty for each evaluation, by each part of the calls
    summary = json.loads(first.stdout)
    figures = summary["figures"]
    for name in ("e2e_p50", "e2e_p95", "answer_p95", "dollars_per_1000", "answered"):
        assert figures["chosen, as sessions"][name] == pytest.approx(figures["chosen"][name], abs=1e-6)
    assert figures["floor (perfect detector)"]["e2e_p95"] <= figures["chosen"]["e2e_p95"]
    for name, value in figures["chosen, held out"].items():
        assert summary["held_out"][name]["value"] == value
    within = summary["within_rates"]
    assert 0.1 in [one["most_cut"] for one in within]
    assert len(summary["frontier"]) >= 1
    for point in (*summary["frontier"], *within):
        for name in ("e2e_p50", "e2e_p95", "answer_p95", "dollars_per_1000", "false_boundary_rate"):
            row = table_of(out).iloc[point["row"]]
            assert point["figures"][name]["value"] == pytest.approx(row[name], abs=1e-8)
    assert [one["held_out"] for one in within if one["most_cut"] == 0.1] == [summary["held_out"]]
    profile = load_profile(out / "profile.yaml")
    levers = set(summary["levers"])
    assert profile.settings.interruption.resume_false_interruption != ("resume_false_interruption" in levers)
    assert profile.settings.preemptive.preemptive_tts == ("preemptive_tts" in levers)
    worker = (out / "agent.py").read_text("utf-8")
    assert all(f'"{name}"' in worker for name in (*levers, *summary["techniques"]))
    table = table_of(out)
    again = ran(*usual, "--sessions", "0", "--out", str(out))  # nothing is left to try
    assert json.loads(again.stdout)["settings"] == summary["settings"]
    pd.testing.assert_frame_equal(table_of(out), table)


def test_scouting_counts_in_the_seconds_is_shown_and_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One batch is tried even so; the search that goes on begins with what the first one scouted."""
    measured = measure(CALLS[0], grid={"detector": ["vad"]}, phases=1, jobs=1, quiet=True)
    space = Space(Space.of({"detector": ["vad"], "min_delay": [0.0, 2.0]}).knobs, ("fast",))
    space = space.beginning_along("min_delay", 30)
    now_s, tables = 0.0, []

    def scored(part: study_search._Part, table: pd.DataFrame) -> pd.DataFrame:
        nonlocal now_s
        now_s += 6.0
        tables.append(len(table))
        return of_part(part, table)

    of_part = study_search._Part._scored
    monkeypatch.setattr(study_search._Part, "_scored", scored)

    def found(seconds: float) -> pd.DataFrame:
        tables.clear()
        table, _ = study_search.find(
            measured,
            space,
            Work(evaluations=48, seconds=seconds, clock=lambda: now_s),
            Objectives("latency_mean"),
            seed=0,
            folder=tmp_path,
            jobs=1,
            cache=None,
            quiet=False,
            further=lambda rows, _: pd.DataFrame({"unused": [0.0] * len(rows)}),
        )
        return table

    first = found(seconds=10.0)
    assert len(tables) == 3  # two generations of four, and a batch
    assert max(tables[:2]) <= 240
    assert len(first) == tables[2] == 24
    scouting, _ = capsys.readouterr().err.split("searching", 1)
    assert "100%" in scouting.split("scouting")[-1], "a search that ends well ends with a full bar"
    again = found(seconds=1e6)
    assert tables == [24]
    assert "scouting" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(again[:24], first)
    lines = (tmp_path / "search.jsonl").read_text("utf-8").splitlines()
    kept = json.loads(next(line for line in lines if "begun with" in line))
    delays = {round(one["min_delay"], 2) for one in kept["user_attr"]["begun with"]}
    assert delays <= set(again["min_delay"].round(2))
    assert not delays <= set(first["min_delay"].round(2)), "some were still to be tried"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minimize", "e2e_p95"], "needs --providers"),
        (["--max-cost", "5"], "--max-cost goes with --minimize e2e_p50 or e2e_p95"),
        (["--max-p50", "1.2"], "--max-p50 goes with --minimize e2e_p50 or e2e_p95"),
        (["--max-answer", "3"], "--max-answer goes with --minimize e2e_p50 or e2e_p95"),
        (["--minimize", "e2e_p50", "--providers", "guidance"], "guidance"),
    ],
)
def test_what_can_not_be_searched_is_refused_in_a_line(arguments, message, tmp_path: Path) -> None:
    result = ran(CALLS[0], *arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code != 0
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_what_the_agent_asks_is_refused_as_a_knob_before_the_work(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("extra_delay_asked: [0.0, 1.0]\n", encoding="utf-8")
    asked = ["--grid", str(grid), "--minimize", "e2e_p95", "--providers", "guide", "--phases", "1"]
    result = ran(CALLS[1], *asked, "--jobs", "1", "--out", str(tmp_path / "out"))
    assert result.exit_code != 0
    assert "the simulated agent asks other things" in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output

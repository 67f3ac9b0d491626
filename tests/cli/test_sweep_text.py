"""What `lab sweep` prints of the chosen setting: the knobs in force, and no others."""

from __future__ import annotations

import pytest

from lab_utils.cli.tables.sweep import print_summary
from lab_utils.core.settings import Settings
from lab_utils.workflows.study.figure_texts import NAMES


def chosen_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    figures = {name: {"n": 0, "value": None} for name in NAMES}
    print_summary(
        {
            "recordings": ["one"],
            "counts": {"holds": 1, "turns": 1, "backchannels": 0, "cut_offs": 0},
            "settings": 1,
            "phases": 1,
            "hold_lengths": {"cut_offs": 0},
            "assumed": [],
            "skipped": [],
            "defaults": {"figures": figures},
            "chosen": {"figures": figures, "settings": settings.knobs()},
            "held_out": None,
            "budget": {"met": True},
        },
        out=None,
    )
    printed = " ".join(capsys.readouterr().out.split())  # the terminal's width breaks lines
    return printed[printed.index("chosen: ") :]


@pytest.mark.parametrize("detector", ["vad", "stt"])
@pytest.mark.parametrize(("mode", "told"), [("dynamic", True), ("fixed", False)])
def test_max_delay_is_told_where_dynamic_endpointing_uses_it(detector, mode, told, capsys):
    settings = Settings().replace(detector=detector, endpointing_mode=mode, max_delay=2.75)
    assert ("max_delay 2.75" in chosen_line(settings, capsys)) is told


def test_a_detector_with_a_threshold_waits_for_max_delay_in_either_mode(capsys):
    for mode in ("fixed", "dynamic"):
        settings = Settings().replace(detector="v1-mini", endpointing_mode=mode, max_delay=2.75)
        line = chosen_line(settings, capsys)
        assert "max_delay 2.75" in line
        assert "unlikely_threshold" in line


def printed_table(capsys: pytest.CaptureFixture[str], **at_most: float) -> list[str]:
    figure = {"value": 0.127, "low": 0.0235, "high": 0.321, "n": 77}
    figures = dict.fromkeys(NAMES, figure)
    figures |= {name: {**figure, "value": value} for name, value in at_most.items()}
    figures["longest_wait"] = {"value": None, "low": None, "high": None, "n": 128}
    figures["latency_p95"] = {"value": 4.05, "low": 1.3, "high": None, "n": 128}
    figures["commits_in_no_label"] = {"value": 2.5, "low": None, "high": None, "n": 12}
    summary = {
        "recordings": ["one"] * 12,
        "counts": {"holds": 1, "turns": 1, "backchannels": 0, "cut_offs": 0},
        "settings": 1,
        "phases": 1,
        "assumed": [],
        "hold_lengths": {"cut_offs": 0},
        "skipped": [],
        "defaults": {"figures": figures},
        "chosen": {"figures": figures, "settings": Settings().knobs()},
        "held_out": figures,
        "budget": {"met": True},
    }
    print_summary(summary, out=None)
    return capsys.readouterr().out.splitlines()


def test_every_figure_stands_in_the_table_which_is_readable_at_100_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = printed_table(capsys, false_boundary_rate_at_most=0.3)
    table = lines[: next(k for k, line in enumerate(lines) if line.startswith("chosen:"))]
    assert max(len(line.rstrip()) for line in table) <= 100
    rows = {line[:32].strip(): line[32:].split("  ") for line in table}
    assert "… with unknown ones, at most" in rows
    for name in ("longest wait", "coin flips between takes", "commits in no label", "missed ends of turn"):
        assert name in rows
    wait = next(line for line in table if "longest wait" in line)
    assert wait.split() == ["longest", "wait", "never", "never", "never", "128"]
    slow = next(line for line in table if "latency, p95" in line)
    assert slow.count("4050 ms (≥ 1300)") == 3
    lost = next(line for line in table if "in no label" in line)
    assert lost.split()[4:] == ["2.5", "2.5", "2.5", "12"]


def test_a_bound_is_left_out_where_the_recorded_agent_cut_nobody_off(capsys):
    assert not any("at most" in line for line in printed_table(capsys))

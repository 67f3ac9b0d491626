"""`lab plan`: how many calls a guarantee takes, and what hours of them cost, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from calls import short_call
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.recordings.audio import write_flac
from lab_utils.recordings.labels.file import write_labels
from lab_utils.workflows.plan import HoursPlan


def planned(*options: str) -> str:
    found = CliRunner().invoke(cli.app, ["plan", "calls", *options])
    assert found.exit_code == 0, found.output
    return " ".join(found.stdout.split())


def test_a_plan_says_how_many_calls_in_all_and_how_many_test():
    plan = json.loads(planned("--rate", "0", "--budget", "0.1", "--json"))
    assert (plan["least_testing_calls"], plan["testing_calls"], plan["calls"]) == (22, 22, 30)
    text = planned("--rate", "0", "--budget", "0.1")
    assert text.startswith("30 calls with holds, 22 of them for testing: then 80% of studies certify")


def test_a_rate_over_the_budget_takes_more_calls_than_there_are():
    text = planned("--rate", "0.12", "--budget", "0.1")
    assert "can't be certified to be at most 10.0% with 90% confidence by any number of calls" in text
    assert "never with fewer than 22 testing calls" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "2", "--budget", "0.1"], "rate 2: expected 0 to 1"),
        (["--rate", "0.02", "--budget", "10"], "budget 10: expected more than 0 and less than 1"),
        (["--rate", "0.02", "--budget", "0.1", "--holds", "0"], "holds 0: expected at least 1"),
    ],
)
def test_figures_that_are_no_shares_are_told_in_a_line(options, message):
    found = CliRunner().invoke(cli.app, ["plan", "calls", *options])
    assert found.exit_code == 1
    assert message in " ".join(found.output.split())


@pytest.mark.slow
def test_hours_are_planned_from_what_each_stage_costs_on_this_machine(tmp_path: Path) -> None:
    part = short_call("part")
    assert part.labels is not None
    assert part.agent is not None
    write_flac(tmp_path / "part.flac", np.column_stack([part.user, part.agent]))
    write_labels(part.labels, tmp_path / "part.labels.json")
    found = CliRunner().invoke(cli.app, ["plan", "hours", "200", str(tmp_path), "--workers", "4", "--json"])
    assert found.exit_code == 0, found.output
    plan = json.loads(found.stdout)
    assert plan["measured_s"] == pytest.approx(part.duration_s)
    assert [stage["stage"].split()[0] for stage in plan["stages"]] == ["listen", "ask", "read"]
    assert all(stage["cpu_s"] > 0 and stage["peak_mb"] > 50 for stage in plan["stages"])
    assert plan["cpu_hours"] == pytest.approx(200 * sum(stage["cpu_s"] for stage in plan["stages"]) / 3600)
    assert plan["store_mb"] > 0
    text = str(HoursPlan(**{k: v for k, v in plan.items() if k not in ("stages", "cpu_hours")}, stages=()))
    assert "hours on 4 workers of one core each" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "0 hours on 1 workers: expected more than 0, on at least 1"),
        (["10", "nothing-here"], "nothing-here"),
    ],
)
def test_hours_that_cannot_be_planned_are_told_in_a_line(arguments: list[str], message: str) -> None:
    found = CliRunner().invoke(cli.app, ["plan", "hours", *arguments])
    assert found.exit_code == 1
    assert message in found.output

"""`lab plan calls`: how many calls a guarantee takes, as text and as JSON."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lab_utils import cli


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

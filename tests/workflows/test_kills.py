"""A command that is killed leaves nothing running and nothing half written, and goes on the next time."""

from __future__ import annotations

import json
import os

import pytest
import soak
from kills import CASES, survive

KILLS = int(os.environ.get("LAB_KILLS", "0"))
"""How often each command is killed; by default only the quickest is, once. More: `tests/kills.py`."""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("name", CASES)
def test_the_run_after_a_kill_gives_what_an_undisturbed_one_gives(name, tmp_path) -> None:
    kills = KILLS or int(name == "label")
    if not kills:
        pytest.skip("takes long; set LAB_KILLS to how often to kill it")
    assert survive(name, kills, tmp_path).kills == kills


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_round_of_the_soak_finds_nothing_and_what_is_left_behind_is_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def litters(of: soak.Round) -> None:
        soak.kill(of)
        (of.folder / ".lab-left").touch()

    one = ["--rounds", "1", "--only", "label"]
    assert soak.main([*one, "kill_twice"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rounds"], found["wrong"], found["by_fault"]) == (1, 0, {"kill_twice": 1})
    monkeypatch.setitem(soak.FAULTS, "kill", litters)
    assert soak.main([*one, "kill"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert "left behind" in finding["wrong"]

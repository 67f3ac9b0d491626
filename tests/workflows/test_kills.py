"""A command that is killed leaves nothing running and nothing half written, and goes on the next time."""

from __future__ import annotations

import os

import pytest
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

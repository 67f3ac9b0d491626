"""What an ended command leaves to go on from: what didn't fail, if something did, and else nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from paths import ROOT

from lab_utils.cli import common
from lab_utils.cli.run import _told
from lab_utils.cli.verify import _tell
from lab_utils.core.errors import InputError
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.finished import Kept, Run


def command(ending: Callable[[], object], cache: Path) -> None:
    """Runs two sessions and ends so."""
    with common.going_on(cache):
        run = Run(str, [(1,), (2,)], Kept(str), "session")
        assert list(run.all(run.work(*one) for one in run.rest)) == ["1", "2"]
        assert len(TraceCache(cache).finished()) == 2
        ending()


def left_by(ending: Callable[[], object], cache: Path) -> int:
    """How many entries such a command leaves."""
    with pytest.raises((typer.Exit, BrokenPipeError, InputError)):
        command(ending, cache)
    return len(TraceCache(cache).finished())


def raising(error: BaseException) -> Any:
    def ending(*_: Any, **__: Any) -> None:
        raise error

    return ending


def test_a_mismatch_is_a_result_and_a_failed_session_is_run_again(tmp_path: Path) -> None:
    assert left_by(raising(typer.Exit(1)), tmp_path) == 0
    assert left_by(raising(InputError("bad input")), tmp_path) == 2
    assert left_by(raising(common.SomeFailed()), tmp_path) == 2
    assert common.SomeFailed().exit_code == 1


def test_a_command_whose_reader_has_gone_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = raising(BrokenPipeError())
    assert left_by(lambda: _tell({}, gone, None, False), tmp_path) == 0
    monkeypatch.setattr("lab_utils.workflows.run.summary_of", gone)
    for failed, entries in (([], 0), (["call"], 2)):
        ended: Any = SimpleNamespace(of=lambda _, failed=failed: failed)
        assert left_by(lambda ended=ended: _told(ended, tmp_path, True), tmp_path) == entries


def test_every_command_that_goes_on_tells_when_its_results_are_written() -> None:
    modules = [path for path in (ROOT / "lab_utils" / "cli").rglob("*.py") if path.name != "common.py"]
    going = [text for text in map(Path.read_text, modules) if re.search(r"with .*\bgoing_on\(", text)]
    assert len(going) == 11
    assert all(re.search(r"^ +results_are_written\(\)$", text, re.M) for text in going)

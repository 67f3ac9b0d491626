"""Tests on the virtual clock, which must be installed before LiveKit is imported: in a process of their own.

Decorate a coroutine function with `on_both_clocks` or `on_virtual_clock`, or a function that runs loops of
its own with `where_clock_is_virtual`. The virtual tests of a file are run
once, in a child pytest that this module starts; each test then reports its own result from there.
"""

import asyncio
import functools
import inspect
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

CHILD = "LAB_TESTS_ON_VIRTUAL_CLOCK"
Scenario = Callable[[], Coroutine[Any, Any, None]]


def on_virtual_clock(scenario: Scenario) -> Callable[[], None]:
    """A test of a coroutine function without arguments, run by `clock.run`."""

    @functools.wraps(scenario)
    def run() -> None:
        from lab_utils.session import clock

        clock.run(scenario)

    return where_clock_is_virtual(run)


def where_clock_is_virtual(check: Callable[[], None]) -> Callable[[], None]:
    """A test of a function without arguments, in a process whose clock is virtual in virtual loops."""

    @pytest.mark.virtual
    @functools.wraps(check)
    def test() -> None:
        if os.environ.get(CHILD):
            check()
            return
        failure = _results(inspect.getfile(inspect.unwrap(check))).get(
            check.__name__, "the child never ran this test"
        )
        if failure:
            pytest.fail(failure, pytrace=False)

    return test


def on_both_clocks(scenario: Scenario) -> Callable[[str], None]:
    """Two tests: on the virtual clock, and in real time on a plain event loop."""
    virtual = on_virtual_clock(scenario)

    @pytest.mark.virtual
    @pytest.mark.parametrize("clock", ["virtual", "real"])
    def test(clock: str) -> None:
        if clock == "virtual":
            virtual()
        elif not os.environ.get(CHILD):
            asyncio.run(scenario())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


@functools.cache
def _results(path: str) -> dict[str, str]:
    """The failure of every virtual test of a file by name, empty where it passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        child = subprocess.run(
            [sys.executable, __file__, path, str(report)],
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
            | {CHILD: "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if not report.exists():
            pytest.fail(f"the child pytest made no report:\n{child.stdout}\n{child.stderr}", pytrace=False)
        results: dict[str, str] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            faults = [fault.text or "" for fault in case if fault.tag in ("failure", "error")]
            name = case.get("name", "").split("[")[0]
            results[name] = results.get(name, "") + "\n".join(faults)
        return results


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    sys.path.insert(0, str(root))
    from lab_utils.session import clock

    clock.install()
    test_file, report_file = sys.argv[1:]
    options = ["-m", "virtual", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report_file}"]
    sys.exit(pytest.main([test_file, f"--rootdir={root}", "-q", *options]))

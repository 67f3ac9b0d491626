"""The benchmark, whose figures nobody sees for days, can be loaded and doesn't end with its first error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench
import numpy as np
import pytest

TESTS = Path(__file__).parent


def test_a_section_that_fails_tells_its_error_and_the_rest_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(_: bench.Samples) -> dict[str, Any]:
        raise ValueError("no such thing")

    sections: dict[str, Callable[[bench.Samples], dict[str, Any]]] = {"one": fails, "two": lambda _: {"s": 1}}
    found = bench.measured(sections, bench.Samples())
    assert found == {"one": {"error": "ValueError('no such thing')"}, "two": {"s": 1}}
    assert "Traceback" in capsys.readouterr().err


def test_memory_is_this_process_own() -> None:
    """Not what the process had that started it."""
    large = np.ones(50_000_000)
    code = "import bench_scale; print(bench_scale.peak_mb())"
    told = subprocess.run([sys.executable, "-c", code], cwd=TESTS, check=True, capture_output=True, text=True)
    assert int(told.stdout) < large.nbytes / 1e6

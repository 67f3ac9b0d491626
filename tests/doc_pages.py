"""What the pages of the documentation give to type: commands, and blocks of Python."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from paths import ROOT, SAMPLE_CALLS

import lab_utils
from lab_utils.workflows.study import measure

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SMALL = {"unlikely_threshold": [0.2, 0.36], "min_delay": [0.3, 0.6], "max_delay": [1.0, 2.5]}
"""A grid in place of the usual one."""
CALLS = ("14_clinic_appointment", "20_library_books")


def commands(text: str) -> list[list[str]]:
    """The commands `lab …` that stand on lines of their own, without `lab`."""
    lines = re.findall(r"(?m)^(?:    |      - run: )?(?:uvx --from \S+ )?lab ((?![^#\n]*…).*)$", text)
    return [shlex.split(line, comments=True) for line in lines]


def mentioned(text: str) -> list[list[str]]:
    """The commands that sentences mention, often without what they need."""
    return [shlex.split(one) for one in re.findall(r"`lab ([a-z][^`…]*)`", text)]


def python_blocks(page: Path) -> list[str]:
    """The Python of a page, with the call that it names exchanged for one that `calls_of_ones_own` has."""
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text("utf-8"))
    return [block.replace("my_calls/one.flac", f"my_calls/{CALLS[1]}.flac") for block in blocks]


def run_python(block: str, names: dict[str, object]) -> None:
    """Execute a block as a notebook's cell: what its last line gives is shown, too."""
    tree = ast.parse(block)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<page>", "exec"), names)
    if last is not None:
        shown = eval(compile(ast.Expression(last.value), "<page>", "eval"), names)
        if hasattr(shown, "_repr_html_"):
            shown._repr_html_()


def calls_of_ones_own(folder: Path) -> None:
    """Make `my_calls/` with two calls of the samples."""
    calls = folder / "my_calls"
    calls.mkdir()
    for name in CALLS:
        for suffix in (".flac", ".labels.json"):
            (calls / f"{name}{suffix}").symlink_to(SAMPLE_CALLS / "demo" / f"{name}{suffix}")


def measure_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `lab.measure` take the small grid and one take where a page leaves both open."""

    def little(paths: str, grid: dict | None = None, **options: object) -> object:
        return measure(paths, grid=grid or SMALL, **{"phases": 1, "jobs": 1, "quiet": True} | options)

    monkeypatch.setattr(lab_utils, "measure", little, raising=False)
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "1")

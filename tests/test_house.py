"""The house's measures: lengths of functions and files, modules in a room, words in the README."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lab_utils"
FILES = sorted(PACKAGE.rglob("*.py"))

FUNCTION_LINES = 60
FILE_LINES = 360
"""300 is the aim; a file between the two is one subject that would not get clearer by being cut."""
ROOM_MODULES = 15
"""Beside `__init__.py` and `__main__.py`; what is more goes into a room below."""
README_WORDS = 950

LONGER_FILES = {"lab_utils/turns/replay/__init__.py", "lab_utils/turns/tracing.py"}


def name(path: Path) -> str:
    """Relative to the root, with "/"."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.slow
def test_no_function_is_too_long() -> None:
    longer = {
        f"{name(path)}:{node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    }
    assert not longer, f"over {FUNCTION_LINES} lines; split it"


def test_no_file_is_too_long() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    longer = {path for path, count in lines.items() if count > FILE_LINES}
    assert longer <= LONGER_FILES, f"over {FILE_LINES} lines; split it by what it is about"


def test_no_room_is_too_full() -> None:
    rooms = {path.parent for path in FILES}
    modules = {name(room): len([*room.glob("[!_]*.py")]) for room in rooms}
    fuller = {room for room, count in modules.items() if count > ROOM_MODULES}
    assert not fuller, f"over {ROOM_MODULES} modules; give some a room below"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= README_WORDS

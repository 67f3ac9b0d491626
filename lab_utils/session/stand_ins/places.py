"""Finds lines of a user's own code, which stand-ins and messages name. Doesn't import LiveKit."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from ...core.files.users_code import is_users

_FINDERS = f"{Path(__file__).resolve().parent}/"
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, order=True)
class Place:
    """A line of a user's file."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.path).name}:{self.line}"

    @property
    def foresees_import_errors(self) -> bool:
        """Whether the line is in a `try` that catches import errors: its author expects a missing package."""
        return any(first <= self.line <= last for first, last in _source(self.path).guarded)

    @property
    def decorates(self) -> bool:
        """Whether a function or class is being decorated in this line."""
        return self.line in _source(self.path).decorators


def users_place() -> Place | None:
    """The innermost line of the user's code that this thread runs now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else Place(frame.f_code.co_filename, frame.f_lineno)


def importing_place() -> Place | None:
    """The line of the current import statement, if it is the user's. To be called by a finder."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _imports(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or not is_users(frame.f_code.co_filename):
        return None
    return Place(frame.f_code.co_filename, frame.f_lineno)


def raised_at(error: BaseException) -> Place | None:
    """The innermost line of the user's code that an error came through."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Place(error.filename, error.lineno)
    found, traceback = None, error.__traceback__
    while traceback is not None:
        if is_users(traceback.tb_frame.f_code.co_filename):
            found = Place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _imports(filename: str) -> bool:
    return "importlib" in filename or filename.startswith(_FINDERS)


@dataclass(frozen=True)
class _Source:
    guarded: tuple[tuple[int, int], ...] = ()
    decorators: frozenset[int] = frozenset()


@cache
def _source(path: str) -> _Source:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, ValueError, SyntaxError):
        return _Source()
    guarded: list[tuple[int, int]] = []
    decorators: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_catches_import_errors(handler) for handler in node.handlers):
            guarded.append((node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            decorators.update(decorator.lineno for decorator in node.decorator_list)
    return _Source(tuple(guarded), frozenset(decorators))


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in _IMPORT_ERRORS for node in ast.walk(handler.type))

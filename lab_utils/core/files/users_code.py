"""Which code is the user's own, and what belongs to a file of it.

A user's code is any code outside of Python's library, installed packages and this package.
"""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

_OTHERS = (
    f"{sysconfig.get_path('stdlib')}/",
    f"{sysconfig.get_path('platstdlib')}/",
    f"{Path(__file__).resolve().parents[2]}/",
)
_INSTALLED = ("site-packages", "dist-packages")


@cache
def is_users(filename: str) -> bool:
    """Whether a file with code is the user's own."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    return not str(path).startswith(_OTHERS) and not set(_INSTALLED).intersection(path.parts)


def imported_files(file: Path) -> set[Path]:
    """The user's own files that a file imports, and those in turn, wherever their import statements stand.

    Nothing is imported for it, and what a name is that is made up at run time can't be known.
    """
    found: set[Path] = set()
    todo = [file]
    while todo:
        path = todo.pop()
        new = {one for one in _imports(path) if one != file and is_users(str(one))} - found
        found |= new
        todo += sorted(new)
    return found


def _imports(file: Path) -> Iterator[Path]:
    """Files that the import statements of a file name."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _of_name(alias.name)
        elif isinstance(node, ast.ImportFrom):
            stem = node.module.split(".") if node.module else []
            for alias in node.names:
                if node.level:
                    yield from _below(file.parents[node.level - 1], [*stem, alias.name])
                else:
                    yield from _of_name(".".join([*stem, alias.name]))


def _of_name(name: str) -> Iterator[Path]:
    """Files of a module and of the packages that it is in. The packages aren't imported."""
    first, *parts = name.split(".")
    spec = None
    with suppress(ImportError, ValueError):  # no such module; the program itself
        spec = importlib.util.find_spec(first)
    if spec is None:
        return
    if spec.origin is not None and Path(spec.origin).suffix == ".py":
        yield Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        yield from _below(Path(folder), parts)


def _below(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Files of a module by its name from a package's folder, as far as the name is one of modules."""
    candidates = [folder / "__init__.py"]
    for part in parts:
        candidates += [folder / f"{part}.py", folder / part / "__init__.py"]
        folder /= part
    yield from (one for one in candidates if one.is_file())

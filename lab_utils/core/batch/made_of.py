"""What a piece of work is made of, as a key: whatever could change its result changes the key.

A value counts by its type and all its fields, a file by its path and what is in it. Where the fields aren't
it, as with samples and functions, the value's own `made_of` says what is. The code of this package counts
with it, and the versions of all installed packages.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from ..files.bundled import PACKAGE
from ..files.places import Place

_CODE = (".py", ".yaml")
"""Ends of the files of this package that say what is computed."""
_OF_THE_TERMINAL = re.compile(
    "_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|TERM|TERM_.*|COLORTERM|WINDOWID|DISPLAY|GPG_TTY|STY|TMUX|TMUX_PANE"
    "|SSH_(AUTH_SOCK|AGENT_PID|CLIENT|CONNECTION|TTY)|XDG_SESSION_.*|DBUS_SESSION_BUS_ADDRESS|VSCODE_.*|ITERM_.*"
    "|KITTY_.*|WEZTERM_.*|KONSOLE_.*|GNOME_TERMINAL_.*|INVOCATION_ID|JOURNAL_STREAM|JPY_.*|__KMP_.*"
)
"""Names of variables that tell where a command was given, and by which process."""

Software = tuple[str, str]
"""Hashes of this package's code, and of what is installed."""


class Unkeyed(TypeError):
    """A value that can't be told from another one, such as a function."""


class Keys:
    """Keys of the pieces of one run; each file is read once, and so is what several pieces have in common."""

    def __init__(self, made_with: Software | None = None) -> None:
        """`made_with`: in place of what is installed here."""
        self.made_with = software() if made_with is None else made_with
        self._files: dict[str, str] = {}
        self._known: dict[int, tuple[Any, str]] = {}
        """By identity, which is a value's own as long as it is held here."""

    def of(self, function: Callable[..., Any], *arguments: Any) -> str:
        """The key of a call of a function of this package, 64 hexadecimal digits. Raises Unkeyed."""
        plain = [_name(function), self._plain(arguments), *self.made_with]
        return _hash(_text(plain))

    def _plain(self, value: Any) -> Any:
        """A value as JSON has it."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (str, int, float)):
            return value
        if isinstance(value, (tuple, list)):
            return [self._plain(one) for one in value]
        if isinstance(value, AbstractSet):
            return {"set": sorted((self._plain(one) for one in value), key=_text)}
        if isinstance(value, Mapping):
            items = ([self._plain(name), self._plain(one)] for name, one in value.items())
            return {"mapping": sorted(items, key=_text)}
        if hasattr(value, "read_bytes"):  # a path, here or in a store
            return [str(value), self._content(value)]
        if id(value) not in self._known:
            parts = _text(self._plain(_parts(value)))
            self._known[id(value)] = value, f"{_name(type(value))} {_hash(parts)}"
        return [self._known[id(value)][1]]

    def _content(self, place: Place) -> str:
        """A hash of what is in a file; "" for a folder and what can't be read."""
        name = str(place)
        if name not in self._files:
            self._files[name] = ""
            with suppress(OSError):
                if place.is_file():
                    self._files[name] = _content_in(place, _state(place))
        return self._files[name]


def _parts(value: Any) -> Any:
    """What a value of a type of its own is made of. Raises Unkeyed."""
    if hasattr(value, "made_of"):
        return value.made_of
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise Unkeyed(f"nothing tells a {type(value).__qualname__} from another one")


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _state(place: Place) -> tuple[int, ...]:
    """What the file system says of a file; nothing for one in a store."""
    if not isinstance(place, Path):
        return ()
    state = place.stat()
    return state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns


@functools.lru_cache(maxsize=256)
def _content_in(place: Place, _: tuple[int, ...]) -> str:
    """A hash of a file's content in this state of the file."""
    return content_hash(place)


def _text(plain: Any) -> str:
    return json.dumps(plain)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def software() -> Software:
    """Hashes of this package's code, and of Python's version and of all packages as they were installed."""
    code = (path for path in PACKAGE.rglob("*") if path.suffix in _CODE and path.is_file())
    folders = {Path(folder or ".") for folder in sys.path}
    installed = {_installed(found) for folder in folders for found in folder.glob("*.dist-info")}
    installed |= {_installed(found) for folder in folders for found in folder.glob("*.egg-info")}
    return files_hash(code), _hash(_text([sys.version, *sorted(installed)]))


def _installed(found: Path) -> str:
    """A package's name and version, and when it was installed, which tells of another one of this version."""
    for listed in (found / "RECORD", found / "PKG-INFO", found):
        with suppress(OSError):
            state = listed.stat()
            return f"{found.name} {state.st_size} {state.st_mtime_ns}"
    return found.name


def environment_hash() -> str:
    """A hash of this process's environment, without what tells where a command was given."""
    kept = {name: value for name, value in os.environ.items() if not _OF_THE_TERMINAL.fullmatch(name)}
    return _hash(_text(sorted(kept.items())))


def content_hash(file: Place) -> str:
    """A hash of what is in a file."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def files_hash(files: Iterable[Path]) -> str:
    """A hash of what is in some files, and of their paths."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\n{content_hash(path)}\n".encode())
    return digest.hexdigest()

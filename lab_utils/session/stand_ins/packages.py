"""Stand-ins for ordinary packages that aren't installed, while a worker's file loads and is set up.

A worker imports more than LiveKit: settings, databases, web clients, tracers. Most of that is not needed for
a session on a recording, so packages that aren't installed are replaced by `values.Value`. In the session
itself any use of them raises `NotInstalled`, which names package and line. The finder is at the end of
`sys.meta_path`: what is installed is found before. A missing import in a library, or in the user's own
`try: import …`, fails as usual.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from .places import Place, importing_place, users_place
from .values import NotInstalled, Value


@dataclass
class MissingPackage:
    """A package that a stand-in replaces: the lines that import it, and where the real one was needed."""

    name: str
    imported_at: set[Place] = field(default_factory=set)
    remarks: set[str] = field(default_factory=set)
    """What works differently without the package, while the worker is set up."""
    missed_at: set[str] = field(default_factory=set)
    """Name and line of each use that raised."""


class MissingPackages(MetaPathFinder, Loader):
    """While `answering`, finds stand-ins for what a user's code imports and no other finder has found."""

    def __init__(self) -> None:
        self.packages: dict[str, MissingPackage] = {}
        self._answering = 0

    @contextmanager
    def answering(self, on: bool = True) -> Iterator[None]:
        """Let stand-ins be imported and used until the block ends; forbid it if `on` is False."""
        before, self._answering = self._answering, self._answering + 1 if on else 0
        try:
            yield
        finally:
            self._answering = before

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The stand-in for a module that a line of the user's code imports."""
        parent, _, _ = fullname.rpartition(".")
        inside = isinstance(sys.modules.get(parent), MissingModule)
        place = importing_place()
        if place is None and not inside:
            return None
        if not inside and (place is None or place.foresees_import_errors or not _may_be_missing(parent)):
            return None
        if not self._answering:
            self._missed(fullname, "is imported in the session")
        package = self._package(fullname)
        if place is not None:
            package.imported_at.add(place)
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return MissingModule(spec.name, self)

    def exec_module(self, module: ModuleType) -> None: ...

    def use(self, name: str, how: str = "") -> None:
        """Note that a value of a missing package is used. Raises NotInstalled in a session."""
        if not self._answering:
            self._missed(name, "is used in the session")
        if how:
            self._package(name).remarks.add(f"{how} ({users_place()})")

    def needs(self, name: str, what: str) -> NoReturn:
        """Raise NotInstalled: the real package is needed."""
        self._missed(name, f"{what} is needed")

    def decorates(self) -> bool:
        """Whether the user's code decorates a function or class at this moment."""
        place = users_place()
        return place is not None and place.decorates

    def _missed(self, name: str, why: str) -> NoReturn:
        package, place = self._package(name), users_place()
        package.missed_at.add(f"{name} at {place}" if place else name)
        where = f"{place}: " if place else ""
        remedy = "stand-ins answer only while a worker's file loads and is set up"
        raise NotInstalled(
            f"{where}{name}: {why}, and {package.name!r} isn't installed; install it ({remedy})",
            name=package.name,
        )

    def _package(self, name: str) -> MissingPackage:
        top = name.partition(".")[0].strip("()[]")
        return self.packages.setdefault(top, MissingPackage(top))


class MissingModule(ModuleType):
    """Replaces a module that isn't installed; each of its names is a `Value`."""

    def __init__(self, name: str, owner: MissingPackages) -> None:
        super().__init__(name, f"Stands in for {name}, which isn't installed.")
        self.__path__: list[str] = []
        vars(self)["_owner"] = owner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        owner: MissingPackages = vars(self)["_owner"]
        owner.use(f"{self.__name__}.{name}")
        value = Value(owner, f"{self.__name__}.{name}")
        vars(self)[name] = value
        return value


def _may_be_missing(parent: str) -> bool:
    """Whether a module in `parent` (empty: none) may be replaced: its package is missing, or a namespace.

    Not so for an installed package: a name that it lacks comes from another release, or is a typing error.
    """
    if not parent:
        return True
    package = sys.modules.get(parent)
    shared = package is not None and getattr(package, "__file__", None) is None
    return shared and parent.partition(".")[0] != "livekit"

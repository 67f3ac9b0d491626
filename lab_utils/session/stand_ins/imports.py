"""Imports of provider plugins give scripted parts instead: a worker file runs unchanged, without keys.

In a session's process (`stand_ins`) a finder at the front of `sys.meta_path` replaces plugins, installed or
not, since a real service would answer in real time. A finder at its end replaces ordinary packages that
aren't installed (`packages`). Doesn't import LiveKit.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .packages import MissingPackages
from .places import importing_place
from .script import Script, SharedScript, StoodIn

PLUGINS = "livekit.plugins"
TELEMETRY = ("fi_instrumentation", "fi_instrumentation.fi_types", "traceai_livekit")
"""Modules that only observe a session: any call of their functions does nothing."""
INERT_PLUGINS = ("noise_cancellation", "krisp", "ai_coustics")
"""Plugins that change a room's audio; here there is no room."""
LOCAL = {"silero", "turn_detector"}
"""Plugins that the lab itself needs; they ask no service."""
DOWNLOADED = {"turn_detector"}
"""Those of `LOCAL` that download weights: a session takes LiveKit's bundled local model instead."""


class StandIns(MetaPathFinder, Loader, SharedScript):
    """Finds stand-ins for modules of LiveKit's plugins; `used` lists those asked for."""

    def __init__(self, script: Script | None = None) -> None:
        SharedScript.__init__(self, script)
        self.used: list[str] = []
        """The modules that were asked for, in order."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The stand-in for a module, if there is one."""
        if not self._answers(fullname):
            return None
        return ModuleSpec(fullname, self, is_package=fullname not in TELEMETRY[1:])

    def _answers(self, fullname: str) -> bool:
        return _can_be_simulated(fullname)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        # Imported only here: they import LiveKit, and the clock must be installed before.
        from .plugins import PluginModule, inert_module

        name = spec.name
        inert = name in TELEMETRY or name.split(".")[2] in INERT_PLUGINS
        return inert_module(name) if inert else PluginModule(name, self)

    def exec_module(self, module: ModuleType) -> None:
        if self._asked_for(module.__name__):
            self.used.append(module.__name__)

    def _asked_for(self, name: str) -> bool:
        return True


class ProcessStandIns(StandIns):
    """The stand-ins of a session's process: plugins, installed or not, and packages that aren't installed."""

    def __init__(self) -> None:
        super().__init__()
        self.packages = MissingPackages()

    def install(self) -> None:
        """Replace imports from now on, and LiveKit's own services. The clock must have been installed."""
        sys.meta_path.insert(0, self)
        sys.meta_path += [_Telemetry(self), self.packages]

    def answer_services(self) -> None:
        """Replace LiveKit's own services too; this imports LiveKit."""
        from .inference import stand_in_models

        stand_in_models(self)

    def stood_in(self) -> tuple[StoodIn, ...]:
        """All that was replaced by a stand-in so far, by name."""
        plugins = [StoodIn(name, "scripted parts") for name in dict.fromkeys(self.used)]
        packages = [
            StoodIn(
                package.name,
                "nothing: it isn't installed",
                tuple(map(str, sorted(package.imported_at))),
                tuple(sorted(package.remarks)),
                tuple(sorted(package.missed_at)),
            )
            for package in self.packages.packages.values()
        ]
        return tuple(sorted([*plugins, *packages, *self.named.values()], key=lambda one: one.name))

    def _answers(self, fullname: str) -> bool:
        package, name = ".".join(fullname.split(".")[:2]), fullname.split(".")[2:3]
        if package != PLUGINS or not name or name[0] in LOCAL - DOWNLOADED:
            return False
        return name[0] in known_plugins().union(INERT_PLUGINS, DOWNLOADED) or importing_place() is not None

    def _asked_for(self, name: str) -> bool:
        return name.split(".")[2:3] != ["turn_detector"]  # its models are noted when they are made


class _Telemetry(MetaPathFinder):
    """Finds tracers that aren't installed."""

    def __init__(self, own: StandIns) -> None:
        self._own = own

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in TELEMETRY:
            return None
        return ModuleSpec(fullname, self._own, is_package=fullname == TELEMETRY[0])


@cache
def stand_ins() -> ProcessStandIns:
    """This process's stand-ins. The first call installs them for good: a worker's agents may import late."""
    own = ProcessStandIns()
    own.install()
    return own


@contextmanager
def standing_in(script: Script | None = None) -> Iterator[StandIns]:
    """Stand-ins, also for installed plugins, until the block ends. Then imports find the real modules."""
    own = StandIns(script)
    before = _forgotten()
    sys.meta_path.insert(0, own)
    try:
        yield own
    finally:
        sys.meta_path.remove(own)
        _forgotten()
        for name, module in before.items():
            sys.modules[name] = module
            package, _, attribute = name.rpartition(".")
            if package in sys.modules:
                setattr(sys.modules[package], attribute, module)


def _forgotten() -> dict[str, ModuleType]:
    """Remove from `sys.modules` all modules that stand-ins can replace. Returns them."""
    names = [name for name in sys.modules if _can_be_simulated(".".join(name.split(".")[:3]))]
    for name in names:
        package, _, attribute = name.rpartition(".")
        if package in sys.modules:
            vars(sys.modules[package]).pop(attribute, None)
    return {name: sys.modules.pop(name) for name in names}


def _can_be_simulated(fullname: str) -> bool:
    package, _, name = fullname.rpartition(".")
    return fullname in TELEMETRY or (package == PLUGINS and name in known_plugins().union(INERT_PLUGINS))


@cache
def known_plugins() -> frozenset[str]:
    """LiveKit's plugins for services, as names of Python modules; from the extras of `livekit-agents`."""
    wanted = (
        re.match(r"livekit-plugins-([\w-]+)", need) for need in metadata.requires("livekit-agents") or ()
    )
    return frozenset(found[1].replace("-", "_") for found in wanted if found) - LOCAL

"""Imports of provider plugins that aren't installed, answered by scripted parts: a worker file runs as it is.

A finder at the end of `sys.meta_path`: what is installed is always found before it. Doesn't import LiveKit.
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
from typing import Any

from .script import Script, SharedScript

PLUGINS = "livekit.plugins"
TELEMETRY = ("fi_instrumentation", "fi_instrumentation.fi_types", "traceai_livekit")
"""Modules that only watch a session: whatever is called in them does nothing."""
INERT_PLUGINS = ("noise_cancellation",)
"""Plugins that change a room's audio, of which there is none."""
LOCAL = {"silero", "turn_detector"}
"""Plugins that the lab itself needs; they ask no service."""


class StandIns(MetaPathFinder, Loader, SharedScript):
    """Finds modules of LiveKit's plugins that nobody else has found; `used` says which."""

    def __init__(self, script: Script | None = None) -> None:
        SharedScript.__init__(self, script)
        self.used: list[str] = []
        """The modules that were asked for, in order."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The stand-in for a module, if there is one."""
        if not _can_be_simulated(fullname):
            return None
        return ModuleSpec(fullname, self, is_package=fullname == TELEMETRY[0])

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        name = spec.name
        if name in TELEMETRY or name.rpartition(".")[2] in INERT_PLUGINS:
            return _InertModule(name)
        from .parts import PluginModule  # not before: it imports LiveKit, and the clock comes first

        return PluginModule(name, self)

    def exec_module(self, module: ModuleType) -> None:
        self.used.append(module.__name__)


@cache
def stand_ins() -> StandIns:
    """This process's own, installed at the first call and for good: a worker's agents may import late."""
    own = StandIns()
    sys.meta_path.append(own)
    return own


@contextmanager
def standing_in(script: Script | None = None) -> Iterator[StandIns]:
    """Stand-ins for a while, also for what is installed; imports after it find what they found before."""
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
    """The imported modules that stand-ins can answer, which are imported no more."""
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
    """LiveKit's plugins for services, as Python modules; from what `livekit-agents` offers as extras."""
    wanted = (
        re.match(r"livekit-plugins-([\w-]+)", need) for need in metadata.requires("livekit-agents") or ()
    )
    return frozenset(found[1].replace("-", "_") for found in wanted if found) - LOCAL


class _InertModule(ModuleType):
    """Each of its names is something that can be called, or asked for further names, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Inert()


class _Inert:
    def __call__(self, *_: Any, **__: Any) -> _Inert:
        return self

    def __getattr__(self, name: str) -> _Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

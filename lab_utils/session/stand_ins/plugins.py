"""Stand-ins for modules of plugins. Imports LiveKit, so the clock must be installed before."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any, NoReturn

from livekit.agents import tokenize

from .inference import turn_detector
from .parts import StandInLLM, StandInSTT, StandInTTS
from .script import SharedScript
from .unanswerable import unanswerable_class
from .values import NotInstalled, Value

BASES: dict[str, type] = {"STT": StandInSTT, "LLM": StandInLLM, "TTS": StandInTTS}
_PART = re.compile(r"[A-Z]\w*?(STT|LLM|TTS)(v\d|Adapter)?|(STT|LLM|TTS)(v\d|Adapter)?")
TOKENIZERS = ("SentenceTokenizer", "WordTokenizer")


class PluginModule(ModuleType):
    """Replaces a plugin's module: its parts follow the script, its other names may be called and do nothing.

    A name in small letters may be a function or a module of the plugin: it works as both.
    """

    def __init__(self, name: str, own: SharedScript) -> None:
        super().__init__(name, f"Stands in for {name}.")
        self.__path__: list[str] = []
        vars(self)["_own"] = own
        for kind in BASES:
            setattr(self, kind, self._part(kind, kind))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = self._made(name)
        setattr(self, name, made)
        return made

    def __call__(self, *_: Any, **__: Any) -> Value:
        return Value(_Inert(), self.__name__)

    def _made(self, name: str) -> Any:
        own: SharedScript = vars(self)["_own"]
        whole = f"{self.__name__}.{name}"
        if self._plugin == "turn_detector" and name in ("MultilingualModel", "EnglishModel"):
            return turn_detector(own, whole)
        if "RealtimeModel" in name:
            return unanswerable_class(own, whole, "speech to speech: give the session STT, LLM and TTS")
        if name == "VAD":
            return unanswerable_class(own, whole, "a VAD: take silero's, or LiveKit's own")
        if name in TOKENIZERS:
            return getattr(tokenize.basic, name)
        if part := _PART.fullmatch(name):
            return self._part(name, part[1] or part[3])
        if name.islower():
            return PluginModule(whole, own)
        if name == "AvatarSession":
            own.name(whole, "nothing: there is no picture")
        return Value(_Inert(), whole)

    @property
    def _plugin(self) -> str:
        return self.__name__.split(".")[2]

    def _part(self, name: str, kind: str) -> type:
        own = vars(self)["_own"]
        members = {"__module__": self.__name__, "_plugin": self._plugin, "_own": own, "_kind": name}
        return type(BASES[kind])(name, (BASES[kind],), members)


class _Inert:
    """Owner of values that may be used at any time and do nothing: options, filters, tracers."""

    def use(self, name: str, how: str = "") -> None: ...

    def needs(self, name: str, what: str) -> NoReturn:
        raise NotInstalled(f"{name}: {what}, and nothing is known of it without its plugin")

    def decorates(self) -> bool:
        return False


def inert_module(name: str) -> ModuleType:
    """A module whose names can be called and do nothing."""
    return _InertModule(name)


class _InertModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Value(_Inert(), f"{self.__name__}.{name}")

"""Replaces LiveKit Inference, MCP servers and background sound in this process: no keys, no network.

`"openai/gpt-4.1-mini"` or `inference.LLM(…)` becomes a scripted part of that name. Names in LiveKit's own
modules are changed before a user's module imports them (`from livekit.agents.inference import STT`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

from livekit.agents import inference, llm
from livekit.agents.inference import llm as inference_llm
from livekit.agents.inference import stt as inference_stt
from livekit.agents.inference import tts as inference_tts
from livekit.agents.llm.async_toolset import AsyncToolset
from livekit.agents.voice import background_audio

from .parts import StandInLLM, StandInSTT, StandInTTS
from .script import SharedScript
from .unanswerable import Unanswerable, unanswerable_class

MCP = "livekit.agents.llm.mcp"
SPEECH_TO_SPEECH = "speech to speech: give the session STT, LLM and TTS"
_RealTurnDetector = inference.TurnDetector


def stand_in_models(own: SharedScript) -> None:
    """Replace LiveKit's own services by stand-ins from now on. A second call changes nothing."""
    if hasattr(inference, "_answered_by_the_lab"):
        return
    inference._answered_by_the_lab = own  # type: ignore[attr-defined]
    for module, kind, base in (
        (inference_stt, "STT", StandInSTT),
        (inference_llm, "LLM", StandInLLM),
        (inference_tts, "TTS", StandInTTS),
    ):
        part = _inference_part(own, kind, base, getattr(module, kind))
        setattr(module, kind, part)
        setattr(inference, kind, part)
    inference.TurnDetector = turn_detector(own, "inference.TurnDetector")  # type: ignore[assignment,misc]
    for name in ("RealtimeModel", "DuplexModel"):
        setattr(inference, name, unanswerable_class(own, f"inference.{name}", SPEECH_TO_SPEECH))
    inference.llm_from_model_string = inference_llm.llm_from_model_string = _llm_from_model_string
    _stand_in_mcp(own)
    _silence_background(own)


def _inference_part(own: SharedScript, kind: str, base: Any, real: type) -> type:
    signature = inspect.signature(real.__init__)  # type: ignore[misc]

    def __init__(self: Any, *unnamed: Any, **named: Any) -> None:
        arguments = signature.bind(self, *unnamed, **named).arguments  # raises as the real class does
        self._take({name: value for name, value in arguments.items() if name != "self"})
        own.name(f"inference.{kind} {self.model}", f"the scripted {kind}")

    members: dict[str, Any] = {"_plugin": "livekit", "_kind": kind, "_own": own, "__init__": __init__}
    # The model string is parsed by LiveKit's own method.
    members["from_model_string"] = classmethod(real.from_model_string.__func__)  # type: ignore[attr-defined]
    return type(base)(kind, (base,), members | {"__module__": real.__module__})


def _llm_from_model_string(model: str) -> llm.LLM:
    if inference.is_realtime_model(model) or inference.is_duplex_model(model):
        raise Unanswerable.of(repr(model), SPEECH_TO_SPEECH)
    return inference_llm.LLM.from_model_string(model)


def turn_detector(own: SharedScript, name: str) -> type:
    """A class in place of a turn detector that needs a service or a download: v1-mini, which is local."""
    local = name == "inference.TurnDetector"

    def __init__(self: Any, **arguments: Any) -> None:
        cloud = local and arguments.get("version", "v1-mini") != "v1-mini"
        taken = {"unlikely_threshold", "backchannel_threshold"} if local and not cloud else set()
        given = {key: value for key, value in arguments.items() if key in taken}
        if cloud or not local:
            dropped = ", ".join(sorted(set(arguments) & {"unlikely_threshold", "backchannel_threshold"}))
            remark = f"its {dropped} isn't on v1-mini's scale and isn't used" if dropped else ""
            version = f" {arguments['version']}" if cloud else ""
            own.name(f"{name}{version}", "v1-mini, LiveKit's local model", remark)
        _RealTurnDetector.__init__(self, version="v1-mini", **given)

    members = {"__init__": __init__, "__module__": name.rpartition(".")[0], "in_place_of_text": not local}
    return type(name.rpartition(".")[2], (_RealTurnDetector,), members)


def _stand_in_mcp(own: SharedScript) -> None:
    module = _Mcp(MCP)

    def __init__(self: Any, *unnamed: Any, **named: Any) -> None:
        url = named.get("url") or named.get("command") or (unnamed[0] if unnamed else "")
        own.name(f"mcp.{type(self).__name__}", "a server without tools", f"not asked: {url}" if url else "")
        self.initialized = True

    async def nothing(self: Any, *_: Any, **__: Any) -> list[Any]:
        return []

    members: dict[str, Any] = {"__init__": __init__, "__module__": MCP, "invalidate_cache": lambda self: None}
    members |= dict.fromkeys(("initialize", "list_tools", "aclose"), nothing)
    module.MCPServer = type("MCPServer", (), members)
    for name in ("MCPServerHTTP", "MCPServerStdio"):
        setattr(module, name, type(name, (module.MCPServer,), {"__module__": MCP}))
    module.MCPToolset = _EmptyToolset
    sys.modules[MCP] = module
    llm.mcp = module  # type: ignore[attr-defined]


class _Mcp(ModuleType):
    MCPServer: type
    MCPToolset: type
    MCPToolOptions = dict
    MCPTool = llm.RawFunctionTool


class _EmptyToolset(AsyncToolset):
    """Replaces the toolset of an MCP server: holds no tools."""

    def __init__(self, *, id: str, mcp_server: Any, tool_options: dict[str, Any] | None = None) -> None:
        super().__init__(id=id)

    async def setup(self, *, reload: bool = False) -> Self:
        return self

    def filter_tools(self, filter_fn: Callable[[Any], bool]) -> Self:
        return self


def _silence_background(own: SharedScript) -> None:
    """Make background sound do nothing: it would be mixed in real time, and there is no room for it."""
    player = background_audio.BackgroundAudioPlayer

    def __init__(self: Any, **_: Any) -> None:
        own.name("BackgroundAudioPlayer", "silence")
        self.publication = None

    async def nothing(self: Any, *_: Any, **__: Any) -> None: ...

    def play(self: Any, *_: Any, **__: Any) -> background_audio.PlayHandle:
        handle = background_audio.PlayHandle()
        handle._mark_playout_done()
        return handle

    player.__init__ = __init__  # type: ignore[method-assign,assignment]
    player.start = player.aclose = nothing  # type: ignore[method-assign,assignment]
    player.play = play  # type: ignore[method-assign,assignment]

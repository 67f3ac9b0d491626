"""Writes the source of a real LiveKit worker from a profile, techniques and providers.

The worker is a starting point: it runs unchanged if the providers' keys are in the environment, and it marks
the places for instructions, look-ups, common questions and a judge. It needs LiveKit, the plug-ins and this
package (the parts that it imports load no plotting or Jupyter package).
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ..session.providers.schema import LlmProvider, Providers, SttProvider, TtsProvider
from .techniques.choice import LEVER_NAMES, NAMES, TechniqueName, Techniques
from .techniques.levers import SHORT_SENTENCE_LEN

ALWAYS: Final[tuple[TechniqueName, ...]] = ("token_streaming", "prefix_caching", "kv_cache_reuse")
"""Techniques that LiveKit uses by default or that cost nothing; they are switched off only for measuring."""


@dataclass(frozen=True)
class _Plugin:
    """The plug-in of a provider."""

    package: str
    call: str
    base_url: str
    key: str
    names: Mapping[str, str]
    """The profile's name of a model -> the plug-in's name, where they differ."""
    tokenizer: str = "tokenizer"
    """A TTS's argument for its sentence tokenizer."""


def _plugin(package: str, call: str, base_url: str, names: Mapping[str, str] | None = None) -> _Plugin:
    return _Plugin(package, call, base_url, f"{package.upper()}_API_KEY", names or {})


_STT: Final = {
    "deepgram": _plugin("deepgram", "STT", "https://api.deepgram.com/v1/listen"),
    "assemblyai": _plugin(
        "assemblyai",
        "STT",
        "wss://streaming.assemblyai.com",
        {"universal-streaming-en": "universal-streaming-english"},
    ),
}
_FLUX: Final = _plugin("deepgram", "STTv2", "wss://api.deepgram.com/v2/listen")
_LLM: Final = {
    "openai": _plugin("openai", "LLM", "https://api.openai.com/v1"),
    "anthropic": _plugin("anthropic", "LLM", "https://api.anthropic.com"),
}
_TTS: Final = {
    "cartesia": _plugin("cartesia", "TTS", "https://api.cartesia.ai"),
    "elevenlabs": _Plugin(
        "elevenlabs",
        "TTS",
        "https://api.elevenlabs.io/v1",
        "ELEVEN_API_KEY",
        {"turbo-v2.5": "eleven_turbo_v2_5", "flash-v2.5": "eleven_flash_v2_5"},
        tokenizer="word_tokenizer",  # which takes a sentence tokenizer in its auto mode, the default
    ),
}


def exported(techniques: Techniques) -> Techniques:
    """The techniques of an exported worker: the chosen ones, and those that are `ALWAYS` on.

    Raises ValueError for mistakes, which are for measuring.
    """
    if techniques.mistakes:
        raise ValueError(
            f"mistakes {', '.join(sorted(techniques.mistakes))}: they are for measuring; export without them"
        )
    on = Techniques.of(*(name for name in NAMES if name in techniques.on or name in ALWAYS))
    return on.with_levers(*techniques.levers)


def worker_code(profile_file: str, techniques: Techniques, providers: Providers) -> str:
    """Python source of a worker in the same folder as `profile_file` (a name without folder), which it loads.

    Raises ValueError for mistakes, for a provider whose plug-in isn't known here, and for parameters that it
    doesn't take.
    """
    on = exported(techniques)
    stt = _known("stt", _STT | ({"deepgram": _FLUX} if providers.stt.is_flux else {}), providers.stt)
    large, small = _known("large", _LLM, providers.large), _known("small", _LLM, providers.small)
    tts = _known("tts", _TTS, providers.tts)
    plugins = sorted({plugin.package for plugin in (stt, large, small, tts)})
    keys = sorted({plugin.key for plugin in (stt, large, small, tts)})
    release = version("livekit-agents")
    code = {
        "@RELEASE@": release,
        "@PACKAGES@": " ".join(f"livekit-plugins-{name}=={release}" for name in plugins),
        "@KEYS@": ", ".join(keys),
        "@PLUGINS@": ", ".join(plugins),
        "@PROFILE@": _quoted(profile_file),
        "@TECHNIQUES@": textwrap.indent("".join(f'"{name}",\n' for name in on.on), "    "),
        "@LEVERS@": "".join(f'"{name}", ' for name in LEVER_NAMES if name in on.levers).rstrip(", "),
        "@ENDPOINTS@": _endpoints(on, {"STT": stt, "LARGE": large, "SMALL": small, "TTS": tts}),
        "@STT@": _stt_call(stt, providers.stt),
        "@LARGE@": _llm_call(large, providers.large, "LARGE", on),
        "@SMALL@": _llm_call(small, providers.small, "SMALL", on),
        "@TTS@": _tts_call(tts, providers.tts, on),
        "@TOKENIZE@": "from livekit.agents import tokenize\n"
        if "tokenize." in _tts_call(tts, providers.tts, on)
        else "",
        "@WARM@": _WARM if on.tts_warmup else _COLD,
        "@SPEECH@": 'ctx.proc.userdata["tts"]' if on.tts_warmup else "make_tts()",
        "@PRECONNECT@": str(on.audio_prebuffering),
    }
    # One pass over the template, so that marks in inserted values are not replaced.
    return re.sub("@[A-Z]+@", lambda mark: code[mark[0]], _TEMPLATE)


def profile_of_worker(agent: str) -> Path | None:
    """The profile that a worker written here loads; `agent` names something in it: "agent.py:make_agent".

    None for another file, a module, and what can't be read. Nothing of the file is run.
    """
    file = Path(agent.rpartition(":")[0])
    try:
        tree = ast.parse(file.read_text("utf-8") if file.suffix == ".py" else "")
    except (OSError, ValueError, SyntaxError):
        return None
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="PROFILE")],
                value=ast.Call(func=ast.Attribute(attr="with_name"), args=[ast.Constant(value=str(name))]),
            ) if Path(name).name == name:
                return file.with_name(name)
    return None


def _quoted(text: str) -> str:
    """A Python string literal, in double quotes where possible."""
    return json.dumps(text) if text.isascii() else repr(text)


Used = SttProvider | LlmProvider | TtsProvider


def _known(part: str, plugins: Mapping[str, _Plugin], used: Used) -> _Plugin:
    plugin = plugins.get(used.provider.lower())
    if plugin is None:
        raise ValueError(
            f"{part}.provider is {used.provider!r}, of which no plug-in is known here; known are "
            f"{', '.join(sorted(plugins))}: name one of them, and replace it in what is written"
        )
    return plugin


def _model(plugin: _Plugin, used: Used) -> str:
    return _quoted(plugin.names.get(used.model, used.model))


def _stt_call(plugin: _Plugin, stt: SttProvider) -> str:
    arguments = [f"model={_model(plugin, stt)}", "base_url=STT_URL"]
    # Without an eager threshold there is no preflight to start on.
    arguments += [f"{name}={value}" for name, value in stt.flux_parameters().items()]
    return f"{plugin.package}.{plugin.call}({', '.join(arguments)})"


def _llm_call(plugin: _Plugin, used: LlmProvider, which: str, on: Techniques) -> str:
    arguments = [f"model={_model(plugin, used)}", f"base_url={which}_URL"]
    if plugin.package == "anthropic" and on.prefix_caching:
        arguments.append('caching="ephemeral"')
    return f"{plugin.package}.{plugin.call}({', '.join(arguments)})"


def _tts_call(plugin: _Plugin, used: TtsProvider, on: Techniques) -> str:
    arguments = [f"model={_model(plugin, used)}", "base_url=TTS_URL"]
    if used.chunk_length_schedule is not None:
        if plugin.package != "elevenlabs":
            raise ValueError(
                f"tts.chunk_length_schedule: {plugin.package}'s plug-in has no such parameter; "
                "leave it out of the provider profile"
            )
        arguments.append(f"chunk_length_schedule={list(used.chunk_length_schedule)}")  # it then gets words
    elif "min_sentence_len" in on.levers:
        tokenizer = f"tokenize.blingfire.SentenceTokenizer(min_sentence_len={SHORT_SENTENCE_LEN})"
        arguments.append(f"{plugin.tokenizer}={tokenizer}")
    return f"{plugin.package}.{plugin.call}({', '.join(arguments)})"


def _endpoints(on: Techniques, plugins: Mapping[str, _Plugin]) -> str:
    near = "# regional_routing: set these to the endpoints next to the room, and pin the room's region."
    lines = [near if on.regional_routing else "# Wherever the providers' defaults lead."]
    for name, plugin in plugins.items():
        lines.append(f'{name}_URL = os.environ.get("{name}_URL", {_quoted(plugin.base_url)})')
    return "\n".join(lines) + "\n"


_WARM = """\
    # tts_warmup: made before a call comes in; the session opens its connection when it starts.
    proc.userdata["tts"] = make_tts()
"""
_COLD = ""

_TEMPLATE = '''\
"""A LiveKit worker with latency techniques, written by `lab export --techniques`. It is yours to change.

    pip install livekit-agents==@RELEASE@ livekit-plugins-silero==@RELEASE@ \\
        @PACKAGES@
    pip install -e path/to/livekit-turn-lab    # the clone that wrote this
    python agent.py dev

In the environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET,
@KEYS@.
"""

import os
from pathlib import Path

from livekit.agents import AgentServer, AgentSession, JobContext, JobProcess, cli, llm, room_io, stt, tts
@TOKENIZE@from livekit.plugins import @PLUGINS@

from lab_utils.profile import attach_policy, load_profile
from lab_utils.latency.techniques.agent import AgentParts, StackedAgent
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.latency.techniques.semantic_cache import SemanticCache
from lab_utils.latency.techniques.switches import session_options
from lab_utils.latency.techniques.tool_prefetch import LookUp

PROFILE = Path(__file__).with_name(@PROFILE@)
TECHNIQUES = Techniques.of(
@TECHNIQUES@).with_levers(@LEVERS@)  # levers that are settings stand in PROFILE
TENANT = os.environ.get("TENANT", "default")  # whose answers the cache may give: one per customer

# Yours. Prompt caches begin at about 1,024 tokens; nothing that changes from call to call belongs in here.
INSTRUCTIONS = "You are a helpful voice assistant on the phone. Answer briefly."
GREETING = "Hello, how can I help you?"

# Tools that only read, and so may be called ahead: what the model is told, the call, and the cue, which finds
# the query in the user's words or returns None.
#     LOOK_UPS = {"order_status": LookUp("Looks up the status of an order.", order_status, order_number)}
LOOK_UPS: dict[str, LookUp] = {}

# Answers to common questions that hold for every caller of a tenant; with `audio`, frames of it spoken, the
# TTS is spared too. Each call is a process of its own: fill this here, or in prewarm.
#     CACHE.store(TENANT, "What are your opening hours?", "We are open from nine to five.")
CACHE = SemanticCache()

# Scores a turn: `async def judge(text: str) -> object`.
JUDGE = None

@ENDPOINTS@

def make_stt() -> stt.STT:
    return @STT@


def make_large() -> llm.LLM:
    return @LARGE@


def make_small() -> llm.LLM:
    return @SMALL@


def make_tts() -> tts.TTS:
    return @TTS@


def make_agent() -> StackedAgent:
    """The agent; offline, with the settings of PROFILE: lab run CALLS --agent agent.py:make_agent"""
    parts = AgentParts(
        instructions=INSTRUCTIONS,
        large=make_large(),
        small=make_small(),
        look_ups=LOOK_UPS,
        judge=JUDGE,
        cache=CACHE,
        tenant=TENANT,
        greeting=GREETING,
    )
    return StackedAgent(TECHNIQUES, parts)


def prewarm(proc: JobProcess) -> None:
    proc.userdata["turn_taking"] = load_profile(PROFILE).session_kwargs()
@WARM@

server = AgentServer(setup_fnc=prewarm)


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    session = AgentSession(
        stt=make_stt(),
        tts=@SPEECH@,
        **ctx.proc.userdata["turn_taking"],
        **session_options(TECHNIQUES),
    )
    attach_policy(session)  # waits of the profile that AgentSession has no knob for, if any
    await session.start(
        agent=make_agent(),
        room=ctx.room,
        # audio_prebuffering: the client has to send it, too (preConnectBuffer, withPreConnectAudio).
        room_options=room_io.RoomOptions(
            audio_input=room_io.AudioInputOptions(pre_connect_audio=@PRECONNECT@)
        ),
    )


if __name__ == "__main__":
    cli.run_app(server)
'''

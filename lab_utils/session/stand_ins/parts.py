"""STT, LLM and TTS that stand in for those of a provider: they take its arguments and play a script.

Arguments are checked where they are known (`ARGUMENTS`): arguments that the real plugin refuses raise here
too.
"""

from __future__ import annotations

import difflib
from abc import ABCMeta
from collections.abc import Callable
from typing import Any

from ..scripted.llm import DEFAULT_REPLIES, TTFT, ScriptedLLM
from ..scripted.stt import ScriptedSTT
from ..scripted.tts import FIRST_AUDIO, ScriptedTTS
from .script import SharedScript

RELEASE = "1.8.9"
ARGUMENTS = {
    "anthropic.LLM": "model api_key base_url user client top_k max_tokens temperature parallel_tool_calls "
    "tool_choice caching timeout max_retries _strict_tool_schema",
    "cartesia.STT": "model sample_rate api_key audio_chunk_duration_ms http_session base_url language "
    "encoding turn_start_threshold turn_eager_end_threshold turn_end_threshold "
    "turn_end_timeout_ms keyterm",
    "cartesia.TTS": "api_key model language encoding voice speed emotion volume sample_rate word_timestamps "
    "add_phoneme_timestamps use_normalized_timestamps pronunciation_dict_id http_session "
    "tokenizer text_pacing base_url api_version",
    "deepgram.STT": "model language detect_language interim_results punctuate smart_format sample_rate "
    "no_delay endpointing_ms enable_diarization filler_words keywords keyterm tags "
    "profanity_filter redact api_key http_session base_url numerals mip_opt_out vad_events "
    "utterance_end_ms dictation replace search keyterms",
    "deepgram.TTS": "model encoding sample_rate bit_rate speed api_key base_url word_tokenizer http_session "
    "mip_opt_out",
    "openai.LLM": "model api_key base_url client user safety_identifier prompt_cache_key temperature "
    "top_p parallel_tool_calls tool_choice store metadata max_completion_tokens timeout "
    "max_retries service_tier reasoning_effort verbosity prompt_cache_retention "
    "prompt_cache_options prompt_cache_breakpoints extra_body extra_headers extra_query "
    "_provider_fmt _strict_tool_schema",
    "openai.STT": "language detect_language model prompt keywords turn_detection noise_reduction_type "
    "temperature base_url api_key client use_realtime vad",
    "openai.TTS": "model voice speed instructions base_url api_key client response_format",
}
"""Keyword arguments of constructors of livekit-plugins-… (no others); unlisted parts take anything."""


class _PartMeta(ABCMeta):
    """Stands in for a provider's other constructors, such as `openai.LLM.with_azure`."""

    def __getattr__(cls, name: str) -> Callable[..., Any]:
        if not name.startswith("with_"):
            raise AttributeError(name)

        def make(*_: Any, **arguments: Any) -> Any:
            part: Any = object.__new__(cls)  # type: ignore[arg-type]
            part._take(arguments, check=False)
            return part

        return make


class _StandIn:
    """What the three have in common: arguments, and the names in LiveKit's metrics."""

    _plugin: str
    _kind: str
    _own: SharedScript
    arguments: dict[str, Any]
    """The arguments that the part was made with."""

    def _take(self, arguments: dict[str, Any], *, check: bool = True) -> None:
        known = ARGUMENTS.get(f"{self._plugin}.{self._kind}", " ".join(arguments)).split()
        for name in arguments if check else ():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.4)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(
                    f"{self._plugin}.{self._kind}() got an unexpected keyword argument {name!r}: "
                    f"livekit-plugins-{self._plugin} {RELEASE} has no such argument{meant}"
                )
        self.arguments = arguments
        self._own.made(self)
        self.restart()

    def _take_all(self, unnamed: tuple[Any, ...], arguments: dict[str, Any]) -> None:
        name = f"{self._plugin}.{self._kind}"
        if unnamed and name in ARGUMENTS:
            raise TypeError(f"{name}() takes its arguments by name only, as in livekit-plugins {RELEASE}")
        model = {"model": unnamed[0]} if unnamed and isinstance(unnamed[0], str) else {}
        self._take(model | arguments)

    def update_options(self, **options: Any) -> None:
        """Take further arguments during a call, as the providers' parts do."""
        self.arguments = self.arguments | options

    def restart(self) -> None:
        """Reset the part to its initial state."""
        raise NotImplementedError

    @property
    def model(self) -> str:
        """The name in LiveKit's metrics."""
        return str(self.arguments.get("model", "default"))

    @property
    def provider(self) -> str:
        """The provider in LiveKit's metrics."""
        return self._plugin


class StandInSTT(_StandIn, ScriptedSTT, metaclass=_PartMeta):
    """Sends the transcripts of the session's scripted STT."""

    def __init__(self, *unnamed: Any, **arguments: Any) -> None:
        self._take_all(unnamed, arguments)

    def restart(self) -> None:
        ScriptedSTT.__init__(self)
        self._own.hear_together(self)


class StandInLLM(_StandIn, ScriptedLLM, metaclass=_PartMeta):
    """Replies by the script."""

    def __init__(self, *unnamed: Any, **arguments: Any) -> None:
        self._take_all(unnamed, arguments)

    def restart(self) -> None:
        script = self._own.script
        replies = DEFAULT_REPLIES if script.replies is None else script.replies
        ttft = script.ttft.get(self.model, script.other_ttft or TTFT)
        # An agent may have two models: each has its own random delays.
        ScriptedLLM.__init__(self, replies, ttft=ttft, seed=self._own.seed, part=f"llm {self.model}")


class StandInTTS(_StandIn, ScriptedTTS, metaclass=_PartMeta):
    """Speaks as the scripted TTS does."""

    def __init__(self, *unnamed: Any, **arguments: Any) -> None:
        self._take_all(unnamed, arguments)

    def restart(self) -> None:
        first_audio = self._own.script.first_audio or FIRST_AUDIO
        ScriptedTTS.__init__(self, first_audio=first_audio, seed=self._own.seed)

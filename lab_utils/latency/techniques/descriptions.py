"""The twelve techniques in words, as records.

A technique with a mechanism of its own is described in its module's docstring; one that only switches
something (`switches`) has its row in `SWITCHES`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from .choice import NAMES, TechniqueName


@dataclass(frozen=True)
class Description:
    """One technique in words."""

    number: int
    name: TechniqueName
    does: str
    surface: str
    """The part of LiveKit's API that it uses."""
    by_default: str
    """What LiveKit 1.8.9 does by itself."""
    mistake: str
    offline: str
    """How it is simulated offline."""


HEADS = {
    "What it does": "does",
    "LiveKit surface": "surface",
    "What 1.8.9 does by itself": "by_default",
    "Common mistake": "mistake",
    "Offline": "offline",
}
"""First words of a docstring's paragraph -> field of `Description`."""

SWITCHES: Mapping[TechniqueName, Mapping[str, str]] = {
    "streaming_stt": {
        "does": (
            "the STT tells what it hears while the user speaks; as soon as a transcript is final the "
            "LLM starts on it, while the turn detector still waits. If the user goes on, that call is "
            "thrown away."
        ),
        "surface": (
            'a streaming `stt` with interim results; `turn_handling={"preemptive_generation": {...}}` '
            "of `AgentSession` or, as here, of `Agent` (which overrides the session's)."
        ),
        "by_default": (
            "preemptive generation is on by default. (So it was in 1.5.8, for which the guide is "
            "written: its common mistake, leaving the default, is none.) It starts on PREFLIGHT and "
            "FINAL transcripts, never on interims, so the saving depends on how early the provider's "
            "final or preflight comes, not on its first partial. Where the STT decides turns "
            '(`turn_detection="stt"`) it starts on PREFLIGHT only, in manual mode not before the turn '
            "is committed. It starts at most 3 times a turn (`max_retries`), and not once the user "
            "has spoken for 10 s (`max_speech_duration`). It is thrown away if the transcript "
            "changes, or if `on_user_turn_completed` changes the chat context or the tools."
        ),
        "mistake": ("editing `turn_ctx` in `on_user_turn_completed`: every preemptive call is then wasted."),
        "offline": (
            "off is an STT that recognizes whole utterances (finals only, by the provider's batch "
            "delay) and no preemptive generation."
        ),
    },
    "audio_prebuffering": {
        "does": (
            "the client records from the first moment and sends what it has buffered when the room is "
            "joined; the agent reads that faster than it was spoken, and has caught up before the "
            "user's first turn ends."
        ),
        "surface": (
            "the client's `preConnectBuffer` (web) or `withPreConnectAudio` (Swift, Android, "
            "Flutter); on the agent's side `room_io.AudioInputOptions(pre_connect_audio=True)`."
        ),
        "by_default": (
            "the agent's side is on by default; the client's isn't. The guide also names "
            "`aec_warmup_duration=3.0`: that is the default, and it buffers nothing. It blocks "
            "interruptions for the first three seconds that the agent speaks, while the client's echo "
            "canceller adapts."
        ),
        "mistake": "leaving out the client's option.",
        "offline": (
            "the caller's audio path opens `Room.join` late; without the buffer the first turn "
            "reaches the agent late by so much, with it at once and complete. It matters in the first "
            "turn only, and only where the user speaks before the path is open."
        ),
    },
    "async_evaluation": {
        "does": ("a judge scores each turn after it has been committed, off the path of the reply."),
        "surface": (
            "anything but an `await` in `on_user_turn_completed`: a task of its own as here, or spans "
            "exported in batches and scored elsewhere (OpenTelemetry; `traceai-livekit` maps "
            "LiveKit's spans)."
        ),
        "by_default": "judges nothing, and records its spans without waiting for their export.",
        "mistake": (
            'an LLM judge awaited in the hook "to gate the response". LiveKit waits for the hook '
            "before it schedules any reply. With preemptive generation the LLM works meanwhile, so "
            "what the judge costs is what it takes beyond the time to first token."
        ),
        "offline": "off is a judge awaited in the hook, with the profile's `Judge.verdict`.",
    },
    "tts_warmup": {
        "does": "the connection to the TTS is open before the first sentence is there.",
        "surface": (
            "make the TTS object once per process (`prewarm_fnc`, `proc.userdata`), and its `prewarm()`."
        ),
        "by_default": (
            "a session calls `prewarm()` of its STT, LLM and TTS when it starts, so a TTS made in the "
            "entrypoint is warm too by the time it speaks, unless the agent greets at once. A worker "
            "runs each job in a process of its own, and without an event loop there is no connection: "
            "what `prewarm_fnc` saves is the time to make the object."
        ),
        "mistake": (
            "making the TTS inside the entrypoint: in 1.8.9 that costs the construction, not the connection."
        ),
        "offline": (
            "the first request pays the provider's connection set-up unless `prewarm` has; off is a "
            "TTS that ignores `prewarm` (`ScriptedTTS(prewarms=False)`), since LiveKit has no switch "
            "for it."
        ),
    },
    "short_turn_models": {
        "does": (
            'acknowledgements ("yes", "okay, go on") go to the small model. By a list of phrases, not '
            'by length: "cancel my entire order" is as short, and goes to the large one.'
        ),
        "surface": "as technique 4 (`model_routing`), whose rule this one overrules.",
        "by_default": "nothing.",
        "mistake": "routing by the number of words (the guide's own code: up to four words).",
        "offline": "as technique 4.",
    },
    "regional_routing": {
        "does": (
            "the providers' endpoints are the ones next to the agent, and the agent is next to the room."
        ),
        "surface": (
            "`base_url` (Deepgram, OpenAI, Cartesia, ElevenLabs …) or `region` of the plugins; the "
            "project's region in LiveKit Cloud. The guide's `base_url=\"https://api.deepgram.com\"` is "
            "the default and pins nothing."
        ),
        "by_default": (
            "routes the media to the nearest point of presence. Where plugins connect to is theirs."
        ),
        "mistake": ("European callers on a project of us-east, whose audio crosses the Atlantic twice."),
        "offline": (
            "each request and its answer takes the region's round trip on top. A streaming connection "
            "pays it once per message, not per turn stage."
        ),
    },
}


def descriptions() -> tuple[Description, ...]:
    """One for each technique, in the guide's order. Raises ValueError for a docstring that lacks a part."""
    return tuple(_description(number, name) for number, name in enumerate(NAMES, 1))


def _description(number: int, name: TechniqueName) -> Description:
    parts = SWITCHES.get(name) or _paragraphs(name)
    missing = [head for head, field in HEADS.items() if field not in parts]
    if missing:
        raise ValueError(f"techniques.{name}: its docstring has no paragraph {missing[0]!r}: …")
    return Description(number, name, **parts)


def _paragraphs(name: TechniqueName) -> dict[str, str]:
    told = inspect.getdoc(import_module(f".{name}", __package__)) or ""
    parts: dict[str, str] = {}
    for paragraph in told.split("\n\n"):
        head, _, text = paragraph.partition(":")
        field = HEADS.get(head.partition(" (")[0])
        if field is not None:
            parts[field] = " ".join(text.split())
    return parts

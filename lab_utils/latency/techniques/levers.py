"""Levers: settings beside the twelve techniques that shorten the way to the first audio, each with its price.

Four are settings of `AgentSession` and stand in a profile (`lever_settings`); the others are the agent's or
its TTS plug-in's. Like techniques they are on or off, to be measured alone, left out and stacked, on top of
the twelve.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ...core.settings import Settings
from ...session.scripted.voices import MIN_SENTENCE_LEN
from .choice import LeverName

SHORT_SENTENCE_LEN: Final = 5
FILLER: Final = "One moment, I am looking it up."
PREAMBLE: Final = "Let me look that up for you."
OPENING_RULE: Final = (
    "Begin every reply with a complete sentence of two or three words, such as: Of course. Then go on."
)
PREAMBLE_RULE: Final = f"Before you call a tool, say one short sentence, such as: {PREAMBLE}"


@dataclass(frozen=True)
class Lever:
    """One lever in words."""

    name: LeverName
    does: str
    surface: str
    """The part of LiveKit's API that it uses."""
    by_default: str
    """What LiveKit 1.8.9 does by itself."""
    price: str


_ROWS: Final = (
    Lever(
        "resume_false_interruption",
        "a reply that the user speaks into ends. By default it pauses, to go on after 2 s of silence; while "
        "it waits, no reply is begun preemptively, so that what follows a false boundary is slow.",
        'turn_handling={"interruption": {"resume_false_interruption": False}}',
        "True: pauses where the audio output can pause.",
        "noise and backchannels end a reply for good.",
    ),
    Lever(
        "max_retries",
        "up to 20 replies are begun before the commit, one for each transcript of a turn.",
        'turn_handling={"preemptive_generation": {"max_retries": 20}}',
        "3: in a turn with more than three segments none is ready for the last.",
        "calls of the LLM that are thrown away.",
    ),
    Lever(
        "max_speech_duration",
        "replies are begun before the commit however long the user has spoken, up to a minute.",
        'turn_handling={"preemptive_generation": {"max_speech_duration": 60.0}}',
        "10 s, from the newest start of speech.",
        "long prompts that are thrown away.",
    ),
    Lever(
        "preemptive_tts",
        "a reply that is begun before the commit is spoken into the buffer too.",
        'turn_handling={"preemptive_generation": {"preemptive_tts": True}}',
        "False: the TTS gets its first sentence at the commit.",
        "characters of the TTS that nobody hears.",
    ),
    Lever(
        "min_sentence_len",
        "the TTS gets a first sentence of five characters or more.",
        "tokenize.blingfire.SentenceTokenizer(min_sentence_len=5), which the TTS plug-in takes (Cartesia "
        "`tokenizer=`, ElevenLabs `word_tokenizer=`)",
        "20: a shorter sentence waits for the one after it.",
        "the melody of a sentence that is spoken in pieces.",
    ),
    Lever(
        "short_opening",
        'each reply begins with a sentence of two or three words ("Of course."), by a line in the prompt.',
        "`Agent(instructions=…)`",
        "nothing. With a `min_sentence_len` of 20 so short a sentence waits for the next one: it then costs "
        "time.",
        "replies that all begin alike, and a few more characters.",
    ),
    Lever(
        "first_sentence_flush",
        "the TTS speaks the first sentence as soon as the second one begins, however short it is, and gets "
        "the rest as a text of its own.",
        "`Agent.llm_node` yields a `FlushSentinel` between them",
        "nothing: the tokenizer waits for 20 characters of sentence and ten of the next one.",
        "a second request to the TTS for each reply, which doesn't know the melody of the first.",
    ),
    Lever(
        "tool_preamble",
        "before it calls a tool the LLM says a sentence, by a line in the instructions; the tool runs while "
        "that is spoken.",
        "`Agent(instructions=…)`; LiveKit speaks text that comes before a tool call.",
        "nothing is said until the tool has answered and the LLM was asked again.",
        "the answer itself comes no earlier, and a model may forget.",
    ),
    Lever(
        "tool_filler",
        "while a tool runs and nobody speaks, a sentence is said.",
        "`RunContext.with_filler(…)` in the tool",
        "nothing.",
        "it begins only when the tool call has come whole, and an answer waits until it is over.",
    ),
)
LEVERS: Final[Mapping[LeverName, Lever]] = MappingProxyType({one.name: one for one in _ROWS})

_PREEMPTIVE: Final[Mapping[str, object]] = MappingProxyType(
    {"max_retries": 20, "max_speech_duration": 60.0, "preemptive_tts": True}
)


SETTINGS: Final[tuple[LeverName, ...]] = (
    "resume_false_interruption",
    "max_retries",
    "max_speech_duration",
    "preemptive_tts",
)
"""The levers that are settings of `AgentSession`."""


def lever_settings(settings: Settings, levers: Collection[LeverName]) -> Settings:
    """The settings under these levers; levers that are no settings change nothing.

    >>> lever_settings(Settings(), {"max_retries"}).preemptive.max_retries
    20
    """
    values = settings.model_dump()
    values["preemptive"] |= {name: value for name, value in _PREEMPTIVE.items() if name in levers}
    if "resume_false_interruption" in levers:
        values["interruption"]["resume_false_interruption"] = False
    return Settings.model_validate(values)


def min_sentence_len(levers: Collection[LeverName]) -> int:
    """Characters of the shortest first piece of a reply that goes to the TTS."""
    return SHORT_SENTENCE_LEN if "min_sentence_len" in levers else MIN_SENTENCE_LEN


def instructed(instructions: str, levers: Collection[LeverName]) -> str:
    """The system prompt with what the levers tell the model, at its end, which is the same in every call."""
    rules = [rule for name, rule in _RULES.items() if name in levers]
    return "\n".join([instructions, *rules])


_RULES: Final[Mapping[LeverName, str]] = MappingProxyType(
    {"short_opening": OPENING_RULE, "tool_preamble": PREAMBLE_RULE}
)

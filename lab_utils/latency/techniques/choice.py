"""Which of the twelve techniques an agent uses, and which common mistakes it makes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

from pydantic import model_validator

from ...core.models import Frozen

TechniqueName = Literal[
    "streaming_stt",
    "token_streaming",
    "prefix_caching",
    "model_routing",
    "tool_prefetch",
    "audio_prebuffering",
    "async_evaluation",
    "tts_warmup",
    "short_turn_models",
    "semantic_cache",
    "kv_cache_reuse",
    "regional_routing",
]
NAMES: tuple[TechniqueName, ...] = get_args(TechniqueName)
"""In the guide's order: technique 1 is the first."""

Mistake = Literal["buffered_reply", "timestamp_on_top", "leaked_prefetch", "shared_cache"]
MISTAKES: dict[Mistake, TechniqueName] = {
    "buffered_reply": "token_streaming",
    "timestamp_on_top": "prefix_caching",
    "leaked_prefetch": "tool_prefetch",
    "shared_cache": "semantic_cache",
}
"""Mistake -> the technique that it belongs to."""

LeverName = Literal[
    "resume_false_interruption",
    "max_retries",
    "max_speech_duration",
    "preemptive_tts",
    "min_sentence_len",
    "short_opening",
    "first_sentence_flush",
    "tool_preamble",
    "tool_filler",
]
LEVER_NAMES: tuple[LeverName, ...] = get_args(LeverName)
"""In the order in which they are stacked on the twelve; described in `levers`."""


class Techniques(Frozen):
    """Switches of the twelve techniques. All are off by default; LiveKit by itself has some of them on."""

    streaming_stt: bool = False
    """1: transcripts as the user speaks, and preemptive generation on them; off: batch recognition."""
    token_streaming: bool = False
    """2: the reply goes to the TTS while it is generated; off: `llm_node` waits for the whole reply."""
    prefix_caching: bool = False
    """3: a byte-stable system prompt, marked for caching; off: the prompt begins with the time of day."""
    model_routing: bool = False
    """4: the small model answers short turns that ask nothing."""
    tool_prefetch: bool = False
    """5: the tool that a turn will need is called before the model asks for it."""
    audio_prebuffering: bool = False
    """6: the client buffers audio until the room is joined, and the agent catches up."""
    async_evaluation: bool = False
    """7: turns are judged while the reply goes on; off: `on_user_turn_completed` awaits the judge."""
    tts_warmup: bool = False
    """8: the TTS connection is open before the first turn."""
    short_turn_models: bool = False
    """9: the small model answers acknowledgements, recognized by meaning instead of length."""
    semantic_cache: bool = False
    """10: common questions, recognized by meaning, are answered from a cache; each tenant has its own."""
    kv_cache_reuse: bool = False
    """11: the history stays as it was sent before; off: it is rewritten each turn."""
    regional_routing: bool = False
    """12: endpoints near the room; off: those of a far region."""
    mistakes: frozenset[Mistake] = frozenset()
    """Common mistakes, each made with a technique that is on."""
    levers: frozenset[LeverName] = frozenset()
    """What else shortens the way to the first audio (`levers`)."""

    @model_validator(mode="after")
    def _mistakes_have_techniques(self) -> Self:
        for mistake in sorted(self.mistakes):
            if not getattr(self, MISTAKES[mistake]):
                raise ValueError(
                    f"the mistake {mistake} is one of {MISTAKES[mistake]}, which is off; switch it on too"
                )
        return self

    @classmethod
    def of(cls, *names: TechniqueName, mistakes: frozenset[Mistake] = frozenset()) -> Self:
        """These techniques on, all others off. Raises ValueError for an unknown name."""
        unknown = sorted(set(names) - set(NAMES))
        if unknown:
            raise ValueError(f"unknown technique {unknown[0]!r}; techniques are {', '.join(NAMES)}")
        on: dict[str, Any] = dict.fromkeys(names, True)
        return cls(**on, mistakes=mistakes)

    @classmethod
    def everything(cls) -> Self:
        """All twelve."""
        return cls.of(*NAMES)

    def with_levers(self, *levers: LeverName) -> Self:
        """A copy with these levers and no others. Raises ValueError for an unknown name."""
        unknown = sorted(set(levers) - set(LEVER_NAMES))
        if unknown:
            raise ValueError(f"unknown lever {unknown[0]!r}; levers are {', '.join(LEVER_NAMES)}")
        return self.model_copy(update={"levers": frozenset(levers)})

    @property
    def on(self) -> tuple[TechniqueName, ...]:
        """The techniques that are on, in order."""
        return tuple(name for name in NAMES if getattr(self, name))

    def without(self, name: TechniqueName) -> Techniques:
        """A copy with one technique off, without its mistakes."""
        kept = frozenset(mistake for mistake in self.mistakes if MISTAKES[mistake] != name)
        left = Techniques.of(*(other for other in self.on if other != name), mistakes=kept)
        return left.with_levers(*self.levers)


def livekit_default(automatic_cache: bool) -> Techniques:
    """The techniques that an `AgentSession` of 1.8.9 uses by default, with plugins that stream.

    It starts replies preemptively, streams tokens into the TTS, keeps the instructions byte-stable (enough
    for a provider that caches every prompt: `automatic_cache`), judges nothing, calls the TTS's `prewarm`
    when the session starts, and sends the history unchanged.
    """
    names: tuple[TechniqueName, ...] = (
        "streaming_stt",
        "token_streaming",
        "async_evaluation",
        "tts_warmup",
        "kv_cache_reuse",
    )
    return Techniques.of(*names, *(("prefix_caching",) if automatic_cache else ()))


def parse_techniques(text: str, levers: str = "none") -> Techniques:
    """Techniques and levers from lines of text: "all", "none", or names separated by commas.

    Raises ValueError for an unknown name.
    """
    chosen = Techniques.of(*_named(text, "technique", NAMES))  # type: ignore[arg-type]  # `of` checks the names
    return chosen.with_levers(*_named(levers, "lever", LEVER_NAMES))  # type: ignore[arg-type]


def _named(text: str, what: str, known: Sequence[str]) -> Sequence[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names in (["all"], ["none"]):
        return known if names == ["all"] else ()
    if not names:
        raise ValueError(f"no {what} in {text!r}; expected all, none, or some of {', '.join(known)}")
    return names

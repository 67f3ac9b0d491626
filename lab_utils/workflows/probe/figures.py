"""How long each stage took in a live session, turn by turn.

Definitions, in seconds:
- `stt.final`: from the labelled end of a turn's speech to its last final transcript, before the caller's next
  turn. (LiveKit's own figure counts from where its VAD heard speech last.)
- `large.ttft`, `small.ttft`: LiveKit's `llm_node_ttft` of each reply; small if the model that answered is the
  base profile's small one. `first_sentence`: its `llm_node_ttfs`, to the end of the first sentence.
- `tts.first_audio`: its `tts_node_ttfb`. `tool.latency`: each call of a tool, to its end.
- `whole`: its `e2e_latency`.
- `Said`: of each reply that wasn't interrupted, the characters up to its first ".", "?" or "!" and in all;
  the tokens and characters that the plug-ins report, of replies that were given up too.
The network is in all of them. Figures that aren't above zero are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.session_log import SessionLog
from ...latency import fitting
from ...recordings.formats.livekit_history import Said as Message
from ...recordings.formats.livekit_history import history_of
from ...session.metrics.spans import activities
from ...session.providers.schema import Providers

FITTED = ("stt.final", "large.ttft", "small.ttft", "tts.first_audio", "tool.latency")
"""Stages of a profile."""
SHOWN = ("first_sentence", "whole")
"""What is shown beside them."""
_OF_A_REPLY = {
    "llm_node_ttft": "large.ttft",
    "llm_node_ttfs": "first_sentence",
    "tts_node_ttfb": "tts.first_audio",
    "e2e_latency": "whole",
}


@dataclass(frozen=True)
class Said:
    """How much was said and used in a session."""

    turns: int
    first_sentences: tuple[int, ...]
    """Characters, by reply."""
    replies: tuple[int, ...]
    prompt_tokens: int
    completion_tokens: int
    """0, like those of prompts, where the LLM's plug-in reports none."""
    tts_characters: int


@dataclass(frozen=True)
class Measured:
    """The figures of one session, in order; plain values."""

    seconds: Mapping[str, tuple[float, ...]]
    """By `FITTED` and `SHOWN`."""
    models: Mapping[str, tuple[str, ...]]
    failure: str = ""
    """Why the session ended before its call did."""
    errors: int = 0
    said: Said = Said(0, (), (), 0, 0, 0)
    code: str = ""
    """A hash of the user's modules that were loaded when the session had ended."""


def measured(log: SessionLog, base: Providers) -> Measured:
    """What one session tells."""
    found: dict[str, list[float]] = {name: [] for name in (*FITTED, *SHOWN)}
    models: dict[str, set[str]] = {name: set() for name in FITTED}
    found["stt.final"] = _finals(log)
    found["tool.latency"] = [run.end_s - run.start_s for run in activities(log, "tool_starts")]
    for metrics in _replies(log):
        model = (metrics.get("llm_metadata") or {}).get("model_name", "")
        small = base.small.model != base.large.model and fitting.is_model(model, base.small.model)
        for name, stage in _OF_A_REPLY.items():
            if isinstance(seconds := metrics.get(name), float):
                named = "small.ttft" if small and stage == "large.ttft" else stage
                found[named].append(seconds)
                if named.endswith("ttft"):
                    models[named].add(model)
    return Measured(
        {name: tuple(seconds) for name, seconds in found.items()},
        {name: tuple(sorted(names - {""})) for name, names in models.items()},
        log.failure,
        len(log.of_kind("error")),
        _said(log),
    )


def _said(log: SessionLog) -> Said:
    items = history_of(log.report).items
    texts = [one.text.strip() for one in items if isinstance(one, Message) and _whole(one) and one.text]
    ends = log.of_kind("llm_ends")
    return Said(
        len([event for event in log.of_kind("caller_starts") if event.data.get("turn") != "backchannel"]),
        tuple(len(re.split(r"(?<=[.?!])\s", text)[0]) for text in texts),
        tuple(map(len, texts)),
        sum(int(event.data.get("prompt_tokens") or 0) for event in ends),
        sum(int(event.data.get("completion_tokens") or 0) for event in ends),
        sum(int(event.data.get("characters") or 0) for event in log.of_kind("tts_starts")),
    )


def _whole(message: Message) -> bool:
    return message.speaker == "agent" and not message.interrupted


def _finals(log: SessionLog) -> list[float]:
    """From the end of each turn to the last final transcript before the next turn begins."""
    starts, ends = log.of_kind("caller_starts"), log.of_kind("caller_ends")
    spoken = [
        (a.time_s, b.time_s)
        for a, b in zip(starts, ends, strict=False)
        if a.data.get("turn") != "backchannel"
    ]
    finals = [event.time_s for event in log.of_kind("transcript") if event.data.get("final")]
    found = []
    for k, (start_s, end_s) in enumerate(spoken):
        until_s = spoken[k + 1][0] if k + 1 < len(spoken) else np.inf
        if own := [time_s for time_s in finals if start_s <= time_s < until_s]:
            found.append(own[-1] - end_s)
    return found


def _replies(log: SessionLog) -> Iterable[Mapping[str, Any]]:
    """LiveKit's figures of each of the agent's messages."""
    for item in log.report.get("chat_history", {}).get("items", []):
        if item.get("type") == "message" and item.get("role") == "assistant":
            yield item.get("metrics") or {}


def figures_of(sessions: Iterable[Measured], source: str) -> tuple[fitting.Figures, dict[str, np.ndarray]]:
    """The figures of all sessions as a fit takes them, and those that are only shown; shape=(n,) each."""
    several = list(sessions)
    pooled = {
        name: np.array([s for one in several for s in one.seconds[name]], dtype=np.float64)
        for name in (*FITTED, *SHOWN)
    }
    kept = {name: all_[(all_ > 0) & (all_ <= fitting.LONGEST_S)] for name, all_ in pooled.items()}
    left_out = {name: len(pooled[name]) - len(kept[name]) for name in FITTED}
    models = {name: tuple(sorted({m for one in several for m in one.models[name]})) for name in FITTED}
    figures = fitting.Figures({name: kept[name] for name in FITTED}, left_out, models, (), source=source)
    return figures, {name: kept[name] for name in SHOWN}

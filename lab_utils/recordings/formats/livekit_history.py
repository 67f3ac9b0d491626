"""The chat history of a LiveKit session report: what was said and which tools were called, in order.

Layout (livekit-agents 1.8.9, llm/chat_context.py): `chat_history.items`, each a `message`, a `function_call`
or a `function_call_output` (the rest, such as handoffs, is passed over). The Node SDK writes the same with
camelCase keys. A run that keeps no texts has each text's length in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field
from pydantic.alias_generators import to_camel

from ...core.files import BadFile, parse_model
from ...core.labels import Speaker
from ..audio import BadRecording
from ..json_files import Lenient, Number, read_text
from .livekit_node import snake_name, unix_s
from .livekit_report import LONGEST_LATENCY_S

_SPEAKERS: Mapping[str, Speaker] = {"user": "user", "assistant": "agent"}
_WANTED = "a LiveKit session report as make_session_report().to_dict() gives it"


@dataclass(frozen=True)
class Said:
    """One message of the history."""

    speaker: Speaker
    text: str | None
    """None where the text wasn't kept."""
    start_s: float | None = None
    """Seconds of the recording; None if not told."""
    interrupted: bool = False
    e2e_s: float | None = None
    """Of a reply: from the user's last speech to its first sound."""


@dataclass(frozen=True)
class ToolCall:
    """One call of a function tool, with what came of it."""

    name: str
    arguments: str | None
    """JSON; None where it wasn't kept."""
    failed: bool | None = None
    """None where no output was kept, as of a call that was still running at the end."""


Item = Said | ToolCall


class _Either(Lenient, alias_generator=to_camel, populate_by_name=True):
    """Keys in snake_case or camelCase."""


class _Item(_Either):
    type: str = ""
    role: str = ""
    content: Any = None
    interrupted: bool = False
    metrics: dict[str, Any] | None = None
    call_id: str = ""
    name: str = ""
    arguments: Any = Field(None, validation_alias=AliasChoices("arguments", "args"))
    is_error: bool = False


class _History(Lenient):
    items: list[_Item] = Field(default_factory=list)


class _Report(_Either):
    chat_history: _History = Field(default_factory=_History)
    errors: dict[str, Any] | None = None
    audio_recording_started_at: Number | None = None
    started_at: Number | None = None
    timestamp: Number | None = None
    duration_ms: Number | None = None

    @property
    def origin_s(self) -> float | None:
        """Unix time of the first sample, else of the session's start; None if not told."""
        for told in (self.audio_recording_started_at, self.started_at):
            if (began_s := _unix_s(told)) is not None:
                return began_s
        ended_s = _unix_s(self.timestamp)
        return None if ended_s is None or self.duration_ms is None else ended_s - self.duration_ms / 1000.0


@dataclass(frozen=True)
class History:
    """A session's items in order, and how many errors it had by part ("llm", "tts", …)."""

    items: tuple[Item, ...]
    errors: Mapping[str, int]


def read_history(path: Path) -> History:
    """The history in a report's file. Raises BadRecording for what is no report."""
    try:
        return history_of(read_text(path))
    except BadFile as error:
        raise BadRecording.of(path, error.finding, error.remedy) from None


def history_of(report: str | Mapping[str, Any]) -> History:
    """The history in a report, as JSON or plain values. Raises BadFile for what is no report."""
    text = report if isinstance(report, str) else json.dumps(report)
    read = parse_model(text, _Report, _WANTED)
    items: list[Item] = []
    places: dict[str, int] = {}
    for item in read.chat_history.items:
        if item.type == "message" and item.role in _SPEAKERS:
            items.append(_said(item, read.origin_s))
        elif item.type == "function_call":
            places[item.call_id] = len(items)
            items.append(ToolCall(item.name, _text(item.arguments)))
        elif item.type == "function_call_output" and (place := places.get(item.call_id)) is not None:
            call = items[place]
            assert isinstance(call, ToolCall)
            items[place] = replace(call, failed=item.is_error)
    errors = {name: n for name, n in (read.errors or {}).items() if isinstance(n, int) and n > 0}
    return History(tuple(items), errors)


def _said(item: _Item, origin_s: float | None) -> Said:
    metrics = {snake_name(name): value for name, value in (item.metrics or {}).items()}
    start_s = _unix_s(metrics.get("started_speaking_at"))
    if start_s is not None:
        start_s = None if origin_s is None else start_s - origin_s
    e2e_s = metrics.get("e2e_latency")
    return Said(
        _SPEAKERS[item.role],
        _text(item.content),
        start_s,
        item.interrupted,
        float(e2e_s) if isinstance(e2e_s, int | float) and 0 <= e2e_s <= LONGEST_LATENCY_S else None,
    )


def _unix_s(clock: Any) -> float | None:
    """A clock time in seconds; None for what is none."""
    if isinstance(clock, bool) or not isinstance(clock, int | float):
        return None
    try:
        return unix_s(float(clock))
    except ValueError:
        return None


def _text(content: Any) -> str | None:
    """A text, or the texts of a list; None where one was left out."""
    parts = content if isinstance(content, list) else [content]
    if any(isinstance(part, dict) and set(part) == {"words", "characters"} for part in parts):
        return None
    if isinstance(content, dict):
        return json.dumps(content)
    return "\n".join(part for part in parts if isinstance(part, str))

"""A session's log without what was said in it: files and screens show a transcript only if asked to.

Left out: transcripts, the agent's words, instructions, arguments and results of tools, and error messages
after the first text that they could quote. Each text is replaced by its length (`LeftOut`; in `data` and
`report` {"words": n, "characters": n}). Everything else stays: times, kinds, causes, names of tools, types of
errors, figures.

Texts that stay are listed by name. A text under any other name is left out, such as one that a later LiveKit
adds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ...core.session_log import LeftOut, Reply, SessionEvent, SessionEventKind, SessionLog

EVENT_NAMES = frozenset(
    ["agent_state", "cause", "name", "reason", "source", "state", "status", "turn", "type", "what", "where"]
)
"""Texts that stay in an event: fixed words of LiveKit and of this package, and names of tools."""
REPORT_NAMES = frozenset(
    [
        *("type", "role", "status", "state", "new_state", "old_state", "source", "reason", "close_reason"),
        *("id", "item_id", "call_id", "group_id", "request_id", "job_id", "room_id", "room"),
        *("name", "label", "agent_name", "new_agent_id", "old_agent_id", "tools_added", "tools_removed"),
        *("model", "model_name", "model_provider", "provider", "mode", "language", "sdk_version"),
    ]
)
"""Texts that stay in LiveKit's report if they are single words, such as identifiers."""
SINGLE_WORD = re.compile(r"[\w.:/@+-]{1,120}")
FREE_FORM = "extra"
"""Name of the data that plug-ins add to a chat item, which may hold any text."""
WORDS_BEGIN: frozenset[SessionEventKind] = frozenset(
    (
        "transcript",
        "preemptive",
        "commit",
        "commit_refused",
        "llm_starts",
        "tool_starts",
        "tts_starts",
        "speech_created",
    )
)
"""From the first of these events on, an error may quote what was said; an earlier error can't."""
LEFT_OUT = "message left out, for it may quote what was said: keep text to see it (lab run --text)"


def without_text(log: SessionLog) -> SessionLog:
    """The log without texts; times, order and number of everything as they were."""
    if not log.text:
        return log
    words_from_s = min((event.time_s for event in log.events if event.kind in WORDS_BEGIN), default=None)
    failure = log.failure
    if words_from_s is not None and log.failure_message:
        failure = f"{failure.removesuffix(log.failure_message)}{LEFT_OUT}"
    return replace(
        log,
        events=tuple(_event(event, words_from_s) for event in log.events),
        replies=tuple(_reply(reply) for reply in log.replies),
        report=_emptied(log.report, "", REPORT_NAMES),
        failure=failure,
        failure_message="",
        text=False,
    )


def _event(event: SessionEvent, words_from_s: float | None) -> SessionEvent:
    quotes = words_from_s is not None and event.time_s >= words_from_s
    kept = EVENT_NAMES if quotes else EVENT_NAMES | {"error"}
    data = {
        name: value if isinstance(value, str) and name in kept else _emptied(value, name, frozenset())
        for name, value in event.data.items()
    }
    return replace(event, data=data)


def _reply(reply: Reply) -> Reply:
    return replace(reply, user_text=_left_out(reply.user_text), agent_text=_left_out(reply.agent_text))


def _left_out(text: str | LeftOut) -> LeftOut:
    return text if isinstance(text, LeftOut) else LeftOut.of(text)


def _emptied(value: Any, name: str, kept: frozenset[str]) -> Any:
    """Plain values without texts; single words under the names in `kept` stay. `name`: that of the value."""
    if isinstance(value, Mapping):
        return {} if name == FREE_FORM else {key: _emptied(part, key, kept) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_emptied(part, name, kept) for part in value]
    if isinstance(value, str) and value and not (name in kept and SINGLE_WORD.fullmatch(value)):
        return asdict(LeftOut.of(value))
    return value

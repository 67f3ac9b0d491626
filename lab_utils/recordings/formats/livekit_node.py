"""What the Node SDK (@livekit/agents) writes otherwise than the Python one: milliseconds and camelCase.

`sessionReportToJSON` gives snake_case, with clock times and the delays in `options` in milliseconds. A report
that was written with `JSON.stringify` has camelCase too. Latencies and times in `metrics` are seconds in
both. The unit of a clock time is found by its size: seconds since 1970 reach 1e11 in the year 5138,
milliseconds did in 1973. The unit of any other number is never guessed from its size; a number that can't be
right is left out.
"""

from __future__ import annotations

import re
from typing import Any

_MILLISECONDS_FROM = 1e11
_LATEST_S = 4.2e9
"""Latest accepted clock time, in the year 2103."""
_LEAST_MS = 10.0
"""A delay below this is probably in seconds by mistake."""
_DELAYS = frozenset(
    (
        "min_interruption_duration",
        "min_endpointing_delay",
        "max_endpointing_delay",
        "min_delay",
        "max_delay",
        "min_duration",
        "false_interruption_timeout",
        "max_speech_duration",
        "min_consecutive_speech_delay",
        "agent_false_interruption_timeout",
        "backchannel_boundary",
        "aec_warmup_duration",
    )
)
_LIFTED = {
    "min_endpointing_delay": ("endpointing", "min_delay"),
    "max_endpointing_delay": ("endpointing", "max_delay"),
    "min_interruption_duration": ("interruption", "min_duration"),
    "min_interruption_words": ("interruption", "min_words"),
    "allow_interruptions": ("interruption", "enabled"),
}
"""Name of an option at the top of a report -> its group and key in `turnHandling`."""


def is_milliseconds(clock: float | None) -> bool:
    """Whether a clock time can only be in milliseconds."""
    return clock is not None and clock >= _MILLISECONDS_FROM


def unix_s(clock: float | None) -> float | None:
    """A clock time in seconds since 1970. Raises ValueError for one that makes no sense in either unit."""
    if clock is None:
        return None
    seconds = clock / 1000.0 if is_milliseconds(clock) else clock
    if seconds > _LATEST_S:
        raise ValueError(f"{clock:g} is no time in seconds or milliseconds since 1970")
    return seconds


def snake_case(value: Any) -> Any:
    """Keys in snake_case, at every depth."""
    if isinstance(value, dict):
        return {snake_name(str(key)): snake_case(inner) for key, inner in value.items()}
    return [snake_case(one) for one in value] if isinstance(value, list) else value


def snake_name(key: str) -> str:
    """`minDelay` as `min_delay`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", lambda match: "_" + match[1].lower(), key)


def options_in_seconds(options: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A Node session's options by the Python SDK's names and in its units, and notes on what was left out."""
    notes: list[str] = []
    found = _in_seconds(snake_case(options), notes)
    handling = found.get("turn_handling")
    for name, (group, key) in _LIFTED.items():
        inner = handling.get(group) if isinstance(handling, dict) else None
        if found.get(name) is None and isinstance(inner, dict) and key in inner:
            found[name] = inner[key]
    return found, tuple(notes)


def _in_seconds(options: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            found[key] = _in_seconds(value, notes)
        elif key in _DELAYS and isinstance(value, int | float) and not isinstance(value, bool):
            if 0 < abs(value) < _LEAST_MS:
                notes.append(f"option {key} is {value:g}, expected milliseconds; left out")
            else:
                found[key] = value / 1000.0
        elif key in _DELAYS and isinstance(value, list):
            found[key] = [one / 1000.0 if isinstance(one, int | float) else one for one in value]
        else:
            found[key] = value
    return found

"""Changing JSON so that it stays JSON: random bytes seldom get past the parser."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, -0.0, 1e-9, 1e12, 1e300, 10**19, float("nan"), float("inf"), "", "x", "..",
    "/etc", "a/../b", "\x00", "\n", "\ud800", "é", "9" * 30, [], {}, [[]], [None], {"": None},
)  # fmt: skip
"""Values that parsers like to stumble over."""


def mutated(data: bytes, max_size: int, seed: int) -> bytes | None:
    """The JSON text with one to three parts replaced, dropped or doubled; None where bytes should change."""
    rng = random.Random(seed)
    if rng.random() < 0.1:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.randint(1, 3)):
        value = _changed(value, rng)
    text = json.dumps(value).encode()
    return text if len(text) <= max_size else None


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        made = value.copy()
        how = rng.random()
        if how < 0.05:
            del made[key]
        elif how < 0.1 and isinstance(made, list):
            made.insert(key, made[key])
        elif how < 0.15:
            other = rng.choice(keys)
            made[key], made[other] = made[other], made[key]
        else:
            made[key] = _changed(value[key], rng)
        return made
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.6:
        return rng.choice((-value, value * 1000, value / 1000, value + rng.gauss(0.0, 1.0), int(value)
                           if abs(value) < 1e300 else 0))  # fmt: skip
    return rng.choice(ODD)

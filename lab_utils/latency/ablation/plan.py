"""Which agents are compared: no technique, each alone, each left out, and the first n of them ("stack")."""

from __future__ import annotations

from ..techniques.choice import MISTAKES, NAMES, TechniqueName, Techniques, livekit_default

BASELINE = "baseline"
DEFAULT = "LiveKit's default"
FULL = f"stack: +{NAMES[-1]}"
"""Name of the stack's last step: all twelve techniques."""
MISTAKE = "mistake: "
"""Prefix of the name of a configuration with all twelve techniques and one mistake, whose name follows."""


def alone(name: TechniqueName) -> str:
    """Name of the configuration with this technique and no other."""
    return f"alone: {name}"


def left_out(name: TechniqueName) -> str:
    """Name of the configuration with all techniques but this one."""
    return f"without: {name}"


def stacked(name: TechniqueName) -> str:
    """Name of the configuration with this technique and all before it."""
    return f"stack: +{name}"


def before(name: TechniqueName) -> str:
    """Name of the configuration with all techniques before this one."""
    place = NAMES.index(name)
    return stacked(NAMES[place - 1]) if place else BASELINE


def configurations(automatic_cache: bool, mistakes: bool = False) -> dict[str, Techniques]:
    """Every configuration by its name, in order: 2 + 12 + 12 + 12, and 4 with `mistakes`.

    `automatic_cache`: whether the large model's provider caches every prompt; LiveKit's default agent then
    uses that cache. Two agents have two names each: the first technique alone is the stack's first step, the
    last technique left out is the stack's last step but one.
    """
    chosen = {BASELINE: Techniques(), DEFAULT: livekit_default(automatic_cache)}
    chosen |= {alone(name): Techniques.of(name) for name in NAMES}
    chosen |= {left_out(name): Techniques.everything().without(name) for name in NAMES}
    chosen |= {stacked(name): Techniques.of(*NAMES[: place + 1]) for place, name in enumerate(NAMES)}
    if mistakes:
        chosen |= {f"{MISTAKE}{one}": Techniques.of(*NAMES, mistakes=frozenset({one})) for one in MISTAKES}
    return chosen

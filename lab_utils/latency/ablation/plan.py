"""Which agents are compared: none of the techniques, each alone, each left out, and the stack as it grows."""

from __future__ import annotations

from ..techniques.choice import MISTAKES, NAMES, TechniqueName, Techniques, livekit_default

BASELINE = "baseline"
DEFAULT = "LiveKit's default"
FULL = f"stack: +{NAMES[-1]}"
"""The last step of the stack: all twelve."""
MISTAKE = "mistake: "
"""All twelve with one mistake are named so, and by it."""


def alone(name: TechniqueName) -> str:
    """The configuration with this technique and no other."""
    return f"alone: {name}"


def left_out(name: TechniqueName) -> str:
    """The configuration with all others."""
    return f"without: {name}"


def stacked(name: TechniqueName) -> str:
    """The configuration with this technique and all before it."""
    return f"stack: +{name}"


def before(name: TechniqueName) -> str:
    """The step of the stack to which this technique is added."""
    place = NAMES.index(name)
    return stacked(NAMES[place - 1]) if place else BASELINE


def configurations(automatic_cache: bool, mistakes: bool = False) -> dict[str, Techniques]:
    """Every configuration by its name, in order: 2 + 12 + 12 + 12, and 4 with `mistakes`.

    `automatic_cache`: whether the large model's provider caches prompts unasked, which LiveKit's default
    then profits from. Two pairs are the same agent by two names (the first technique alone and the
    stack's first step; the last one left out and the stack's last step but one).
    """
    chosen = {BASELINE: Techniques(), DEFAULT: livekit_default(automatic_cache)}
    chosen |= {alone(name): Techniques.of(name) for name in NAMES}
    chosen |= {left_out(name): Techniques.everything().without(name) for name in NAMES}
    chosen |= {stacked(name): Techniques.of(*NAMES[: place + 1]) for place, name in enumerate(NAMES)}
    if mistakes:
        chosen |= {f"{MISTAKE}{one}": Techniques.of(*NAMES, mistakes=frozenset({one})) for one in MISTAKES}
    return chosen

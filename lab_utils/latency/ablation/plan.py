"""Which agents are compared: no switch on, each alone, each left out, and the first n of them ("stack").

There are two families of switches: the twelve techniques, and the levers on top of all twelve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..techniques.choice import (
    LEVER_NAMES,
    MISTAKES,
    NAMES,
    LeverName,
    TechniqueName,
    Techniques,
    livekit_default,
)

BASELINE = "baseline"
DEFAULT = "LiveKit's default"
MISTAKE = "mistake: "
"""Prefix of the name of a configuration with all twelve techniques and one mistake, whose name follows."""
SwitchName = TechniqueName | LeverName


@dataclass(frozen=True)
class Family:
    """Switches that are measured together."""

    kind: str
    """What one of them is called."""
    names: tuple[SwitchName, ...]
    """In the order in which they are stacked."""
    none: str
    """Words for the agent with none of them, `BASELINE`."""
    all: str
    """Words for the agent with all of them, `full`."""
    title: str
    """Of the stack's picture."""

    @property
    def full(self) -> str:
        """Name of the stack's last step: all of them."""
        return stacked(self.names[-1])

    @property
    def agents(self) -> Mapping[str, str]:
        """The agents that everybody asks about, and how they are called."""
        return {BASELINE: self.none, DEFAULT: DEFAULT, self.full: self.all}

    def before(self, name: SwitchName) -> str:
        """Name of the configuration with all switches before this one."""
        place = self.names.index(name)
        return stacked(self.names[place - 1]) if place else BASELINE


def alone(name: SwitchName) -> str:
    """Name of the configuration with this switch and no other of its family."""
    return f"alone: {name}"


def left_out(name: SwitchName) -> str:
    """Name of the configuration with all switches of a family but this one."""
    return f"without: {name}"


def stacked(name: SwitchName) -> str:
    """Name of the configuration with this switch and all before it."""
    return f"stack: +{name}"


TECHNIQUES = Family("technique", NAMES, "none of the twelve", "all twelve", "The twelve techniques, stacked")
LEVERS = Family(
    "lever", LEVER_NAMES, "all twelve, no lever", "all levers", "Levers on top of all twelve techniques"
)
FULL = TECHNIQUES.full
"""All twelve techniques."""


def configurations(automatic_cache: bool, mistakes: bool = False) -> dict[str, Techniques]:
    """Every configuration of the techniques by its name, in order: 2 + 12 + 12 + 12, and 4 with `mistakes`.

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


def lever_configurations(automatic_cache: bool) -> dict[str, Techniques]:
    """Every configuration of the levers by its name, in order: 2 + 8 + 8 + 8.

    All but LiveKit's default use the twelve techniques.
    """
    twelve, names = Techniques.everything(), LEVER_NAMES
    chosen = {BASELINE: twelve, DEFAULT: livekit_default(automatic_cache)}
    chosen |= {alone(name): twelve.with_levers(name) for name in names}
    chosen |= {left_out(name): twelve.with_levers(*(n for n in names if n != name)) for name in names}
    return chosen | {
        stacked(name): twelve.with_levers(*names[: place + 1]) for place, name in enumerate(names)
    }

"""What a search looks for, and where: for each knob the values between which, or among which, it looks.

A grid says it: of a list of numbers the least and the greatest count, names are chosen among. Numbers go in
steps that no recording can tell apart (`STEP`), and silence of the VAD in its own windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ...core.knobs import KNOBS, is_structured
from ...core.settings import Settings, livekit_defaults
from ...core.timeline import WINDOW_S
from ..choose import MOST_MISSED
from ..grid import BadGrid, complete, is_possible, knob_value

STEP = 0.01
"""Of thresholds, and of delays in s."""
TRIES = 200
"""Draws for each setting to begin with, as a few may be all that there are."""
_WINDOWED = ("min_silence_duration", "min_speech_duration")
"""Knobs that the VAD counts in windows."""


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high` in steps."""

    low: float
    high: float
    step: float = STEP

    def nearest(self, value: float) -> float:
        """The step nearest to a value.

        >>> Range(0.25, 0.9, 0.032).nearest(0.3), Range(0.25, 0.9, 0.032).nearest(0.9)
        (0.314, 0.89)
        """
        most = int((self.high - self.low) / self.step + 1e-9)
        steps = max(0, min(round((value - self.low) / self.step), most))
        return round(self.low + steps * self.step, 6)


Choices = tuple[Any, ...]


@dataclass(frozen=True)
class Objectives:
    """What is made least, beside false boundaries per hold, and what must hold."""

    latency: str = "latency_mean"
    """A column of the metrics."""
    most_missed: float = MOST_MISSED
    others: tuple[str, ...] = ()
    """Further columns that are made least."""
    limits: tuple[tuple[str, float], ...] = ()
    """Further columns with the most that each may be."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All that is made least."""
        return ("false_boundary_rate", self.latency, *self.others)

    @property
    def limited(self) -> dict[str, float]:
        """All that must hold: by column, the most that it may be."""
        return {"missed_rate": self.most_missed, **dict(self.limits)}


USUAL_OBJECTIVES = Objectives()


@dataclass(frozen=True)
class Space:
    """Knob name → its range, or what it is chosen among."""

    knobs: Mapping[str, Range | Choices]
    switches: tuple[str, ...] = ()
    """What is on or off beside the knobs of turn-taking: columns of their own."""
    starts: tuple[Mapping[str, Any], ...] = ()
    """Proposals that a search begins with: a value for each knob and switch."""
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict, compare=False)
    """What the grid has of each knob that is a range; without, its two ends."""

    @classmethod
    def of(cls, grid: Mapping[str, Sequence[Any]]) -> Space:
        """What a grid (`grid.read_grid`) spans.

        >>> Space.of({"vad": ["silero"], "min_delay": [0.3, 1.2, 0.0]}).knobs
        {'vad': ('silero',), 'min_delay': Range(low=0.0, high=1.2, step=0.01)}
        """
        knobs = {name: _span(name, grid[name]) for name in KNOBS if name in grid}
        return cls(
            knobs, values={name: grid[name] for name, among in knobs.items() if isinstance(among, Range)}
        )

    def propose(
        self, choose: Callable[[str, Range | Choices], Any], *, choose_idle: bool = False
    ) -> dict[str, Any]:
        """One setting's knobs, each chosen by `choose(name, values)` in the order of the table of knobs.

        Knobs that are idle beside those chosen before are left out; with `choose_idle` they are chosen, too,
        for a sampler that combines only what all settings have.
        """
        values: dict[str, Any] = Settings().knobs()
        chosen: dict[str, Any] = {}
        for name, among in self.knobs.items():
            idle = KNOBS[name].idle
            if idle is None or not idle.when(values):
                values[name] = chosen[name] = choose(name, among)
            elif choose_idle:
                choose(name, among)
        return chosen | {name: choose(name, (False, True)) for name in self.switches}

    def beginning_along(self, knob: str, parts: int) -> Space:
        """The space with starting points evenly over a knob's range, for each combination of names.

        Other numbers are LiveKit's defaults, or what is nearest to them, the middle where LiveKit has none;
        the rest is the first choice, switches are on.

        >>> over = Space.of({"min_delay": [0.0, 1.0], "detector": ["vad", "stt"]})
        >>> [tuple(start.values()) for start in over.beginning_along("min_delay", 2).starts]
        [('vad', 0.0), ('vad', 1.0), ('stt', 0.0), ('stt', 1.0)]
        """
        among = {name: self._beginning(name, knob, parts) for name in self.knobs}
        rows = (dict(zip(among, chosen, strict=True)) for chosen in product(*among.values()))
        return replace(self, starts=tuple(row | dict.fromkeys(self.switches, True) for row in rows))

    def _beginning(self, name: str, along: str, parts: int) -> Choices:
        """The values of a knob at starting points."""
        among = self.knobs[name]
        if not isinstance(among, Range):
            return among if KNOBS[name].choices else among[:1]
        if name == along:
            return tuple(np.linspace(among.low, among.high, parts).tolist())
        default = Settings().knobs()[name]
        if default is None:  # LiveKit takes it from another knob
            return (among.nearest((among.low + among.high) / 2),)
        return (float(np.clip(default, among.low, among.high)),)

    def beginning(self, count: int, seed: int) -> Space:
        """The space with up to so many settings of the grid as starting points, whatever the recordings are.

        Every other one is a corner, with each knob at one of its ends: the ends of a frontier lie there. None
        comes twice, and AgentSession accepts each. A longer list begins with the shorter one.
        """
        rng = np.random.default_rng(seed)
        ends = {
            name: (among.low, among.high) if isinstance(among, Range) else among
            for name, among in self.knobs.items()
        }
        within = {name: self.values.get(name, among) for name, among in ends.items()}
        found: dict[str, dict[str, Any]] = {}
        for n in range(TRIES * count):
            one = self._drawn(ends if n % 2 else within, rng)
            if one is not None:
                found.setdefault(repr(one), one)
            if len(found) == 3 * count:  # some of them AgentSession may refuse
                break
        drawn = list(found.values())
        possible = is_possible(self.table(drawn))
        fitting = [one for one, fits in zip(drawn, possible, strict=True) if fits]
        return replace(self, starts=tuple(fitting[:count]))

    def _drawn(self, lists: Mapping[str, Sequence[Any]], rng: np.random.Generator) -> dict[str, Any] | None:
        """A setting of these values, each as likely as any other; None where too many would be alike.

        Settings that leave knobs idle are few, and would be drawn as often as all others together.
        """

        def pick(name: str, among: Range | Choices) -> Any:
            listed = lists.get(name, among)
            assert not isinstance(listed, Range)
            value = listed[int(rng.integers(len(listed)))]
            return among.nearest(value) if isinstance(among, Range) else value

        one = self.propose(pick)
        alike = math.prod(len(lists[name]) for name in self.knobs if name not in one)
        return one if rng.random() * alike < 1 else None

    @property
    def columns(self) -> list[str]:
        """Of a table of what is proposed."""
        return [*KNOBS, *self.switches]

    def table(self, proposals: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """What was proposed, completed by defaults (`grid.complete`)."""
        found = pd.DataFrame(list(proposals))
        switched = {name: found[name].astype(bool) for name in self.switches}
        return complete(found.drop(columns=list(self.switches))).assign(**switched)

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values, to compare spaces by."""
        return {
            name: [among.low, among.high] if isinstance(among, Range) else {"among": list(among)}
            for name, among in self.knobs.items()
        } | dict.fromkeys(self.switches, "switch")

    @property
    def corners(self) -> pd.DataFrame:
        """A setting for each combination of names, with the longest waits: what traces must be made for.

        Raises BadGrid if AgentSession accepts none of them.
        """
        names: dict[str, Choices] = {
            name: among
            for name, among in self.knobs.items()
            if KNOBS[name].choices and not isinstance(among, Range)
        }
        longest = {
            name: among.high if isinstance(among, Range) else None if None in among else among[-1]
            for name, among in self.knobs.items()
            if name not in names
        }
        rows = []
        for chosen in product(*names.values()):
            row = dict(zip(names, chosen, strict=True)) | longest
            defaults = livekit_defaults(row.get("vad", "livekit"), row.get("detector", "v1-mini"))
            row["max_delay"] = max(
                row.get("max_delay", defaults.endpointing.max_delay),
                row.get("min_delay", defaults.endpointing.min_delay),
            )
            rows.append(row)
        table = complete(pd.DataFrame(rows)).drop_duplicates(ignore_index=True)
        possible = is_possible(table)
        if not possible.any():
            raise BadGrid("AgentSession accepts no setting of this space; widen its lists")
        return table[possible].reset_index(drop=True)


def _span(name: str, values: Sequence[Any]) -> Range | Choices:
    several = [knob_value(name, one) for one in values]
    if KNOBS[name].choices or any(one is None or is_structured(one) for one in several):
        return tuple(dict.fromkeys(several))
    if min(several) == max(several):
        return (several[0],)
    return Range(float(min(several)), float(max(several)), WINDOW_S if name in _WINDOWED else STEP)

"""What the sliders and menus say ↔ `Settings`: steps back and forward, what is idle or impossible."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.knobs import KNOBS, Knob, idle_knobs, with_harmless_idle
from ...core.languages import ByLanguage
from ...core.settings import Settings

ONE_MOVE_S = 1.0
"""Moves of one control that follow each other faster than this are one step for Undo."""


_LENIENT = Settings.from_knobs({"detector": "vad", "min_delay": 0.0, "max_delay": 60.0})
"""Takes any value that some setting takes."""


@dataclass(frozen=True)
class _State:
    base: Settings
    values: Mapping[str, Any]


class Controls:
    """The state of the controls; knows no browser.

    What has no control (the activation threshold, say) stays as in the setting last given to `set`.
    """

    def __init__(self, start: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, start
        self._now = _State(start, _shown(start))
        self._back: list[_State] = []
        self._forward: list[_State] = []
        self._moved_last: tuple[str, float] = ("", float("-inf"))

    @property
    def settings(self) -> Settings:
        """What the controls say. Raises ValueError for an impossible combination."""
        base = self._now.base
        return base.replace(**with_harmless_idle(base.knobs() | self._values()))

    def move(self, name: str, value: Any) -> None:
        """Set one control. Raises ValueError for a knob without one, or a value that no knob takes."""
        if name not in controlled():
            raise ValueError(f"{name!r} has no control; those with one are {', '.join(controlled())}")
        knob = controlled()[name]
        if knob.choices and value not in knob.choices:
            raise ValueError(f"{name} is one of {', '.join(knob.choices)}, got {value!r}")
        if not knob.choices:
            value = float(value)
            _LENIENT.replace(**{name: value})
        self._change(name, _State(self._now.base, {**self._now.values, name: value}))

    def set(self, settings: Settings) -> None:
        """Move all controls at once."""
        self._change("", _State(settings, _shown(settings)))

    def reset(self) -> None:
        """Back to the setting that it began with, as a step that can be undone."""
        self.set(self._start)

    def undo(self) -> bool:
        """Back to before the last step; whether there was one."""
        return self._step(self._back, self._forward)

    def redo(self) -> bool:
        """Do again what was undone last; whether there was anything."""
        return self._step(self._forward, self._back)

    def state(self) -> dict[str, Any]:
        """What a view shows, as plain values."""
        values = self._values()
        notes = {
            name: f"By language: {value}; the slider sets one for all."
            for name, value in values.items()
            if isinstance(value, ByLanguage)
        }
        idle = idle_knobs(self._now.base.knobs() | values)
        return {
            "values": dict(self._now.values),
            "idle": {name: why for name, why in idle.items() if name in controlled()},
            "notes": notes,
            "others": _without_control(self._now.base),
            "can_undo": bool(self._back),
            "can_redo": bool(self._forward),
        }

    def _change(self, name: str, state: _State) -> None:
        if state == self._now:
            return
        now_s = self._clock()
        moved, at_s = self._moved_last
        if not name or moved != name or now_s - at_s > ONE_MOVE_S:
            self._back.append(self._now)
        self._moved_last = (name, now_s)
        self._forward.clear()
        self._now = state

    def _step(self, from_list: list[_State], to_list: list[_State]) -> bool:
        if not from_list:
            return False
        to_list.append(self._now)
        self._now = from_list.pop()
        self._moved_last = ("", float("-inf"))
        return True

    def _values(self) -> dict[str, Any]:
        """Thresholds by language stay until their slider leaves the English one."""
        base = self._now.base.knobs()
        return {
            name: base[name] if isinstance(base[name], ByLanguage) and value == float(base[name]) else value
            for name, value in self._now.values.items()
        }


def controlled() -> dict[str, Knob]:
    """The knobs that have a control, by name."""
    return {name: knob for name, knob in KNOBS.items() if knob.has_control}


def _shown(settings: Settings) -> dict[str, Any]:
    knobs = settings.knobs()
    return {name: knobs[name] if knob.choices else float(knobs[name]) for name, knob in controlled().items()}


def described(knob: Knob) -> dict[str, Any]:
    """A knob's row as plain values for a view."""
    low, high, step = knob.slider or (0.0, 1.0, 0.01)
    return {
        "name": knob.name,
        "label": knob.label or knob.name,
        "unit": knob.unit,
        "help": knob.help,
        "choices": list(knob.choices),
        "low": low,
        "high": high,
        "step": step,
        "usual": _shown(Settings())[knob.name],
    }


def _without_control(settings: Settings) -> str:
    """What differs from LiveKit's defaults and has no control."""
    usual = Settings().knobs()
    other = {k: v for k, v in settings.knobs().items() if not KNOBS[k].has_control and v != usual[k]}
    return "Also set: " + ", ".join(f"{name} {value}" for name, value in other.items()) if other else ""

"""Sliders and menus ↔ `Settings`: translates, remembers what was before, and tells what cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as w

from ..core.knobs import KNOBS, idle_knobs, with_harmless_idle
from ..core.languages import ByLanguage
from ..core.settings import Settings

ONE_MOVE_S = 1.0
"""Changes of one control that follow each other faster than this are one step for Undo."""

State = tuple[Settings, dict[str, Any]]


class Controls:
    """Calls `changed` with each possible setting, `refused` with the reason why a combination is impossible.

    What has no control (the activation threshold, say) stays as in the setting last given to `set`.
    """

    def __init__(
        self,
        start: Settings,
        changed: Callable[[Settings], None],
        refused: Callable[[str], None],
        presets: Mapping[str, Settings] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changed, self._refused, self._clock = changed, refused, clock
        self._start, self._base = start, start
        self._history: list[State] = []
        self._moved_last: tuple[str, float] = ("", float("-inf"))
        self._silent = False
        self.knobs: dict[str, w.ValueWidget] = {**_menus(), **_sliders()}
        for name, widget in self.knobs.items():
            widget.observe(partial(self._moved, name), "value")
        self.undo_button = w.Button(description="Undo", icon="undo", disabled=True, layout=_BUTTON)
        self.reset_button = w.Button(description="Reset", icon="refresh", layout=_BUTTON)
        self.undo_button.on_click(lambda _: self.undo())
        self.reset_button.on_click(lambda _: self.set(self._start))
        self.preset_buttons = {name: w.Button(description=name, layout=_BUTTON) for name in presets or {}}
        for name, button in self.preset_buttons.items():
            button.on_click(partial(self._preset, (presets or {})[name]))
        buttons = [self.undo_button, self.reset_button, *self.preset_buttons.values()]
        row = w.HBox(buttons, layout={"flex_flow": "row wrap"})
        self.box = w.VBox([*self.knobs.values(), row])
        self._show(start, start.knobs())
        self._dim_idle()
        self._before = self._state()

    @property
    def settings(self) -> Settings:
        """What the controls say. Raises ValueError for an impossible combination."""
        return self._base.replace(**with_harmless_idle(self._base.knobs() | self._values()))

    def set(self, settings: Settings) -> None:
        """Move all controls at once."""
        self._show(settings, settings.knobs())
        self._remember("set")
        self._notify()

    def undo(self) -> None:
        """Back to before the last step."""
        if self._history:
            self._show(*self._history.pop())
            self._before = self._state()
            self._moved_last = ("", float("-inf"))
            self.undo_button.disabled = not self._history
            self._notify()

    def _preset(self, settings: Settings, _: w.Button) -> None:
        self.set(settings)

    def _moved(self, name: str, change: Any) -> None:
        if not self._silent:
            self._remember(name)
            self._notify()

    def _remember(self, name: str) -> None:
        now = self._clock()
        before, self._before = self._before, self._state()
        if before == self._before:
            return
        moved_last, self._moved_last = self._moved_last, (name, now)
        if name == "set" or moved_last[0] != name or now - moved_last[1] > ONE_MOVE_S:
            self._history.append(before)
        self.undo_button.disabled = not self._history

    def _notify(self) -> None:
        self._dim_idle()
        try:
            settings = self.settings
        except ValueError as impossible:
            self._refused(str(impossible))
        else:
            self._changed(settings)

    def _dim_idle(self) -> None:
        values = self._values()
        idle = idle_knobs(self._base.knobs() | values)
        for name, widget in self.knobs.items():
            widget.disabled = name in idle
            why = f" Idle now: {idle[name]}." if name in idle else ""
            value = values[name]
            several = f" By language: {value}; the slider sets one for all." * isinstance(value, ByLanguage)
            widget.tooltip = KNOBS[name].help + why + several

    def _values(self) -> dict[str, Any]:
        """What the controls say; thresholds by language stay until their slider leaves the English one."""
        base = self._base.knobs()
        return {
            name: base[name]
            if isinstance(base[name], ByLanguage) and widget.value == float(base[name])
            else widget.value
            for name, widget in self.knobs.items()
        }

    def _state(self) -> State:
        return self._base, self._values()

    def _show(self, base: Settings, values: Mapping[str, Any]) -> None:
        self._base = base
        with self._silently():
            for name, widget in self.knobs.items():
                value = float(values[name]) if KNOBS[name].slider else values[name]
                if KNOBS[name].slider:
                    widget.min, widget.max = min(widget.min, value), max(widget.max, value)
                widget.value = value

    @contextmanager
    def _silently(self) -> Iterator[None]:
        self._silent = True
        try:
            yield
        finally:
            self._silent = False


_BUTTON = {"width": "auto"}
_STYLE = {"description_width": "165px"}
_KNOB = {"width": "99%"}


def _menus() -> dict[str, w.ValueWidget]:
    return {
        name: w.Dropdown(options=knob.choices, description=knob.label or name, style=_STYLE, layout=_KNOB)
        for name, knob in KNOBS.items()
        if knob.choices
    }


def _sliders() -> dict[str, w.ValueWidget]:
    return {
        name: w.FloatSlider(
            min=knob.slider[0],
            max=knob.slider[1],
            step=knob.slider[2],
            description=f"{name} ({knob.unit})" if knob.unit else name,
            readout_format=".2f",
            style=_STYLE,
            layout=_KNOB,
        )
        for name, knob in KNOBS.items()
        if knob.slider
    }

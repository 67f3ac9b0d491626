"""Sliders and menus ↔ `Settings`: translates, remembers what was before, and tells what cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as w

from ..core.settings import Settings

MENUS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "vad": ("VAD", ("livekit", "silero"), "Which model hears speech."),
    "detector": (
        "turn detector",
        ("v1-mini", "vad", "stt"),
        "What judges the end of a turn; vad: silence alone, stt: the speech-to-text.",
    ),
    "endpointing_mode": ("endpointing", ("fixed", "dynamic"), "dynamic: min_delay is learned from pauses."),
}
"""Knob → description, values, explanation."""

SLIDERS: dict[str, tuple[float, float, float, str]] = {
    "min_silence_duration": (0.05, 1.5, 0.05, "Silence in s before the VAD reports the end of speech."),
    "min_delay": (0.0, 2.0, 0.05, "Wait in s, from the last speech, if the end of turn is likely."),
    "max_delay": (0.0, 6.0, 0.1, "Wait in s, from the last speech, if the end of turn is unlikely."),
    "unlikely_threshold": (0.0, 1.0, 0.01, "An end of turn with a probability below this is unlikely."),
}
"""Knob → least, greatest, step, explanation."""

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
        values = {name: widget.value for name, widget in self.knobs.items()}
        if values["detector"] != "v1-mini" and values["endpointing_mode"] == "fixed":
            values["max_delay"] = max(values["max_delay"], values["min_delay"])  # idle
        return self._base.replace(**values)

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
        plain = self.knobs["detector"].value != "v1-mini"
        self.knobs["unlikely_threshold"].disabled = plain
        self.knobs["max_delay"].disabled = plain and self.knobs["endpointing_mode"].value == "fixed"

    def _state(self) -> State:
        return self._base, {name: widget.value for name, widget in self.knobs.items()}

    def _show(self, base: Settings, values: Mapping[str, Any]) -> None:
        self._base = base
        with self._silently():
            for name, widget in self.knobs.items():
                if name in SLIDERS:
                    widget.min, widget.max = min(widget.min, values[name]), max(widget.max, values[name])
                widget.value = values[name]

    @contextmanager
    def _silently(self) -> Iterator[None]:
        self._silent = True
        try:
            yield
        finally:
            self._silent = False


_BUTTON = {"width": "auto"}
_STYLE = {"description_width": "145px"}
_KNOB = {"width": "99%"}


def _menus() -> dict[str, w.ValueWidget]:
    return {
        name: w.Dropdown(options=values, description=text, tooltip=why, style=_STYLE, layout=_KNOB)
        for name, (text, values, why) in MENUS.items()
    }


def _sliders() -> dict[str, w.ValueWidget]:
    return {
        name: w.FloatSlider(
            min=least,
            max=most,
            step=step,
            description=name,
            tooltip=why,
            readout_format=".2f",
            style=_STYLE,
            layout=_KNOB,
        )
        for name, (least, most, step, why) in SLIDERS.items()
    }

"""Controls: what the widgets say as settings, and back; undo, reset, presets, what is impossible."""

from __future__ import annotations

import pytest

from lab_utils.core.knobs import KNOBS
from lab_utils.core.settings import Settings
from lab_utils.widgets.controls import ONE_MOVE_S, Controls


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Controls, and all that they said."""

    def __init__(self, start: Settings | None = None, **presets: Settings) -> None:
        self.clock = Clock()
        self.changed: list[Settings] = []
        self.refused: list[str] = []
        self.controls = Controls(
            start or Settings(), self.changed.append, self.refused.append, presets, self.clock
        )

    def move(self, name: str, value: object, after_s: float = 10.0) -> None:
        self.clock.now += after_s
        self.controls.knobs[name].value = value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_starts_at_the_given_setting_and_says_nothing(bench: Bench):
    start = Settings().replace(vad="silero", min_delay=0.65, unlikely_threshold=0.42)
    assert Bench(start).controls.settings == start
    assert not bench.changed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vad", "silero"),
        ("detector", "vad"),
        ("endpointing_mode", "dynamic"),
        ("min_silence_duration", 0.55),
        ("min_delay", 0.8),
        ("max_delay", 4.0),
        ("unlikely_threshold", 0.2),
    ],
)
def test_each_control_is_its_knob(bench: Bench, name: str, value: object):
    bench.move(name, value)
    assert bench.changed == [Settings().replace(**{name: value})]


def test_every_control_is_a_knob_with_an_explanation(bench: Bench):
    assert set(bench.controls.knobs) == {name for name, knob in KNOBS.items() if knob.has_control}
    for name, widget in bench.controls.knobs.items():
        assert widget.tooltip.startswith(KNOBS[name].help)
        assert KNOBS[name].help.endswith(".")


def test_the_impossible_is_explained_and_can_be_left_again(bench: Bench):
    bench.move("max_delay", 0.1)
    assert not bench.changed
    assert "min_delay (0.3 s) is above max_delay (0.1 s)" in bench.refused[0]
    bench.move("min_delay", 0.1)
    assert bench.changed == [Settings().replace(min_delay=0.1, max_delay=0.1)]


def test_v1_mini_needs_silence(bench: Bench):
    bench.move("min_silence_duration", 0.2)
    assert "min_silence_duration (0.2 s) is below 0.25 s" in bench.refused[0]
    bench.move("detector", "vad")
    assert bench.changed[-1].vad.min_silence_duration == 0.2


def test_idle_controls_are_dimmed_and_forbid_nothing(bench: Bench):
    knobs = bench.controls.knobs
    assert not knobs["max_delay"].disabled
    bench.move("detector", "stt")
    assert knobs["max_delay"].disabled
    assert knobs["unlikely_threshold"].disabled
    assert "Idle now: only v1-mini gives a probability" in knobs["unlikely_threshold"].tooltip
    bench.move("detector", "vad")
    assert knobs["max_delay"].disabled
    assert knobs["unlikely_threshold"].disabled
    bench.move("max_delay", 0.1)
    assert not bench.refused
    assert bench.changed[-1].endpointing.max_delay == 0.3
    bench.move("endpointing_mode", "dynamic")
    assert not knobs["max_delay"].disabled
    assert "above max_delay" in bench.refused[0]


def test_undo_goes_back_step_by_step(bench: Bench):
    assert bench.controls.undo_button.disabled
    bench.move("min_delay", 0.5)
    bench.move("vad", "silero")
    bench.controls.undo_button.click()
    assert bench.changed[-1] == Settings().replace(min_delay=0.5)
    bench.controls.undo()
    assert bench.changed[-1] == Settings()
    assert bench.controls.undo_button.disabled
    bench.controls.undo()
    assert bench.changed[-1] == Settings()


def test_a_drag_is_one_step(bench: Bench):
    for value in (0.35, 0.4, 0.45, 0.5):
        bench.move("min_delay", value, after_s=0.5 * ONE_MOVE_S)
    bench.move("max_delay", 3.0, after_s=0.1)
    bench.controls.undo()
    assert bench.changed[-1] == Settings().replace(min_delay=0.5)
    bench.controls.undo()
    assert bench.changed[-1] == Settings()


def test_undo_leaves_the_impossible(bench: Bench):
    bench.move("max_delay", 0.1)
    bench.controls.undo()
    assert bench.changed == [Settings()]


def test_reset_and_presets_move_all_at_once_and_can_be_undone():
    chosen = Settings().replace(
        vad="silero", min_silence_duration=0.7, min_delay=1.0, activation_threshold=0.6
    )
    bench = Bench(Chosen=chosen)
    bench.move("min_delay", 0.5)
    n = len(bench.changed)
    bench.controls.preset_buttons["Chosen"].click()
    assert bench.changed[n:] == [chosen]
    bench.controls.reset_button.click()
    assert bench.changed[-1] == Settings()
    bench.controls.undo()
    assert bench.changed[-1] == chosen
    bench.controls.undo()
    assert bench.changed[-1] == Settings().replace(min_delay=0.5)


def test_what_has_no_control_is_kept():
    start = Settings().replace(activation_threshold=0.7, min_speech_duration=0.3)
    bench = Bench(start)
    bench.move("min_delay", 0.5)
    assert bench.changed == [start.replace(min_delay=0.5)]


def test_a_slider_widens_for_a_setting_beyond_it():
    far = Settings().replace(min_delay=5.0, max_delay=20.0)
    bench = Bench()
    bench.controls.set(far)
    assert bench.controls.settings == far


def test_thresholds_by_language_stay_until_their_slider_moves():
    seen = []
    chosen = Settings().replace(unlikely_threshold={"de": 0.2, "en": 0.5})
    controls = Controls(chosen, seen.append, seen.append)
    slider = controls.knobs["unlikely_threshold"]
    assert slider.value == 0.5
    assert "By language: de 0.2, en 0.5; the slider sets one for all." in slider.tooltip
    controls.knobs["min_delay"].value = 0.7
    assert seen[-1] == chosen.replace(min_delay=0.7)
    slider.value = 0.6
    assert seen[-1] == chosen.replace(min_delay=0.7, unlikely_threshold=0.6)
    assert "By language" not in slider.tooltip
    controls.undo()
    assert seen[-1].detector == chosen.detector

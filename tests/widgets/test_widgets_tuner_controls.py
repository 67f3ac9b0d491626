"""What the controls say as settings, and back; steps back and forward, what is impossible or idle."""

from __future__ import annotations

import pytest

from lab_utils.core.knobs import KNOBS
from lab_utils.core.settings import Settings
from lab_utils.widgets.tuner.controls import ONE_MOVE_S, Controls, controlled, described


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Controls, and a clock that moves on between moves."""

    def __init__(self, start: Settings | None = None) -> None:
        self.clock = Clock()
        self.controls = Controls(start or Settings(), self.clock)

    def move(self, name: str, value: object, after_s: float = 10.0) -> None:
        self.clock.now += after_s
        self.controls.move(name, value)

    @property
    def settings(self) -> Settings:
        return self.controls.settings


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_starts_at_the_given_setting():
    start = Settings().replace(vad="silero", min_delay=0.65, unlikely_threshold=0.42)
    controls = Bench(start).controls
    assert controls.settings == start
    assert controls.state()["values"]["min_delay"] == 0.65
    assert not controls.state()["can_undo"]


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
    assert bench.settings == Settings().replace(**{name: value})


def test_every_control_has_an_explanation_and_livekits_default():
    rows = [described(knob) for knob in controlled().values()]
    assert {row["name"] for row in rows} == {name for name, knob in KNOBS.items() if knob.has_control}
    for row in rows:
        assert row["help"].endswith(".")
        assert row["usual"] == Settings().knobs()[row["name"]]
        assert row["usual"] in row["choices"] or row["low"] < row["usual"] < row["high"]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("volume", 3, "'volume' has no control"),
        ("vad", "webrtc", "vad is one of livekit, silero, got 'webrtc'"),
        ("min_delay", "much", "could not convert"),
        ("min_delay", -1.0, "min_delay"),
        ("unlikely_threshold", float("nan"), "unlikely_threshold"),
    ],
)
def test_what_no_knob_takes_is_refused_and_nothing_moves(bench: Bench, name: str, value: object, why: str):
    with pytest.raises(ValueError, match=why):
        bench.move(name, value)
    assert bench.settings == Settings()


def test_the_impossible_is_explained_and_can_be_left_again(bench: Bench):
    bench.move("max_delay", 0.1)
    with pytest.raises(ValueError, match=r"min_delay \(0.3 s\) is above max_delay \(0.1 s\)"):
        _ = bench.settings
    bench.move("min_delay", 0.1)
    assert bench.settings == Settings().replace(min_delay=0.1, max_delay=0.1)


def test_idle_controls_say_why_and_forbid_nothing(bench: Bench):
    assert not bench.controls.state()["idle"]
    bench.move("detector", "vad")
    idle = bench.controls.state()["idle"]
    assert set(idle) == {"max_delay", "unlikely_threshold"}
    assert "only english, multilingual and v1-mini give a probability" in idle["unlikely_threshold"]
    bench.move("max_delay", 0.1)
    assert bench.settings.endpointing.max_delay == 0.3
    bench.move("endpointing_mode", "dynamic")
    assert set(bench.controls.state()["idle"]) == {"unlikely_threshold"}
    with pytest.raises(ValueError, match="above max_delay"):
        _ = bench.settings


def test_undo_and_redo_go_step_by_step(bench: Bench):
    bench.move("min_delay", 0.5)
    bench.move("vad", "silero")
    both = bench.settings
    assert bench.controls.undo()
    assert bench.settings == Settings().replace(min_delay=0.5)
    assert bench.controls.undo()
    assert not bench.controls.undo()
    assert bench.settings == Settings()
    assert bench.controls.redo()
    assert bench.controls.redo()
    assert not bench.controls.redo()
    assert bench.settings == both
    bench.controls.undo()
    bench.move("min_delay", 0.9)
    assert not bench.controls.state()["can_redo"]


def test_a_drag_is_one_step(bench: Bench):
    for value in (0.35, 0.4, 0.45, 0.5):
        bench.move("min_delay", value, after_s=0.5 * ONE_MOVE_S)
    bench.move("max_delay", 3.0, after_s=0.1)
    bench.controls.undo()
    assert bench.settings == Settings().replace(min_delay=0.5)
    bench.controls.undo()
    assert bench.settings == Settings()


def test_reset_and_set_move_all_at_once_and_can_be_undone(bench: Bench):
    chosen = Settings().replace(vad="silero", min_silence_duration=0.7, activation_threshold=0.6)
    bench.move("min_delay", 0.5)
    bench.controls.set(chosen)
    assert bench.settings == chosen
    assert bench.controls.state()["others"] == "Also set: activation_threshold 0.6"
    bench.controls.reset()
    assert bench.settings == Settings()
    bench.controls.undo()
    assert bench.settings == chosen
    bench.controls.undo()
    assert bench.settings == Settings().replace(min_delay=0.5)


def test_what_has_no_control_is_kept():
    start = Settings().replace(activation_threshold=0.7, min_speech_duration=0.3)
    bench = Bench(start)
    bench.move("min_delay", 0.5)
    assert bench.settings == start.replace(min_delay=0.5)


def test_thresholds_by_language_stay_until_their_slider_moves():
    chosen = Settings().replace(unlikely_threshold={"de": 0.2, "en": 0.5})
    bench = Bench(chosen)
    assert bench.controls.state()["values"]["unlikely_threshold"] == 0.5
    note = bench.controls.state()["notes"]["unlikely_threshold"]
    assert note == "By language: de 0.2, en 0.5; the slider sets one for all."
    bench.move("min_delay", 0.7)
    assert bench.settings == chosen.replace(min_delay=0.7)
    bench.move("unlikely_threshold", 0.6)
    assert bench.settings == chosen.replace(min_delay=0.7, unlikely_threshold=0.6)
    assert not bench.controls.state()["notes"]
    bench.controls.undo()
    assert bench.settings.detector == chosen.detector

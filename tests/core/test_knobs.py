"""The table of knobs: rules and idleness for one setting and for a table, its page, and how it grows."""

from __future__ import annotations

import doctest
import itertools
import runpy

import pandas as pd
import pytest
from paths import ROOT

from lab_utils.core import detectors, knobs
from lab_utils.core.detectors import DETECTORS
from lab_utils.core.knobs import KNOBS, RULES, Idle, Knob, idle_knobs, with_harmless_idle
from lab_utils.core.settings import Conditions, Settings
from lab_utils.turns import detectors as built
from lab_utils.turns.grid import complete, expand
from lab_utils.turns.replay import blocks_of
from lab_utils.widgets.tuner.controls import Controls

POLICY = ("wait_shape", "extra_delay_numbers", "extra_delay_asked")
knob_page = runpy.run_path(str(ROOT / "docs" / "write_knobs.py"))["knob_page"]

SETTINGS = [
    Settings().replace(detector=detector, endpointing_mode=mode).knobs()
    | {"min_delay": low, "max_delay": high}
    for detector, mode, low, high in itertools.product(
        DETECTORS, ("fixed", "dynamic"), (0.3, 2.0), (0.5, 2.5)
    )
]


def test_a_rule_and_idleness_say_the_same_of_a_setting_and_of_a_column():
    table = pd.DataFrame(SETTINGS)
    for k, values in enumerate(SETTINGS):
        for rule in RULES:
            assert bool(rule.broken(values)) == bool(rule.broken(table)[k])
        for name, knob in KNOBS.items():
            if knob.idle is not None:
                assert (
                    bool(knob.idle.when(values))
                    == bool(knob.idle.when(table)[k])
                    == (name in idle_knobs(values))
                )


@pytest.mark.parametrize(
    ("detector", "mode", "idle"),
    [
        ("v1-mini", "fixed", set()),
        ("v1-mini", "dynamic", set()),
        ("vad", "fixed", {"max_delay", "unlikely_threshold", *POLICY}),
        ("stt", "fixed", {"max_delay", "unlikely_threshold", *POLICY}),
        ("vad", "dynamic", {"unlikely_threshold", *POLICY}),
        ("stt", "dynamic", {"unlikely_threshold", *POLICY}),
    ],
)
def test_max_delay_is_in_force_with_any_detector_where_endpointing_is_dynamic(detector, mode, idle):
    values = Settings().replace(detector=detector, endpointing_mode=mode).knobs()
    assert set(idle_knobs(values)) == idle


def test_an_idle_max_delay_is_raised_and_another_is_left():
    values = Settings().knobs() | {"detector": "vad", "min_delay": 3.0, "max_delay": 1.0}
    assert with_harmless_idle(values) == values | {"max_delay": 3.0}
    in_force = values | {"endpointing_mode": "dynamic"}
    assert with_harmless_idle(in_force) == in_force


def test_the_page_is_up_to_date():
    remedy = "run python docs/write_knobs.py"
    assert (ROOT / "docs" / "knobs.md").read_text("utf-8") == knob_page(), remedy


def test_each_detector_has_a_row_and_a_file():
    assert set(built.DETECTORS) == set(DETECTORS)
    for name, detector in built.DETECTORS.items():
        assert detector.traits is DETECTORS[name]
        assert (detector.predictor is not None) == (detector.traits.needs == "predictions")


def test_a_new_knob_is_one_row(monkeypatch):
    """`alpha` of dynamic endpointing is no knob; a row makes it one, for grids, replay, sliders and page."""
    row = Knob(
        "alpha",
        "endpointing",
        "alpha",
        "Weight of the past in a learned delay.",
        slider=(0.1, 1.0, 0.1),
        idle=Idle(lambda values: values["endpointing_mode"] == "fixed", "only dynamic endpointing learns"),
    )
    monkeypatch.setitem(KNOBS, row.name, row)
    assert Settings().replace(alpha=0.5).endpointing.alpha == 0.5
    table, _ = expand({"alpha": [0.2, 0.7], "endpointing_mode": ["fixed", "dynamic"]})
    assert table["alpha"].fillna(-1.0).tolist() == [-1.0, 0.2, 0.7]
    assert {block.alpha for _, block in blocks_of(table, Conditions(), 9)} == {0.9, 0.2, 0.7}
    assert complete(pd.DataFrame({"endpointing_mode": ["dynamic"]}))["alpha"].tolist() == [0.9]
    controls = Controls(Settings())
    assert "alpha" in controls.state()["idle"]
    controls.move("endpointing_mode", "dynamic")
    controls.move("alpha", 0.4)
    assert controls.settings == Settings().replace(endpointing_mode="dynamic", alpha=0.4)
    assert "| `alpha` | above 0 to 1 | 0.9 | Weight of the past" in knob_page()


@pytest.mark.parametrize("module", [detectors, knobs])
def test_its_examples_run(module):
    assert doctest.testmod(module).failed == 0

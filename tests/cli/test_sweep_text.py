"""What `lab sweep` prints of the chosen setting: the knobs in force, and no others."""

from __future__ import annotations

import pytest

from lab_utils.cli.tables.sweep import _ROWS, print_summary
from lab_utils.core.settings import Settings


def chosen_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    figures = {name: {"n": 0} for name, *_ in _ROWS}
    print_summary(
        {
            "recordings": ["one"],
            "counts": {"holds": 1, "turns": 1, "backchannels": 0, "cut_offs": 0},
            "settings": 1,
            "phases": 1,
            "hold_lengths": {"cut_offs": 0},
            "assumed": [],
            "skipped": [],
            "defaults": {"figures": figures},
            "chosen": {"figures": figures, "settings": settings.knobs()},
            "held_out": None,
            "budget": {"met": True},
        },
        out=None,
    )
    printed = " ".join(capsys.readouterr().out.split())  # the terminal's width breaks lines
    return printed[printed.index("chosen: ") :]


@pytest.mark.parametrize("detector", ["vad", "stt"])
@pytest.mark.parametrize(("mode", "told"), [("dynamic", True), ("fixed", False)])
def test_max_delay_is_told_where_dynamic_endpointing_uses_it(detector, mode, told, capsys):
    settings = Settings().replace(detector=detector, endpointing_mode=mode, max_delay=2.75)
    assert ("max_delay 2.75" in chosen_line(settings, capsys)) is told


def test_a_detector_with_a_threshold_waits_for_max_delay_in_either_mode(capsys):
    for mode in ("fixed", "dynamic"):
        settings = Settings().replace(detector="v1-mini", endpointing_mode=mode, max_delay=2.75)
        line = chosen_line(settings, capsys)
        assert "max_delay 2.75" in line
        assert "unlikely_threshold" in line

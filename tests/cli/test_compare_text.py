"""What `lab compare` prints at 80 columns."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

from lab_utils.cli.tables.compare import _print_services, _table
from lab_utils.core.settings import Settings
from lab_utils.turns.comparison.points import POINTS, Reached
from lab_utils.turns.detectors.stt_services import SERVICES
from lab_utils.workflows.detectors.given import GivenDetector

TITLES = ["at most", "detector", "false boundaries per hold", "mean latency", "missed", "inference"]
ROW = [
    "2 % false boundaries",
    "v1-mini+extra_delay",
    "2.3 % (1.2–3.9)",
    "2,201 ms (1,900–2,500)",
    "0.4 % (0.1–1.2)",
]


def test_at_80_columns_names_stand_whole_and_nothing_is_cut() -> None:
    page = io.StringIO()
    Console(width=80, file=page).print(_table("title", TITLES, [[*ROW, "12.3 ms"]], left=2))
    text = page.getvalue()
    assert "v1-mini+extra_delay" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_at_80_columns_a_services_parameters_are_folded_and_its_worker_is_not() -> None:
    """Nothing is lost of either: the worker is there to be copied."""
    service = SERVICES["assemblyai"]
    settings = Settings().replace(detector="own:assemblyai", unlikely_threshold=0.4, min_delay=0.3)
    reached = [
        Reached("own:assemblyai", point, True, settings, {}, pd.DataFrame(), (), {}) for point in POINTS
    ]
    page = io.StringIO()
    console = Console(width=80, file=page)
    _print_services(console, reached, [GivenDetector("own:assemblyai", service=service)])
    table, _, code = page.getvalue().partition("# ")
    assert max(map(len, table.splitlines())) <= 80
    words = table.split()
    for name, value in service.options_of(settings).items():
        assert words.count(name) == len(POINTS)
        assert sum(word.strip(",") == f"{value:g}" for word in words) >= len(POINTS)
    assert words.count("own:assemblyai") == len(POINTS)
    assert words.count("boundaries") + words.count("latency") == len(POINTS)
    assert service.worker_code(service.options_of(settings)) in code

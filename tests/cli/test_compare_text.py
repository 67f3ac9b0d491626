"""What `lab compare` prints at 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from lab_utils.cli.tables.compare import _table

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

"""What `lab compare` prints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...workflows.detectors import FILES, Comparison
from ...workflows.detectors.compare import SLICED_AT
from ...workflows.detectors.eager import eager_rows, eager_words
from ...workflows.detectors.texts import calibration_rows, point_rows, service_rows, worker_codes

if TYPE_CHECKING:
    import pandas as pd

    from ...turns.comparison.points import Reached
    from ...workflows.detectors.given import GivenDetector


def print_comparison(compared: Comparison, out: Path) -> None:
    """What the figures rest on, the table, calibration, and the verdict in words."""
    console = Console()
    n = compared.counts
    console.print(
        f"{n['recordings']} recording(s), {n['holds']} holds, {n['turns']} ends of turn; "
        f"{len(compared.detectors)} detectors, {compared.phases} phases"
    )
    for line in compared.conditions.in_words:
        console.print(line, highlight=False)
    for one in compared.detectors:
        if one.in_words:
            console.print(escape(one.in_words), highlight=False)
    title = "At the same budgets, judged on other recordings (95 % interval by recording)"
    console.print(_table(title, *point_rows(compared.points, compared.cost_ms), left=2))
    if compared.calibrations:
        console.print(
            _table("What the probabilities are worth", *calibration_rows(compared.calibrations), left=1)
        )
    if any(one.service for one in compared.detectors):
        _print_services(console, compared.reached, compared.detectors)
    if compared.eager is not None:
        _print_eager(console, compared.eager)
    for sentence in compared.verdicts:
        console.print(escape(sentence), highlight=False)
    console.print(escape(compared.push_to_talk.in_words), highlight=False)
    console.print(f"results: {out}/: {', '.join(FILES)}", highlight=False)


def _print_services(console: Console, reached: Iterable[Reached], detectors: Iterable[GivenDetector]) -> None:
    """What services are tuned to, and a worker for one of the points as it is to be copied."""
    rows = service_rows(reached, detectors)
    console.print(_table("In the services' own names", *rows, left=3, whole=1))
    for code in worker_codes(reached, detectors, SLICED_AT.name):
        console.print(code, highlight=False, markup=False, soft_wrap=True)


def _print_eager(console: Console, swept: pd.DataFrame) -> None:
    """What eager thresholds save and cost."""
    title = f"Eager end of turn, at {SLICED_AT.name} of the comparison, or the nearest: ms to first audio"
    console.print(_table(title, *eager_rows(swept), left=1))
    console.print(eager_words(swept), highlight=False, soft_wrap=True)


def _table(
    title: str, titles: list[str], rows: list[list[str]], *, left: int, whole: int | None = None
) -> Table:
    """`left`: columns of words; `whole`: the one that isn't folded, by default the last of these."""
    whole = left - 1 if whole is None else whole
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for k, name in enumerate(titles):
        # At 80 columns figures are folded, no detector's name is, and nothing is cut.
        justify: Literal["left", "right"] = "left" if k < left else "right"
        table.add_column(name, justify=justify, no_wrap=k == whole, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table

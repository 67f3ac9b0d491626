"""What `lab label --compare` prints."""

from __future__ import annotations

import json
import math

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...recordings.labels.agreement import NOTHING, Agreement, Place


def print_agreement(found: Agreement, as_json: bool) -> None:
    """The figures, and every place where the two differ."""
    if as_json:
        print(json.dumps(_plain(found)))
        return
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name, right in (
        ("recording", False),
        ("from", True),
        ("to", True),
        ("first", False),
        ("second", False),
    ):
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    for recording, place in found.differences:
        table.add_row(escape(recording), f"{place.start_s:.2f}", f"{place.end_s:.2f}", *place.words)
    console = Console()
    if found.differences:
        console.print(table)
    starts_s, ends_s = found.edges_off_s
    n, same = len(found.places), len(found.places) - len(found.differences)
    lines = [
        f"{same} of {n} places are called the same ({_share(found.share)})",
        f"Cohen's κ {_figure(found.kappa)} over all places, {_figure(found.kappa_of_kinds)} over those that "
        "both have labelled",
        f"edges differ by {1000 * starts_s:.0f} ms (starts) and {1000 * ends_s:.0f} ms (ends), median"
        if not math.isnan(starts_s)
        else "no place that both have labelled",
    ]
    console.print("\n".join(lines), highlight=False, markup=False)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _figure(value: float) -> str:
    return "can't be told" if math.isnan(value) else f"{value:.2f}"


def _plain(found: Agreement) -> dict[str, object]:
    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    starts_s, ends_s = found.edges_off_s
    return {
        "places": len(found.places),
        "agreement": known(found.share),
        "kappa": known(found.kappa),
        "kappa_of_kinds": known(found.kappa_of_kinds),
        "start_off_s": known(starts_s),
        "end_off_s": known(ends_s),
        "differences": [_difference(recording, place) for recording, place in found.differences],
    }


def _difference(recording: str, place: Place) -> dict[str, object]:
    first, second = (None if word == NOTHING else word for word in place.words)
    times = {"start_s": place.start_s, "end_s": place.end_s}
    return {"recording": recording, **times, "first": first, "second": second}

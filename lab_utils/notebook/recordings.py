"""Notebook 03: what an import found, labels to check by eye, settings on bad lines."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from IPython.display import Image
from pandas.io.formats.style import Styler

from .. import plots
from ..core.recording import Recording
from ..recordings.importing import Imported
from ..recordings.labels.checks import ROWS, check_page, label_checks, least_sure_first
from ..workflows.study import Choice, Study
from .shown import below, image, left

FOUND = ("file", "format", "channels", "seconds", "labels from", "words from", "notes")
COMPARED = ["false_boundary_rate", "latency_mean", "missed_rate"]


def found(imported: Imported) -> Styler:
    """What an import found, one row each: the recordings, then the files that can't be used, and why."""
    rows = [
        {
            "file": below(imported.folder, entry.files.user),
            "format": entry.files.format,
            "channels": entry.channels,
            "seconds": f"{entry.duration_s:.1f}",
            "labels from": entry.labels_source,
            "words from": entry.words_source,
            "notes": "; ".join(entry.notes),
        }
        for entry in imported.entries
    ]
    skipped = [
        dict.fromkeys(FOUND, "")
        | {"file": below(imported.folder, item.path), "format": "skipped", "notes": item.reason}
        for item in imported.skipped
    ]
    return left(pd.DataFrame([*rows, *skipped], columns=FOUND).style.format(escape="html"))


def check(recording: Recording, page: int = 1, *, by_confidence: bool = True, rows: int = ROWS) -> Image:
    """A page of a labelled recording's holds and ends of turn, to check by eye; the least sure first.

    Raises ValueError for a recording without labels and for a page that there isn't.
    """
    if recording.labels is None:
        raise ValueError(f"{recording.name}: has no labels to check; write some with 'lab transcribe'")
    checks = label_checks(recording.labels)
    shown = check_page(least_sure_first(checks) if by_confidence else checks, page, rows)
    order = "least sure first" if by_confidence else "in order of time"
    pages = f"page {page} of {-(-len(checks) // rows)}"
    title = f"{recording.name}: {len(checks)} holds and ends of turn, {order}; {pages}"
    return image(plots.label_page(recording, recording.labels, shown, title))


def apart(studies: Mapping[str, Study], choice: Choice) -> pd.DataFrame:
    """How two studies of one grid differ: the chosen setting's figures by each, and the most of any setting.

    Columns: the names of the two, and "most". Rows: false_boundary_rate, latency_mean (s), missed_rate.
    """
    one, other = (study.table[COMPARED] for study in studies.values())
    chosen = {name: study.table.loc[choice.row, COMPARED] for name, study in studies.items()}
    return pd.DataFrame(chosen | {"most": (one - other).abs().max()}).astype(float)


def lines(frame: pd.DataFrame) -> Image:
    """How settings hold on bad lines (`report.compare_lines`)."""
    return image(plots.line_figure(frame))

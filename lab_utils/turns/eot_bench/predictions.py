"""eot-bench's `predictions.parquet`, and the `manifest.json` beside it: read, and written.

Conventions: one row per score, with the columns id (of the turn), language, span_index (of the silence in
it), timestamp (s from the start of the turn's audio), silence_dur (s from the start of the silence), p_eot
and label ("hold" or "eot"). The longest `silence_dur` of a span is its duration. `score_point` of the
manifest is the one `silence_dur` at which a detector's score counts; without it, every score does.
Source: livekit/eot-bench, README "Batch Prediction", eot_harness/metrics.py (`span_table_from_predictions`,
`official_score_table`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic_core import from_json

from ...core.files import write_together
from ...recordings.audio import BadRecording
from ...recordings.parquet_files import check_size, opened
from .spans import TOLERANCE, Scores

COLUMNS = ("id", "language", "span_index", "timestamp", "silence_dur", "p_eot", "label")
LABELS = ("hold", "eot")
PREDICTIONS_FILE, MANIFEST = "predictions.parquet", "manifest.json"
MAX_BYTES = 1 << 30
MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Predictions:
    """A detector's scores of the silences of some turns."""

    table: pd.DataFrame
    """`COLUMNS`, by id, span_index, silence_dur and timestamp."""
    name: str
    """Of the detector, as its manifest displays it."""
    score_point: float | None = None
    """Silence at which its one score counts, in s; None: it goes on scoring."""

    @property
    def scores(self) -> Scores:
        """All spans, flat. Raises ValueError if a span that lasts to `score_point` has no score there."""
        table = self.table
        ids, spans = table["id"].to_numpy(object), table["span_index"].to_numpy(np.int64)
        begins = np.flatnonzero(np.append(True, (ids[1:] != ids[:-1]) | (np.diff(spans) != 0))[: len(ids)])
        of_span = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(table))))
        silence_s, p = table["silence_dur"].to_numpy(np.float64), table["p_eot"].to_numpy(np.float64)
        duration_s = np.maximum.reduceat(silence_s, begins) if len(begins) else np.zeros(0)
        is_hold = table["label"].to_numpy(object)[begins] == "hold"
        scored = ~np.isnan(p)
        if self.score_point is not None:
            scored &= np.abs(silence_s - self.score_point) <= TOLERANCE
            self._check(np.bincount(of_span[scored], minlength=len(begins)), duration_s, is_hold)
            scored &= np.append(True, (np.diff(of_span) != 0) | ~scored[:-1])[: len(scored)]
        return Scores(is_hold, duration_s, of_span[scored], silence_s[scored], p[scored])

    def _check(self, n_scores: Any, duration_s: Any, is_hold: Any) -> None:
        at_s = float(self.score_point or 0.0)
        lacks = (n_scores == 0) & ((duration_s >= at_s - TOLERANCE) | ~is_hold)
        if lacks.any():
            raise ValueError(
                f"{self.name}: {int(lacks.sum())} of {len(lacks)} spans have no score at {at_s:g} s of "
                "silence; name a score point on the grid of the predictions"
            )


def is_predictions(path: Path) -> bool:
    """Whether a file is a Parquet table with the columns of predictions; BadRecording for a broken one."""
    if path.suffix != ".parquet":
        return False
    with opened(path) as file:
        return set(COLUMNS) <= set(file.schema_arrow.names)


def read_predictions(path: str | Path, score_point: float | None = None) -> Predictions:
    """Read `predictions.parquet` and the manifest beside it; `score_point` in place of the manifest's.

    Raises BadRecording for a file that is no such table, with what was found.
    """
    path = Path(path)
    with opened(path) as file:
        names = file.schema_arrow.names
        if lacking := [name for name in COLUMNS if name not in names]:
            finding = f"is no table of predictions: it lacks {', '.join(lacking)}"
            raise BadRecording.of(path, finding, "give the predictions.parquet of a run of eot-harness")
        check_size(path, file, COLUMNS, MAX_BYTES)
        try:
            table = file.read(columns=list(COLUMNS)).to_pandas()
        except (pa.ArrowException, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:100]
            raise BadRecording.of(path, f"is damaged ({why})", "copy it again") from None
    manifest = _manifest(path.with_name(MANIFEST))
    if score_point is None:
        score_point = manifest.get("score_point")
    name = str(manifest.get("display_name") or path.parent.name.partition("__")[0] or path.stem)
    return Predictions(_checked(path, table), name, score_point)


def write_predictions(predictions: Predictions, folder: str | Path, **told: object) -> Path:
    """Write `predictions.parquet` and `manifest.json` into a folder, for `eot-harness compute-metrics`.

    `told`: more for the manifest. Returns the table's path. A failure leaves what was there.
    """
    folder = Path(folder)
    manifest = {"display_name": predictions.name, "score_point": predictions.score_point, **told}
    writers: dict[str, Callable[[Path], object]] = {
        PREDICTIONS_FILE: lambda path: predictions.table.to_parquet(path, index=False),
        MANIFEST: lambda path: path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8"),
    }
    write_together(folder, writers)
    return folder / PREDICTIONS_FILE


def _manifest(path: Path) -> dict[str, Any]:
    """What a manifest says of name and score point; empty without one. Raises BadRecording for a bad one."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MAX_MANIFEST_BYTES} bytes")
        told = from_json(path.read_text("utf-8"))
        if not isinstance(told, dict):
            raise ValueError("it holds no object")
        point = told.get("score_point")
        usable = isinstance(point, (int, float)) and not isinstance(point, bool) and 0 <= point < math.inf
        if point is not None and not usable:
            raise ValueError(f"score_point is {str(point)[:40]!r}")
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:100]
        raise BadRecording.of(path, f"can't be used ({why})", "mend it, or take it away") from None
    return {"display_name": told.get("display_name"), "score_point": None if point is None else float(point)}


def _checked(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The table in order, its columns as numbers. Raises BadRecording for what contradicts itself."""

    def refuse(finding: str, remedy: str) -> BadRecording:
        return BadRecording.of(path, finding, remedy)

    if not len(table):
        raise refuse("has no row", "run the detector on some turns")
    try:
        for name in ("timestamp", "silence_dur", "p_eot"):
            table[name] = table[name].astype(np.float64)
        table["span_index"] = table["span_index"].astype(np.int64)
        table["id"], table["label"] = table["id"].astype(str), table["label"].astype(str)
    except (TypeError, ValueError, OverflowError) as error:
        why = " ".join(str(error).split())[:80]
        raise refuse(f"has columns that aren't numbers ({why})", "write it with eot-harness") from None
    p, silence_s = table["p_eot"].to_numpy(), table["silence_dur"].to_numpy()
    if not np.isfinite(silence_s).all() or (silence_s < -TOLERANCE).any():
        raise refuse("has a silence_dur that is no time", "expected seconds from the start of the silence")
    if ((p < 0) | (p > 1)).any() or np.isinf(p).any():
        raise refuse(f"has p_eot from {np.nanmin(p):g} to {np.nanmax(p):g}", "expected probabilities, 0 to 1")
    if not table["label"].isin(LABELS).all():
        other = str(table.loc[~table["label"].isin(LABELS), "label"].iloc[0])[:40]
        raise refuse(f"has the label {other!r}", 'expected "hold" or "eot"')
    by_span = table.groupby(["id", "span_index"], sort=False)["label"].nunique()
    if (by_span > 1).any():
        name, number = by_span.index[by_span > 1][0]
        raise refuse(f"calls span {number} of {str(name)[:40]!r} both hold and eot", "write it anew")
    order = ["id", "span_index", "silence_dur", "timestamp"]
    return table[list(COLUMNS)].sort_values(order, kind="stable", ignore_index=True)

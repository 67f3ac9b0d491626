"""eot-bench's table: its predictions, or detectors asked in its way, at its operating points."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import PlainSerializer, PlainValidator

from ...core.batch.made_of import environment_hash
from ...core.detectors import is_own
from ...core.errors import InputError
from ...core.files import write_together
from ...core.files.places import Folder
from ...core.text.html import table_html
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_in, load_recording, results_of
from ...recordings.json_files import as_json
from ...recordings.recording_files import FindOptions
from ...session.user_parts import users_code
from ...turns import eot_bench
from ...turns.cache import TraceCache
from ...turns.cache.finished import Kept, Run
from ...turns.detectors import predictor_of
from ...turns.detectors.base import Predictor
from ...turns.eot_bench.asked import INTERVAL_S, SCORE_POINT_S, asked
from ...turns.eot_bench.predictions import COLUMNS as PREDICTED
from ...turns.tracing import Tracer
from ..study.measured import Skipped
from .given import Given, GivenDetector, given_detectors

USUAL = ("v1-mini",)
SILENCE = "silence alone"
FILES = ("summary.json", "table.parquet")
COLUMNS = (
    "detector", "cutoffs_300_ms", "cutoffs_600_ms", "latency_5_pct", "latency_10_pct", "roc_auc", "holds",
    "turns",
)  # fmt: skip


@dataclass(frozen=True)
class EotBench:
    """Detectors scored by eot-bench's policies on the same silences."""

    predictions: tuple[eot_bench.Predictions, ...]
    skipped: tuple[Skipped, ...] = ()
    asked: tuple[str, ...] = ()
    """Names of the detectors that were asked here."""

    @cached_property
    def summaries(self) -> dict[str, dict[str, Any]]:
        """By detector, what `turns.eot_bench.summary` tells."""
        return {one.name: eot_bench.summary(one.scores) for one in self.predictions}

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per detector, and silence alone: `COLUMNS`; NaN where no policy keeps the budget."""
        rows = [_row(name, told) for name, told in self.summaries.items()]
        alone = eot_bench.vad_baseline(self.predictions[0].scores, eot_bench.FINE_VAD_DELAYS)
        points: dict[str, Any] = {
            "fewest_cutoffs": eot_bench.fewest_cutoffs(alone).to_dict("index"),
            "operating_points": eot_bench.operating_points(alone).to_dict("index"),
        }
        counts = {name: int(alone[name].iloc[0]) for name in ("n_holds", "n_turns")}
        rows.append(_row(SILENCE, points | counts | {"roc_auc": math.nan}))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    @property
    def plain_table(self) -> list[dict[str, Any]]:
        """The rows of `table` as JSON has them: null for NaN."""
        rows: list[dict[str, Any]] = as_json(self.table.to_dict("records"))
        return rows

    def _repr_html_(self) -> str:
        titles, rows = table_rows(self.table)
        return table_html(titles, rows, "as livekit/eot-bench scores them")


def _row(name: str, told: Mapping[str, Any]) -> tuple[Any, ...]:
    """`COLUMNS` of one detector, from its summary."""
    rates = (told["fewest_cutoffs"][most]["false_cutoff_rate"] for most in eot_bench.LATENCY_BUDGETS)
    waits = (told["operating_points"][most]["mean_latency"] for most in eot_bench.CUTOFF_BUDGETS[1:])
    return name, *rates, *waits, told["roc_auc"], told["n_holds"], told["n_turns"]


TITLES = ["detector", "cutoffs at 300 ms", "at 600 ms", "latency at 5 % cutoffs", "at 10 %", "ROC AUC"]


def table_rows(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and cells of the operating points in eot-bench's README; a dash where no policy gets there."""

    def text(form: str, value: float) -> str:
        return "–" if math.isnan(value) else form.format(value)

    rows = []
    for row in table.to_dict("records"):
        rates = [text("{:.1f} %", 100 * row[name]) for name in COLUMNS[1:3]]
        waits = [text("{:.0f} ms", 1000 * row[name]) for name in COLUMNS[3:5]]
        rows.append([str(row["detector"]), *rates, *waits, text("{:.3f}", row["roc_auc"])])
    return TITLES, rows


def measure_eot_bench(
    paths: Sequence[str | Path] | str | Path,
    detectors: Sequence[Given] = (),
    *,
    score_point: float | None = None,
    jobs: int = 2,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    quiet: bool = False,
) -> EotBench:
    """Score eot-bench's `predictions.parquet` files, and detectors on recordings, by its policies.

    Detectors are named as in `compare_detectors` (without any: v1-mini), and asked every 0.1 s of each
    silence. Their one score counts at `score_point` (s of silence, default 0.2); predictions read from a file
    go by the manifest beside it unless it is given. Raises InputError for detectors that can't be asked, and
    BadRecording for files that can't be used.
    """
    where = [Path(one) for one in ([paths] if isinstance(paths, (str, Path)) else paths)]
    tables = [one for one in where if eot_bench.is_predictions(one)]
    made = [eot_bench.read_predictions(one, score_point) for one in tables]
    skipped: list[Skipped] = []
    others = [one for one in where if one not in tables]
    if others:
        found, failed = find_in(others, channels, options)
        skipped = [Skipped(str(path), str(error)) for path, error in failed]
        for one in given_detectors(detectors or USUAL):
            if one.policy:
                raise InputError(f"{one.name}: eot-bench has its own policy of waits; name {one.detector}")
            point = SCORE_POINT_S if score_point is None else score_point
            made.append(_asked(found, one, point, skipped, jobs, cache, quiet))
    if not made:
        raise InputError("nothing to score; give predictions.parquet files, or recordings")
    names = [one.name for one in made]
    if len({*names}) < len(names):
        raise InputError(f"two tables are of one detector: {', '.join(names)}; rename one in its manifest")
    return EotBench(tuple(made), tuple(skipped), tuple(one.name for one in made[len(tables) :]))


def _asked(
    files: Sequence[RecordingFiles],
    given: GivenDetector,
    score_point: float,
    skipped: list[Skipped],
    jobs: int,
    cache: Folder | None,
    quiet: bool,
) -> eot_bench.Predictions:
    """One detector's answers about all recordings; `skipped` receives those that can't be used."""
    predictor = predictor_of(given.name, {given.name: given.predictor} if given.predictor else {})
    if predictor is None:
        raise InputError(
            f"{given.name}: can't be asked so; name a detector that hears audio, such as v1-mini"
        )
    own = (users_code(), environment_hash()) if is_own(given.name) else ("", "")
    ask = _Ask(Tracer(TraceCache.at(cache)), predictor, given.traits.hears_samples, *own)
    run = Run(
        _answers_of, [(ask, one) for one in files], Kept(_Answers, partial(_may_stand, ask)), "recording"
    )
    outcomes = run.in_batch(given.name, jobs=jobs, quiet=quiet)
    known = {one.path for one in skipped}
    tables: list[pd.DataFrame] = []
    results = results_of(files, outcomes, "asked about")
    for one, result in zip(files, results, strict=True):
        if not isinstance(result, ValueError):
            tables.append(result.table)
            if result.code != ask.code:
                run.say_once("modules of your own are loaded when it is asked; import them at the top")
        elif str(one.user) not in known:
            skipped.append(Skipped(str(one.user), str(result)))
    if not any(len(table) for table in tables):
        raise BadRecording(skipped[0].reason if skipped else "no end of turn in any recording")
    table = pd.concat(tables, ignore_index=True)
    return eot_bench.Predictions(table, given.name.removeprefix("own:"), score_point)


@dataclass(frozen=True)
class _Ask:
    """What is asked about each recording."""

    tracer: Tracer
    predictor: Predictor
    hears_samples: int
    code: str = ""
    """Of a user's own detector: a hash of the user's modules that are loaded with it."""
    environment: str = ""
    """A hash of the environment of these modules."""


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What `asked` gives, from its rows."""
    return pd.DataFrame(list(rows), columns=list(PREDICTED)).astype({"p_eot": np.float64})


@dataclass(frozen=True)
class _Answers:
    """About one recording."""

    table: Annotated[
        pd.DataFrame, PlainValidator(_frame), PlainSerializer(lambda table: table.to_dict("records"))
    ]
    code: str = ""
    """Of a user's own detector: a hash of the user's modules that were loaded after it was asked."""


def _may_stand(ask: _Ask, answers: _Answers) -> bool:
    """Whether the ask, by which answers are found, knows all of the user's modules that gave them."""
    return answers.code == ask.code


def _answers_of(ask: _Ask, files: RecordingFiles) -> _Answers:
    """In a worker process."""
    recording = ask.tracer.labelled(load_recording(files))
    table = asked(recording, ask.predictor, ask.hears_samples)
    return _Answers(table, users_code() if ask.code else "")


def write_eot_bench(measured: EotBench, folder: Path) -> None:
    """Write `FILES`, and the predictions of each detector that was asked into a folder of its own."""
    for one in measured.predictions:
        if one.name in measured.asked:
            eot_bench.write_predictions(one, folder / one.name.strip("."), inference_interval=INTERVAL_S)
    plain = as_json(measured.summaries)
    write_together(
        folder,
        {
            FILES[0]: lambda path: path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8"),
            FILES[1]: measured.table.to_parquet,
        },
    )

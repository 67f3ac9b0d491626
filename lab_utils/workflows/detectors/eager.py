"""An eager end of turn, measured: what it saves, and the drafts that it throws away.

Goal: the eager threshold of a service with recorded confidences (`stt_services`), chosen by figures.
Definition: the real AgentSession runs each call under each eager threshold in `stt` mode, with the service's
other parameters as they are tuned at one operating point, a provider profile's delays and LiveKit's default
agent. Turn ends are decided by the model of `session.scripted.eager_stt`. Latency counts from the true end of
the turn to the first audio, and is infinite where there was no answer; a draft is a reply begun before the
commit. The sessions' false boundaries are not the comparison's: see `DIFFERS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.timeline import Floats
from ...latency.ablation.cells import Cell, Plan, Rows
from ...latency.ablation.estimates import Estimator
from ...latency.ablation.run import WAIT_S, measured
from ...latency.techniques.choice import livekit_default
from ...session.providers.files import load_providers
from ...session.providers.schema import Providers
from ...session.scripted.eager_stt import EagerStt, Thresholds, recorded_silences
from ...turns.cache import cache_folder
from ...turns.detectors.stt_services import SERVICES
from ...turns.detectors.table import Answers
from ...turns.metrics.scores import percentile

if TYPE_CHECKING:
    from ...turns.comparison.points import Point
    from .compare import Comparison
    from .given import Given, GivenDetector

OPTION = "eager_eot_threshold"
_SUMMED = ("drafts", "discarded_replies", "dollars", "false_boundaries")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""What is tried, up to the threshold that ends a turn, above which a service refuses it."""
PROVIDERS = "guide"
"""The profile whose delays count unless another is given."""
WITHOUT_TABLE = (
    "an eager end of turn can't be told without the service's recorded confidences; give a table of them, "
    "as in --detector flux=confidences.csv"
)
DIFFERS = (
    "They disagree: the comparison takes one confidence for each silence, as the VAD hears it, the last by "
    "0.26 s; the sessions take each row of the table up to eot_timeout_ms, in silences as labelled. What "
    "the comparison tunes to a rate doesn't keep it in these sessions. "
)
"""Why false boundaries of sessions and comparison differ, where they do (`_disagree`)."""


def eager_sweep(
    compared: Comparison,
    point: Point,
    providers: Providers | str | None = None,
    *,
    jobs: int = 2,
    cache: Folder | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> pd.DataFrame:
    """A row for each eager threshold of a comparison's service at an operating point, the first without one.

    Columns: `eager` (NaN: none), `turns`, `answered`, `p50_ms`, `p95_ms` (infinite without an answer),
    `saved_ms` (mean over the turns answered with and without it), `saved_low_ms` and `saved_high_ms` (95 % by
    recording; NaN: can't be told), `drafts` and `thrown_away` per turn, `dollars` per 1,000 turns (LLM and
    TTS), `false_boundary_rate` of the sessions per hold, `holds`, `point_rate` (what the comparison counts at
    these parameters), the service's other parameters, `silences` of the calls and `untold` ones, about which
    the table says nothing. Raises InputError where no detector has an eager threshold, or a session failed.
    """
    one, answers = eager_service(compared.detectors)
    (at,) = (at for at in compared.reached if (at.detector, at.point.name) == (one.name, point.name))
    assert one.service is not None
    told = one.service.options_of(at.settings)
    silences = [recorded_silences(answers, of.sha256, of.labels) for of in compared.corpus.recordings]
    plan = Plan(
        at.settings.replace(detector="stt", min_delay=0.0),
        compared.conditions,
        providers if isinstance(providers, Providers) else load_providers(providers or PROVIDERS),
        cache_folder(cache),
        WAIT_S,
    )
    techniques = livekit_default(
        plan.providers.large.cache is not None and plan.providers.large.cache.automatic
    )
    tried = [None, *_tried(told["eot_threshold"], one.options.get(OPTION))]
    cells = [
        (plan, Cell(files, f"eager {eager}", techniques, seed, stt=EagerStt(said, _thresholds(told, eager))))
        for files, said in zip(compared.files, silences, strict=True)
        for eager in tried
    ]
    of = rows_by_threshold([cell for _, cell in cells], measured(cells, jobs, quiet))
    said = [silence for call in silences for silence in call]
    holds = sum(one.n_holds for one in compared.corpus.labelled)
    counted = {"silences": len(said), "untold": sum(not silence for silence in said)}
    return eager_table(of, holds).assign(point_rate=at.on_all["false_boundary_rate"], **told, **counted)


def check_eager(detectors: Iterable[Given]) -> None:
    """Raises InputError unless one of the detectors, as they are named, has an eager threshold."""
    named = [str(one).partition("=")[0] for one in detectors]
    if not any(name in SERVICES and OPTION in SERVICES[name].options for name in named):
        raise InputError(WITHOUT_TABLE)


def eager_service(detectors: Iterable[GivenDetector]) -> tuple[GivenDetector, Answers]:
    """The one that is a service with an eager threshold, and what was recorded of it. Raises InputError."""
    for one in detectors:
        if one.service is not None and OPTION in one.service.options and one.predictor is not None:
            answers = one.predictor.probabilities
            assert isinstance(answers, Answers)
            return one, answers
    raise InputError(WITHOUT_TABLE)


def rows_by_threshold(
    cells: Iterable[Cell], found: Iterable[Rows | Exception]
) -> dict[float | None, list[Rows]]:
    """What came of each cell, by its eager threshold. Raises InputError for a session that failed."""
    of: dict[float | None, list[Rows]] = {}
    for cell, rows in zip(cells, found, strict=True):
        if isinstance(rows, Exception):
            raise rows
        if rows.failure:
            raise InputError(f"{cell.files.user}: a session failed: {rows.failure}")
        assert cell.stt is not None
        of.setdefault(cell.stt.thresholds.eager, []).append(rows)
    return of


def _tried(final: float, given: float | None) -> list[float]:
    """Eager thresholds below the final one, and the one that was given."""
    values = {value for value in THRESHOLDS if value < final}
    return sorted(values if given is None else values | {given})


def _thresholds(told: dict[str, float], eager: float | None) -> Thresholds:
    return Thresholds(told["eot_threshold"], told["eot_timeout_ms"] / 1000, eager)


def eager_table(of: Mapping[float | None, list[Rows]], holds: int) -> pd.DataFrame:
    """Figures by eager threshold; the turns of each are the same, in the same order."""
    before_s = _latencies_s(of[None])
    estimator = Estimator.of(np.array([turn["recording"] for one in of[None] for turn in one.turns], np.str_))
    rows: list[dict[str, Any]] = []
    for eager, found in of.items():
        latency_s, turns = _latencies_s(found), sum(one.session["turns"] for one in found)
        late_s = np.sort(np.nan_to_num(latency_s, nan=np.inf))[None, :]
        p50_ms, p95_ms = (1000 * float(percentile(late_s, q)[0]) for q in (50.0, 95.0))
        saved_ms, low_ms, high_ms = (1000 * value for value in estimator.saved_mean(before_s, latency_s))
        total = {name: sum(one.session[name] for one in found) for name in _SUMMED}

        def per(n: int, name: str, total: Mapping[str, float] = total) -> float:
            return total[name] / n if n else np.nan

        rows.append(
            {
                "eager": np.nan if eager is None else eager,
                "turns": turns,
                "answered": int(np.isfinite(latency_s).sum()),
                "p50_ms": p50_ms,
                "p95_ms": p95_ms,
                "saved_ms": saved_ms,
                "saved_low_ms": low_ms,
                "saved_high_ms": high_ms,
                "drafts": per(turns, "drafts"),
                "thrown_away": per(turns, "discarded_replies"),
                "dollars": 1000 * per(turns, "dollars"),
                "false_boundary_rate": per(holds, "false_boundaries"),
                "holds": holds,
            }
        )
    return pd.DataFrame(rows)


def _latencies_s(found: list[Rows]) -> Floats:
    return np.array([turn["turn_total_s"] for one in found for turn in one.turns], dtype=np.float64)


def eager_words(swept: pd.DataFrame) -> str:
    """What the table rests on, and whether its sessions cut as many holds as the comparison counts."""
    first = swept.iloc[0]
    rates = (
        f"False boundaries per hold, of {first['holds']:.0f}: {first['false_boundary_rate']:.1%} in these "
        f"sessions, {first['point_rate']:.1%} in the comparison at the same parameters."
    )
    late = int((swept["turns"] - swept["answered"]).max())
    return (
        f"eot_threshold {first['eot_threshold']:g}, eot_timeout_ms {first['eot_timeout_ms']:g}; "
        f"{first['turns']:.0f} turns, in sessions with recorded confidences; no service was asked. Of "
        f"{first['silences']:.0f} silences {first['untold']:.0f} have no confidence: these end a turn by "
        f"their length alone. {rates} {DIFFERS if _disagree(first) else ''}"
        "Saved: mean over turns answered with and without it, and its 95 % interval by recording (?: can't "
        f"be told). {_late_words(late)}Drafts, thrown away: per turn; $: LLM and TTS."
    )


def _disagree(row: pd.Series) -> bool:
    """Whether sessions and comparison differ by more than a hold, and than a percentage point."""
    apart = abs(row["false_boundary_rate"] - row["point_rate"])
    return bool(apart > max(0.01, 1 / max(1, row["holds"])))


def _late_words(late: int) -> str:
    return f"Up to {late} turns have no answer, which counts as later than any. " if late else ""


def eager_rows(swept: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of the table as text; latencies in ms, false boundaries per hold."""
    titles = ["eager", "p50", "p95", "saved", "drafts", "thrown away", "$ per 1,000", "false"]
    rows = []
    for row in swept.to_dict("records"):
        eager = "none" if np.isnan(row["eager"]) else f"{row['eager']:g}"
        ms = ["no answer" if np.isinf(row[name]) else f"{row[name]:.0f}" for name in ("p50_ms", "p95_ms")]
        per_turn = [f"{row[name]:.2f}" for name in ("drafts", "thrown_away", "dollars")]
        rows.append([eager, *ms, _saved(row), *per_turn, f"{row['false_boundary_rate']:.1%}"])
    return titles, rows


def _saved(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["eager"]):
        return ""
    low, high = (
        "?" if np.isnan(row[name]) else f"{row[name]:.0f}" for name in ("saved_low_ms", "saved_high_ms")
    )
    return f"{row['saved_ms']:.0f} (?)" if low == high == "?" else f"{row['saved_ms']:.0f} ({low} to {high})"

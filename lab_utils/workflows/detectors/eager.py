"""An eager end of turn, measured: what it saves, and the drafts that it throws away.

Goal: the eager threshold of a service with recorded confidences (`stt_services`), chosen by figures.
Definition: the real AgentSession runs each call under each eager threshold in `stt` mode, with the service's
other parameters as they are tuned at one operating point, a provider profile's delays and LiveKit's default
agent. Turn ends are decided by the model of `session.scripted.eager_stt`. Latency counts from the true end of
the turn to the first audio; a draft is a reply begun before the commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.timeline import Floats
from ...latency.ablation.cells import Cell, Plan, Rows
from ...latency.ablation.run import WAIT_S, measured
from ...latency.techniques.choice import livekit_default
from ...session.providers.files import load_providers
from ...session.providers.schema import Providers
from ...session.scripted.eager_stt import EagerStt, Thresholds, recorded_silences
from ...turns.cache import cache_folder
from ...turns.detectors.stt_services import SERVICES
from ...turns.detectors.table import Answers

if TYPE_CHECKING:
    from ...turns.comparison.points import Point
    from .compare import Comparison
    from .given import Given, GivenDetector

OPTION = "eager_eot_threshold"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""What is tried, up to the threshold that ends a turn, above which a service refuses it."""
PROVIDERS = "guide"
"""The profile whose delays count unless another is given."""
WITHOUT_TABLE = (
    "an eager end of turn can't be told without the service's recorded confidences; give a table of them, "
    "as in --detector flux=confidences.csv"
)


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

    Columns: `eager` (NaN: none), `turns`, `answered`, `p50_ms`, `p95_ms`, `saved_ms` (mean over the turns
    answered with and without it), `drafts` and `thrown_away` per turn, `dollars` per 1,000 turns (LLM and
    TTS), `false_boundaries` per turn, the service's other parameters, `silences` of the calls and `untold`
    ones, about which the table says nothing. Raises InputError where no detector has an eager threshold.
    """
    one, answers = eager_service(compared.detectors)
    (settings,) = (
        at.settings for at in compared.reached if (at.detector, at.point.name) == (one.name, point.name)
    )
    assert one.service is not None
    told = one.service.options_of(settings)
    silences = [recorded_silences(answers, of.sha256, of.labels) for of in compared.corpus.recordings]
    plan = Plan(
        settings.replace(detector="stt", min_delay=0.0),
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
    of: dict[float | None, list[Rows]] = {eager: [] for eager in tried}
    for (_, cell), rows in zip(cells, measured(cells, jobs, quiet), strict=True):
        if isinstance(rows, Exception):
            raise rows
        assert cell.stt is not None
        of[cell.stt.thresholds.eager].append(rows)
    said = [silence for call in silences for silence in call]
    return _table(of).assign(**told, silences=len(said), untold=sum(not silence for silence in said))


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


def _tried(final: float, given: float | None) -> list[float]:
    """Eager thresholds below the final one, and the one that was given."""
    values = {value for value in THRESHOLDS if value < final}
    return sorted(values if given is None else values | {given})


def _thresholds(told: dict[str, float], eager: float | None) -> Thresholds:
    return Thresholds(told["eot_threshold"], told["eot_timeout_ms"] / 1000, eager)


def _table(of: dict[float | None, list[Rows]]) -> pd.DataFrame:
    """Figures by eager threshold; the turns of each are the same, in the same order."""
    before_s = _latencies_s(of[None])
    rows: list[dict[str, Any]] = []
    for eager, found in of.items():
        latency_s, turns = _latencies_s(found), sum(one.session["turns"] for one in found)
        answered = latency_s[~np.isnan(latency_s)]
        p50_ms, p95_ms = 1000 * np.percentile(answered, (50, 95)) if len(answered) else (np.nan, np.nan)
        both = ~np.isnan(latency_s) & ~np.isnan(before_s)
        saved_ms = 1000 * float((before_s - latency_s)[both].mean()) if both.any() else np.nan

        def per_turn(name: str, found: list[Rows] = found, turns: int = turns) -> float:
            return sum(one.session[name] for one in found) / turns if turns else np.nan

        rows.append(
            {
                "eager": np.nan if eager is None else eager,
                "turns": turns,
                "answered": len(answered),
                "p50_ms": p50_ms,
                "p95_ms": p95_ms,
                "saved_ms": saved_ms,
                "drafts": per_turn("drafts"),
                "thrown_away": per_turn("discarded_replies"),
                "dollars": 1000 * per_turn("dollars"),
                "false_boundaries": per_turn("false_boundaries"),
            }
        )
    return pd.DataFrame(rows)


def _latencies_s(found: list[Rows]) -> Floats:
    return np.array([turn["turn_total_s"] for one in found for turn in one.turns], dtype=np.float64)


def eager_words(swept: pd.DataFrame) -> str:
    """What the table rests on."""
    first = swept.iloc[0]
    return (
        f"eot_threshold {first['eot_threshold']:g}, eot_timeout_ms {first['eot_timeout_ms']:g}; "
        f"{first['turns']:.0f} turns, in sessions with recorded confidences; no service was asked. Of "
        f"{first['silences']:.0f} silences {first['untold']:.0f} have no confidence: these end a turn by "
        "their length alone. Drafts, thrown away, false boundaries: per turn; $: LLM and TTS."
    )


def eager_rows(swept: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of the table as text; latencies in ms."""
    titles = ["eager", "p50", "p95", "saved", "drafts", "thrown away", "$ per 1,000", "false"]
    rows = []
    for row in swept.to_dict("records"):
        eager = "none" if np.isnan(row["eager"]) else f"{row['eager']:g}"
        ms = [f"{row[name]:.0f}" for name in ("p50_ms", "p95_ms", "saved_ms")]
        per_turn = [f"{row[name]:.2f}" for name in ("drafts", "thrown_away", "dollars", "false_boundaries")]
        rows.append([eager, *ms, *per_turn])
    return titles, rows

"""Before there are any calls: how many a guarantee takes, and what hours of them would cost."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..core.batch import results, run_batch
from ..core.errors import InputError
from ..core.files import scratch_folder
from ..core.files.bundled import bundled
from ..recordings.find import find_in
from ..turns.cache import TraceCache
from ..turns.guarantee import (
    POWER,
    USUAL_CORRELATION,
    USUAL_HOLDS,
    calls_in_all,
    calls_needed,
    usual_shares,
)


@dataclass(frozen=True)
class CallPlan:
    """Calls for a guarantee of a budget, were holds cut at some rate."""

    rate: float
    budget: float
    confidence: float
    holds: float
    calls: int | None
    """With holds, in all; None if no number would do."""
    testing_calls: int | None
    least_testing_calls: int
    """If nothing were cut at all."""

    def __str__(self) -> str:
        least = f"never with fewer than {self.least_testing_calls} testing calls, even if none is cut"
        if self.calls is None:
            return (
                f"a rate of {self.rate:.1%} can't be certified to be at most {self.budget:.1%} with "
                f"{self.confidence:.0%} confidence by any number of calls; {least}"
            )
        return (
            f"{self.calls} calls with holds, {self.testing_calls} of them for testing: then {POWER:.0%} of "
            f"studies certify at most {self.budget:.1%} with {self.confidence:.0%} confidence, if "
            f"{self.rate:.1%} of the holds are cut and calls have about {self.holds:g} holds; {least}"
        )


def plan_calls(
    rate: float, budget: float, confidence: float = 0.9, holds: float = USUAL_HOLDS, seed: int = 0
) -> CallPlan:
    """Raises ValueError for figures that are no shares, or a call without holds."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate {rate:g}: expected 0 to 1, as in 0.02 for 2 %")
    if holds < 1:
        raise ValueError(f"holds {holds:g}: expected at least 1 a call; calls without holds tell nothing")
    least = calls_needed(usual_shares(0.0), budget, confidence)
    draw = usual_shares(rate, holds, USUAL_CORRELATION)
    testing = calls_needed(draw, budget, confidence, seed=seed) if rate < budget else None
    return CallPlan(
        rate=rate,
        budget=budget,
        confidence=confidence,
        holds=holds,
        calls=None if testing is None else calls_in_all(testing),
        testing_calls=testing,
        least_testing_calls=least or 0,
    )


@dataclass(frozen=True)
class StageCost:
    """What one stage takes for an hour of recordings, on this machine."""

    stage: str
    cpu_s: float
    peak_mb: float
    """The most that the process has held by its end."""


@dataclass(frozen=True)
class HoursPlan:
    """What hours of recordings would take, if all were as those that were measured."""

    hours: float
    workers: int
    measured_s: float
    """Of recordings, on which it was measured."""
    stages: tuple[StageCost, ...]
    store_mb: float
    """What an hour's traces take in the cache."""

    @property
    def cpu_hours(self) -> float:
        """Of one core, for all stages."""
        return self.hours * sum(stage.cpu_s for stage in self.stages) / 3600

    def __str__(self) -> str:
        rows = [("", "CPU s an hour", "peak MB")]
        rows += [(one.stage, f"{one.cpu_s:.0f}", f"{one.peak_mb:.0f}") for one in self.stages]
        table = "\n".join(f"  {stage:<26}{cpu:>14}{peak:>10}" for stage, cpu, peak in rows)
        return (
            f"measured on {self.measured_s / 60:.1f} minutes of recordings, on this machine:\n{table}\n"
            f"{self.hours:g} hours: {self.cpu_hours:.1f} hours of a core, "
            f"{self.cpu_hours / self.workers:.1f} hours on {self.workers} workers of one core each; "
            f"{self.hours * self.store_mb / 1e3:.2f} GB in the cache"
        )


def plan_hours(
    hours: float, paths: Sequence[str | Path], *, workers: int = 1, quiet: bool = False
) -> HoursPlan:
    """Measure on `paths` what hours of such recordings would cost: listening, asking, scoring.

    It is done in a process of its own with a cache of its own, so nothing that is known already makes it
    cheaper; loading libraries and models comes before. Sessions aren't in it. Raises InputError without a
    recording that can be used.
    """
    if hours <= 0 or workers < 1:
        raise InputError(f"{hours:g} hours on {workers} workers: expected more than 0, on at least 1")
    found, errors = find_in(paths)
    if not found:
        reasons = "; ".join(str(error) for _, error in errors)
        raise InputError(reasons or "no recordings; name a file or a folder")
    given = [str(path) for path in paths]
    outcomes = run_batch(_measured, [given], jobs=1, isolated=True, task="measuring", unit="set", quiet=quiet)
    with closing(outcomes):
        ((measured_s, stages, store_bytes),) = results(outcomes)
    an_hour = 3600 / measured_s
    return HoursPlan(
        hours,
        workers,
        measured_s,
        tuple(StageCost(stage, cpu_s * an_hour, peak_mb) for stage, cpu_s, peak_mb in stages),
        store_bytes * an_hour / 1e6,
    )


def _measured(paths: list[str]) -> tuple[float, list[tuple[str, float, float]], int]:
    """Seconds of recordings; stages with CPU seconds and peak MB; bytes in the cache."""
    from .study import measure  # loads much

    tqdm.set_lock(threading.RLock())  # one between processes would outlast this one
    os.environ["LAB_SHIPPED_TRACES"] = "0"  # of the demo's calls, too, all is traced
    small = next(bundled("audio_samples/calls/demo").glob("*.flac"))
    with scratch_folder("plan") as folder:
        measure(small, phases=1, jobs=1, cache=folder / "first", quiet=True)
        stages = []
        for stage, grid in (
            ("listen (voice activity)", {"detector": ["vad"]}),
            ("ask (turn detector)", None),
            ("read traces and score", None),
        ):
            began = time.process_time()
            study = measure(paths, grid=grid, jobs=1, cache=folder / "cache", quiet=True)
            stages.append((stage, time.process_time() - began, _peak_mb()))
        measured_s = sum(one.duration_s for one in study.corpus.recordings)
        stored = sum(path.stat().st_size for path in TraceCache(folder / "cache").entries())
    (listen, ask, score) = stages
    asked = (ask[0], max(0.0, ask[1] - score[1]), ask[2])  # it scored as well
    return measured_s, [listen, asked, score], stored


def _peak_mb() -> float:
    """The most memory that this process has held; Linux tells KB, macOS bytes."""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)

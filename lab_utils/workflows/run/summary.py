"""A run's headline results as plain values, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.files import write_whole
from ...core.session_log import SessionMode
from ...core.settings import Conditions, Settings
from ...session.log.files import session_folder
from ...session.metrics import stage_summary
from ...session.metrics.stages import SUMMARIZED
from ...session.scripted.stt_plan import SttTiming
from ...session.stand_ins.script import StoodIn
from .recording import Outcome, Result

SUMMARY_VERSION = 1


@dataclass(frozen=True)
class RunResults:
    """All results of one agent under one profile, in the recordings' order."""

    settings: Settings
    conditions: Conditions
    mode: SessionMode
    real_time: bool
    seed: int
    parts: Mapping[str, str]
    """The user's own agent and plug-ins, by what they were called."""
    stt_timing: SttTiming
    results: tuple[Result, ...]
    text: bool = False
    """Whether the results hold what was said."""
    interrupted: bool = False

    def of(self, outcome: Outcome) -> tuple[Result, ...]:
        """The results with one outcome."""
        return tuple(result for result in self.results if result.outcome == outcome)

    @property
    def latency(self) -> pd.DataFrame:
        """`metrics.stage_summary` over the replies of all recordings."""
        return stage_summary(_tables(self.results))


def summary_of(results: RunResults) -> dict[str, Any]:
    """All headline results as plain values."""
    ran = [result for result in results.results if result.outcome != "skipped"]
    counts = pd.DataFrame([dict(result.counts) for result in ran]).sum()
    return {
        "format": "run-summary",
        "version": SUMMARY_VERSION,
        "mode": results.mode,
        "clock": "real" if results.real_time else "virtual",
        "seed": results.seed,
        "settings": results.settings.model_dump(),
        "conditions": results.conditions.model_dump(),
        "stt_timing": results.stt_timing.model_dump(),
        "parts": dict(results.parts),
        "text": results.text,
        "stood_in": [_plain_stand_in(one) for one in stood_in(ran)],
        "caveats": list(next((result.caveats for result in ran if result.caveats), ())),
        "interrupted": results.interrupted,
        "outcomes": {outcome: len(results.of(outcome)) for outcome in ("done", "failed", "skipped")},
        "counts": {str(name): int(count) for name, count in counts.items()},
        "latency": plain_latency(results.latency),
        "recordings": [_plain(result) for result in ran],
        "skipped": [{"path": result.path, "reason": result.reason} for result in results.of("skipped")],
    }


def stood_in(results: Sequence[Result]) -> tuple[StoodIn, ...]:
    """What was stood in for in any of the recordings, by name."""
    by_name: dict[str, StoodIn] = {}
    for one in (one for result in results for one in result.stood_in):
        known = by_name.get(one.name, one)
        both = {name: _both(getattr(known, name), getattr(one, name)) for name in ("at", "remarks", "missed")}
        by_name[one.name] = StoodIn(one.name, one.by, **both)
    return tuple(by_name[name] for name in sorted(by_name))


def _both(these: tuple[str, ...], those: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*these, *those}))


def _plain_stand_in(one: StoodIn) -> dict[str, Any]:
    plain = {"at": list(one.at), "remarks": list(one.remarks), "missed": list(one.missed)}
    return {"name": one.name, "by": one.by, **plain}


def _plain(result: Result) -> dict[str, Any]:
    return {
        "name": result.recording,
        "path": str(Path(result.path).absolute()),
        "folder": session_folder(Path(), result.recording).name,
        "sha256": result.sha256,
        "duration_s": round(result.duration_s, 3),
        "labels": result.labels,
        "notes": list(result.notes),
        "outcome": result.outcome,
        "failure": result.reason,
        "counts": dict(result.counts),
        "latency": plain_latency(stage_summary(_tables([result]))),
    }


def _tables(results: Sequence[Result]) -> list[pd.DataFrame]:
    tables = [result.stages for result in results if result.stages is not None]
    return tables or [pd.DataFrame(columns=list(SUMMARIZED), dtype="float64")]


def plain_latency(summary: pd.DataFrame) -> dict[str, dict[str, float | int | None]]:
    """A `metrics.stage_summary` as plain values in seconds, to 0.1 ms; None where there is no figure."""
    return {
        str(stage): {
            name: int(row["n"]) if name == "n" else None if row["n"] == 0 else round(float(row[name]), 4)
            for name in ("p50", "p95", "mean", "n")
        }
        for stage, row in summary.iterrows()
    }


def write_summary(results: RunResults, out: Path) -> None:
    """Write `summary.json`."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary_of(results), indent=1, ensure_ascii=False) + "\n"
    write_whole(out / "summary.json", text.encode())

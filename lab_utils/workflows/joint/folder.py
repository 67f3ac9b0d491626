"""A joint search as a folder: summary, table, picture, and the choice as a profile with its worker."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

from ...core.files import write_together
from ...latency.export import worker_code
from ...latency.joint.configuration import ANSWER, DOLLARS, E2E, LEFT_OUT
from ...latency.techniques.levers import lever_settings
from ...turns.choose import Budget
from ...turns.grid import storable
from ...turns.profile import Profile, save_profile
from ..study.choice import Choice, make_profile
from .judged import Judged
from .search import JointStudy

SUMMARY, TABLE, PICTURE, PROFILE, WORKER = (
    "joint.json", "joint.parquet", "joint.png", "profile.yaml", "agent.py"
)  # fmt: skip
FILES = (SUMMARY, TABLE, PICTURE, PROFILE, WORKER)
FIGURES = (*E2E, ANSWER, DOLLARS, "answered", "false_boundary_rate", "missed_rate")
"""Columns that are told of a configuration, where they are known."""


def rows_of(study: JointStudy) -> dict[str, dict[str, float]]:
    """By name: LiveKit's default, the choice, the choice held out, the floor, and the finalists' sessions."""
    chosen = study.table.iloc[study.row]
    rows = {"LiveKit's default": study.default, "chosen": {name: float(chosen[name]) for name in FIGURES}}
    if study.held_out is not None:
        rows["chosen, held out"] = {name: one.value for name, one in study.held_out.items()}
    rows["floor (perfect detector)"] = study.floor
    for number, one in enumerate(study.finalists):
        rate = {"false_boundary_rate": float(study.table["false_boundary_rate"].iloc[one.row])}
        name = "chosen" if not number else f"frontier {number}"
        rows[f"{name}, as sessions"] = one.session | rate
        if number:
            rows[f"{name}, computed"] = one.computed | rate
    return rows


def chosen_text(study: JointStudy) -> str:
    """The choice in words: whether it keeps the budget, its knobs, techniques and levers."""
    knobs = {name: value for name, value in study.settings.knobs().items() if value is not None}
    kept = "" if study.within_budget else " (none met it; the nearest)"
    levers = ", ".join(sorted(study.techniques.levers)) or "none"
    return (
        f"{study.budget}{kept}\n  knobs: {', '.join(f'{k} {v}' for k, v in knobs.items())}\n"
        f"  techniques: {', '.join(study.techniques.on)}\n  levers: {levers}"
    )


def summary_of(study: JointStudy) -> dict[str, Any]:
    """All headline results as plain values."""
    return {
        "format": "joint-summary",
        "version": 2,
        "recordings": list(study.study.corpus.names),
        "counts": study.study.counts,
        "providers": study.providers.name,
        "budget": str(study.budget),
        "within_budget": study.within_budget,
        "seed": study.seed,
        "configurations": len(study.table),
        "settings": study.settings.knobs(),
        "techniques": list(study.techniques.on),
        "levers": sorted(study.techniques.levers),
        "left_out": list(LEFT_OUT),
        "figures": {name: _plain(row) for name, row in rows_of(study).items()},
        "held_out": _intervals(study.held_out),
        "frontier": [{"row": row, "figures": _intervals(of)} for row, of in study.frontier_figures.items()],
        "within_rates": [
            {
                "most_cut": one.most_cut,
                "row": one.row,
                "figures": _intervals(one.figures),
                "held_out": _intervals(one.held_out),
            }
            for one in study.within_rates
        ],
    }


def profile_of(study: JointStudy, name: str, date: dt.date) -> Profile:
    """Turn-taking that was chosen, with those levers that are settings, and what turn-taking rests on."""
    of, budget = study.study, study.budget
    choice = Choice(
        Budget.false_boundary_rate(budget.most_cut, most_missed=budget.most_missed),
        study.row,
        study.settings,
        study.within_budget,
        of.score(study.settings),
        of.score(of.defaults),
        None,
    )
    made = make_profile(of.corpus, choice, of.conditions, of.phases, name, date)
    evidence = None if made.evidence is None else made.evidence.model_copy(update={"budget": str(budget)})
    settings = lever_settings(made.settings, study.techniques.levers)
    return made.model_copy(update={"settings": settings, "evidence": evidence})


def write_joint(study: JointStudy, folder: Path, date: dt.date | None = None) -> dict[str, Any]:
    """Write `FILES`, all or none; returns the summary. The profile and `agent.py` belong together."""
    summary = summary_of(study)
    made = profile_of(study, folder.resolve().name, date or dt.date.today())
    worker = worker_code(PROFILE, study.techniques, study.providers)
    picture = study.plot_frontier()
    table = storable(study.table)
    origins = study.study.result.origins
    if origins is not None:
        table = table.assign(part=origins.part)
    write_together(
        folder,
        {
            SUMMARY: lambda path: path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8"),
            TABLE: table.to_parquet,
            PICTURE: lambda path: picture.save(path, dpi=150),
            PROFILE: lambda path: save_profile(made, path),
            WORKER: lambda path: path.write_text(worker, encoding="utf-8"),
        },
    )
    return summary


def _intervals(judged: Judged | None) -> dict[str, dict[str, float | None]] | None:
    return None if judged is None else {name: _plain(one._asdict()) for name, one in judged.items()}


def _plain(row: dict[str, float]) -> dict[str, float | None]:
    return {name: round(value, 9) if math.isfinite(value) else None for name, value in row.items()}

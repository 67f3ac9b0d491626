"""`lab optimize --minimize e2e_p95`: turn-taking, techniques and levers together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ...core.files.places import Folder
    from ...core.settings import Conditions
    from ...latency.ablation.estimates import Estimate
    from ...recordings.heard_paths import HeardPath
    from ...recordings.recording_files import FindOptions
    from ...workflows.joint import JointStudy


@dataclass(frozen=True)
class Asked:
    """What a search of either kind is given on the command line."""

    paths: list[Path]
    grid: Path | None
    evaluations: int | None
    seconds: float | None
    seed: int
    out: Path
    phases: int
    jobs: int
    cache: Folder | None
    conditions: Conditions
    channels: tuple[str, str]
    options: FindOptions | None
    path: HeardPath | None


def optimize_joint(
    asked: Asked,
    providers: str | None,
    minimize: Literal["e2e_p50", "e2e_p95"],
    limits: tuple[float, float, float, float, float],
    sessions: int,
    *,
    as_json: bool,
) -> None:
    """Search, write the folder, and print what came of it. Raises BadParameter without providers.

    `limits`: of false boundaries per hold, of missed ends of turn, of dollars per 1,000 turns, of p50 in s,
    of the p95 to the answer itself in s.
    """
    import typer

    from ...turns.grid import read_grid
    from ...workflows.joint import JointBudget, optimize_replies
    from ...workflows.joint.folder import write_joint
    from ...workflows.study import check_folder
    from ..common import results_are_written, warn

    if providers is None:
        raise typer.BadParameter(
            f"--minimize {minimize} needs --providers: whose stages and prices, by name or file"
        )
    check_folder(asked.out)
    study = optimize_replies(
        asked.paths,
        providers,
        read_grid(asked.grid) if asked.grid else None,
        budget=JointBudget(minimize, *limits),
        evaluations=asked.evaluations,
        seconds=asked.seconds,
        seed=asked.seed,
        folder=asked.out,
        sessions=sessions,
        phases=asked.phases,
        jobs=asked.jobs,
        cache=asked.cache,
        conditions=asked.conditions,
        channels=asked.channels,
        options=asked.options,
        path=asked.path,
    )
    warn(*(f"skipped: {item.reason}" for item in study.study.skipped))
    summary = write_joint(study, asked.out)
    results_are_written()
    print(json.dumps(summary | {"out": str(asked.out)}) if as_json else _told(study, asked.out))


def _told(study: JointStudy, out: Path) -> str:
    from ...workflows.joint.folder import chosen_text, rows_of

    lines = [f"{'':<34}{'p50 ms':>8}{'p95 ms':>8}{'answer p95':>12}{'$/1000':>9}{'false per hold':>16}"]
    lines += [
        f"{name:<34}{_ms(row['e2e_p50']):>8}{_ms(row['e2e_p95']):>8}"
        f"{_ms(row.get('answer_p95')):>12}{row['dollars_per_1000']:>9.2f}"
        f"{_share(row.get('false_boundary_rate')):>16}"
        for name, row in rows_of(study).items()
    ]
    return "\n".join([*lines, "", chosen_text(study), "", *_held_out(study), f"written to {out}"])


def _held_out(study: JointStudy) -> list[str]:
    """What choices within rates do on calls that did not lead to them; a limit that can't be told is "?"."""
    told = [
        f"{one.most_cut:>6.3g}{_ms(one.figures[study.budget.least].value):>8}"
        f"{_between(one.held_out[study.budget.least], _ms):>19}"
        f"{_between(one.held_out['false_boundary_rate'], _share):>22}"
        f"{_between(one.held_out['dollars_per_1000'], '{:.2f}'.format):>20}"
        for one in study.within_rates
        if one.held_out is not None
    ]
    if not told:
        return []
    name = study.budget.least.removeprefix("e2e_")
    return [
        "choices within a rate of false boundaries, and on calls that did not lead to",
        "them (95 % intervals by recording):",
        f"{'rate':>6}{f'{name} ms':>8}{f'{name} there':>19}{'false per hold there':>22}{'$/1000 there':>20}",
        *told,
        "",
    ]


def _between(one: Estimate, told: Callable[[float], str]) -> str:
    low, high = ("?" if isnan(limit) else told(limit) for limit in (one.low, one.high))
    return f"{told(one.value)} ({low}–{high})"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "never" if seconds == float("inf") else f"{1000 * seconds:.0f}"


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"

"""`lab optimize --minimize e2e_p95`: turn-taking, techniques and levers together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...core.settings import Conditions
    from ...recordings.heard_paths import HeardPath
    from ...recordings.recording_files import FindOptions
    from ...workflows.joint import JointBudget, JointStudy


def optimize_joint(
    paths: list[Path],
    providers: str | None,
    grid: Path | None,
    budget: JointBudget,
    *,
    evaluations: int | None,
    seconds: float | None,
    seed: int,
    out: Path,
    sessions: int,
    phases: int,
    jobs: int,
    cache: Path | None,
    conditions: Conditions,
    options: FindOptions | None,
    path: HeardPath | None,
    as_json: bool,
) -> None:
    """Search, write the folder, and print what came of it. Raises BadParameter without providers."""
    import typer

    from ...turns.grid import read_grid
    from ...workflows.joint import optimize_replies
    from ...workflows.joint.folder import write_joint
    from ...workflows.study import check_folder
    from ..common import warn

    if providers is None:
        raise typer.BadParameter(
            f"--minimize {budget.least} needs --providers: whose stages and prices, by name or file"
        )
    check_folder(out)
    study = optimize_replies(
        paths,
        providers,
        read_grid(grid) if grid else None,
        budget=budget,
        evaluations=evaluations,
        seconds=seconds,
        seed=seed,
        folder=out,
        sessions=sessions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        conditions=conditions,
        options=options,
        path=path,
    )
    warn(*(f"skipped: {item.reason}" for item in study.study.skipped))
    summary = write_joint(study, out)
    print(json.dumps(summary | {"out": str(out)}) if as_json else _told(study, out))


def _told(study: JointStudy, out: Path) -> str:
    from ...workflows.joint.folder import chosen_text, rows_of

    lines = [f"{'':<34}{'p50 ms':>8}{'p95 ms':>8}{'$/1000':>9}{'false per hold':>16}"]
    lines += [
        f"{name:<34}{_ms(row['e2e_p50']):>8}{_ms(row['e2e_p95']):>8}{row['dollars_per_1000']:>9.2f}"
        f"{_share(row.get('false_boundary_rate')):>16}"
        for name, row in rows_of(study).items()
    ]
    return "\n".join([*lines, "", chosen_text(study), f"written to {out}"])


def _ms(seconds: float) -> str:
    return "never" if seconds == float("inf") else f"{1000 * seconds:.0f}"


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"

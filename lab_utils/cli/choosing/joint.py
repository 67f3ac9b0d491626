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
    from ...recordings.heard_paths import HeardPath
    from ...recordings.recording_files import FindOptions
    from ...workflows.joint import JointStudy
    from ...workflows.joint.judged import Judged


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
    from ..common import warn

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
    held = [] if study.held_out is None else ["", _held_out(study.held_out)]
    return "\n".join([*lines, *held, "", chosen_text(study), f"written to {out}"])


def _held_out(judged: Judged) -> str:
    """The intervals of the choice on other recordings; a limit that can't be told is a question mark."""

    def between(name: str, told: Callable[[float], str]) -> str:
        return " to ".join("?" if isnan(limit) else told(limit) for limit in judged[name][1:])

    return (
        f"chosen, held out, 95 % intervals by recording: p50 {between('e2e_p50', _ms)} ms, p95 "
        f"{between('e2e_p95', _ms)} ms,\n  false per hold {between('false_boundary_rate', _share)}, "
        f"$/1000 {between('dollars_per_1000', '{:.2f}'.format)}"
    )


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "never" if seconds == float("inf") else f"{1000 * seconds:.0f}"


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"

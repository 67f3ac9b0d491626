"""`lab sweep`: a grid of settings on recordings, and the best of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .common import AgentChannel, Cache, Jobs, Json, Out, Paths, Phases, UserChannel, app, ending_well, warn

FrameMs = Annotated[float, typer.Option(min=1, max=1000, help="Length of the agent's audio frames, in ms.")]


@app.command()
def sweep(
    paths: Paths,
    grid: Annotated[Path | None, typer.Option(help="YAML file: knob name -> list of values.")] = None,
    out: Out = Path("out/sweep"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    frame_ms: FrameMs = 50.0,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Also judge the choice on a bad line, e.g. noise:10, telephone, loss:0.05:3."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a grid of settings on recordings and choose one."""
    with ending_well():
        sweep_and_tell(
            paths,
            grid,
            out,
            phases=phases,
            jobs=jobs,
            cache=cache,
            as_json=as_json,
            frame_ms=frame_ms,
            channels=(user, agent),
            lines=condition or (),
        )


def sweep_and_tell(
    paths: list[Path],
    grid: Path | None,
    out: Path,
    *,
    phases: int,
    jobs: int,
    cache: Path | None,
    as_json: bool,
    frame_ms: float = 50.0,
    channels: tuple[str, str] = ("caller", "agent"),
    lines: Sequence[str] = (),
) -> None:
    """`lab sweep` and `lab demo`: measure, choose, write, and print what came of it."""
    from ..core.settings import Conditions
    from ..recordings.conditions import LineCondition
    from ..turns import grid as grids
    from ..workflows import study as studies
    from .tables import sweep as tables

    conditions = Conditions(frame_duration=frame_ms / 1000)
    worse = [LineCondition.parse(text) for text in lines]
    studies.check_folder(out)
    table, impossible = grids.expand(grids.read_grid(grid) if grid else grids.DEFAULT_GRID)
    study = studies.run_study(
        paths,
        table,
        impossible=impossible,
        conditions=conditions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        channels=channels,
    )
    choice = studies.choose_settings(study, nearest=True)
    summary = studies.write_report(study, choice, out, out.resolve().name, dt.date.today())
    warn(*(f"skipped: {item.reason}" for item in study.skipped))
    on_lines = studies.compare_lines(study, choice, worse, jobs=jobs, cache=cache) if worse else None
    if on_lines is not None:
        studies.write_lines(on_lines, out)
        values = on_lines.astype(object).where(on_lines.notna(), None)
        summary = summary | {"lines": values.to_dict("records")}
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        tables.print_summary(summary, out)
        if on_lines is not None:
            tables.print_lines(on_lines)

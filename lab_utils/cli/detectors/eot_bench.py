"""`lab eot-bench`: the benchmark's table, from its predictions or from detectors asked in its way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Pair,
    Raw,
    Scheduler,
    Swap,
    UserChannel,
    app,
    find_options,
    going_on,
    results_are_written,
    warn,
    working_on,
)

Inputs = Annotated[
    list[Path],
    typer.Argument(
        help="predictions.parquet files of eot-harness; or recordings, such as eot-bench-data, or folders.",
        show_default=False,
    ),
]
Detectors = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        help="What is asked about recordings: v1-mini (default), smart-turn, or a function of yours as "
        "module:function; may be repeated.",
    ),
]
ScorePoint = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Silence at which a detector's one score counts, in s (default: as the manifest beside a table "
        "says, without one every score; 0.2 for recordings).",
    ),
]
Results = Annotated[
    Path | None, typer.Option("--out", help="Folder that receives the table, and predictions.parquet files.")
]


@app.command("eot-bench")
def eot_bench(
    paths: Inputs,
    detector: Detectors = None,
    score_point: ScorePoint = None,
    out: Results = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Score detectors as eot-bench does: cutoffs against latency."""
    with working_on(scheduler), going_on(cache):
        from ...workflows.detectors.eot_bench import measure_eot_bench, write_eot_bench
        from ...workflows.study import check_folder
        from ..tables.eot_bench import print_table

        if out is not None:
            check_folder(out)
        measured = measure_eot_bench(
            paths,
            detector or (),
            score_point=score_point,
            jobs=jobs,
            cache=cache,
            channels=(user, agent),
            options=find_options((user, agent), pair, raw, swap),
            quiet=as_json,
        )
        warn(*(f"skipped: {item.reason}" for item in measured.skipped))
        if out is not None:
            write_eot_bench(measured, out)
        results_are_written()
        if as_json:
            print(json.dumps({"table": measured.plain_table}))
        else:
            print_table(measured, out)

"""`lab plan`: how many calls a guarantee takes, what hours cost, how many calls this machine can carry."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .common import SAMPLES, Json, app, ending_well

plan = typer.Typer(help="Say how many calls it takes, or what hours of them cost.", no_args_is_help=True)
app.add_typer(plan, name="plan")


@plan.callback()
def main() -> None:
    """Say how many calls it takes, or what hours of them cost."""


@plan.command("calls")
def calls(
    rate: Annotated[float, typer.Option(help="Share of the holds that a setting is thought to cut: 0.02.")],
    budget: Annotated[float, typer.Option(help="Share that is to be guaranteed: 0.1.")],
    confidence: Annotated[float, typer.Option(help="How sure to be.")] = 0.9,
    holds: Annotated[float, typer.Option(help="Holds of a usual call.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Say how many calls a guarantee takes."""
    with ending_well():
        from ..workflows.plan import plan_calls

        planned = plan_calls(rate, budget, confidence, holds)
        print(json.dumps(asdict(planned)) if as_json else str(planned))


@plan.command("load")
def load(
    requests: Annotated[
        list[float] | None,
        typer.Option(
            min=0.1, max=1000, help="Requests a second; may be repeated.  [default: 2, 5, 10, 15, 20]"
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long each load lasts.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Measure how many predictions of v1-mini come too late, by load, on this machine."""
    with ending_well():
        from ..turns.detectors.prediction_load import measure_load

        for one in measure_load(requests or (2.0, 5.0, 10.0, 15.0, 20.0), seconds):
            print(json.dumps(asdict(one)) if as_json else str(one), flush=True)


@plan.command("hours")
def hours(
    hours: Annotated[float, typer.Argument(help="Hours of recordings.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Recordings to measure on.  [default: two calls of the demo]", show_default=False
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Cores that work on it.")] = 1,
    as_json: Json = False,
) -> None:
    """Measure on this machine what hours of recordings cost: CPU, memory, space in the cache."""
    with ending_well():
        from ..workflows.plan import plan_hours

        demo = sorted(SAMPLES.glob("*.flac"))[:2]
        planned = plan_hours(hours, paths or demo, workers=workers, quiet=as_json)
        print(json.dumps(asdict(planned) | {"cpu_hours": planned.cpu_hours}) if as_json else str(planned))

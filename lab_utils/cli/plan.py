"""`lab plan`: how many calls it takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from .common import Json, app, ending_well

plan = typer.Typer(help="Say how much to record before measuring.", no_args_is_help=True)
app.add_typer(plan, name="plan")


@plan.callback()
def main() -> None:
    """Say how much to record before measuring."""


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

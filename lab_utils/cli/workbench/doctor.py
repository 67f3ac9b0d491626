"""`lab doctor`: what the lab needs of this machine, and whether it is there."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from ..common import Cache, Json, app, ending_well


@app.command()
def doctor(cache: Cache = None, as_json: Json = False) -> None:
    """Say what is missing on this machine. Exit code 1 if something that is needed isn't there."""
    with ending_well():
        from ...workflows.doctor import examine

        checks = examine(cache)
        if as_json:
            print(json.dumps({"well": _well(checks), "checks": [asdict(one) for one in checks]}))
        else:
            from ..tables.doctor import print_checks

            print_checks(checks)
        if not _well(checks):
            raise typer.Exit(1)


def _well(checks: list) -> bool:
    return all(one.state != "missing" for one in checks)

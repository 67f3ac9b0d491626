"""`lab probe`: one's own plug-ins and providers measured live, written as a provider profile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    SAMPLES,
    AgentChannel,
    Cache,
    Json,
    UserChannel,
    app,
    ending_well,
    going_on,
    results_are_written,
    warn,
)

if TYPE_CHECKING:
    from ..workflows.probe import Plan, Played

WorkerFile = Annotated[str, typer.Argument(help="Your worker: worker.py or a module.", show_default=False)]
Recordings = Annotated[
    list[Path] | None,
    typer.Argument(help="Calls whose turns are played (default: one of the demo's).", show_default=False),
]
Instructions = Annotated[
    list[Path] | None,
    typer.Option(help="Text file with another prompt to compare the worker's own with; repeat it."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Send it without asking.")]


@app.command()
def probe(
    worker: WorkerFile,
    recordings: Recordings = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Provider profile to write.")] = Path(
        "probed.yaml"
    ),
    base: Annotated[
        str, typer.Option(help="Provider profile that gives prices and what isn't measured.")
    ] = "guide",
    turns: Annotated[int, typer.Option(min=1, help="Turns of each call that are played.")] = 10,
    repeat: Annotated[int, typer.Option(min=1, help="How often they are played.")] = 3,
    instructions: Instructions = None,
    metadata: Annotated[str, typer.Option(help="Of the worker's job, as a dispatch gives it.")] = "",
    yes: Yes = False,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Measure your live providers with your worker. Writes a provider profile."""
    with ending_well(), going_on(cache):
        from ..session.entrypoint.facts import RoomFacts
        from ..session.providers.files import save_providers
        from ..workflows import probe as workflow
        from ..workflows.study import check_folder
        from .tables.fit import print_probe

        if out.is_dir():
            raise ValueError(f"{out}: is a folder; name a file")
        if not out.suffix:
            raise ValueError(f"--out {out}: expected a name with a suffix, such as {out.name or 'mine'}.yaml")
        check_folder(out.parent)
        plan = workflow.prepare(
            worker,
            recordings or [min(SAMPLES.glob("*.flac"))],
            base,
            turns=turns,
            repeats=repeat,
            instructions=instructions or (),
            room=RoomFacts(metadata),
            channels=(user, agent_channel),
            cache=cache,
        )
        if plan.turns < workflow.LEAST:
            raise ValueError(
                f"{plan.turns} turns are too few: a figure needs {workflow.LEAST}; more --turns or --repeat"
            )
        found = workflow.measure(plan, out.stem, agree=partial(_agreed, plan, yes), quiet=as_json)
        out.parent.mkdir(parents=True, exist_ok=True)
        save_providers(found.profile, out)
        results_are_written()
        print_probe(found, plan, out, as_json=as_json)


def _agreed(plan: Plan, yes: bool, sessions: Sequence[Played]) -> None:
    """Tell what these send, and ask. Raises ValueError where nobody can answer, typer.Exit for a no."""
    every = len(plan.sessions())
    rest = "" if len(sessions) == every else f" in the {len(sessions)} of {every} sessions that are left"
    warn(f"this sends{rest}", *(f"  {line}" for line in plan.told(sessions)))
    if yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("nothing was sent: nobody is there to ask; add --yes to send it")
    if not typer.confirm("send it?", err=True):
        raise typer.Exit(1)

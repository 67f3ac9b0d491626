"""`lab check`: whether a profile is no worse than another on the same calls, as an exit code for CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Pair,
    Paths,
    Phases,
    ProviderProfile,
    Raw,
    Scheduler,
    Swap,
    TranscriptionDelay,
    UserChannel,
    app,
    find_options,
    warn,
    working_on,
)

if TYPE_CHECKING:
    from ...turns.pins import Pin
    from ...workflows.check import Check

New = Annotated[Path, typer.Option("--profile", help="Profile to judge.", show_default=False)]
Old = Annotated[
    Path | None, typer.Option("--baseline", help="Profile to compare with (default: LiveKit's defaults).")
]
MoreCuts = Annotated[
    float, typer.Option(min=0, max=1, help="So many more false boundaries per hold are allowed.")
]
MoreLatency = Annotated[float, typer.Option(min=0, help="So much more mean latency is allowed, in s.")]
MoreMissed = Annotated[
    float, typer.Option(min=0, max=1, help="So many more missed ends of turn are allowed.")
]
MostCuts = Annotated[float | None, typer.Option(min=0, max=1, help="Budget: false boundaries per hold.")]
MostLatency = Annotated[float | None, typer.Option(min=0, help="Budget: mean latency, in s.")]
MostP95 = Annotated[float | None, typer.Option(min=0, help="Budget: 95th percentile of latency, in s.")]
MostMissed = Annotated[float, typer.Option(min=0, max=1, help="Budget: ends of turn without an answer.")]
Pins = Annotated[
    Path | None,
    typer.Option(help="Folder with pinned failures (pins.json), none of which may come again."),
]
Junit = Annotated[Path | None, typer.Option(help="Also write JUnit XML.")]
Markdown = Annotated[Path | None, typer.Option(help="Also write Markdown, for a job summary or a comment.")]

EXIT_CODES = {"no worse": 0, "worse": 1, "can't be told": 2}


@app.command()
def check(
    paths: Paths,
    profile: New,
    baseline: Old = None,
    allow_false_boundaries: MoreCuts = 0.02,
    allow_latency: MoreLatency = 0.1,
    allow_missed: MoreMissed = 0.01,
    max_false_boundary_rate: MostCuts = None,
    max_latency_mean: MostLatency = None,
    max_latency_p95: MostP95 = None,
    max_missed: MostMissed = 0.02,
    pins: Pins = None,
    junit: Junit = None,
    markdown: Markdown = None,
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Judge a profile against another. Exit code 0: no worse, 1: worse, 2: can't be told, or can't run."""
    with working_on(scheduler, bad_input=2):
        from ...core.settings import Settings
        from ...turns.pins import SUFFIX, read_calls, read_pins
        from ...turns.profile import load_profile
        from ...workflows import check as checks
        from ...workflows.assumed import conditions_with

        new = load_profile(profile)
        old = None if baseline is None else load_profile(baseline)
        name = "LiveKit's defaults" if old is None else old.name
        assumed = conditions_with(providers, new.conditions, transcription_delay=transcription_delay)
        if [path.name.endswith(SUFFIX) for path in paths] == [True]:
            found = checks.check_pinned(read_calls(paths[0]), new.settings)
        else:
            found = checks.check(
                paths,
                new.settings,
                Settings() if old is None else old.settings,
                allowed=checks.Allowances(allow_false_boundaries, allow_latency, allow_missed),
                budgets=checks.Budgets(
                    max_false_boundary_rate, max_latency_mean, max_latency_p95, max_missed
                ),
                pins=() if pins is None else _pins(pins, read_pins(pins)),
                conditions=assumed,
                phases=phases,
                jobs=jobs,
                cache=cache,
                channels=(user, agent),
                options=find_options((user, agent), pair, raw, swap),
            )
        _tell(found, (new.name, name), junit, markdown, as_json)
    raise typer.Exit(EXIT_CODES[found.judgement])


def _tell(
    found: Check, names: tuple[str, str], junit: Path | None, markdown: Path | None, as_json: bool
) -> None:
    """Write the files that were asked for, and print what came of it."""
    from ...core.files import write_whole
    from ...workflows import check as checks

    warn(*(f"skipped: {item.reason}" for item in found.skipped))
    if junit is not None:
        write_whole(junit, checks.junit(found, *names))
    if markdown is not None:
        write_whole(markdown, checks.markdown(found, *names))
    print(json.dumps(checks.plain(found)) if as_json else checks.in_lines(found, *names))


def _pins(folder: Path, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    """Raises InputError for a folder without pins: a check that checks nothing would look like a good one."""
    from ...core.errors import InputError

    if not pins:
        raise InputError(f"{folder}: no pinned failures; pin one in the workbench, or leave --pins out")
    return pins

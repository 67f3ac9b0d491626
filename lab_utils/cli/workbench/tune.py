"""`lab tune`: from recordings to the workbench in a browser, with one command and no notebook."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..common import AgentChannel, Cache, Jobs, Out, Phases, UserChannel, app, ending_well, warn

Theme = Literal["light", "dark"]


@app.command()
def tune(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings or folders of them, or one folder made by 'lab sweep'.", show_default=False
        ),
    ],
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Of the loopback (default: any free one).")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    theme: Annotated[Theme, typer.Option(help="Of the page.")] = "light",
    who: Annotated[str, typer.Option("--by", help="Your name; it is kept with corrections of labels.")] = "",
    out: Out = Path("out/tune"),
    grid: Annotated[Path | None, typer.Option(help="YAML file: knob name -> list of values.")] = None,
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
) -> None:
    """Open the workbench on recordings, in a browser on this machine. Ctrl-C ends it."""
    with ending_well():
        from ...turns.grid import read_grid
        from ...workflows import study as studies

        studies.check_folder(out)
        first = paths[0]
        if len(paths) == 1 and (first / "summary.json").is_file():
            if grid is not None:
                raise ValueError(f"{first}: has a grid of its own; leave --grid out, or name the recordings")
            study = studies.reopen_study(first, jobs=jobs, cache=cache)
        else:
            study = studies.measure(
                paths,
                grid=read_grid(grid) if grid else None,
                phases=phases,
                jobs=jobs,
                cache=cache,
                channels=(user, agent),
            )
        warn(*(f"skipped: {item.reason}" for item in study.skipped))
        choice = study.choose(nearest=True)

        from ...widgets.workbench.server import free_port, serve
        from ...widgets.workbench.setup import Setup

        kept = None if cache is None else str(cache.absolute())
        setup = Setup(str(out.absolute()), kept, who or _user(), jobs)
        serve(study, choice, setup, port=free_port(port), theme=theme, open_browser=browser, tell=_tell)
        warn("the workbench has ended")


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:  # nobody's account, as in a container
        return "me"


def _tell(address: str) -> None:
    print(f"workbench: {address}", flush=True)
    warn("press Ctrl-C to end it; until then anybody on this machine with that address can use it")

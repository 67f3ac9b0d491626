"""`lab run`: an agent under a profile on recordings, with the real session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from .common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Out,
    Paths,
    ProfileFile,
    Seed,
    UserChannel,
    app,
    ending_well,
    warn,
)

Mode = Literal["open_loop", "reactive"]
PartName = Annotated[str | None, typer.Option(help="Yours instead of the scripted one: module:callable.")]


@app.command()
def run(
    paths: Paths,
    profile: ProfileFile = None,
    mode: Annotated[
        Mode, typer.Option(help="open_loop: the caller is a tape; reactive: turns wait for the agent.")
    ] = "open_loop",
    agent: Annotated[
        str | None, typer.Option(help="Your Agent: module:Class or agents.py:Class (default: a plain one).")
    ] = None,
    stt: PartName = None,
    llm: PartName = None,
    tts: PartName = None,
    out: Out = Path("out/run"),
    seed: Seed = 0,
    transcription_delay: Annotated[
        float | None, typer.Option(min=0, max=60, help="Of the scripted STT, in s (default: the profile's).")
    ] = None,
    real_time: Annotated[bool, typer.Option("--real-time", help="On the wall clock, models live.")] = False,
    limit: Annotated[
        float | None, typer.Option(min=1, help="Real seconds after which a session is ended.")
    ] = None,
    virtual_limit: Annotated[
        float | None, typer.Option(min=1, help="Session seconds beyond the recording's length, likewise.")
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Keep what was said in the results; the audio is kept either way.")
    ] = False,
    jobs: Jobs = 2,
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Run an agent on recordings with the real AgentSession. Tells how long each reply takes."""
    with ending_well():
        from ..core.settings import Settings
        from ..session.job import Limits, conditions_in
        from ..turns.profile import load_profile
        from ..workflows import run as workflow
        from ..workflows.study import check_folder
        from .tables.run import print_summary

        check_folder(out)
        chosen = load_profile(profile) if profile else Settings()
        conditions = conditions_in(chosen)
        if transcription_delay is not None:
            conditions = conditions.model_copy(update={"transcription_delay": transcription_delay})
        limits = {"real_s": limit, "virtual_s": virtual_limit}
        given = {name: value for name, value in limits.items() if value is not None}
        ended = workflow.run_recordings(
            paths,
            chosen,
            conditions=conditions,
            out=out,
            agent=agent,
            stt=stt,
            llm=llm,
            tts=tts,
            mode=mode,
            seed=seed,
            real_time=real_time,
            limits=Limits(**given) if given else None,
            text=text,
            cache=cache,
            jobs=jobs,
            channels=(user, agent_channel),
        )
        summary = workflow.summary_of(ended)
        warn(*(f"skipped: {result.reason}" for result in ended.of("skipped")))
        warn(*(f"failed: {result.recording}: {result.reason}" for result in ended.of("failed")))
        if summary["simulated"]:
            warn(f"not installed, so simulated: {', '.join(summary['simulated'])}")
        if as_json:
            print(json.dumps(summary | {"out": str(out)}))
        else:
            print_summary(summary, out)
        if ended.of("failed"):
            raise typer.Exit(1)

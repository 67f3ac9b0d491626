"""`lab barge-in`: which setting of `interruption` yields to interruptions and talks through the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Paths,
    Phases,
    ProfileFile,
    ProviderProfile,
    Scheduler,
    TranscriptionDelay,
    UserChannel,
    app,
    begin_loading,
    going_on,
    results_are_written,
    warn,
    working_on,
)

MostStopped = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the sounds to talk through that may stop the agent.")
]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", help="List of onsets (default: labels.json beside the audio).")
]
Results = Annotated[
    Path | None, typer.Option("--out", help="Folder that receives the table, the picture and a summary.")
]
ProfileOut = Annotated[Path | None, typer.Option("--output", "-o", help="Profile file to write.")]
Transcribe = Annotated[bool, typer.Option(help="Hear the words of recordings without any by Whisper.")]


@app.command("barge-in")
def barge_in(
    paths: Paths,
    profile: ProfileFile = None,
    max_falsely_stopped: MostStopped = 0.1,
    labels: LabelsFile = None,
    transcribe: Transcribe = True,
    output: ProfileOut = None,
    out: Results = None,
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    as_json: Json = False,
) -> None:
    """Choose when the user's speech stops the agent. LiveKit's default is shown beside it."""
    with working_on(scheduler), going_on(cache):
        begin_loading(sessions_here=not scheduler)
        from ..turns.profile import load_profile
        from ..workflows.assumed import conditions_with
        from ..workflows.barge_in import measure_barge_in
        from ..workflows.barge_in.files import save_results
        from ..workflows.study import check_folder
        from .tables.barge_in import print_barge_in

        if out is not None:
            check_folder(out)
        if output is not None and output.is_dir():
            raise ValueError(f"{output}: is a folder; name a file with -o")
        base = None if profile is None else load_profile(profile)
        usual = {} if base is None else {"conditions": base.conditions}
        measured = measure_barge_in(
            paths,
            base,
            labels=labels,
            transcribes=transcribe,
            conditions=conditions_with(providers, **usual, transcription_delay=transcription_delay),
            phases=phases,
            jobs=jobs,
            cache=cache,
            channels=(user, agent),
        )
        warn(*(f"skipped: {item.reason}" for item in measured.skipped))
        choice = measured.choose(max_falsely_stopped, nearest=True)
        if out is not None:
            save_results(measured, choice, out)
        if output is not None:
            measured.export(choice, output, base)
        results_are_written()
        if as_json:
            print(json.dumps(measured.summary(choice)))
        else:
            print_barge_in(measured, choice, out, output)
        if not choice.met:
            raise typer.Exit(1)

"""`lab run`: an agent under a profile on recordings, with the real session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Out,
    Paths,
    ProfileFile,
    Scheduler,
    Seed,
    SomeFailed,
    UserChannel,
    app,
    begin_loading,
    going_on,
    results_are_written,
    warn,
    working_on,
)

if TYPE_CHECKING:
    from ..core.settings import Conditions, Settings
    from ..session.entrypoint.facts import RoomFacts
    from ..session.job import Limits
    from ..session.providers.schema import Providers
    from ..turns.profile import Profile
    from ..workflows.run.summary import RunResults

Mode = Literal["open_loop", "reactive"]
PartName = Annotated[str | None, typer.Option(help="Yours instead of the scripted one: module:callable.")]
ModeOption = Annotated[
    Mode, typer.Option(help="open_loop: the caller is a tape; reactive: turns wait for the agent.")
]
AgentName = Annotated[
    str | None, typer.Option(help="Your Agent: module:Class or agents.py:Class (default: a plain one).")
]
WorkerName = Annotated[
    str | None, typer.Option(help="Your worker: worker.py or a module; its entrypoint is run.")
]
Attributes = Annotated[
    list[str] | None, typer.Option(help="Of the worker's caller: sip.phoneNumber=+15550100; repeat it.")
]
SttDelay = Annotated[
    float | None, typer.Option(min=0, max=60, help="Of the scripted STT, in s (default: the profile's).")
]
ProviderName = Annotated[
    str | None,
    typer.Option(help="Provider profile, by name or file: of the delays of all that is simulated."),
]
RealLimit = Annotated[float | None, typer.Option(min=1, help="Real seconds after which a session is ended.")]
MemoryLimit = Annotated[
    float, typer.Option(min=0.1, help="GB of memory beyond which a worker process is ended.")
]
VirtualLimit = Annotated[
    float | None, typer.Option(min=1, help="Session seconds beyond the recording's length, likewise.")
]
KeepText = Annotated[
    bool, typer.Option("--text", help="Keep what was said in the results; the audio is kept either way.")
]


@app.command()
def run(
    paths: Paths,
    profile: ProfileFile = None,
    mode: ModeOption = "open_loop",
    agent: AgentName = None,
    worker: WorkerName = None,
    metadata: Annotated[str, typer.Option(help="Of the worker's job, as a dispatch gives it.")] = "",
    attribute: Attributes = None,
    stt: PartName = None,
    llm: PartName = None,
    tts: PartName = None,
    out: Out = Path("out/run"),
    seed: Seed = 0,
    transcription_delay: SttDelay = None,
    providers: ProviderName = None,
    real_time: Annotated[bool, typer.Option("--real-time", help="On the wall clock, models live.")] = False,
    limit: RealLimit = None,
    virtual_limit: VirtualLimit = None,
    memory_limit: MemoryLimit = 4.0,
    text: KeepText = False,
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Run an agent on recordings with the real AgentSession. Tells how long each reply takes."""
    with working_on(scheduler), going_on(cache):
        begin_loading(sessions_here=not (real_time or scheduler), pictures=True)
        from ..workflows import run as workflow
        from ..workflows.study import check_folder

        check_folder(out)
        profile = profile or _beside(agent)
        chosen, conditions = _settings(profile, transcription_delay, own=worker is not None)
        ended = workflow.run_recordings(
            paths,
            chosen,
            conditions=conditions,
            providers=_providers(providers, transcription_delay),
            out=out,
            agent=agent,
            worker=worker,
            room=_room(metadata, attribute or []),
            stt=stt,
            llm=llm,
            tts=tts,
            mode=mode,
            seed=seed,
            real_time=real_time,
            limits=_limits(limit, virtual_limit),
            text=text,
            cache=cache,
            jobs=jobs,
            channels=(user, agent_channel),
            memory_gb=memory_limit,
            tell=warn,
        )
        _told(ended, out, as_json)


def _beside(agent: str | None) -> Path | None:
    """The profile that a worker of `lab export` loads, where the agent is one's; it is told."""
    from ..latency.export import profile_of_worker

    found = None if agent is None else profile_of_worker(agent)
    if found is not None:
        warn(f"settings: {found}, which {agent} loads; --profile takes others")
    return found


def _settings(
    profile: Path | None, transcription_delay: float | None, *, own: bool
) -> tuple[Settings | Profile | None, Conditions]:
    """The profile, or LiveKit's defaults; the conditions with the STT's delay, if one is given.

    `own`: a worker's own settings are taken where no profile is given, which are not known yet.
    """
    from ..core.settings import Settings
    from ..session.job import conditions_in
    from ..turns.profile import load_profile

    chosen = load_profile(profile) if profile else Settings()
    conditions = conditions_in(chosen)
    if transcription_delay is not None:
        conditions = conditions.replace(transcription_delay=transcription_delay)
    return chosen if profile or not own else None, conditions


def _providers(name: str | None, transcription_delay: float | None) -> Providers | None:
    """The provider profile. Raises ValueError for one that can't be read, or beside a delay of its own."""
    if name is None:
        return None
    from ..session.providers.files import load_providers

    if transcription_delay is not None:
        raise ValueError(
            f"--providers {name} tells when transcripts come; leave --transcription-delay out, or change "
            "the profile's stt.final"
        )
    return load_providers(name)


def _room(metadata: str, attributes: list[str]) -> RoomFacts:
    """What a worker may ask. Raises ValueError for an attribute without a value."""
    from ..session.entrypoint.facts import RoomFacts

    pairs = [one.partition("=") for one in attributes]
    for (name, equals, _), one in zip(pairs, attributes, strict=True):
        if not name or not equals:
            raise ValueError(f"--attribute {one}: no name and value; write name=value")
    return RoomFacts(metadata, {name: value for name, _, value in pairs})


def _limits(real_s: float | None, virtual_s: float | None) -> Limits | None:
    """The limits that were given, with the default of the other; None if none was."""
    from ..session.job import Limits

    values = {"real_s": real_s, "virtual_s": virtual_s}
    given = {name: value for name, value in values.items() if value is not None}
    return Limits(**given) if given else None


def _told(ended: RunResults, out: Path, as_json: bool) -> None:
    """Print what came of the recordings, and on stderr what to know about it; exit code 1 if one failed."""
    from ..workflows.run import summary_of
    from .tables.run import print_summary, stand_in_lines

    if not ended.of("failed"):
        results_are_written()
    summary = summary_of(ended)
    warn(*(f"skipped: {result.reason}" for result in ended.of("skipped")))
    warn(*(f"failed: {result.recording}: {result.reason}" for result in ended.of("failed")))
    warn(*stand_in_lines(summary["stood_in"]))
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        print_summary(summary, out)
    if ended.of("failed"):
        raise SomeFailed

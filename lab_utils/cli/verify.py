"""`lab verify`: the replay against the real session, on drawn settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.files.places import Folder
from .common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Paths,
    ProfileFile,
    Scheduler,
    UserChannel,
    app,
    begin_loading,
    going_on,
    results_are_written,
    warn,
    working_on,
)

InPlace = Annotated[
    str,
    typer.Option(
        help="smart-turn, english, multilingual, or a function as module:function, in place of v1-mini."
    ),
]
Every = Annotated[
    bool,
    typer.Option(
        "--every-detector", help="All that can run here in turn, and barge-in, in one table of commits."
    ),
]


@app.command()
def verify(
    paths: Paths,
    settings: Annotated[int, typer.Option(min=1, help="How many settings to draw.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    case: Annotated[int | None, typer.Option(min=0, help="Run the case of this number alone.")] = None,
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    out: Annotated[Path | None, typer.Option("--out", help="File that receives the result as JSON.")] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Imported sessions against what they really did.")
    ] = False,
    barge_in: Annotated[
        bool,
        typer.Option("--barge-in", help="When the agent falls silent for the user, in place of commits."),
    ] = False,
    replies: Annotated[
        bool,
        typer.Option("--replies", help="When each reply is heard, by drawn agents, in place of commits."),
    ] = False,
    profile: ProfileFile = None,
    detector: InPlace = "",
    every_detector: Every = False,
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Prove the replay against the real AgentSession. Commits are compared, for settings drawn at random."""
    with working_on(scheduler), going_on(cache):
        if out is not None and out.is_dir():
            raise ValueError(f"{out}: is a folder; name a file with --out")
        if every_detector and (barge_in or replies or recorded):
            raise typer.BadParameter("--every-detector is a run of its own; leave the other kinds out")
        begin_loading(sessions_here=not (recorded or scheduler))
        if (barge_in or replies) and (recorded or profile is not None):
            name = "--replies" if replies else "--barge-in"
            raise typer.BadParameter(f"{name} draws its settings; leave --recorded and --profile out")
        if replies and (barge_in or detector):
            raise typer.BadParameter("--replies draws its detectors; leave --barge-in and --detector out")
        how = cache, jobs, (user, agent)
        if barge_in or replies:
            drawn = _verify_replies if replies else _verify_barge_in
            drawn(paths, settings, seed, case, how, out, as_json)
            return
        if recorded:
            _verify_recorded(paths, profile, cache, (user, agent), out, as_json)
            return
        if profile is not None:
            raise typer.BadParameter("--profile goes with --recorded; drawn settings need none")
        drawn_by = _verify_every if every_detector else _verify_commits
        drawn_by(paths, settings, seed, case, how, detector, out, as_json)


def _tell(summary: dict[str, Any], show: Callable[[], None], out: Path | None, as_json: bool) -> None:
    """The result as a file, where it is asked for, and on screen; exit code 1 for a mismatch."""
    from ..core.files import write_whole

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    results_are_written()
    if as_json:
        print(json.dumps(summary))
    else:
        show()
    if summary.get("mismatches"):
        raise typer.Exit(1)


def _verify_commits(
    paths: list[Path],
    settings: int,
    seed: int,
    case: int | None,
    how: tuple[Folder | None, int, tuple[str, str]],
    detector: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Commits of sessions and replays. `how`: cache, worker processes, channels."""
    from ..workflows import verify as workflow
    from ..workflows.detectors import load_detector
    from .tables.verify import print_verification

    own = load_detector(detector) if detector else None
    cache, jobs, channels = how
    proved = workflow.verify(
        paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=channels, detector=own
    )
    warn(*(f"skipped: {reason}" for reason in proved.skipped))
    summary = workflow.summary_of(proved)
    options = f" --detector {detector}" if detector else ""
    _tell(summary, lambda: print_verification(proved, summary, options), out, as_json)


def _verify_every(
    paths: list[Path],
    settings: int,
    seed: int,
    case: int | None,
    how: tuple[Folder | None, int, tuple[str, str]],
    detector: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Commits under every detector that can run here, and barge-in on as many settings as one of them."""
    from ..recordings.audio import BadRecording
    from ..workflows import verify as workflow
    from ..workflows.barge_in import verify_barge_in
    from ..workflows.detectors import every_detector
    from .tables.barge_in import plain_proofs, print_scene_proofs
    from .tables.verify import print_every, print_mismatches

    every, left_out = every_detector(detector)
    cache, jobs, channels = how
    proved = workflow.verify(
        paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=channels, every=every
    )
    left_out += [f"skipped: {reason}" for reason in proved.skipped]
    scenes = []
    share = -(-settings // len(every))
    if case is None:
        try:
            scenes = verify_barge_in(paths, share, seed=seed, cache=cache, jobs=jobs, channels=channels)
        except BadRecording as error:
            left_out.append(f"left out: barge-in ({error})")
    warn(*left_out)
    summary = workflow.every_summary(proved) | {"left_out": left_out, "barge_in": plain_proofs(scenes)}
    summary["mismatches"] += summary["barge_in"]["mismatches"]
    options = " --every-detector" + (f" --detector {detector}" if detector else "")

    def show() -> None:
        print_every(summary)
        print_mismatches(proved, options)
        if scenes:
            print_scene_proofs(scenes, f"lab verify --barge-in {' '.join(map(str, paths))} --seed {seed}")

    _tell(summary, show, out, as_json)


def _verify_recorded(
    paths: list[Path],
    profile: Path | None,
    cache: Folder | None,
    channels: tuple[str, str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Each session against its replay; what can't be used is told and left out."""
    from ..recordings.audio import BadRecording
    from ..turns.profile import load_profile
    from ..workflows import verify as workflow
    from .tables.verify import print_recorded

    given = None if profile is None else load_profile(profile)
    answers = list(workflow.verify_recorded(paths, given, cache=cache, channels=channels))
    found = [one for one in answers if isinstance(one, workflow.Recorded)]
    skipped = [str(one) for one in answers if isinstance(one, BadRecording)]
    warn(*(f"skipped: {reason}" for reason in skipped))
    if not found:
        raise BadRecording("; ".join(skipped) or "no recordings given; name a file or a folder")
    summary = workflow.recorded_summary(found, skipped)
    _tell(summary, lambda: print_recorded(summary), out, as_json)


def _verify_barge_in(
    paths: list[Path],
    settings: int,
    seed: int,
    case: int | None,
    how: tuple[Folder | None, int, tuple[str, str]],
    out: Path | None,
    as_json: bool,
) -> None:
    """Scenes in which the user sounds over the agent. `how`: cache, worker processes, channels."""
    from ..workflows.barge_in import verify_barge_in
    from .tables.barge_in import plain_proofs, print_scene_proofs

    cache, jobs, channels = how
    proofs = verify_barge_in(paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=channels)
    again = f"lab verify --barge-in {' '.join(map(str, paths))} --seed {seed}"
    _tell(plain_proofs(proofs), lambda: print_scene_proofs(proofs, again), out, as_json)


def _verify_replies(
    paths: list[Path],
    settings: int,
    seed: int,
    case: int | None,
    how: tuple[Folder | None, int, tuple[str, str]],
    out: Path | None,
    as_json: bool,
) -> None:
    """Agents that differ in techniques, levers and providers. `how`: cache, worker processes, channels."""
    from ..workflows import verify as workflow
    from .tables.verify import print_replies

    cache, jobs, channels = how
    proofs = workflow.verify_replies(
        paths, settings, seed=seed, case=case, cache=cache, jobs=jobs, channels=channels
    )
    summary = workflow.replies_summary(proofs)
    again = f"lab verify --replies {' '.join(map(str, paths))} --seed {seed}"
    _tell(summary, lambda: print_replies(summary, again), out, as_json)

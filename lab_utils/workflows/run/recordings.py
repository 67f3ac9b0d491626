"""Find recordings, run each in a worker process, gather what they gave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...core.batch import ENDED, RaisedInWorker, WorkerDied
from ...core.files import is_machine_error
from ...core.files.names import numbered
from ...core.files.places import Folder
from ...core.session_log import SessionMode
from ...core.settings import Conditions, Settings, livekit_defaults
from ...core.text import one_line
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_in
from ...session.clock.loading import RUN_LOADS
from ...session.entrypoint.facts import NO_FACTS, RoomFacts
from ...session.faults.watch import MEMORY_GB
from ...session.job import HasSettings, Limits, conditions_in, settings_in
from ...session.log.files import session_folder
from ...session.log.left_out import LEFT_OUT
from ...session.providers.schema import Providers
from ...session.user_parts import LOADED_LATE, BadPart, Part, PartKind
from ...session.workers import in_workers
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run
from ..assumed import conditions_with
from .probe import probe
from .providers import timing_of
from .recording import FILES, Plan, Result, may_stand, run_one
from .summary import RunResults, write_summary


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a run: what was finished by then is on disk."""

    def __init__(self, finished: int, recordings: int, folder: Path) -> None:
        super().__init__(f"{finished} of {recordings} recording(s) finished, in {folder}/")


def _nobody(_: str) -> None:
    """Nobody wants to be told."""


def run_recordings(
    paths: Sequence[str | Path],
    profile: Settings | HasSettings | None,
    *,
    out: Path,
    conditions: Conditions | None = None,
    agent: Part = None,
    worker: str | None = None,
    room: RoomFacts = NO_FACTS,
    stt: Part = None,
    llm: Part = None,
    tts: Part = None,
    mode: SessionMode = "open_loop",
    seed: int = 0,
    real_time: bool = False,
    limits: Limits | None = None,
    text: bool = False,
    cache: Folder | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
    memory_gb: float = MEMORY_GB,
    providers: Providers | None = None,
    tell: Callable[[str], None] = _nobody,
) -> RunResults:
    """Run an agent on each recording under a profile's settings; results in a folder of its own below `out`.

    `profile`: None for the settings of the worker's own AgentSession, or LiveKit's defaults.
    `conditions`: None for those that the profile was measured under.
    `providers`: whose delays the STT and all parts have that are simulated; transcripts are its own then.
    `worker`: a worker file or module, whose entrypoint is run instead of an agent, in a `room`.
    `agent`, `stt`, `llm`, `tts`: callables without arguments, or their names (`user_parts`).
    `memory_gb`: resident memory of a worker process beyond which it is ended with its recording.
    `tell` is called with what should be known before the first session, which takes a while to come.
    `text`: keep what was said in the results (`session.log.left_out`); the audio is kept either way.
    A recording that can't be used is skipped with its reason, and one whose session fails is kept as failed;
    the others go on. Raises BadRecording if none can be used, BadPart for an agent or plug-in that can't be,
    and Interrupted, with the summary of what was received, on Ctrl-C.
    """
    settings = settings_in(profile or Settings())
    parts: dict[PartKind, Part] = {"agent": agent, "stt": stt, "llm": llm, "tts": tts}
    if agent is not None and worker is not None:
        raise BadPart(f"--worker {worker}: it makes its own agent; leave --agent out")
    assumed = conditions_with(providers, conditions or conditions_in(profile or settings))
    timing = timing_of(settings, assumed, providers)
    files = cache_folder(cache), out.absolute()
    plan = Plan(
        settings, assumed, mode, seed, real_time, limits, timing, parts, worker, room, *files, text, providers
    )
    if real_time:
        plan = replace(plan, day=dt.date.today().isoformat())
    found, results = _find(paths, channels)
    if found and (worker or any(isinstance(part, str) for part in parts.values())):
        plan = _probed(plan, tell, memory_gb, keep_settings=profile is not None)
    outcomes = _results(plan, found, jobs, quiet, memory_gb)
    results = _run_all(plan, found, results, out, outcomes)
    _check_some_used(results)
    ended = _ended(plan, results)
    write_summary(ended, out)
    return ended


def _check_some_used(results: Sequence[Result]) -> None:
    """Raise BadRecording if all were skipped."""
    if all(result.outcome == "skipped" for result in results):
        reasons = "; ".join(result.reason for result in results)
        raise BadRecording(reasons or "no recordings given; name a file or a folder")


def _run_all(
    plan: Plan,
    found: Sequence[RecordingFiles],
    skipped: Sequence[Result],
    out: Path,
    outcomes: Iterator[Result],
) -> list[Result]:
    """What came of each recording, after those that were skipped.

    On Ctrl-C raises Interrupted, with the summary of what was received.
    """
    results = list(skipped)
    last = [session_folder(out, files.name) / FILES[-1] for files in found]
    before = [_written_at(path) for path in last]
    try:
        for result in outcomes:
            results.append(result)
    except KeyboardInterrupt as interrupt:
        received = {result.recording for result in results if result.outcome != "skipped"}
        finished = sum(
            files.name in received or _written_at(path) not in (None, at)
            for files, path, at in zip(found, last, before, strict=True)
        )
        if finished:
            write_summary(_ended(plan, results, interrupted=True), out)
        raise Interrupted(finished, len(found), out) from interrupt
    return results


def _ended(plan: Plan, results: Sequence[Result], *, interrupted: bool = False) -> RunResults:
    named: dict[str, str] = {kind: _name(part) for kind, part in plan.parts.items() if part is not None}
    if plan.worker is not None:
        named["worker"] = plan.worker
    if plan.providers is not None:
        named["providers"] = plan.providers.name
    return RunResults(
        plan.settings,
        plan.conditions,
        plan.mode,
        plan.real_time,
        plan.seed,
        named,
        plan.stt_timing,
        tuple(results),
        plan.text,
        interrupted,
    )


def _find(
    paths: Sequence[str | Path], channels: tuple[str, str]
) -> tuple[list[RecordingFiles], list[Result]]:
    """The recordings, each with a folder name of its own, and the paths that have none."""
    found, failed = find_in(paths, channels)
    skipped = [Result(str(path), str(path), "skipped", str(error)) for path, error in failed]
    names = numbered((files.name for files in found), lambda name: session_folder(Path(), name).name)
    return [replace(files, name=name) for files, name in zip(found, names, strict=True)], skipped


def _probed(plan: Plan, tell: Callable[[str], None], memory_gb: float, *, keep_settings: bool) -> Plan:
    """The plan with a worker's own settings, unless others are to be kept; what its code asks for is told.

    Raises BadPart for what can't be answered.
    """
    for _ in range(2):
        (answer,) = in_workers(
            probe, [(plan,)], 1, real_time=plan.real_time, quiet=True, memory_gb=memory_gb, loads=RUN_LOADS
        )
        if not (isinstance(answer, WorkerDied) and str(answer) == ENDED):  # nobody knows why: try once more
            break
    if isinstance(answer, (WorkerDied, RaisedInWorker)):
        raise BadPart(f"{_named(plan)}: it can't be tried out: {answer}")
    if isinstance(answer, BadPart) and plan.real_time:
        remedy = "install what is missing and set its keys, or leave --real-time out"
        raise BadPart(f"{answer}; on the wall clock nothing stands in: {remedy}")
    if isinstance(answer, Exception):
        raise answer
    plan = replace(plan, code=answer.code, environment=answer.environment)
    if answer.stood_in:
        tell(f"stood in for: {', '.join(one.name for one in answer.stood_in)}")
    if answer.settings is None:
        return plan
    given = settings_line(answer.settings)
    if keep_settings:
        tell(f"the worker's AgentSession has {given}; the profile's settings are used")
        return plan
    tell(f"the worker's AgentSession has {given}; these settings are used")
    timing = timing_of(answer.settings, plan.conditions, plan.providers)
    return replace(plan, settings=answer.settings, stt_timing=timing)


def _named(plan: Plan) -> str:
    """What the user brings, as on the command line."""
    parts = [("worker", plan.worker), *plan.parts.items()]
    return " ".join(f"--{kind} {name}" for kind, name in parts if isinstance(name, str))


def settings_line(settings: Settings) -> str:
    """A worker's turn-taking in a line: its VAD and detector, and each knob that isn't as LiveKit has it."""
    usual = livekit_defaults(settings.vad.model, settings.detector.model).knobs()
    knobs = {name: value for name, value in settings.knobs().items() if value != usual[name]}
    changed = ", ".join(f"{name} {value}" for name, value in knobs.items()) or "LiveKit's defaults"
    return f"VAD {settings.vad.model}, turn detection {settings.detector.model}, {changed}"


def _results(
    plan: Plan, found: Sequence[RecordingFiles], jobs: int, quiet: bool, memory_gb: float
) -> Iterator[Result]:
    processes = min(jobs, max(1, len(found)))
    kept = Kept(Result, partial(may_stand, plan))
    run = Run(run_one, [(plan, files) for files in found], kept, "session", paid=plan.real_time)
    answers = in_workers(
        run.work,
        run.rest,
        processes,
        real_time=plan.real_time,
        task="sessions",
        quiet=quiet,
        memory_gb=memory_gb,
        loads=RUN_LOADS,
    )
    try:
        with closing(run.all(answers)) as results:
            for files, answer in zip(found, results, strict=True):
                if isinstance(answer, BadPart):
                    raise answer
                if isinstance(answer, BadRecording):
                    yield Result(files.name, str(files.user), "skipped", str(answer))
                elif isinstance(answer, Exception):
                    yield Result(files.name, str(files.user), "failed", _reason(answer, plan.text))
                else:
                    if answer.code != plan.code:
                        run.say_once(LOADED_LATE)
                    yield answer
    except KeyboardInterrupt:  # a run beside another one has finished later ones first
        yield from (one for one in run.left() if not isinstance(one, Exception))
        raise


def _reason(error: Exception, text: bool) -> str:
    """Why a session failed: errors of the machine's are told; others may quote the caller, hence `text`."""
    name = error.kind if isinstance(error, RaisedInWorker) else type(error).__name__
    told = text or isinstance(error, (WorkerDied, MemoryError)) or is_machine_error(error)
    return one_line(f"{name}: {error if told else LEFT_OUT}")


def _written_at(path: Path) -> int | None:
    """When a file was written, by a clock that may be set back meanwhile; None if it isn't there."""
    return path.stat().st_mtime_ns if path.exists() else None


def _name(part: Part) -> str:
    return part if isinstance(part, str) else getattr(part, "__qualname__", repr(part))

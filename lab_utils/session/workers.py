"""Offline sessions in their own processes, where the virtual clock is installed before LiveKit is imported.

So they also run from a notebook, which already runs an event loop of its own.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.batch import Done, run_batch
from ..core.batch.cluster import current
from ..core.recording import Recording
from ..core.session_log import SessionLog, SessionMode
from ..core.settings import Conditions, Settings
from . import clock
from .clock.loading import LOADS
from .faults.beside import beside_workers
from .faults.watch import MEMORY_GB, Watch, at_most, watched
from .job import DEFAULT_LIMITS, HasSettings, Limits, SessionJob, SessionTraces, conditions_in, settings_in
from .log.files import remove_leftovers, save_session, session_folder

if TYPE_CHECKING:
    from livekit.agents import Agent, llm, stt, tts

Result = TypeVar("Result")

GRACE_S = 30.0
"""A session that goes on for so many real seconds after its limit is ended together with its process."""


class SessionError(RuntimeError):
    """A session could not be run. The message names its recording; `__cause__` is the original exception."""


def run_session(
    recording: Recording,
    profile: Settings | HasSettings,
    *,
    conditions: Conditions | None = None,
    agent: Callable[[], Agent] | None = None,
    stt: Callable[[], stt.STT] | None = None,
    llm: Callable[[], llm.LLM] | None = None,
    tts: Callable[[], tts.TTS] | None = None,
    seed: int = 0,
    mode: SessionMode = "open_loop",
    traces: SessionTraces | None = None,
    real_time: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> SessionLog:
    """Run an agent on a recording under a profile's settings, in its own process.

    `conditions`: None for those that the profile was measured under. `agent`, `stt`, `llm`, `tts`: your
    `Agent` subclass and plugins, as callables without arguments; None gives a plain agent or a scripted part.
    For further options use a `SessionJob` and `run_sessions`.
    """
    job = SessionJob(
        recording,
        settings_in(profile),
        conditions_in(profile) if conditions is None else conditions,
        agent=agent,
        stt=stt,
        llm=llm,
        tts=tts,
        seed=seed,
        mode=mode,
        traces=traces,
        real_time=real_time,
        limits=limits,
    )
    (log,) = run_sessions([job], processes=1, quiet=True)
    if isinstance(log, Exception):
        raise log
    return log


def run_sessions(
    jobs: Sequence[SessionJob],
    *,
    processes: int = 2,
    folder: Path | None = None,
    text: bool = False,
    quiet: bool = False,
) -> Iterator[SessionLog | Exception]:
    """Run sessions in worker processes. Yields their logs in order, or a SessionError where there is none.

    With a `folder`, each worker saves its log there (`log.save_session`) as soon as it is done, so that an
    interruption loses nothing that was finished. Saved logs hold what was said only with `text`; yielded logs
    always do. Raises ValueError if two logs would be saved in the same folder.
    """
    own_folders = [] if folder is None else _own_folders(jobs, folder)
    return _run_sessions(jobs, processes, folder, own_folders, text, quiet)


def _run_sessions(
    jobs: Sequence[SessionJob],
    processes: int,
    folder: Path | None,
    own_folders: list[Path],
    text: bool,
    quiet: bool,
) -> Iterator[SessionLog | Exception]:
    real_time = all(job.real_time for job in jobs)
    arguments = [(job, folder, text) for job in jobs]
    answers = in_workers(
        _run_one, arguments, processes, real_time=real_time, task="sessions", unit="session", quiet=quiet
    )
    try:
        with closing(answers):
            for job, answer in zip(jobs, answers, strict=True):
                if isinstance(answer, Exception):
                    error = SessionError(f"{job.recording.name}: {type(answer).__name__}: {answer}")
                    error.__cause__ = answer
                    yield error
                else:
                    yield answer
    finally:
        for own in own_folders:
            remove_leftovers(own)


def _own_folders(jobs: Sequence[SessionJob], folder: Path) -> list[Path]:
    """Each job's folder. Raises ValueError if two are the same."""
    used: dict[Path, str] = {}
    for job in jobs:
        name = job.recording.name
        own = session_folder(folder, name)
        if own in used:
            raise ValueError(
                f"the sessions of {used[own]!r} and {name!r} would both be saved in {own}; give the "
                "recordings distinct names, or run them in calls with a folder each"
            )
        used[own] = name
    return list(used)


def in_workers(
    function: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    processes: int,
    *,
    real_time: bool = False,
    task: str = "",
    unit: str = "recording",
    quiet: bool = False,
    memory_gb: float = MEMORY_GB,
    cancel: threading.Event | None = None,
    loads: tuple[str, ...] = LOADS,
) -> Generator[Result | Exception]:
    """`function(*arguments)` for each tuple, in processes with a virtual clock; results in order.

    What a call does to its process affects no other call (`watch`). A process that takes more than
    `memory_gb` of resident memory is ended. What a call prints goes to stderr, shortened, when the call is
    done.

    If a call raises, its exception is yielded in place of a result; if it ended its process, a WorkerDied is.
    Closing the generator early stops the workers. With `real_time` the processes keep the real clock. `task`,
    `unit`: texts of the progress bar. `loads`: modules that are loaded once for all processes
    (`clock.loading`). `cancel`: set by another thread, it ends the calls under way, which stay on this
    machine then. Inside `on_cluster` others go to its workers, each of which has such a process.
    """
    if cancel is None and current() is not None:
        answers = beside_workers(
            function, _numbered(arguments), real_time, memory_gb, task=task, unit=unit, quiet=quiet
        )
        with closing(answers):
            yield from answers
        return
    with Watch(memory_gb, cancel) as watch:
        outcomes = run_batch(
            partial(watched, function, watch.folder),
            _numbered(arguments),
            jobs=processes,
            isolated=True,
            prepare=None if real_time else clock.install,
            loads=() if real_time else loads,
            task=task,
            unit=unit,
            quiet=quiet,
            blame=lambda item: watch.blame(item[0]),
        )
        with closing(outcomes):
            for number, outcome in enumerate(outcomes):
                if printed := watch.output(number):
                    print(printed, end="", file=sys.stderr)
                yield outcome.value if isinstance(outcome, Done) else outcome.error


def _numbered(arguments: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, tuple[Any, ...]]]:
    numbered = enumerate(arguments)
    return list(numbered) if isinstance(arguments, Sized) else numbered


def run_watched(job: SessionJob) -> SessionLog:
    """Run a session in this worker. If the session can't be stopped at its limit, the worker ends."""
    from .run import run

    # For code that no signal handler can stop: C code that doesn't return, or `except BaseException`.
    faulthandler.dump_traceback_later(job.limits.real_s + GRACE_S, exit=True)
    try:
        with at_most(job.limits.real_s, 2 * GRACE_S):
            return run(job)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _run_one(job: SessionJob, folder: Path | None, text: bool) -> SessionLog:
    log = run_watched(job)
    if folder is not None:
        save_session(log, folder, text=text)
    return log

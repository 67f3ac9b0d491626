"""Offline sessions in processes of their own, where the clock is virtual before LiveKit is imported.

That is also what makes them run from a notebook, whose own event loop is running already.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loky import ProcessPoolExecutor
from tqdm.auto import tqdm

from ..records import Recording, SessionLog, SessionMode
from ..settings import Settings
from . import clock
from .job import DEFAULT_LIMITS, HasSettings, Limits, SessionJob, SessionTraces
from .results import save_session

if TYPE_CHECKING:
    from livekit.agents import Agent, llm, stt, tts

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_session(
    recording: Recording,
    profile: Settings | HasSettings,
    *,
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
    """Run an agent on a recording under a profile's settings, in a process of its own.

    `agent`, `stt`, `llm`, `tts`: your `Agent` subclass and plugins, as callables without arguments; what is
    None is a plain agent or a scripted part. More can be set in a `SessionJob`, for `run_sessions`.
    """
    settings = profile if isinstance(profile, Settings) else profile.settings
    job = SessionJob(
        recording,
        settings,
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
    jobs: Sequence[SessionJob], *, processes: int = 2, folder: Path | None = None, quiet: bool = False
) -> Iterator[SessionLog | Exception]:
    """Run sessions in worker processes; their logs in order, or the error of one that could not be run.

    With a `folder`, each worker saves its log there (`results.save_session`) as soon as it is done, so that
    an interruption loses nothing that was finished.
    """
    with tqdm(total=len(jobs), desc="sessions", unit="session", disable=quiet) as bar:
        for result in in_workers(_run_one, ((job, folder) for job in jobs), processes):
            bar.update()
            yield result


def in_workers(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], processes: int
) -> Iterator[Result | Exception]:
    """`function(*arguments)` for each tuple, in processes with a virtual clock; results in order.

    An exception takes the place of its result. Whoever stops early stops the workers too.
    """
    # loky replaces a worker that has grown by 300 MB, which two voice models and a long call can do.
    warnings.filterwarnings("ignore", "A worker was restarted", module="loky")
    executor = ProcessPoolExecutor(processes, initializer=_prepare, initargs=(list(sys.path),))
    try:
        futures = [executor.submit(function, *some) for some in arguments]
        for future in futures:
            error = future.exception()
            yield error if isinstance(error, Exception) else future.result()
    finally:
        executor.shutdown(kill_workers=True)


def _prepare(path: list[str]) -> None:
    """Make a new process ready: the clock before LiveKit, and the parent's import path."""
    clock.install()
    sys.path[:] = path


@cache
def _runner() -> Callable[[SessionJob], SessionLog]:
    """The session module, loaded once a process."""
    from .session import run

    gc.collect()
    gc.freeze()  # half a million objects of LiveKit that no later collection need look at
    return run


def _run_one(job: SessionJob, folder: Path | None) -> SessionLog:
    log = _runner()(job)
    if folder is not None:
        save_session(log, folder)
    return log

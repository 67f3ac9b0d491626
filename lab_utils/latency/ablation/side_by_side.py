"""One call with several agents, as whole sessions with their audio."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ...core.recording import Recording
from ...core.session_log import SessionLog
from ...recordings.find import RecordingFiles
from ...session.sessions import SessionSet
from ...session.workers import in_workers
from ..techniques.choice import Techniques
from .cells import Cell, Plan


@dataclass(frozen=True)
class AgentRun:
    """One session of a call, with its audio."""

    recording: Recording
    """With the pauses that the session heard (`lengthened_pauses`)."""
    log: SessionLog
    usage: Mapping[str, int | float]
    """What was used and what that costs (`costs.usage_and_cost`)."""


def side_by_side(
    plan: Plan, files: RecordingFiles, agents: Mapping[str, Techniques], *, seed: int = 0, jobs: int = 2
) -> SessionSet:
    """The sessions that an ablation runs for these agents with this seed, with their sound.

    Raises the error of a session that could not be run at all.
    """
    if not agents:
        raise ValueError("no agents to run; expected a name and Techniques for each")
    cells = [(plan, Cell(files, name, techniques, seed)) for name, techniques in agents.items()]
    runs = dict(zip(agents, run_cells(cells, jobs=jobs, quiet=False), strict=True))
    return SessionSet(next(iter(runs.values())).recording, {name: run.log for name, run in runs.items()}, {})


def run_cells(
    cells: Sequence[tuple[Plan, Cell]],
    *,
    jobs: int = 2,
    quiet: bool = True,
    cancel: threading.Event | None = None,
) -> Iterator[AgentRun]:
    """Run cells in worker processes; their sessions in order, each as soon as it and those before are done.

    `cancel`: set by another thread, it ends the sessions under way, and this with the error of the first.
    Raises the error of a session that could not be run at all.
    """
    answers = in_workers(_session, cells, min(jobs, max(1, len(cells))), quiet=quiet, cancel=cancel)
    with closing(answers):
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def _session(plan: Plan, cell: Cell) -> AgentRun:
    from .measure import session  # LiveKit must be imported after the worker's clock is installed

    return AgentRun(*session(plan, cell))

"""One call with several agents, as whole sessions with their audio."""

from __future__ import annotations

from collections.abc import Mapping

from ...core.recording import Recording
from ...core.session_log import SessionLog
from ...recordings.find import RecordingFiles
from ...session.sessions import SessionSet
from ...session.workers import in_workers
from ..techniques.choice import Techniques
from .cells import Cell, Plan


def side_by_side(
    plan: Plan, files: RecordingFiles, agents: Mapping[str, Techniques], *, seed: int = 0, jobs: int = 2
) -> SessionSet:
    """The sessions that an ablation runs for these agents with this seed, with their sound.

    Raises the error of a session that could not be run at all.
    """
    cells = [Cell(files, name, techniques, seed) for name, techniques in agents.items()]
    logs: dict[str, SessionLog] = {}
    recording: Recording | None = None
    answers = in_workers(_session, ((plan, cell) for cell in cells), min(jobs, max(1, len(cells))))
    for name, answer in zip(agents, answers, strict=True):
        if isinstance(answer, Exception):
            raise answer
        recording, logs[name] = answer
    if recording is None:
        raise ValueError("no agents to run; expected a name and Techniques for each")
    return SessionSet(recording, logs, {})


def _session(plan: Plan, cell: Cell) -> tuple[Recording, SessionLog]:
    from .measure import session  # LiveKit must be imported after the worker's clock is installed

    return session(plan, cell)

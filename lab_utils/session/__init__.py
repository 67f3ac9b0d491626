"""The real AgentSession offline: on recordings, without room or network, under a virtual clock.

`SessionJob` and `traced_job` say what to run; `run_sessions`, `run_session` and `run_settings` run it and
give `SessionLog`s; `against_replay` compares their commits with a replay's. Names are imported when they are
used, for a worker sets its clock first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commits import commit_pairs
    from .job import Limits, SessionJob
    from .prepare import traced_job
    from .sessions import SessionSet, against_replay, run_settings
    from .workers import SessionError, run_session, run_sessions

_MODULES = {
    "Limits": "job",
    "SessionError": "workers",
    "SessionJob": "job",
    "SessionSet": "sessions",
    "against_replay": "sessions",
    "commit_pairs": "commits",
    "run_session": "workers",
    "run_sessions": "workers",
    "run_settings": "sessions",
    "traced_job": "prepare",
}
__all__ = [
    "Limits",
    "SessionError",
    "SessionJob",
    "SessionSet",
    "against_replay",
    "commit_pairs",
    "run_session",
    "run_sessions",
    "run_settings",
    "traced_job",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

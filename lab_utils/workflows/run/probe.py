"""What of a user's code can't be answered offline, found before any tracing; in a worker process."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.batch.made_of import environment_hash
from ...core.settings import Settings
from ...session.entrypoint.load import load_worker
from ...session.faults.watch import at_most
from ...session.stand_ins.script import StoodIn
from ...session.user_parts import load_parts, make_once, users_code
from .recording import LOAD_S, Plan, begin_stand_ins


@dataclass(frozen=True)
class Probed:
    """What a user's code asks for."""

    stood_in: tuple[StoodIn, ...] = ()
    settings: Settings | None = None
    """Those that a worker gives to its AgentSession."""
    code: str = ""
    """A hash of the user's modules that are loaded by now."""
    environment: str = ""
    """A hash of what that code may look up in the environment."""


def probe(plan: Plan) -> Probed:
    """Import the user's code and make its parts once. Raises BadPart for what can't be answered.

    A part that fails in another way is left to the sessions, which tell of it.
    """
    from ...session.entrypoint.probe import settings_given  # imports LiveKit: after the clock

    own = begin_stand_ins(plan)
    with at_most(LOAD_S):
        parts = load_parts(plan.parts, own)
        if own is not None:
            named = {kind: part for kind, part in plan.parts.items() if isinstance(part, str)}
            make_once(named, parts)
        settings = None
        if plan.worker is not None:
            settings = settings_given(load_worker(plan.worker, own), plan.room, own)
        stood_in = () if own is None else own.stood_in()
        return Probed(stood_in, settings, users_code(), environment_hash())

"""What of a user's code can't be answered offline, found before any tracing; in a worker process."""

from __future__ import annotations

from dataclasses import dataclass

from ...session.stand_ins.script import StoodIn
from ...session.user_parts import load_parts, make_once
from .recording import Plan, begin_stand_ins


@dataclass(frozen=True)
class Probed:
    """What a user's code asks for."""

    stood_in: tuple[StoodIn, ...] = ()


def probe(plan: Plan) -> Probed:
    """Import the user's code and make its parts once. Raises BadPart for what can't be answered.

    A part that fails in another way is left to the sessions, which tell of it.
    """
    own = begin_stand_ins(plan)
    parts = load_parts(plan.parts, own)
    if own is None:
        return Probed()
    named = {kind: part for kind, part in plan.parts.items() if isinstance(part, str)}
    make_once(named, parts)
    return Probed(own.stood_in())

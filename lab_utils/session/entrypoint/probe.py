"""A worker's entrypoint run up to its session, to see what it asks for and which settings it gives."""

from __future__ import annotations

import asyncio

from ...core.settings import Settings
from .. import clock
from ..stand_ins.imports import ProcessStandIns
from ..stand_ins.unanswerable import Unanswerable
from ..user_parts import BadPart
from .entry import Entry, EntrypointFailed
from .facts import RoomFacts
from .job import offline_job
from .load import OPTION, Worker
from .settings import settings_of


def settings_given(worker: Worker, facts: RoomFacts, stand_ins: ProcessStandIns | None) -> Settings:
    """The settings of the worker's AgentSession, which isn't started. Raises BadPart."""

    async def up_to_the_session() -> Settings:
        async with offline_job(facts, stand_ins) as job:
            entry = Entry(worker, job, stand_ins)
            try:
                return settings_of(*await entry.opened())
            finally:
                entry.abandon()

    loop = asyncio.new_event_loop() if stand_ins is None else clock.VirtualLoop()
    try:
        return clock.run_on(loop, up_to_the_session)
    except EntrypointFailed as error:
        found = error.__cause__ if isinstance(error.__cause__, Unanswerable) else error
        raise BadPart(f"--{OPTION} {worker.name}: {found}") from None
    except Unanswerable as error:
        raise BadPart(f"--{OPTION} {worker.name}: {error}") from None

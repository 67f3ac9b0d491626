"""Runs a worker's entrypoint as LiveKit's job process does: before, during and after its session.

Source: livekit/agents/ipc/job_proc_lazy_main.py (1.8.9). The first AgentSession that is started gets the
caller's audio; other sessions of the job get none.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from livekit.agents import Agent, AgentSession
from livekit.agents.voice.room_io import RoomOptions

from ..ending import CLOSE_S
from ..log.hooks import described
from ..stand_ins.imports import ProcessStandIns
from ..stand_ins.places import raised_at
from ..user_parts import answering
from .job import OfflineJob
from .load import Worker

START_S = 60.0
"""Seconds of session time after which an entrypoint that has started no session is given up."""
ENTRYPOINT_S = 15.0
"""So long an entrypoint may go on after its session (job_proc_lazy_main.py, `_shutdown_job`)."""
_NO_ROOM_AUDIO = RoomOptions(
    text_input=False, audio_input=False, video_input=False, audio_output=False, text_output=False
)


class EntrypointFailed(RuntimeError):
    """A worker's entrypoint started no session, or raised; the message names the worker's line."""

    @classmethod
    def by(cls, error: BaseException, when: str = "") -> EntrypointFailed:
        place = raised_at(error)
        at = f" at {place}" if place is not None else ""
        return cls(f"the entrypoint failed{when}{at}: {described(error)}")


class Entry:
    """One run of a worker's entrypoint. Use it in the task that made it."""

    def __init__(self, worker: Worker, job: OfflineJob, stand_ins: ProcessStandIns | None) -> None:
        self._worker, self._job, self._stand_ins = worker, job, stand_ins
        loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[tuple[AgentSession[Any], Agent]] = loop.create_future()
        self._may_start: asyncio.Future[None] = loop.create_future()
        self._started: asyncio.Future[None] = loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._intercepted = ExitStack()
        self._set_up = ExitStack()

    async def opened(self) -> tuple[AgentSession[Any], Agent]:
        """Run the entrypoint up to its session, which isn't started yet. Raises EntrypointFailed."""
        self._intercepted.enter_context(self._intercepting())
        self._set_up.enter_context(answering(self._stand_ins))
        self._task = asyncio.create_task(self._run(), name="entrypoint")
        waits: set[asyncio.Future[Any]] = {self._task, self._asked}
        await asyncio.wait(waits, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        if self._asked.done():
            return self._asked.result()
        if not self._task.done():
            limit = f"within {START_S:g} s of session time"
            raise EntrypointFailed(f"the entrypoint has started no AgentSession {limit}")
        if (error := self._task.exception()) is not None:
            raise EntrypointFailed.by(error) from error
        # A participant's entrypoint may be about to start one.
        await asyncio.wait({self._asked}, timeout=1.0)
        if not self._asked.done():
            raise EntrypointFailed("the entrypoint has ended without starting an AgentSession")
        return self._asked.result()

    async def start(self) -> None:
        """Let the session start. From then on stand-ins for packages raise when they are used."""
        self._set_up.close()
        self._may_start.set_result(None)
        await self._started

    async def broke_off(self) -> str:
        """Wait until the worker ends its job, if it does so before the call is over. Returns the reason."""
        assert self._task is not None
        waits: set[asyncio.Future[Any]] = {self._task, self._job.shut_down}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
            return str(EntrypointFailed.by(error, " after its session had started"))
        await asyncio.wait({self._job.shut_down})
        return f"the worker shut the job down: {self._job.shut_down.result()}"

    def abandon(self) -> None:
        """Give the entrypoint up before its session starts."""
        self._set_up.close()
        self._intercepted.close()
        if self._task is not None:
            self._task.cancel()
        self._job._tempdir.cleanup()

    async def aclose(self) -> list[str]:
        """End the job: call `on_session_end`, then the shutdown callbacks. Returns what failed in them."""
        self._set_up.close()
        self._intercepted.close()
        with answering(self._stand_ins):
            if self._task is not None and not self._task.done():
                await asyncio.wait({self._task}, timeout=ENTRYPOINT_S if self._asked.done() else 0)
                self._task.cancel()
            failed = []
            if self._worker.session_end is not None and self._started.done():
                failed += await _within(CLOSE_S, "on_session_end", [self._worker.session_end(self._job)])
            reason = self._job.shut_down.result() if self._job.shut_down.done() else "the call is over"
            callbacks = [callback(reason) for callback in self._job._shutdown_callbacks]
            failed += await _within(CLOSE_S, "shutdown callbacks", callbacks)
        await self._job.room.disconnect()
        self._job._tempdir.cleanup()
        return failed

    async def _run(self) -> None:
        if self._worker.setup is not None and inspect.isawaitable(made := self._worker.setup(self._job.proc)):
            await made
        await self._worker.entrypoint(self._job)

    @contextmanager
    def _intercepting(self) -> Iterator[None]:
        """Make the first session that is started wait for `start`."""
        original = AgentSession.start

        async def start(session: AgentSession[Any], agent: Agent, **given: Any) -> Any:
            room: Any = {"room": self._job.room, "room_options": _NO_ROOM_AUDIO} if "room" in given else {}
            if self._asked.done():
                return await original(session, agent, session_host=False, record=False)
            self._asked.set_result((session, agent))
            await self._may_start
            try:
                await original(session, agent, session_host=False, record=False, **room)
            except BaseException as error:
                self._started.set_exception(error)
                raise
            self._started.set_result(None)

        AgentSession.start = start  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            AgentSession.start = original  # type: ignore[method-assign]


async def _within(limit_s: float, what: str, works: Iterable[Awaitable[None]]) -> list[str]:
    """Wait at most `limit_s` for `works` to end. Returns what failed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    if not tasks:
        return []
    _, late = await asyncio.wait(tasks, timeout=limit_s)
    for task in late:
        task.cancel()
    errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    failed = [f"{what}: {described(error)}" for error in errors if error is not None]
    return [*failed, *([f"{what}: not done within {limit_s:g} s"] if late else [])]

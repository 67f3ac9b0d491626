"""The job of an offline session: LiveKit's own `JobContext`, in a room that is a stand-in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from livekit import api, rtc
from livekit.agents import JobContext, JobExecutorType, JobProcess
from livekit.agents.job import DEFAULT_PARTICIPANT_KINDS, JobAcceptArguments, RunningJobInfo, _JobContextVar
from livekit.agents.testing import _NoopInferenceExecutor
from livekit.agents.utils import http_context
from livekit.protocol import agent as agent_protocol
from livekit.protocol import models

from ..stand_ins.script import SharedScript
from ..stand_ins.values import NotInstalled, Value
from .facts import RoomFacts
from .room import AGENT, ROOM, OfflineRoom


class OfflineJob(JobContext):
    """A job with a stand-in for the room. Calls of LiveKit's server do nothing; they are noted by name."""

    room: OfflineRoom  # type: ignore[assignment]

    def __init__(self, facts: RoomFacts, shared: SharedScript | None) -> None:
        self._shared = shared or SharedScript()
        self.shut_down: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The reason that the worker gave to end the job."""
        super().__init__(
            proc=JobProcess(executor_type=JobExecutorType.THREAD, user_arguments=None, http_proxy=None),
            info=_running_job(facts),
            room=OfflineRoom(facts),
            on_connect=lambda: None,
            on_shutdown=self._on_worker_shuts_down,
            inference_executor=_NoopInferenceExecutor(),  # type: ignore[arg-type]
        )
        self.__dict__["api"] = server_calls(self._shared)

    def _on_worker_shuts_down(self, reason: str) -> None:
        if not self.shut_down.done():
            self.shut_down.set_result(reason)

    async def wait_for_participant(
        self, *, identity: str | None = None, kind: Any = DEFAULT_PARTICIPANT_KINDS
    ) -> rtc.RemoteParticipant:
        await self.connect()
        if isinstance(identity, str):
            self.room.call_the_caller(identity)
        return self.room.caller

    def add_shutdown_callback(self, callback: Any) -> None:
        async def of_a_stand_in() -> None:  # a stand-in has no signature
            await callback()

        super().add_shutdown_callback(of_a_stand_in if isinstance(callback, Value) else callback)

    def delete_room(self, room_name: str | None = None) -> asyncio.Future[Any]:
        self._shared.name("ctx.delete_room", "the end of the session")
        self._on_worker_shuts_down("room deleted")
        return _done(api.DeleteRoomResponse())

    def add_sip_participant(self, **_: Any) -> asyncio.Future[Any]:
        self._shared.name("ctx.add_sip_participant", "nobody else")
        return _done(api.SIPParticipantInfo())

    def transfer_sip_participant(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        self._shared.name("ctx.transfer_sip_participant", "no transfer")
        return _done(api.SIPParticipantInfo())


@asynccontextmanager
async def offline_job(facts: RoomFacts, shared: SharedScript | None) -> AsyncIterator[OfflineJob]:
    """The current job of this task, until the block ends."""
    job = OfflineJob(facts, shared)
    token = _JobContextVar.set(job)
    http_context._new_session_ctx()
    real_api = api.LiveKitAPI
    api.LiveKitAPI = lambda *_, **__: server_calls(job._shared)  # type: ignore[assignment,misc]
    try:
        yield job
    finally:
        api.LiveKitAPI = real_api  # type: ignore[misc]
        with contextlib.suppress(Exception):
            await http_context._close_http_ctx()
        _JobContextVar.reset(token)


def server_calls(shared: SharedScript) -> Value:
    """Replaces `LiveKitAPI`: any call may be made and awaited, and does nothing."""
    return Value(_Server(shared), "LiveKitAPI")


class _Server:
    def __init__(self, shared: SharedScript) -> None:
        self._shared = shared

    def use(self, name: str, how: str = "") -> None:
        if name.endswith("()") and name.count(".") > 1:
            self._shared.name(name.removesuffix("()"), "nothing: there is no server")

    def needs(self, name: str, what: str) -> Any:
        raise NotInstalled(f"{name}: {what}, and there is no LiveKit server offline")

    def decorates(self) -> bool:
        return False


def _done(result: Any) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future


def _running_job(facts: RoomFacts) -> RunningJobInfo:
    job = agent_protocol.Job(
        id="job-offline",
        room=models.Room(name=ROOM, sid="RM_offline"),
        type=agent_protocol.JobType.JT_ROOM,
        metadata=facts.metadata,
    )
    return RunningJobInfo(
        accept_arguments=JobAcceptArguments(identity=AGENT, name="", metadata=""),
        job=job,
        url="",
        token="",
        worker_id="offline",
        fake_job=True,
    )

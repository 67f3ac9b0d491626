"""The room of an offline job: the agent and one caller, whose audio is the recording.

Nothing is sent anywhere: what LiveKit and a worker send into the room is discarded. An RPC to the client is
answered with the error that there is no client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from livekit import rtc
from livekit.rtc._proto import participant_pb2

from .facts import RoomFacts

CALLER = "caller"
AGENT = "agent"
ROOM = "offline-room"
SIP = "sip."
"""Prefix of the attributes that LiveKit's telephony gives a caller."""


class OfflineRoom(rtc.Room):
    """A room without a server. The caller joins when `join` is called, or when the worker connects."""

    def __init__(self, facts: RoomFacts) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._info.name, self._info.sid = ROOM, "RM_offline"
        self._info.num_participants = self._info.num_publishers = 2
        self._local_participant = OfflineAgent()
        self.caller = OfflineCaller(CALLER, facts.attributes)

    def isconnected(self) -> bool:
        return self._connection_state == rtc.ConnectionState.CONN_CONNECTED

    async def connect(self, *_: Any, **__: Any) -> None:
        """Connect without a server."""
        if self.isconnected():
            return
        self._connection_state = rtc.ConnectionState.CONN_CONNECTED
        self._remote_participants = {self.caller.identity: self.caller}
        self.emit("connection_state_changed", self._connection_state)
        self.emit("connected")

    async def disconnect(self, *_: Any, **__: Any) -> None:
        self._connection_state = rtc.ConnectionState.CONN_DISCONNECTED
        self._remote_participants = {}

    def call_the_caller(self, identity: str) -> None:
        """Give the recording's caller the name of the participant that the worker waits for."""
        self.caller.rename(identity)
        if self.isconnected():
            self._remote_participants = {identity: self.caller}

    async def get_rtc_stats(self) -> rtc.RtcStats:
        return rtc.RtcStats(publisher_stats=[], subscriber_stats=[])


class OfflineCaller(rtc.RemoteParticipant):
    """The caller. The participant's kind is SIP if it has an attribute of telephony."""

    def __init__(self, identity: str, attributes: Mapping[str, str]) -> None:
        sip = any(name.startswith(SIP) for name in attributes)
        self._info = _info(identity, "SIP" if sip else "STANDARD", attributes)
        self._connection_quality = rtc.participant.ConnectionQuality.QUALITY_EXCELLENT
        self._track_publications: dict[str, rtc.RemoteTrackPublication] = {}

    def rename(self, identity: str) -> None:
        self._info.identity = identity


class OfflineAgent(rtc.LocalParticipant):
    """The agent as a participant of the room: accepts everything, and sends nothing."""

    def __init__(self) -> None:
        self._info = _info(AGENT, "AGENT", {})
        self._connection_quality = rtc.participant.ConnectionQuality.QUALITY_EXCELLENT
        self._track_publications: dict[str, rtc.LocalTrackPublication] = {}
        self._rpc_handlers: dict[str, Any] = {}
        self._rpc_interceptors: list[Any] = []

    async def set_metadata(self, metadata: str) -> None:
        self._info.metadata = metadata

    async def set_name(self, name: str) -> None:
        self._info.name = name

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self._info.attributes.update(attributes)

    async def perform_rpc(self, *_: Any, method: str = "", **__: Any) -> str:  # type: ignore[override]
        code = rtc.RpcError.ErrorCode.RECIPIENT_NOT_FOUND
        raise rtc.RpcError(code, f"no client takes {method!r}: the caller is a recording")

    def register_rpc_method(self, method: str, handler: Any = None) -> Any:  # type: ignore[override]
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self._rpc_handlers[method] = function
            return function

        return register if handler is None else register(handler)

    def unregister_rpc_method(self, method: str) -> None:
        self._rpc_handlers.pop(method, None)

    def set_track_subscription_permissions(self, *_: Any, **__: Any) -> None:
        """Does nothing: nobody subscribes."""

    async def stream_text(self, *_: Any, **__: Any) -> Any:
        return _Writer()

    async def stream_bytes(self, *_: Any, **__: Any) -> Any:
        return _Writer()

    async def publish_track(self, *_: Any, **__: Any) -> Any:
        return _Publication()


async def _nothing(self: OfflineAgent, *_: Any, **__: Any) -> None:
    """Sends nothing, since nobody is in the room."""


for _name in (
    *("publish_data", "publish_dtmf", "publish_transcription", "publish_data_track", "unpublish_track"),
    *("send_text", "send_file", "send_bytes"),
):
    setattr(OfflineAgent, _name, _nothing)


class _Writer:
    """A stream that nobody reads."""

    info = None

    async def write(self, _: Any) -> None: ...

    async def aclose(self, *_: Any, **__: Any) -> None: ...


class _Publication:
    """A track that nobody hears."""

    sid = "TR_offline"
    track = None

    async def wait_for_subscription(self) -> None: ...


def _info(identity: str, kind: str, attributes: Mapping[str, str]) -> Any:
    return participant_pb2.ParticipantInfo(
        sid=f"PA_{identity}",
        name=identity,
        identity=identity,
        state=participant_pb2.ParticipantState.PARTICIPANT_STATE_ACTIVE,
        metadata="",
        attributes=dict(attributes),
        kind=participant_pb2.ParticipantKind.Value(f"PARTICIPANT_KIND_{kind}"),
        disconnect_reason=participant_pb2.DisconnectReason.UNKNOWN_REASON,
    )

"""LiveKit Egress: one audio file per track (or a dual-channel room file), each with a manifest.

Layout: beside its file Egress writes `<egress id>.json` (livekit/egress, pkg/config/manifest.go):
`egress_id, room_id, room_name, started_at, ended_at` (Unix nanoseconds), `publisher_identity, track_id,
track_kind, track_source, files: [{filename, location}]`. An `EgressInfo` is read too, as the API, `lk egress
list --json` and webhooks give it (livekit_egress.proto; camelCase or snake_case, 64-bit numbers as strings).

Recognised by the key `egress_id`; the audio is the file of that base name in the manifest's folder. Tracks of
one room make a recording: the agent is the participant whose identity is the agent's name or begins with
"agent" (LiveKit names its agents so), the user the other one. The tracks are aligned by `started_at`. A room
composite with DUAL_CHANNEL_AGENT has the agent left and everybody else right: it is turned round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from ...core.recording import Pcm, Provenance
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording, read_pcm16k
from ..json_files import Lenient, has_key, head_of, parse
from ..listing import Listing, labels_beside
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, padded, read_channels

NAME = "livekit_egress"
MAX_OFFSET_S = 3600.0
"""Tracks of one call don't begin further apart than this."""
_WANTED = "an Egress manifest: egress_id, room_name, publisher_identity, track_id, files"

Nanoseconds = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Camel(Lenient):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _File(_Camel):
    filename: str = ""
    location: str = ""
    started_at: Nanoseconds = 0


class _Track(_Camel):
    track_id: str = ""


class _Participant(_Camel):
    identity: str = ""


class _Composite(_Camel):
    audio_mixing: str = ""


class _Egress(_Camel):
    egress_id: str = ""
    room_id: str = ""
    room_name: str = ""
    started_at: Nanoseconds = 0
    publisher_identity: str = ""
    track_id: str = ""
    track_kind: str = ""
    track_source: str = ""
    audio_track_id: str = ""
    files: list[_File] = Field(default_factory=list)
    file_results: list[_File] = Field(default_factory=list)
    file: _File | None = None
    track: _Track | None = None
    participant: _Participant | None = None
    room_composite: _Composite | None = None


class _Webhook(_Camel):
    egress_info: _Egress


@dataclass(frozen=True)
class _Item:
    """One file of Egress."""

    manifest: Path
    audio: Path
    room: str
    track: str
    identity: str
    started_ns: int
    dual_channel: bool


def _egress(path: Path) -> _Egress:
    if has_key(head_of(path), "egressInfo", "egress_info"):
        return parse(path, _Webhook, _WANTED).egress_info
    return parse(path, _Egress, _WANTED)


def _item(path: Path, listing: Listing) -> _Item:
    """What a manifest tells; BadRecording if it can't be used."""
    egress = _egress(path)
    files = egress.files or egress.file_results or ([egress.file] if egress.file else [])
    if egress.track_kind.lower() == "video":
        raise BadRecording.of(path, "is the manifest of a video track", "only audio tracks are used")
    if not files:
        raise BadRecording.of(path, "names no file", "use an egress with file output")
    here = {audio.name: audio for audio in listing.audio_by_folder.get(path.parent, ())}
    wanted = [PurePosixPath(one.filename or one.location).name for one in files]
    present = [name for name in wanted if name in here]
    if not present:
        finding = f"names {wanted[0]!r}, which is no audio file of its folder"
        raise BadRecording.of(path, finding, "put the audio beside its manifest")
    named = files[wanted.index(present[0])]
    mixing = egress.room_composite.audio_mixing if egress.room_composite else ""
    return _Item(
        manifest=path,
        audio=here[present[0]],
        room=egress.room_id or egress.room_name,
        track=egress.track_id or egress.audio_track_id or (egress.track.track_id if egress.track else ""),
        identity=egress.publisher_identity or (egress.participant.identity if egress.participant else ""),
        started_ns=named.started_at or egress.started_at,
        dual_channel=mixing == "DUAL_CHANNEL_AGENT",
    )


def find(listing: Listing, options: FindOptions) -> Found:
    """Egress manifests, and the tracks of each room put together."""
    rooms: dict[tuple[Path, str], list[_Item]] = {}
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.json:
        if not has_key(head_of(path), "egress_id", "egressId"):
            continue
        claimed.add(path)
        try:
            item = _item(path, listing)
        except BadRecording as error:
            skipped.append(Skipped(path, str(error)))
            continue
        if item.audio in claimed:
            finding = f"is a second manifest for {item.audio.name}"
            skipped.append(Skipped(path, str(BadRecording.of(path, finding, "remove one of the two"))))
            continue
        claimed.add(item.audio)
        if item.dual_channel:
            labels = labels_beside(item.audio)
            found.append(
                RecordingFiles(item.audio.stem, item.audio, None, labels, "stereo", NAME, details=(path,))
            )
        else:
            rooms.setdefault((path.parent, item.room or str(path)), []).append(item)
    for items in rooms.values():
        try:
            found.append(_recording(items, options))
        except BadRecording as error:
            skipped += [Skipped(item.audio, str(error)) for item in items]
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def _recording(items: list[_Item], options: FindOptions) -> RecordingFiles:
    """The tracks of one room as a recording; BadRecording if nobody can tell whose they are."""
    roles: dict[str, list[_Item]] = {"user": [], "agent": [], "other": []}
    for item in items:
        roles[_role(item, options)].append(item)
    users, agents = roles["user"] or roles["other"], roles["agent"]
    speakers = ", ".join(repr(item.identity or item.track or item.audio.name) for item in items)
    if len(users) != 1 or len(agents) > 1 or (not agents and len(items) > 1):
        finding = f"is one of {len(items)} tracks ({speakers}); expected one user and one agent"
        remedy = "name the two with --user and --agent (participant identity or track id)"
        raise BadRecording.of(items[0].audio, finding, remedy)
    user = users[0]
    labels = labels_beside(user.audio)
    if not agents:
        return RecordingFiles(
            user.audio.stem, user.audio, None, labels, "mono", NAME, details=(user.manifest,)
        )
    agent = agents[0]
    details = (user.manifest, agent.manifest)
    return RecordingFiles(user.audio.stem, user.audio, agent.audio, labels, "pair", NAME, details=details)


def _role(item: _Item, options: FindOptions) -> Literal["user", "agent", "other"]:
    names = {item.identity.casefold(), item.track.casefold()}
    if options.agent.casefold() in names:
        return "agent"
    if options.user.casefold() in names:
        return "user"
    return "agent" if item.identity.casefold().startswith("agent") else "other"


def load(files: RecordingFiles) -> Contents:
    """The tracks, aligned by the times at which they began."""
    items = [_egress(path) for path in files.details]
    first = items[0]
    details = {"egress_id": first.egress_id, "room_id": first.room_id, "room_name": first.room_name}
    identities = [
        one.publisher_identity or (one.participant.identity if one.participant else "") for one in items
    ]
    details |= dict(zip(("user_identity", "agent_identity"), identities, strict=False))
    provenance = Provenance(NAME, details={key: value for key, value in details.items() if value})
    if files.layout == "stereo":
        contents = read_channels(files)
        if contents.agent is None:
            finding = "has one channel, but its manifest says DUAL_CHANNEL_AGENT"
            raise BadRecording.of(files.user, finding, "use the original file")
        return Contents(contents.agent, contents.user, None, provenance)
    user = _track(files.user)
    if files.agent is None:
        return Contents(user, None, None, provenance)
    if len(items) != 2:
        finding = f"has {len(items)} manifest(s) for two tracks"
        raise BadRecording.of(files.user, finding, "import the folder again")
    starts = [_started_ns(one, path) for one, path in zip(items, (files.user, files.agent), strict=True)]
    notes: tuple[str, ...] = ()
    agent = _track(files.agent)
    if all(starts):
        offset_s = (starts[1] - starts[0]) / 1e9
        if abs(offset_s) > MAX_OFFSET_S:
            finding = f"began {abs(offset_s):.0f} s from {files.agent.name}"
            raise BadRecording.of(files.user, finding, "use tracks of one call, or correct started_at")
        silence = np.zeros(round(abs(offset_s) * SAMPLE_RATE_HZ), np.int16)
        if offset_s > 0:
            agent = np.concatenate((silence, agent))
        else:
            user = np.concatenate((silence, user))
    else:
        notes = ("the manifests don't tell when both tracks began; taken as one moment",)
    contents = padded(files.user, user, files.agent, agent, MAX_OFFSET_S)
    return Contents(contents.user, contents.agent, None, provenance, notes + contents.notes)


def _started_ns(egress: _Egress, audio: Path) -> int:
    files = [*egress.files, *egress.file_results, *([egress.file] if egress.file else [])]
    named = [
        one.started_at for one in files if PurePosixPath(one.filename or one.location).name == audio.name
    ]
    return next((one for one in named if one), egress.started_at)


def _track(path: Path) -> Pcm:
    """One participant's audio; Opus tracks are often stereo with the same voice in both channels."""
    pcm = read_pcm16k(path)
    if pcm.shape[1] == 1:
        return pcm[:, 0].copy()
    mixed: Pcm = (pcm.astype(np.int32).sum(axis=1) // pcm.shape[1]).astype(np.int16)
    return mixed


FORMAT = Format(NAME, find, load, details=1)

"""LiveKit Egress: one audio file per track (or a dual-channel room file), and JSON that describes them.

Recognised by the key `egress_id` (`egress_files` reads it). The audio files are those in the JSON's folder
whose base names it gives. The tracks of one room make a recording. The agent is the participant whose
identity is the agent's name or begins with "agent" (LiveKit names its agents so); the user is the other one.
A participant who left and came back has several files, which are joined. All files are placed by
`started_at`. A room composite with DUAL_CHANNEL_AGENT has the agent left and everybody else right: its
channels are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.recording import Pcm, Provenance
from ...core.samples.kept import blocks_of, kept
from ...core.samples.stream import Audio, Stream
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording, decode_pcm16k
from ..json_files import has_key, head_of
from ..listing import Listing, labels_beside
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, named_notes, padded, read_channels
from .egress_files import EgressFile, read_egress

NAME = "livekit_egress"
MAX_OFFSET_S = 3600.0
"""Tracks of one call don't begin further apart than this."""


@dataclass(frozen=True)
class _Item:
    """One audio file of Egress that exists."""

    manifest: Path
    audio: Path
    file: EgressFile


def find(listing: Listing, options: FindOptions) -> Found:
    """What Egress tells about files that are there, and the tracks of each room put together."""
    rooms: dict[tuple[Path, str], list[_Item]] = {}
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.json:
        if not has_key(head_of(path), "egress_id", "egressId"):
            continue
        claimed.add(path)
        for item in _items(path, listing, skipped):
            if item.audio in claimed:
                finding = f"is a second manifest for {item.audio.name}"
                skipped.append(Skipped(path, str(BadRecording.of(path, finding, "remove one of the two"))))
                continue
            claimed.add(item.audio)
            if item.file.dual_channel:
                labels = labels_beside(item.audio)
                name = item.audio.stem
                found.append(RecordingFiles(name, item.audio, None, labels, "stereo", NAME, details=(path,)))
            else:
                rooms.setdefault((path.parent, item.file.room or str(path)), []).append(item)
    for items in rooms.values():
        try:
            found.append(_recording(items, options))
        except BadRecording as error:
            skipped += [Skipped(item.audio, str(error)) for item in items]
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def _items(path: Path, listing: Listing, skipped: list[Skipped]) -> Iterable[_Item]:
    """The files of a JSON file that are there; what is wrong goes to `skipped`."""
    try:
        told = read_egress(path)
    except BadRecording as error:
        skipped.append(Skipped(path, str(error)))
        return
    skipped += [Skipped(path, str(error)) for error in told.wrong]
    here = {audio.name: audio for audio in listing.audio_by_folder.get(path.parent, ())}
    for files in told.found:
        present = [file for file in files if file.name in here]
        if not present:
            finding = f"names {files[0].name!r}, which is no audio file of its folder"
            reason = BadRecording.of(path, finding, "put the audio beside its manifest")
            skipped.append(Skipped(path, str(reason)))
        for file in present:
            yield _Item(path, here[file.name], file)


def _recording(items: list[_Item], options: FindOptions) -> RecordingFiles:
    """The tracks of one room as a recording. Raises BadRecording if it is unclear whose they are."""
    people: dict[str, list[_Item]] = {}
    for item in items:
        people.setdefault(item.file.identity or f"\0{item.audio.name}", []).append(item)
    roles: dict[str, list[list[_Item]]] = {"user": [], "agent": [], "other": []}
    for own in people.values():
        roles[_role(own[0].file, options)].append(sorted(own, key=lambda one: one.file.started_ns))
    users, agents = roles["user"] or roles["other"], roles["agent"]
    speakers = ", ".join(
        repr(own[0].file.identity or own[0].file.track or own[0].audio.name) for own in people.values()
    )
    if len(users) != 1 or len(agents) > 1 or (not agents and len(people) > 1):
        finding = f"is one of {len(items)} tracks ({speakers}); expected one user and one agent"
        remedy = "name the two with --user and --agent (participant identity or track id)"
        raise BadRecording.of(items[0].audio, finding, remedy)
    user, agent = users[0], agents[0] if agents else []
    used = [*user, *agent]
    details = tuple(dict.fromkeys(item.manifest for item in used))
    return RecordingFiles(
        user[0].audio.stem,
        user[0].audio,
        agent[0].audio if agent else None,
        labels_beside(user[0].audio),
        "pair" if agent else "mono",
        NAME,
        details=details,
        others=tuple(item.audio for item in (*user[1:], *agent[1:])),
    )


def _role(file: EgressFile, options: FindOptions) -> Literal["user", "agent", "other"]:
    names = {file.identity.casefold(), file.track.casefold()}
    if options.agent.casefold() in names:
        return "agent"
    if options.user.casefold() in names:
        return "user"
    return "agent" if file.identity.casefold().startswith("agent") else "other"


def load(files: RecordingFiles) -> Contents:
    """The tracks, placed by the times at which they began."""
    told = {file.name: file for path in files.details for group in read_egress(path).found for file in group}
    user_file = _told(told, files.user, files)
    agent_file = None if files.agent is None else _told(told, files.agent, files)
    provenance = _provenance(user_file, agent_file)
    if files.layout == "stereo":
        contents = read_channels(files)
        if contents.agent is None:
            finding = "has one channel, but its manifest says DUAL_CHANNEL_AGENT"
            raise BadRecording.of(files.user, finding, "use the original file")
        return Contents(contents.agent, contents.user, None, provenance, contents.notes)
    others = [(path, _told(told, path, files)) for path in files.others]
    users = [(files.user, user_file), *(one for one in others if one[1].identity == user_file.identity)]
    if files.agent is None or agent_file is None:
        user, notes = _joined(users, users[0][1].started_ns)
        return Contents(user, None, None, provenance, notes)
    agents = [
        (files.agent, agent_file),
        *(one for one in others if one[1].identity == agent_file.identity != user_file.identity),
    ]
    starts = [file.started_ns for _, file in (*users, *agents)]
    origin = min(starts) if all(starts) else 0
    first = [users[0][1].started_ns, agents[0][1].started_ns]
    if origin and abs(first[0] - first[1]) / 1e9 > MAX_OFFSET_S:
        finding = f"began {abs(first[0] - first[1]) / 1e9:.0f} s from {files.agent.name}"
        raise BadRecording.of(files.user, finding, "use tracks of one call, or correct started_at")
    user, notes = _joined(users, origin)
    agent, more = _joined(agents, origin)
    if not origin:
        notes = ("the manifests don't tell when both tracks began; taken as one moment", *notes)
    contents = padded(files.user, user, files.agent, agent, MAX_OFFSET_S)
    return Contents(contents.user, contents.agent, None, provenance, notes + more + contents.notes)


def _told(told: dict[str, EgressFile], audio: Path, files: RecordingFiles) -> EgressFile:
    if audio.name not in told:
        finding = f"isn't named in {', '.join(path.name for path in files.details)}"
        raise BadRecording.of(audio, finding, "import the folder again")
    return told[audio.name]


def _provenance(user: EgressFile, agent: EgressFile | None) -> Provenance:
    details = {"egress_id": user.egress_id, "room_id": user.room_id, "room_name": user.room_name}
    details |= {"user_identity": user.identity, "agent_identity": agent.identity if agent else ""}
    return Provenance(NAME, details={key: value for key, value in details.items() if value})


def _joined(parts: Sequence[tuple[Path, EgressFile]], origin_ns: int) -> tuple[Pcm, tuple[str, ...]]:
    """One participant's files, joined by their start times after `origin_ns`.

    An `origin_ns` of 0 means that the start times are unknown: then only one file can be used.
    """
    tracks = [_track(path) for path, _ in parts]
    notes = tuple(
        note for (path, _), (_, own) in zip(parts, tracks, strict=True) for note in named_notes(path, own)
    )
    if not origin_ns:
        if len(parts) > 1:
            finding = (
                f"is one of {len(parts)} files of {parts[0][1].identity!r} that don't tell when they began"
            )
            raise BadRecording.of(parts[0][0], finding, "give started_at of each, or join them yourself")
        return tracks[0][0], notes
    places = [round((file.started_ns - origin_ns) / 1e9 * SAMPLE_RATE_HZ) for _, file in parts]
    if max(places) > 4 * MAX_OFFSET_S * SAMPLE_RATE_HZ:
        finding = f"began {max(places) / SAMPLE_RATE_HZ:.0f} s after the first file of its room"
        raise BadRecording.of(parts[-1][0], finding, "use tracks of one call, or correct started_at")
    pieces: list[Audio | int] = []
    end = 0
    for at, (own, _) in zip(places, tracks, strict=True):
        if at < end - SAMPLE_RATE_HZ:
            finding = f"begins {(end - at) / SAMPLE_RATE_HZ:.1f} s before the one before it ends"
            raise BadRecording.of(parts[0][0].with_name(parts[-1][0].name), finding, "correct started_at")
        pieces += [max(0, at - end), own[max(0, end - at) :]]
        end = max(end, at + len(own))
    if len(parts) > 1:
        who = parts[0][1].identity
        notes += (f"{len(parts)} files of {who!r}, who came back, are joined at their times",)
    return kept(blocks_of(Stream(*pieces))), notes


def _track(path: Path) -> tuple[Pcm, tuple[str, ...]]:
    """One participant's audio; Opus tracks are often stereo with the same voice in both channels."""
    decoded = decode_pcm16k(path)
    if len(decoded.channels) == 1:
        return decoded.channels[0], decoded.notes
    mixed = kept(_mean(blocks) for blocks in zip(*map(blocks_of, decoded.channels), strict=True))
    return mixed, decoded.notes


def _mean(blocks: Sequence[Pcm]) -> Pcm:
    mixed: Pcm = (np.stack(blocks).sum(axis=0, dtype=np.int32) // len(blocks)).astype(np.int16)
    return mixed


FORMAT = Format(NAME, find, load, details=1)

"""What LiveKit Egress tells about its files: manifests, `EgressInfo`, lists of them, webhooks.

Layout: beside its file Egress writes `<egress id>.json` (livekit/egress, pkg/config/manifest.go): `egress_id,
room_id, room_name, started_at, ended_at` (Unix nanoseconds), `publisher_identity, track_id, track_kind,
track_source, files: [{filename, location}]`. An `EgressInfo` is read too, as the API, `lk egress list --json`
and webhooks give it (livekit_egress.proto; camelCase or snake_case, 64-bit numbers as strings), alone, as a
list, as `{"items": [...]}` or one per line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from ...core.models import describe
from ..audio import BadRecording
from ..json_files import Lenient, read_text

_WANTED = "an Egress manifest: egress_id, room_name, publisher_identity, track_id, files"
_LISTS = ("items", "egresses", "egress_infos", "egressInfos", "results")
_INFOS = ("egress_info", "egressInfo")

Nanoseconds = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Camel(Lenient, alias_generator=to_camel, populate_by_name=True):
    pass


class _File(_Camel):
    filename: str = ""
    location: str = ""
    started_at: Nanoseconds = 0

    @property
    def name(self) -> str:
        return PurePosixPath(self.filename or self.location).name


class _Track(_Camel):
    track_id: str = ""


class _Participant(_Camel):
    identity: str = ""


class _Composite(_Camel):
    audio_mixing: str = ""


class _Segments(_Camel):
    playlist_name: str = ""


class _Egress(_Camel):
    egress_id: str = ""
    room_id: str = ""
    room_name: str = ""
    status: str | int = ""
    error: str = ""
    started_at: Nanoseconds = 0
    publisher_identity: str = ""
    track_id: str = ""
    track_kind: str = ""
    audio_track_id: str = ""
    files: list[_File] = Field(default_factory=list)
    file_results: list[_File] = Field(default_factory=list)
    segment_results: list[_Segments] = Field(default_factory=list)
    file: _File | None = None
    track: _Track | None = None
    participant: _Participant | None = None
    room_composite: _Composite | None = None


@dataclass(frozen=True)
class EgressFile:
    """One file of Egress."""

    egress_id: str
    name: str
    """Its base name only: folders in the JSON are those of another machine."""
    room_id: str
    room_name: str
    track: str
    identity: str
    """Identity of the participant in the audio; empty if the JSON doesn't say."""
    started_ns: int
    """Unix time of its first sample; 0 if the JSON doesn't say."""
    dual_channel: bool

    @property
    def room(self) -> str:
        return self.room_id or self.room_name


@dataclass(frozen=True)
class EgressFiles:
    """What one JSON file tells: the files of each egress, and what is wrong with the others."""

    found: tuple[tuple[EgressFile, ...], ...]
    """Per egress, its files."""
    wrong: tuple[BadRecording, ...] = ()


def read_egress(path: Path) -> EgressFiles:
    """The files that a manifest, an EgressInfo or a list of them names.

    Raises BadRecording for any other content.
    """
    found: list[tuple[EgressFile, ...]] = []
    wrong: list[BadRecording] = []
    values = list(_infos(path))
    for k, value in enumerate(values):
        where = f"egress {k + 1} of {len(values)}: " if len(values) > 1 else ""
        try:
            found.append(_files(path, where, value))
        except BadRecording as error:
            wrong.append(error)
    if not found and len(wrong) == 1:
        raise wrong[0]
    return EgressFiles(tuple(found), tuple(wrong))


def _infos(path: Path) -> Iterable[Any]:
    """The egress objects of a file, taken out of lists and wrappers."""
    text = read_text(path)
    try:
        value = from_json(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            value = [from_json(line) for line in lines] if len(lines) > 1 else None
        except ValueError:
            value = None
        if value is None:
            why = " ".join(str(error).split())[:80]
            finding = f"is damaged or cut off: not JSON ({why})"
            raise BadRecording.of(path, finding, "export or copy it again") from None
    return _unwrapped(value)


def _unwrapped(value: Any, depth: int = 0) -> Iterable[Any]:
    if isinstance(value, list) and depth < 3:
        return [inner for one in value for inner in _unwrapped(one, depth + 1)]
    if isinstance(value, dict) and depth < 3:
        for key in (*_LISTS, *_INFOS):
            if isinstance(value.get(key), list | dict):
                return _unwrapped(value[key], depth + 1)
    return [value]


def _files(path: Path, where: str, value: Any) -> tuple[EgressFile, ...]:
    try:
        egress = TypeAdapter(_Egress).validate_python(value)
    except ValidationError as error:
        raise BadRecording.of(path, f"{where}{describe(error)}", f"expected {_WANTED}") from None
    files = egress.files or egress.file_results or ([egress.file] if egress.file else [])
    files = [file for file in files if file.name]
    if egress.track_kind.lower() == "video":
        raise BadRecording.of(path, f"{where}is the manifest of a video track", "only audio tracks are used")
    if not files:
        name = f"{egress.egress_id or 'it'} " if where else ""
        if egress.segment_results:
            playlist = egress.segment_results[0].playlist_name or "PLAYLIST.m3u8"
            remedy = f"join them: ffmpeg -i {PurePosixPath(playlist).name} -vn -c:a pcm_s16le call.wav"
            raise BadRecording.of(path, f"{where}{name}names segments, not files", remedy)
        failed = (
            f" (status {egress.status}{', ' * bool(egress.error)}{egress.error[:80]})" if egress.error else ""
        )
        raise BadRecording.of(path, f"{where}{name}names no file{failed}", "use an egress with file output")
    mixing = egress.room_composite.audio_mixing if egress.room_composite else ""
    return tuple(
        EgressFile(
            egress_id=egress.egress_id,
            name=file.name,
            room_id=egress.room_id,
            room_name=egress.room_name,
            track=egress.track_id or egress.audio_track_id or (egress.track.track_id if egress.track else ""),
            identity=egress.publisher_identity or (egress.participant.identity if egress.participant else ""),
            started_ns=file.started_at or (egress.started_at if len(files) == 1 else 0),
            dual_channel=mixing == "DUAL_CHANNEL_AGENT",
        )
        for file in files
    )

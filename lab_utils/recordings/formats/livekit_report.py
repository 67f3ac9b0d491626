"""LiveKit: a session's audio and the session report of `JobContext.make_session_report()`.

Layout (livekit-agents 1.8.9, voice/report.py and voice/recorder_io): `audio.ogg`, stereo, user left and
agent right, begins at `audio_recording_started_at` (Unix seconds). The report is what
`SessionReport.to_dict()` gives, written as JSON by the agent: `options` (settings then in force) and
`chat_history.items`, whose messages have `content`, `interrupted`, `created_at` and `metrics` (times of
speech in Unix seconds, latencies in seconds). The Node SDK's reports are read too (`livekit_node`).

Recognised by its keys in any .json file; the audio is the file that `audio_recording_path` names, one of the
same stem, or the only one in the folder. Folders in the report are another machine's and never followed.
The report's turns are those that the agent saw: they are kept as provenance, and labels are still made from
the two channels, since a turn's times don't tell its pauses.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.alias_generators import to_camel

from ...core.labels import Speaker
from ...core.recording import ObservedTurn, Provenance
from ...core.stages import STAGE_NAMES, STAGES
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording
from ..json_files import Lenient, Number, as_json, has_key, head_of, parse, read_text
from ..listing import Listing, labels_beside
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, audio_of, read_channels
from .livekit_node import is_milliseconds, options_in_seconds, snake_name, unix_s

NAME = "livekit_report"
BEYOND_S = 1.0
"""Turns may end this much after the audio: LiveKit notes times before the last frame is written."""
LONGEST_LATENCY_S = 60.0
"""A longer latency is probably in milliseconds by mistake."""
_ROLES: dict[str, Speaker] = {"user": "user", "assistant": "agent"}
_MODELS = {stage.name: f"{stage.part}_metadata" for stage in STAGES if stage.delays}
_DETAILS = (
    "job_id", "room_id", "room", "agent_name", "sdk_version", "tags", "close_reason", "user_turns", "errors"
)  # fmt: skip


class _Either(Lenient, alias_generator=to_camel, populate_by_name=True):
    """Keys in snake_case or camelCase."""


def _told(value: Any) -> Any:
    """A text, or none where a run that keeps no texts wrote its length in its place."""
    return "" if isinstance(value, dict) and set(value) == {"words", "characters"} else value


Text = Annotated[str, BeforeValidator(_told)]


class _Item(_Either):
    type: str = ""
    role: str = ""
    content: list[Any] | str = Field(default_factory=list)
    interrupted: bool = False
    metrics: dict[str, Any] = Field(default_factory=dict)


class _Overlap(_Either):
    """An event of adaptive interruption."""

    type: Literal["overlapping_speech"]
    is_interruption: bool
    agent_ended: bool = False
    created_at: Number
    overlap_started_at: Number | None = None
    probability: Number = 0.0


class _History(_Either):
    items: list[_Item] = Field(default_factory=list)


class _Report(_Either):
    audio_recording_path: str | None = None
    audio_recording_started_at: Number | None = None
    started_at: Number | None = None
    timestamp: Number | None = None
    duration_ms: Number | None = None
    duration: Number | None = None
    """The Node SDK's name of `duration_ms`."""
    options: dict[str, Any] = Field(default_factory=dict)
    chat_history: _History = _History()
    events: Any = None
    job_id: Text = ""
    room_id: Text = ""
    room: Text = ""
    agent_name: Text = ""
    sdk_version: Text = ""
    tags: list[Text] = Field(default_factory=list)
    close_reason: Text | None = None
    user_turns: int | None = None
    errors: dict[str, Any] = Field(default_factory=dict)

    @property
    def is_node(self) -> bool:
        """Whether the Node SDK wrote it: its clock counts milliseconds."""
        return any(map(is_milliseconds, (self.audio_recording_started_at, self.started_at, self.timestamp)))


_MARKS = ("chat_history", "audio_recording_path", "chatHistory", "audioRecordingPath")


def is_report(path: Path) -> bool:
    """Whether a JSON file is a session report, by its keys; a long session's events come before the keys."""
    head = head_of(path)
    if has_key(head, *_MARKS):
        return True
    if not (has_key(head, "job_id", "jobId") and has_key(head, "events")):
        return False
    try:
        text = read_text(path)
    except BadRecording:
        return False
    return any(f'"{mark}"' in text for mark in _MARKS)


def find(listing: Listing, _: FindOptions) -> Found:
    """Session reports and the audio of each."""
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.json:
        if not is_report(path):
            continue
        claimed.add(path)
        audio = audio_of(path, listing, (*_named_audio(path), "audio.ogg"))
        if audio is None or audio in claimed:
            finding = "is a LiveKit session report without its audio"
            if audio is not None:
                finding = f"is a second session report for {audio.name}"
            remedy = "put audio.ogg (recorded with record=True) into the same folder"
            skipped.append(Skipped(path, str(BadRecording.of(path, finding, remedy))))
            continue
        claimed.add(audio)
        # Every session's file is called audio.ogg: its folder says which session it is.
        name = audio.parent.name if audio.stem in ("audio", "heard") and audio.parent.name else audio.stem
        found.append(RecordingFiles(name, audio, None, labels_beside(audio), "stereo", NAME, details=(path,)))
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def _named_audio(path: Path) -> tuple[str, ...]:
    """The name of the audio file in a report; empty for a damaged report (`load` raises its error)."""
    try:
        named = parse(path, _Report, _WANTED).audio_recording_path
    except BadRecording:
        return ()
    return (PureWindowsPath(PurePosixPath(named).name).name,) if named else ()


_WANTED = "a LiveKit session report as make_session_report().to_dict() gives it"


def load(files: RecordingFiles) -> Contents:
    """The audio, with the report's turns, settings and latencies as provenance."""
    contents = read_channels(files)
    path = files.details[0]
    report = parse(path, _Report, _WANTED)
    origin_s, notes = _origin(path, report)
    duration_s = len(contents.user) / SAMPLE_RATE_HZ
    odd: list[str] = []
    turns = _turns(path, report, origin_s, odd)
    settings, more = options_in_seconds(report.options) if report.is_node else (report.options, ())
    if odd:
        notes += (f"{path.name}: {len(odd)} latencies are no seconds ({odd[0]}, for one); left out",)
    notes += more
    notes += check_turns(path, turns, duration_s)
    if contents.agent is None:
        notes += ("the session's recording has one channel; expected user left, agent right",)
    details = {key: value for key in _DETAILS if (value := getattr(report, key)) not in (None, "", [], {})}
    if overlaps := _overlaps(report, origin_s):
        details["overlaps"] = overlaps
    provenance = Provenance(NAME, turns, as_json(settings), as_json(details))
    return Contents(contents.user, contents.agent, None, provenance, contents.notes + notes)


def _overlaps(report: _Report, origin_s: float | None) -> list[dict[str, Any]]:
    """What LiveKit's adaptive interruption said of the user's speech over the agent; recording seconds.

    Left out are those without a time, and those that ended because the agent had finished: they tell nothing.
    """
    found: list[dict[str, Any]] = []
    if origin_s is None or not isinstance(report.events, list):
        return found
    for content in report.events:
        try:
            event = _Overlap.model_validate(content)
            at_s, began = unix_s(event.created_at), unix_s(event.overlap_started_at)
        except ValueError:  # another event, or one of another version
            continue
        if event.agent_ended:
            continue
        found.append(
            {
                "at_s": (at_s or 0.0) - origin_s,
                "start_s": None if began is None else began - origin_s,
                "is_interruption": event.is_interruption,
                "probability": event.probability,
            }
        )
    return found


def read_turns(path: Path) -> tuple[ObservedTurn, ...]:
    """The turns of a report, without looking for its audio. Raises BadRecording for what is no report."""
    report = parse(path, _Report, _WANTED)
    return _turns(path, report, _origin(path, report)[0], None)


def _turns(
    path: Path, report: _Report, origin_s: float | None, odd: list[str] | None
) -> tuple[ObservedTurn, ...]:
    """The turns. `odd` receives latencies that can't be seconds and are left out; None keeps them."""
    turns = (_turn(path, item, origin_s, odd) for item in report.chat_history.items)
    return tuple(turn for turn in turns if turn is not None)


def _origin(path: Path, report: _Report) -> tuple[float | None, tuple[str, ...]]:
    """Unix time of the first sample, and a note if that is a guess."""
    try:
        recorded, started, ended = map(
            unix_s, (report.audio_recording_started_at, report.started_at, report.timestamp)
        )
    except ValueError as error:
        raise BadRecording.of(path, str(error), "export the report again") from None
    if recorded is not None:
        return recorded, ()
    duration_ms = report.duration_ms if report.duration_ms is not None else report.duration
    note = "the report doesn't tell when the recording began; its turns count from the start of the session"
    if started is not None:
        return started, (note,)
    if ended is None or duration_ms is None:
        return None, ("the report doesn't tell when the session began; its turns have no times",)
    return ended - duration_ms / 1000.0, (note,)


def _turn(path: Path, item: _Item, origin_s: float | None, odd: list[str] | None) -> ObservedTurn | None:
    if item.type != "message" or item.role not in _ROLES:
        return None
    texts = (
        [item.content] if isinstance(item.content, str) else [t for t in item.content if isinstance(t, str)]
    )

    metrics = {snake_name(key): value for key, value in item.metrics.items()}

    def number(key: str) -> float | None:
        value = metrics.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
            finding = f"chat_history: metrics.{key} is {str(value)[:40]!r}, expected seconds"
            raise BadRecording.of(path, finding, "export the report again")
        return float(value)

    def time(key: str) -> float | None:
        value = number(key)
        if value is None or origin_s is None:
            return None
        try:
            return (unix_s(value) or 0.0) - origin_s
        except ValueError as error:
            raise BadRecording.of(path, f"chat_history: metrics.{key}: {error}", "export it again") from None

    def latency(stage: str) -> float | None:
        value = number(stage)
        if odd is not None and value is not None and value > LONGEST_LATENCY_S:
            odd.append(f"{stage} {value:g}")
            return None
        return value

    return ObservedTurn(
        _ROLES[item.role],
        time("started_speaking_at"),
        time("stopped_speaking_at"),
        "\n".join(texts),
        item.interrupted,
        {stage: value for stage in STAGE_NAMES if (value := latency(stage)) is not None},
        {stage: name for stage, key in _MODELS.items() if (name := _model(metrics.get(key)))},
    )


def _model(metadata: Any) -> str:
    name = metadata.get("model_name", metadata.get("modelName")) if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def check_turns(path: Path, turns: tuple[ObservedTurn, ...], duration_s: float) -> tuple[str, ...]:
    """A note on turns outside the audio or of negative length; BadRecording if most of them lie outside."""
    timed = [turn for turn in turns if turn.start_s is not None or turn.end_s is not None]
    outside = [
        turn
        for turn in timed
        if (turn.start_s or 0.0) < -BEYOND_S or (turn.end_s or turn.start_s or 0.0) > duration_s + BEYOND_S
    ]
    backwards = sum(
        turn.start_s is not None and turn.end_s is not None and turn.end_s < turn.start_s for turn in timed
    )
    notes = [f"{path.name}: {backwards} turns end before they start"] if backwards else []
    if not outside:
        return tuple(notes)
    at_s = outside[0].start_s if outside[0].start_s is not None else outside[0].end_s
    count = f"{len(outside)} of {len(timed)} turns"
    where = f"{count} lie outside the audio (0 to {duration_s:.1f} s), one at {at_s:.1f} s"
    if 2 * len(outside) > len(timed):
        raise BadRecording.of(path, where, "use the report of this very recording")
    return (*notes, f"{path.name}: {where}")


FORMAT = Format(NAME, find, load, details=1)

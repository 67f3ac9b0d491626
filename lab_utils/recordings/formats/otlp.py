"""OpenTelemetry: the spans of one LiveKit session as OTLP JSON, with the audio beside it.

Layout: the JSON encoding of OTLP (opentelemetry.io, "OTLP Specification: JSON Protobuf Encoding"), one object
`{"resourceSpans": [...]}`, or one per line as the collector's file exporter writes it. Span and attribute
names are those of livekit-agents 1.8.9 (telemetry/trace_types.py and where voice/ sets them):

- `agent_session` begins with the recording (LiveKit starts its recorder then): its start is time 0;
- `user_turn`, with `user_speaking` inside, its transcript and delays;
- `agent_turn`, with `agent_speaking`, `llm_node` and `tts_node` inside, its text and latencies;
- `function_tool`: a tool that ran;
- `eou_detection`: what the turn detector said, kept in `Provenance.details["eou"]`.

Recognised by the key `resourceSpans` in a .json or .jsonl file. The audio is a file of the same stem,
`audio.ogg`, or the only one in the folder. Texts are missing where an exporter stripped them as personal.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from ...core.recording import ObservedTurn, Provenance
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording
from ..json_files import Lenient, has_key, head_of, parse_text, read_text
from ..listing import Listing, labels_beside
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, audio_of, read_channels
from .livekit_report import check_turns

NAME = "otlp"
_WANTED = "spans as OTLP JSON: resourceSpans, scopeSpans, spans with startTimeUnixNano and endTimeUnixNano"
_USER_STAGES = {
    "transcription_delay": "lk.transcription_delay",
    "end_of_turn_delay": "lk.end_of_turn_delay",
}
_AGENT_STAGES = {
    "on_user_turn_completed_delay": "lk.on_user_turn_completed_delay",
    "e2e_latency": "lk.e2e_latency",
}
_MODEL = "gen_ai.request.model"
_EOU = {
    "probability": "lk.eou.probability",
    "threshold": "lk.eou.unlikely_threshold",
    "delay_s": "lk.eou.endpointing_delay",
    "source": "lk.eou.source",
}
_SESSION = {
    "job_id": "lk.job_id",
    "room_id": "lk.room_sid",
    "agent_name": "lk.agent_name",
    "agent_label": "lk.agent_label",
}


class _Camel(Lenient, alias_generator=to_camel, populate_by_name=True):
    pass


class _Value(_Camel):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    double_value: Annotated[float, Field(allow_inf_nan=False)] | None = None


class _Attribute(_Camel):
    key: str
    value: _Value = _Value()


class _Span(_Camel):
    name: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    start_time_unix_nano: Annotated[int, Field(ge=0, lt=1 << 64)]
    end_time_unix_nano: Annotated[int, Field(ge=0, lt=1 << 64)]
    attributes: list[_Attribute] = Field(default_factory=list)

    def get(self, key: str) -> str | float | bool | None:
        """The value of an attribute, if the span has it."""
        for attribute in self.attributes:
            if attribute.key == key:
                value = attribute.value
                for one in (value.string_value, value.bool_value, value.int_value, value.double_value):
                    if one is not None:
                        return one
        return None

    def number(self, key: str) -> float | None:
        value = self.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else ""


class _ScopeSpans(_Camel):
    spans: list[_Span] = Field(default_factory=list)


class _ResourceSpans(_Camel):
    scope_spans: list[_ScopeSpans] = Field(default_factory=list)


class _Dump(_Camel):
    resource_spans: list[_ResourceSpans] = Field(default_factory=list)


def find(listing: Listing, _: FindOptions) -> Found:
    """Span dumps and the audio of each."""
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.json:
        if not has_key(head_of(path), "resourceSpans", "resource_spans"):
            continue
        claimed.add(path)
        audio = audio_of(path, listing, ("audio.ogg",))
        if audio is None or audio in claimed:
            finding = "is an OpenTelemetry span dump without audio that is its own"
            remedy = "put the session's audio beside it, under the same name"
            skipped.append(Skipped(path, str(BadRecording.of(path, finding, remedy))))
            continue
        claimed.add(audio)
        name = audio.parent.name if audio.stem == "audio" and audio.parent.name else audio.stem
        found.append(RecordingFiles(name, audio, None, labels_beside(audio), "stereo", NAME, details=(path,)))
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def load(files: RecordingFiles) -> Contents:
    """The audio, with turns and latencies from the spans as provenance."""
    contents = read_channels(files)
    path = files.details[0]
    provenance = _provenance(path, read_spans(path))
    notes = check_turns(path, provenance.turns, len(contents.user) / SAMPLE_RATE_HZ)
    return Contents(contents.user, contents.agent, None, provenance, contents.notes + notes)


def read_spans(path: Path) -> list[_Span]:
    """All spans of a dump, in order of start. Raises BadRecording for what is no OTLP JSON."""
    dumps = [parse_text(path, one, _Dump, _WANTED) for one in _objects(read_text(path))]
    spans = [
        span
        for dump in dumps
        for resource in dump.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    return sorted(spans, key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))


def _objects(text: str) -> Iterable[str]:
    """The JSON texts of a file: one per line if each line is a JSON object."""
    lines = [line for line in text.splitlines() if line.strip()]
    one_a_line = len(lines) > 1 and all(line.strip().startswith('{"') for line in lines)
    return lines if one_a_line else [text]


def _provenance(path: Path, spans: list[_Span]) -> Provenance:
    sessions = [span for span in spans if span.name == "agent_session"]
    if len(sessions) != 1:
        finding = f"has {len(sessions)} spans named agent_session, expected one"
        raise BadRecording.of(path, finding, "export the spans of one LiveKit session to one file")
    origin = sessions[0].start_time_unix_nano
    turns = _turns(spans, origin)
    eou: list[dict[str, Any]] = [
        {"time_s": (span.end_time_unix_nano - origin) / 1e9} | _present(span, _EOU)
        for span in spans
        if span.name == "eou_detection"
    ]
    details = {name: value for name, value in _present(sessions[0], _SESSION).items() if value}
    return Provenance(NAME, turns, {}, details | ({"eou": eou} if eou else {}))


def read_turns(path: Path) -> tuple[ObservedTurn, ...]:
    """The turns in a dump of any number of sessions. Only their latencies can be used, not their times.

    Raises BadRecording for what is no OTLP JSON.
    """
    return _turns(read_spans(path), 0)


def read_tools(path: Path) -> tuple[tuple[float, str, bool], ...]:
    """The tools that ran in one session: start in seconds, name, whether it failed. Raises BadRecording."""
    spans = read_spans(path)
    origin = next((span.start_time_unix_nano for span in spans if span.name == "agent_session"), 0)
    return tuple(
        (
            (span.start_time_unix_nano - origin) / 1e9,
            span.text("lk.function_tool.name"),
            span.get("lk.function_tool.is_error") is True,
        )
        for span in spans
        if span.name == "function_tool"
    )


def _turns(spans: list[_Span], origin: int) -> tuple[ObservedTurn, ...]:
    """User and agent turns; times in seconds after `origin` (Unix nanoseconds)."""
    children: dict[str, list[_Span]] = {}
    for span in spans:
        children.setdefault(span.parent_span_id, []).append(span)

    def seconds(nanoseconds: int) -> float:
        return (nanoseconds - origin) / 1e9

    def inside(turn: _Span, name: str) -> list[_Span]:
        return [span for span in children.get(turn.span_id, []) if span.name == name] if turn.span_id else []

    def spoken(turn: _Span, name: str) -> tuple[float | None, float | None]:
        speech = inside(turn, name)
        if not speech:
            return None, None
        return seconds(speech[0].start_time_unix_nano), seconds(max(s.end_time_unix_nano for s in speech))

    turns = []
    for span in spans:
        if span.name == "user_turn":
            text, stages = span.text("lk.pii.user_transcript"), _numbers(span, _USER_STAGES)
            models = {"transcription_delay": model} if (model := span.text(_MODEL)) else {}
            spoke = spoken(span, "user_speaking")
            turns.append(ObservedTurn("user", *spoke, text, stages=stages, models=models))
        elif span.name == "agent_turn":
            stages, models = _numbers(span, _AGENT_STAGES), {}
            # The last attempt counts: earlier ones were preemptive and thrown away.
            for name, key, stage in (
                ("llm_node", "lk.response.ttft", "llm_node_ttft"),
                ("tts_node", "lk.response.ttfb", "tts_node_ttfb"),
            ):
                nodes = [node for node in inside(span, name) if node.number(key) is not None]
                stages |= _numbers(nodes[-1], {stage: key}) if nodes else {}
                models |= {stage: model} if nodes and (model := nodes[-1].text(_MODEL)) else {}
            said = span.text("lk.pii.response.text")
            interrupted = span.get("lk.interrupted") is True
            spoke = spoken(span, "agent_speaking")
            turns.append(ObservedTurn("agent", *spoke, said, interrupted, stages, models))
    return tuple(turns)


def _present(span: _Span, keys: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, key in keys.items() if (value := span.get(key)) is not None}


def _numbers(span: _Span, keys: dict[str, str]) -> dict[str, float]:
    return {name: value for name, key in keys.items() if (value := span.number(key)) is not None}


FORMAT = Format(NAME, find, load, details=1)

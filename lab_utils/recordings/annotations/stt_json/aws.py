"""Amazon Transcribe's JSON, and that of Contact Lens and Transcribe Call Analytics.

Transcribe: `results.items[]`, times are strings of seconds ("0.52"); punctuation has no times. Speakers: the
channels of `results.channel_labels` ("ch_0", "ch_1"), else `speaker_label` of each item or of
`results.speaker_labels.segments` ("spk_0"). Contact Lens: `Transcript[]` with `BeginOffsetMillis`,
`EndOffsetMillis` and a participant (CUSTOMER, AGENT); milliseconds. Layout: Amazon Transcribe Developer
Guide, "Data input and output", "Call analytics output"; Amazon Connect Administrator Guide, "Contact Lens
output files".
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from ..records import Annotation, Segment
from ..source import Location, annotation, need_seconds, segment
from .parsing import Entry, Seconds, parse

TRANSCRIBE = "aws_transcribe"
CONTACT_LENS = "aws_contact_lens"


class _Text(Entry):
    content: str = ""


class _Item(Entry):
    type: str = "pronunciation"
    start_time: str | None = None
    end_time: str | None = None
    alternatives: tuple[_Text, ...] = ()
    speaker_label: str | None = None
    channel_label: str | None = None


class _Labelled(Entry):
    start_time: str | None = None
    speaker_label: str | None = None


class _LabelledSegment(Entry):
    items: tuple[_Labelled, ...] = ()


class _SpeakerLabels(Entry):
    segments: tuple[_LabelledSegment, ...] = ()


class _Channel(Entry):
    channel_label: str = ""
    items: tuple[_Item, ...] = ()


class _ChannelLabels(Entry):
    channels: tuple[_Channel, ...] = ()


class _Results(Entry):
    items: tuple[_Item, ...] = ()
    speaker_labels: _SpeakerLabels | None = None
    channel_labels: _ChannelLabels | None = None


class _Answer(Entry):
    results: _Results


def read_transcribe(path: Location) -> Annotation:
    """The words. BadAnnotation."""
    results = parse(path, _Answer, "Amazon Transcribe", TRANSCRIBE).results
    labels = {
        item.start_time: item.speaker_label
        for part in (results.speaker_labels.segments if results.speaker_labels else ())
        for item in part.items
        if item.start_time is not None and item.speaker_label
    }
    channels = results.channel_labels.channels if results.channel_labels else ()
    words: list[Segment] = []
    for c, channel in enumerate(channels):
        where = f"results.channel_labels.channels[{c}].items"
        words += _words(path, where, channel.items, channel.channel_label, {})
    if not channels:
        words = _words(path, "results.items", results.items, "", labels)
    words.sort(key=lambda one: (one.start_s, one.end_s))
    return annotation(path, TRANSCRIBE, (), words)


def _words(
    path: Location, where: str, items: Iterable[_Item], channel: str, labels: dict[str, str]
) -> list[Segment]:
    words = []
    for k, item in enumerate(items):
        if item.start_time is None or item.end_time is None or item.type == "punctuation":
            continue
        name = channel or item.channel_label or item.speaker_label or labels.get(item.start_time, "")
        place = f"{where}[{k}]"
        times = need_seconds(path, place, item.start_time), need_seconds(path, place, item.end_time)
        words.append(
            segment(path, place, name, *times, item.alternatives[0].content if item.alternatives else "")
        )
    return words


class _LensItem(Entry):
    type: str = Field("pronunciation", alias="Type")
    begin_ms: Seconds | None = Field(None, alias="BeginOffsetMillis")
    end_ms: Seconds | None = Field(None, alias="EndOffsetMillis")
    content: str = Field("", alias="Content")


class _LensTurn(Entry):
    begin_ms: Seconds = Field(alias="BeginOffsetMillis")
    end_ms: Seconds = Field(alias="EndOffsetMillis")
    content: str = Field("", alias="Content")
    role: str | None = Field(None, alias="ParticipantRole")
    participant: str | None = Field(None, alias="ParticipantId")
    items: tuple[_LensItem, ...] = Field((), alias="Items")


class _Participant(Entry):
    id: str = Field("", alias="ParticipantId")
    role: str = Field("", alias="ParticipantRole")


class _Lens(Entry):
    transcript: tuple[_LensTurn, ...] = Field(alias="Transcript")
    participants: tuple[_Participant, ...] = Field((), alias="Participants")


def read_contact_lens(path: Location) -> Annotation:
    """The turns by the participants' roles, and the words if there are any. BadAnnotation."""
    found = parse(path, _Lens, "Contact Lens", CONTACT_LENS)
    roles = {one.id: one.role for one in found.participants if one.role}
    segments: list[Segment] = []
    words: list[Segment] = []
    for k, turn in enumerate(found.transcript):
        where = f"Transcript[{k}]"
        name = (turn.role or roles.get(turn.participant or "", turn.participant or "")).lower()
        segments.append(
            segment(path, where, name, turn.begin_ms / 1000.0, turn.end_ms / 1000.0, turn.content)
        )
        for i, item in enumerate(turn.items):
            if item.begin_ms is not None and item.end_ms is not None and item.type != "punctuation":
                times = item.begin_ms / 1000.0, item.end_ms / 1000.0
                words.append(segment(path, f"{where}.Items[{i}]", name, *times, item.content))
    return annotation(path, CONTACT_LENS, segments, words)

"""AssemblyAI's transcript: `words` and `utterances`, times in milliseconds.

Speakers: "channel 1", "channel 2" (`multichannel`; AssemblyAI counts from 1), else "speaker A", "speaker B"
(`speaker_labels`), else none. `audio_duration` is in whole seconds. Layout: assemblyai.com/docs, API
reference "Get transcript", "Speaker Diarization", "Multichannel Transcription".
"""

from __future__ import annotations

from ..records import Annotation, Segment
from ..source import BadAnnotation, Location, annotation, segment, short
from .parsing import Entry, Seconds, parse

SOURCE = "assemblyai"


class _Spoken(Entry):
    """A word or an utterance; `start` and `end` are in milliseconds."""

    text: str
    start: Seconds
    end: Seconds
    speaker: str | None = None
    channel: str | int | None = None


class _Transcript(Entry):
    status: str | None = None
    error: str | None = None
    words: tuple[_Spoken, ...] | None = None
    utterances: tuple[_Spoken, ...] | None = None
    audio_duration: Seconds | None = None


def read(path: Location) -> Annotation:
    """Utterances as segments, and the words. BadAnnotation, also for a transcript that isn't completed."""
    found = parse(path, _Transcript, "AssemblyAI", SOURCE)
    if found.status not in (None, "completed"):
        finding = f"status: {short(found.status)}" + (f" ({short(found.error)})" if found.error else "")
        raise BadAnnotation.at(path, finding, "expected a completed transcript; ask for it again")
    if not found.words and not found.utterances:
        raise BadAnnotation.at(path, "has neither words nor utterances", "save the whole transcript object")
    return annotation(
        path,
        SOURCE,
        _segments(path, "utterances", found.utterances or ()),
        _segments(path, "words", found.words or ()),
        found.audio_duration or None,
    )


def _segments(path: Location, key: str, spoken: tuple[_Spoken, ...]) -> list[Segment]:
    for k, one in enumerate(spoken):
        for name, value in (("start", one.start), ("end", one.end)):
            if value != int(value):
                finding = f"{key}[{k}]: {name} {value:g} is no whole number of milliseconds"
                raise BadAnnotation.at(path, finding, "are these seconds? save the provider's own answer")
    return [
        segment(path, f"{key}[{k}]", _name(one), one.start / 1000.0, one.end / 1000.0, one.text)
        for k, one in enumerate(spoken)
    ]


def _name(one: _Spoken) -> str:
    if one.channel is not None:
        return f"channel {one.channel}"
    return "" if one.speaker is None else f"speaker {one.speaker}"

"""ElevenLabs' speech to text (Scribe): `words` of type word, spacing or audio_event, times in seconds.

Speakers: `speaker_id` ("speaker_0", if diarized), with several channels "channel 0", ...
(`use_multi_channel`: `transcripts[]`, each with `channel_index`). Spacing and sounds ("(laughter)") are
skipped. Layout: elevenlabs.io/docs, "Create transcript".
"""

from __future__ import annotations

from ..records import Annotation, Segment
from ..source import Location, annotation, segment
from .parsing import Entry, Seconds, parse

SOURCE = "elevenlabs"


class _Word(Entry):
    text: str
    type: str = "word"
    start: Seconds | None = None
    end: Seconds | None = None
    speaker_id: str | None = None
    channel_index: int | None = None


class _Transcript(Entry):
    language_code: str | None = None
    words: tuple[_Word, ...] = ()
    channel_index: int | None = None
    audio_duration_secs: Seconds | None = None


class _Answer(_Transcript):
    transcripts: tuple[_Transcript, ...] = ()


def read(path: Location) -> Annotation:
    """The words. BadAnnotation."""
    answer = parse(path, _Answer, "ElevenLabs", SOURCE)
    words: list[Segment] = []
    several = len(answer.transcripts) > 1
    for t, transcript in enumerate(answer.transcripts or (answer,)):
        where = f"transcripts[{t}].words" if answer.transcripts else "words"
        for k, word in enumerate(transcript.words):
            if word.type != "word" or word.start is None or word.end is None:
                continue
            channel = transcript.channel_index if transcript.channel_index is not None else word.channel_index
            name = f"channel {channel if channel is not None else t}" if several else word.speaker_id or ""
            words.append(segment(path, f"{where}[{k}]", name, word.start, word.end, word.text))
    return annotation(path, SOURCE, (), words, answer.audio_duration_secs)

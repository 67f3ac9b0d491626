"""Deepgram's answer for recorded audio: `results.channels[].alternatives[].words` and `results.utterances`.

Only the first alternative is read. Speakers: "channel 0", "channel 1" if the answer has several channels
(`multichannel=true`), else "speaker 0", ... (`diarize=true`), else none. Times in seconds. `punctuated_word`
is preferred (`punctuate`, `smart_format`). Layout: developers.deepgram.com, "Pre-recorded audio" (response),
"Utterances", "Diarization", "Multichannel". A wrapper that an SDK puts around the answer (`{"result": ...}`)
is removed. Streaming messages aren't read.
"""

from __future__ import annotations

from ..records import Annotation, Segment
from ..source import Location, annotation, segment
from .parsing import Entry, Seconds, parse

SOURCE = "deepgram"


class _Word(Entry):
    word: str
    start: Seconds
    end: Seconds
    punctuated_word: str | None = None
    speaker: int | None = None


class _Alternative(Entry):
    words: tuple[_Word, ...] = ()


class _Channel(Entry):
    alternatives: tuple[_Alternative, ...]


class _Utterance(Entry):
    start: Seconds
    end: Seconds
    transcript: str = ""
    channel: int = 0
    speaker: int | None = None


class _Results(Entry):
    channels: tuple[_Channel, ...]
    utterances: tuple[_Utterance, ...] | None = None


class _Metadata(Entry):
    duration: Seconds | None = None


class _Answer(Entry):
    results: _Results
    metadata: _Metadata = _Metadata()


def read(path: Location) -> Annotation:
    """Utterances (if asked for) as segments, and the words. BadAnnotation."""
    answer = parse(path, _Answer, "Deepgram", SOURCE)
    several = len(answer.results.channels) > 1
    words: list[Segment] = []
    for c, channel in enumerate(answer.results.channels):
        for k, word in enumerate(channel.alternatives[0].words if channel.alternatives else ()):
            where = f"results.channels[{c}].alternatives[0].words[{k}]"
            name = _name(several, c, word.speaker)
            words.append(segment(path, where, name, word.start, word.end, word.punctuated_word or word.word))
    utterances = [
        segment(
            path,
            f"results.utterances[{k}]",
            _name(several, one.channel, one.speaker),
            one.start,
            one.end,
            one.transcript,
        )
        for k, one in enumerate(answer.results.utterances or ())
    ]
    return annotation(path, SOURCE, utterances, words, answer.metadata.duration)


def _name(several: bool, channel: int, speaker: int | None) -> str:
    if several:
        return f"channel {channel}"
    return "" if speaker is None else f"speaker {speaker}"

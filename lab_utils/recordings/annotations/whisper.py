"""Whisper's JSON: `segments[]` with `words[]`, times in seconds.

That of openai-whisper (`--output_format json --word_timestamps True`), of faster-whisper's segments (a
list, or under `segments`; also whisper-ctranslate2), of whisperX (a `speaker` on segments and words if
diarized) and of OpenAI's API (`verbose_json`: `words` beside `segments`, `duration`). A word that whisperX
could not align has no times and is left out of the words. Without diarization there is no speaker's name.
Layout: openai/whisper transcribe.py, SYSTRAN/faster-whisper transcribe.py (Segment, Word), m-bain/whisperX
types.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from .provider_json import Entry, Seconds, has_keys, parse, text_of
from .records import Annotation, Segment
from .source import Location, annotation, read_data, segment

SOURCE = "whisper"


class _Word(Entry):
    word: str
    start: Seconds | None = None
    end: Seconds | None = None
    speaker: str | None = None


class _Segment(Entry):
    start: Seconds
    end: Seconds
    text: str = ""
    speaker: str | None = None
    words: tuple[_Word, ...] | None = None


class _Result(Entry):
    segments: tuple[_Segment, ...]
    words: tuple[_Word, ...] | None = None
    duration: Seconds | None = None


def sniff(head: bytes) -> bool:
    """Whether it has segments, or is a list of them."""
    if has_keys(head, "results"):
        return False
    return has_keys(head, "segments") or (
        text_of(head)[:1] == b"[" and has_keys(head, "start", "end", "text")
    )


def read(path: Location) -> Annotation:
    """The segments and their words. BadAnnotation."""
    if text_of(read_data(path)[:64])[:1] == b"[":
        result = _Result(segments=parse(path, tuple[_Segment, ...], "Whisper"))
    else:
        result = parse(path, _Result, "Whisper")
    segments: list[Segment] = []
    words: list[Segment] = []
    for k, one in enumerate(result.segments):
        where = f"segments[{k}]"
        segments.append(segment(path, where, one.speaker or "", one.start, one.end, one.text))
        words += _words(path, f"{where}.words", one.words or (), one.speaker)
    if not words:
        words = _words(path, "words", result.words or (), None)
    return annotation(path, SOURCE, segments, words, result.duration)


def _words(path: Location, where: str, words: Iterable[_Word], speaker: str | None) -> list[Segment]:
    return [
        segment(path, f"{where}[{k}]", word.speaker or speaker or "", word.start, word.end, word.word)
        for k, word in enumerate(words)
        if word.start is not None and word.end is not None
    ]

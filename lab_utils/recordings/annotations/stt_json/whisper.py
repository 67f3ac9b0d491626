"""Whisper's JSON: `segments[]` with `words[]`, times in seconds.

That of openai-whisper (`--output_format json --word_timestamps True`), of faster-whisper's segments (a
list, or under `segments`; also whisper-ctranslate2), of whisperX (a `speaker` on segments and words if
diarized), of whisper-timestamped (words have `text` and `confidence`) and of OpenAI's API (`verbose_json`:
`words` beside `segments` or alone, `duration`; `diarized_json`). A word that whisperX could not align has no
times and is left out of the words. Without diarization there is no speaker's name. Layout: openai/whisper
transcribe.py, SYSTRAN/faster-whisper transcribe.py (Segment, Word), m-bain/whisperX types.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Annotation, Segment
from ..source import BadAnnotation, Location, annotation, read_data, segment
from .parsing import Entry, Seconds, parse, text_of

SOURCE = "whisper"


class _Word(Entry):
    word: str | None = None
    text: str | None = None
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
    segments: tuple[_Segment, ...] | None = None
    words: tuple[_Word, ...] | None = None
    duration: Seconds | None = None


def read(path: Location) -> Annotation:
    """The segments and their words. BadAnnotation."""
    if text_of(read_data(path)[:64])[:1] == b"[":
        result = _Result(segments=parse(path, tuple[_Segment, ...], "Whisper", SOURCE))
    else:
        result = parse(path, _Result, "Whisper", SOURCE)
    if result.segments is None and result.words is None:
        raise BadAnnotation.at(path, "has neither segments nor words", "save the whole answer of Whisper")
    segments: list[Segment] = []
    words: list[Segment] = []
    for k, one in enumerate(result.segments or ()):
        where = f"segments[{k}]"
        segments.append(segment(path, where, one.speaker or "", one.start, one.end, one.text))
        words += _words(path, f"{where}.words", one.words or (), one.speaker)
    if not words:
        words = _words(path, "words", result.words or (), None)
    return annotation(path, SOURCE, segments, words, result.duration)


def _words(path: Location, where: str, words: Iterable[_Word], speaker: str | None) -> list[Segment]:
    return [
        segment(
            path,
            f"{where}[{k}]",
            word.speaker or speaker or "",
            word.start,
            word.end,
            word.word or word.text or "",
        )
        for k, word in enumerate(words)
        if word.start is not None and word.end is not None
    ]

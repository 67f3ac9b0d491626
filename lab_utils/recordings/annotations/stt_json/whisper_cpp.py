"""whisper.cpp's JSON (`--output-json`, `--output-json-full`): `transcription[]`, offsets in milliseconds.

Words are joined from the tokens of `--output-json-full`; a token that begins with a blank begins a word.
`speaker` ("0", "1", "?") is there with `--diarize` of a stereo file. Layout: ggml-org/whisper.cpp,
examples/cli, output_json.
"""

from __future__ import annotations

import re

from pydantic import Field

from ..records import Annotation, Segment
from ..source import Location, annotation, segment
from .parsing import Entry, Seconds, parse

SOURCE = "whisper_cpp"


class _Offsets(Entry):
    """In milliseconds."""

    start: Seconds = Field(alias="from")
    end: Seconds = Field(alias="to")


class _Token(Entry):
    text: str
    offsets: _Offsets | None = None


class _Segment(Entry):
    offsets: _Offsets
    text: str = ""
    speaker: str | None = None
    tokens: tuple[_Token, ...] = ()


class _Result(Entry):
    transcription: tuple[_Segment, ...]


def read(path: Location) -> Annotation:
    """The segments, and the words if the file has tokens. BadAnnotation."""
    found = parse(path, _Result, "whisper.cpp", SOURCE)
    segments: list[Segment] = []
    words: list[Segment] = []
    for k, one in enumerate(found.transcription):
        where = f"transcription[{k}]"
        name = f"speaker {one.speaker}" if one.speaker not in (None, "", "?") else ""
        text = re.sub(r"^\s*\(speaker [\d?]+\)", "", one.text)
        start_s, end_s = one.offsets.start / 1000.0, one.offsets.end / 1000.0
        segments.append(segment(path, where, name, start_s, end_s, text))
        words += _words(path, f"{where}.tokens", name, one.tokens)
    return annotation(path, SOURCE, segments, words)


def _words(path: Location, where: str, name: str, tokens: tuple[_Token, ...]) -> list[Segment]:
    """Tokens joined to words; special tokens ("[_BEG_]") and tokens without offsets are skipped."""
    words: list[Segment] = []
    for k, token in enumerate(tokens):
        if token.offsets is None or token.text.startswith("[_") or not token.text.strip():
            continue
        start_s, end_s = token.offsets.start / 1000.0, token.offsets.end / 1000.0
        if words and not token.text.startswith(" "):
            last = words[-1]
            words[-1] = segment(
                path, f"{where}[{k}]", name, last.start_s, max(last.end_s, end_s), last.text + token.text
            )
        else:
            words.append(segment(path, f"{where}[{k}]", name, start_s, end_s, token.text))
    return words

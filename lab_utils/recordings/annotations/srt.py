"""SubRip captions (.srt): number, times with decimal commas, lines of text.

Speakers are read from cues that begin as "Name: text" or "[Name] text", and from WebVTT's voice tags. Hours
may be missing, a point may replace the comma, and the cues' numbers are ignored. There is no standard for the
encoding: UTF-8 with or without its mark, UTF-16 and Windows-1252 are read. SRT is not written, since WebVTT
has a proper place for names.
"""

from __future__ import annotations

import re

from .names import split_cues
from .records import Annotation
from .source import BadAnnotation, Location, annotation, head_lines, need_seconds, read_text, segment, short

SOURCE = "srt"
_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{1,2}[,.]\d{1,3}"
_CUE = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})(?:\s.*)?")
_VOICE = re.compile(r"^<v(?:\.[^\s>]*)?\s+([^>]{1,60})>\s*")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|\{\\[^{}]{0,80}\}")


def sniff(head: bytes) -> bool:
    """Whether a line with times comes first, or second after a number."""
    lines = [line.strip().lstrip("\ufeff") for line in head_lines(head)[:2]]
    return any(_CUE.fullmatch(line) for line in lines) and (
        bool(_CUE.fullmatch(lines[0])) or lines[0].isdigit()
    )


def read(path: Location) -> Annotation:
    """The cues. BadAnnotation."""
    cues: list[tuple[float, float, list[str]]] = []
    lines = read_text(path).split("\n")
    for k, line in enumerate(lines):
        match = _CUE.fullmatch(line)
        if match:
            where = f"line {k + 1}"
            times = need_seconds(path, where, match[1]), need_seconds(path, where, match[2])
            said = cues[-1][2] if cues else []
            if said and said[-1].isdigit() and lines[k - 1].strip() == said[-1]:
                said.pop()  # the number of this cue
            cues.append((*times, []))
        elif "-->" in line and not cues:
            finding = f"line {k + 1}: {short(line.strip())} has no two times"
            raise BadAnnotation.at(path, finding, "expected 00:00:01,000 --> 00:00:02,500")
        elif "-->" in line:
            finding = f"line {k + 1}: damaged times {short(line.strip())}"
            raise BadAnnotation.at(
                path, finding, "expected 00:00:01,000 --> 00:00:02,500; is the file cut off?"
            )
        elif cues and line.strip():
            cues[-1][2].append(line.strip())
    if not cues:
        raise BadAnnotation.at(path, "has no cue", "expected 00:00:01,000 --> 00:00:02,500")
    texts = []
    for *_, said in cues:
        text = " ".join(said)
        voice = _VOICE.match(text)
        text = _TAG.sub("", text[voice.end() :] if voice else text).strip()
        texts.append(f"{voice[1].strip()}: {text}" if voice else text)
    return annotation(
        path,
        SOURCE,
        [
            segment(path, f"cue {number}", name, start_s, end_s, text)
            for number, ((start_s, end_s, _), (name, text)) in enumerate(
                zip(cues, split_cues(texts), strict=True), start=1
            )
        ],
    )

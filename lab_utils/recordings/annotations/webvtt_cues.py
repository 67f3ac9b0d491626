"""WebVTT captions with the speakers' names as voice tags: `<v Customer>hello</v>`.

webvtt-py reads and writes. It reads strictly: a cue that is cut off is an error. A name also holds for the
next lines of its cue. If no cue has a voice tag and most begin as "Name: text" (Zoom), the speakers are read
from there. Times are to the millisecond. By the standard the file is UTF-8; UTF-16 with its mark is read too.
Layout: W3C WebVTT, section 4.
"""

from __future__ import annotations

import html

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError
from webvtt.models import Timestamp

from .names import split_cues
from .records import Annotation
from .source import (
    NO_TEXT,
    BadAnnotation,
    Location,
    annotation,
    on_tiers,
    read_text,
    segment,
    short,
    write_text,
)

SOURCE = "webvtt"


def sniff(head: bytes) -> bool:
    """Whether it begins with WEBVTT."""
    return head[:40].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").startswith(b"WEBVTT")


def read(path: Location) -> Annotation:
    """The cues; a cue with several voices becomes several segments. Raises BadAnnotation."""
    text = read_text(path, legacy=False)
    try:
        captions = webvtt.from_string(text, strict=True).captions
    except MalformedFileError:
        raise BadAnnotation.at(path, "is not WebVTT", "expected WEBVTT on its first line") from None
    except MalformedCaptionError as error:
        finding = f"has a damaged cue ({short(str(error))})"
        raise BadAnnotation.at(
            path, finding, "expected 00:00:01.000 --> 00:00:02.500; is the file cut off?"
        ) from None
    cues = [(caption, _spoken(caption)) for caption in captions]
    if not any(name for _, spoken in cues for name, _ in spoken):
        split = split_cues([" ".join(text for _, text in spoken) for _, spoken in cues])
        cues = [(caption, [named]) for (caption, _), named in zip(cues, split, strict=True) if any(named)]
    return annotation(
        path,
        SOURCE,
        [
            segment(
                path, f"cue {number}", name, _seconds(caption.start_time), _seconds(caption.end_time), said
            )
            for number, (caption, spoken) in enumerate(cues, start=1)
            for name, said in spoken
        ],
    )


def write(record: Annotation, path: Location) -> None:
    """Write one cue per segment."""
    captions = []
    for one in on_tiers(record, 3):
        text = html.escape(one.text or NO_TEXT, quote=False)
        voice = html.escape(one.speaker, quote=False)
        captions.append(
            webvtt.Caption(
                str(Timestamp.from_seconds(one.start_s)),
                str(Timestamp.from_seconds(one.end_s)),
                f"<v {voice}>{text}</v>" if voice else text,
            )
        )
    write_text(path, webvtt.WebVTT(captions=captions).content + "\n")


def _spoken(caption: webvtt.Caption) -> list[tuple[str, str]]:
    """Name and text of each voice in a cue."""
    found: list[tuple[str, str]] = []
    for line in caption.lines:
        cue = webvtt.Caption(text=[line])
        text = html.unescape(cue.text).strip()
        if cue.voice is not None or not found:
            found.append((html.unescape(cue.voice or ""), text))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {text}")
    return [(name, text) for name, text in found if text]


def _seconds(time: Timestamp) -> float:
    return time.in_milliseconds() / 1000.0

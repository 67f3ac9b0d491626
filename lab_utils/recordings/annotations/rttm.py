"""RTTM, NIST's Rich Transcription Time Marked format: what diarizers write.

One object per line, ten fields separated by white space, times in seconds: `SPEAKER file channel onset
duration <NA> <NA> name confidence lookahead`. `LEXEME` lines (a word in the sixth field) are words. Lines of
the other types and `;;` comments are skipped. SPEAKER and LEXEME lines are written, to the millisecond. RTTM
has no field for a segment's text. Layout: RTTM-format-v13 (NIST 2004); KWS15 evaluation plan, appendix B. No
library is used: the usual ones (pyannote.database) read whole corpora and SPEAKER lines only.
"""

from __future__ import annotations

from .records import Annotation, Segment
from .source import (
    LABEL_TIER,
    WORDS_SUFFIX,
    BadAnnotation,
    Location,
    annotation,
    head_lines,
    is_words,
    need_seconds,
    on_tiers,
    read_text,
    segment,
    short,
    write_text,
)

SOURCE = "rttm"
_READ = ("SPEAKER", "LEXEME")
_PASSED_OVER = (
    *("SEGMENT", "NOSCORE", "NO_RT_METADATA", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT"),
    *("IP", "SU", "CB", "A/P", "SPKR-INFO", "NOISE", "BREAK"),
)
_NOTHING = "<NA>"


def sniff(head: bytes) -> bool:
    """Whether the first line that isn't a comment is one of RTTM."""
    lines = [line.split() for line in head_lines(head) if not line.startswith(";;")]
    return bool(lines) and len(lines[0]) >= 8 and lines[0][0] in {*_READ, *_PASSED_OVER}


def read(path: Location) -> Annotation:
    """The annotation of one recording: of several, the one named like the file. Raises BadAnnotation."""
    found: dict[str, tuple[list[Segment], list[Segment]]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        where = f"line {number}"
        if fields[0] not in _READ:
            if fields[0] not in _PASSED_OVER:
                finding = f"{where}: {short(fields[0])} is no type of RTTM"
                raise BadAnnotation.at(path, finding, "expected SPEAKER file channel onset duration ...")
            continue
        if len(fields) < 8:
            finding = f"{where}: has {len(fields)} fields, expected 9 or 10"
            raise BadAnnotation.at(path, finding, "is the file cut off? copy or export it again")
        kind, recording, channel, onset, duration, word, _, name = fields[:8]
        start_s = need_seconds(path, where, onset)
        end_s = start_s + need_seconds(path, where, duration)
        speaker = name if name != _NOTHING else f"channel {channel}"
        speech, words = found.setdefault(recording, ([], []))
        if kind == "SPEAKER":
            speech.append(segment(path, where, speaker, start_s, end_s))
        else:
            words.append(segment(path, where, speaker, start_s, end_s, "" if word == _NOTHING else word))
    if not found:
        raise BadAnnotation.at(
            path, "has no SPEAKER line", "expected SPEAKER file channel onset duration ..."
        )
    return annotation(path, SOURCE, *_of_one(path, found))


def write(record: Annotation, path: Location) -> None:
    """Write SPEAKER and LEXEME lines; blanks in names become "_". BadAnnotation for labels of pauses."""
    recording = _field(path.stem)
    lines = []
    for one in on_tiers(record, 3):
        if one.speaker == LABEL_TIER:
            finding = "labels of pauses can't be written: RTTM has no text of a segment"
            raise BadAnnotation.at(path, finding, "use TextGrid, Audacity, ELAN, CSV or WebVTT")
        words = is_words(one.speaker)
        name = _field(one.speaker.removesuffix(WORDS_SUFFIX.strip()) if words else one.speaker)
        times = f"1 {one.start_s:.3f} {one.end_s - one.start_s:.3f}"
        if words:
            lines.append(f"LEXEME {recording} {times} {_field(one.text)} lex {name} <NA> <NA>")
        else:
            lines.append(f"SPEAKER {recording} {times} <NA> <NA> {name} <NA> <NA>")
    write_text(path, "\n".join(lines) + "\n")


def _of_one(
    path: Location, found: dict[str, tuple[list[Segment], list[Segment]]]
) -> tuple[list[Segment], list[Segment]]:
    if len(found) == 1:
        return next(iter(found.values()))
    if _field(path.stem) in found:
        return found[_field(path.stem)]
    names = short(", ".join(found))
    finding = f"is about {len(found)} recordings ({names}), none named {short(path.stem)}"
    raise BadAnnotation.at(path, finding, "split it by its second field, or name it after one of them")


def _field(text: str) -> str:
    return "_".join(text.split()) or _NOTHING

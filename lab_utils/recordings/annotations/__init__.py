"""Annotation files of other programs: who speaks when, one module per format.

The JSON of speech-to-text programs is read in `stt_json`. `read_annotation` finds the format by suffix and
content; `FORMATS` lists them. An annotation file is read into a `records.Annotation`, with the speakers'
names as in the file. `roles` maps these names to user and agent and makes labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import audacity, elan, rttm, srt, table, textgrid, webvtt_cues
from .records import Annotation
from .source import BadAnnotation, Location, head_lines, read_data, short
from .stt_json import assemblyai, aws, deepgram, elevenlabs, whisper, whisper_cpp
from .stt_json.kinds import is_kind, kind_of_json
from .stt_json.parsing import check_json

__all__ = ["FORMATS", "BadAnnotation", "Format", "read_annotation", "write_annotation"]

HEAD_BYTES = 1 << 20
"""Bytes from which a file's format is found; so many because Whisper's JSON has all its text first."""

_SHARED = (".txt", ".json")
"""Suffixes that say nothing about the format."""


@dataclass(frozen=True)
class Format:
    """One annotation format."""

    name: str
    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    sniff: Callable[[bytes], bool]
    """Whether a file that begins with these bytes seems to be one; never raises."""
    read: Callable[[Location], Annotation]
    """Raises BadAnnotation."""
    write: Callable[[Annotation, Location], None] | None = None


FORMATS: dict[str, Format] = {
    found.name: found
    for found in (
        Format("rttm", (".rttm",), rttm.sniff, rttm.read, rttm.write),
        Format("textgrid", (".textgrid",), textgrid.sniff, textgrid.read, textgrid.write),
        Format("webvtt", (".vtt",), webvtt_cues.sniff, webvtt_cues.read, webvtt_cues.write),
        Format("audacity", (".txt",), audacity.sniff, audacity.read, audacity.write),
        Format("csv", (".csv", ".tsv"), table.sniff, table.read, table.write),
        Format("elan", (".txt", ".tsv", ".csv"), elan.sniff, elan.read, elan.write),
        Format("srt", (".srt",), srt.sniff, srt.read),
        Format("deepgram", (".json",), is_kind("deepgram"), deepgram.read),
        Format("aws_transcribe", (".json",), is_kind("aws_transcribe"), aws.read_transcribe),
        Format("aws_contact_lens", (".json",), is_kind("aws_contact_lens"), aws.read_contact_lens),
        Format("elevenlabs", (".json",), is_kind("elevenlabs"), elevenlabs.read),
        Format("whisper_cpp", (".json",), is_kind("whisper_cpp"), whisper_cpp.read),
        Format("whisper", (".json",), is_kind("whisper"), whisper.read),
        Format("assemblyai", (".json",), is_kind("assemblyai"), assemblyai.read),
    )
}
"""By name, in the order in which they are tried."""


def read_annotation(path: str | Location, format: str | None = None) -> Annotation:
    """The content of an annotation file. The format is given by name, or found by suffix and content.

    Raises BadAnnotation, naming file, finding and remedy; ValueError for an unknown format.
    """
    location = _location(path)
    if format is not None:
        return _known(format).read(location)
    head = read_data(location)[:HEAD_BYTES]
    suffix = location.suffix.lower()
    by_suffix = [one for one in FORMATS.values() if suffix in one.suffixes]
    others = [one for one in FORMATS.values() if suffix not in one.suffixes]
    for one in (*by_suffix, *others):
        if one.sniff(head):
            return one.read(location)
    if by_suffix and suffix not in _SHARED:  # this reader's error says what is wrong
        return by_suffix[0].read(location)
    if kind := kind_of_json(head):
        finding = f"is the JSON of {kind}, which isn't read here"
        raise BadAnnotation.at(location, finding, "export SRT, WebVTT, RTTM or CSV from it")
    if suffix == ".json":
        check_json(location)
    start = short(next(iter(head_lines(head[:400])), ""))
    finding = f"is no known annotation: begins with {start}; tried {', '.join(FORMATS)}"
    raise BadAnnotation.at(location, finding, "name its format, or export another")


def write_annotation(annotation: Annotation, path: str | Location, format: str | None = None) -> None:
    """Write an annotation in a format by name, or by the path's suffix (.txt: Audacity, .csv: CSV).

    The file is written completely or not at all. Raises BadAnnotation for what can't be written; ValueError
    for an unknown format.
    """
    location = _location(path)
    if format is None:
        suffix = location.suffix.lower()
        found = next((one for one in FORMATS.values() if suffix in one.suffixes and one.write), None)
        if found is None:
            suffixes = dict.fromkeys(s for one in FORMATS.values() if one.write for s in one.suffixes)
            expected = f"expected {', '.join(suffixes)}, or name a format"
            raise BadAnnotation.at(location, f"suffix {suffix!r} is of no format that is written", expected)
    else:
        found = _known(format)
    if found.write is None:
        writable = ", ".join(one.name for one in FORMATS.values() if one.write)
        raise BadAnnotation.at(location, f"{found.name} is read only", f"choose one of {writable}")
    if not annotation.segments and not annotation.words:
        raise BadAnnotation.at(
            location, "nothing to write: the annotation has no segment", "check its source"
        )
    found.write(annotation, location)


def _location(path: str | Location) -> Location:
    if isinstance(path, str) and "://" not in path:
        return Path(path)
    if isinstance(path, str):
        from upath import UPath  # takes time to load, and most files are here

        try:
            return UPath(path)
        except (ValueError, ImportError) as error:  # an unknown protocol, or one whose package is missing
            raise BadAnnotation.at(path, f"can't be opened ({short(error)})", "check the address") from None
    return path


def _known(name: str) -> Format:
    if name not in FORMATS:
        raise ValueError(f"unknown annotation format {name!r}, expected one of {', '.join(FORMATS)}")
    return FORMATS[name]

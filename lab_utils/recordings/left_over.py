"""Files that no format claimed, audio or what speaks of it: each is listed with what can be done about it."""

from __future__ import annotations

from pathlib import Path

from .annotations import FORMATS, BadAnnotation
from .annotations.source import read_data
from .audio import BadRecording, convert_command, is_local
from .decoding.kinds import AUDIO_SUFFIXES, UNSUPPORTED, kind_of
from .listing import Listing
from .recording_files import Skipped

_HEAD_BYTES = 64
_MOST_BYTES = 1 << 22
"""Larger files aren't looked into for annotations."""
_WEAK = ("MP3", "AAC")
"""Kinds whose beginning is two bytes that other files may have too."""
_SUFFIXES = {
    "WAV": "wav", "OGG": "ogg", "FLAC": "flac", "MP4": "mp4", "WebM or Matroska": "mka", "AMR": "amr",
    "Windows Media": "wma", "CAF": "caf", "AU": "au", "W64": "w64", "NIST SPHERE": "sph", "VOC": "voc",
    "AIFF": "aiff",
}  # fmt: skip
_PICTURES = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
"""Brands of image files that use MP4's container."""


def left_over(listing: Listing) -> list[Skipped]:
    """The audio among files that no format took, by suffix or by content, and why each isn't used.

    The content of files behind a URL isn't looked at: each would be a request of its own.
    """
    found = []
    for path in listing.files:
        suffix = path.suffix.lower()
        if suffix in UNSUPPORTED:
            name, how = UNSUPPORTED[suffix]
            remedy = f"convert it: {convert_command(path, how)}"
            found.append(
                Skipped(path, str(BadRecording.of(path, f"is {name}, which isn't read here", remedy)))
            )
        elif suffix not in AUDIO_SUFFIXES and is_local(path) and (kind := _kind(path)):
            finding = f"holds {kind} audio, but its name doesn't end as one of audio does"
            remedy = f"rename it, for example to {path.name}.{_SUFFIXES[kind]}"
            found.append(Skipped(path, str(BadRecording.of(path, finding, remedy))))
    return found


def annotations_alone(listing: Listing) -> list[Skipped]:
    """Transcripts and annotations in a folder that holds no recording, each with what it lacks."""
    found = []
    for path in listing.files:
        if name := _annotation(path):
            finding = f"is an annotation ({name}) without its audio"
            remedy = f"put the call's recording beside it, for example as {path.stem}.wav"
            found.append(Skipped(path, str(BadRecording.of(path, finding, remedy))))
    return found


def _annotation(path: Path) -> str | None:
    """The annotation format whose suffix and marks a file has."""
    suffix = path.suffix.lower()
    candidates = [one for one in FORMATS.values() if suffix in one.suffixes]
    if not candidates or not is_local(path):
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        head = read_data(path)
    except (BadAnnotation, OSError):
        return None
    return next((one.name for one in candidates if one.sniff(head)), None)


def _kind(path: Path) -> str | None:
    """The kind of audio by the file's content; None if it isn't audio or can't be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    kind = kind_of(head)
    if kind is None or kind.name in _WEAK or head[8:12] in _PICTURES:
        return None
    return kind.name if head[4:8] in (b"ftyp", b"moov") or kind.demuxer != "mov" else None

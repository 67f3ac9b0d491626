"""Audio without a header: telephone switches write u-law and A-law as bare bytes.

`.ulaw`, `.mulaw`, `.ul` and `.alaw`, `.al` are 8 kHz mono in that code unless a raw format says otherwise;
`.raw` and `.pcm` can be anything, so without a stated format (`FindOptions.raw`) they are skipped. Pairs are
found as in the plain format, by role or pattern.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..audio import BadRecording, RawEncoding, RawFormat
from ..labels.file import SUFFIX
from ..listing import Listing, existing_labels
from ..pairs import PairPattern
from ..recording_files import FindOptions, Found, Layout, RecordingFiles, Skipped
from .base import Contents, Format, read_channels
from .plain import pairs_by_pattern

NAME = "raw"
_LAW_SUFFIXES: dict[str, RawEncoding] = {
    ".ulaw": "ulaw",
    ".mulaw": "ulaw",
    ".ul": "ulaw",
    ".alaw": "alaw",
    ".al": "alaw",
}


def _format_of(path: Path, stated: RawFormat | None) -> RawFormat | None:
    """How a file is coded: by its suffix, else as stated."""
    suffix = path.suffix.lower()
    law = _LAW_SUFFIXES.get(suffix)
    if law is not None:
        return stated if stated is not None and stated.encoding == law else RawFormat(law)
    return stated


def find(listing: Listing, options: FindOptions) -> Found:
    """Headerless files by suffix."""
    skipped: list[Skipped] = []
    usable: dict[Path, RawFormat] = {}
    for path in listing.raw:
        raw = _format_of(path, options.raw)
        if raw is not None:
            usable[path] = raw
        else:
            remedy = "state it, for example --raw pcm16,8000,1 (ENCODING,RATE_HZ,CHANNELS)"
            reason = str(BadRecording.of(path, "has no header that tells its format", remedy))
            skipped.append(Skipped(path, reason))
    found: list[RecordingFiles] = []
    if options.pair:
        found, unpaired = pairs_by_pattern(tuple(usable), PairPattern.of(options.pair))
        skipped += unpaired
    taken = {path for one in found for path in one.paths} | {one.path for one in skipped}
    found += _pairs_by_role(tuple(path for path in usable if path not in taken), options)
    taken = {path for one in found for path in one.paths} | {one.path for one in skipped}
    for path, raw in usable.items():
        if path not in taken:
            labels = existing_labels(path.with_name(path.stem + SUFFIX))
            layout: Layout = "stereo" if raw.channels == 2 else "mono"
            found.append(RecordingFiles(path.stem, path, None, labels, layout, NAME))
    known = [replace(one, format=NAME, raw=usable[one.user]) for one in found]
    return Found(tuple(known), tuple(skipped), frozenset(listing.raw))


def _pairs_by_role(paths: tuple[Path, ...], options: FindOptions) -> list[RecordingFiles]:
    """`X_caller` with `X_agent`, in one folder and of one suffix."""
    found: list[RecordingFiles] = []
    for suffix in sorted({path.suffix for path in paths}):
        alike = tuple(path for path in paths if path.suffix == suffix)
        for separator in ("_", "-"):
            pattern = PairPattern.by_role(options.user, options.agent, separator, suffix)
            found += pairs_by_pattern(alike, pattern)[0]
    return found


def load(files: RecordingFiles) -> Contents:
    """The channels. Raises BadRecording for a file that isn't a whole number of frames."""
    for path in (files.user, files.agent):
        if path is None or files.raw is None or not path.exists():
            continue
        size = path.stat().st_size
        if size % files.raw.bytes_per_frame:
            finding = f"has {size} bytes, not a multiple of {files.raw.bytes_per_frame} as {files.raw} needs"
            raise BadRecording.of(path, finding, "copy it again, or state another raw format")
        if _has_header(path):
            remedy = "name it after what it is, such as .wav"
            raise BadRecording.of(path, "is named as audio without a header, but has one", remedy)
    return read_channels(files)


def _has_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b".snd")


FORMAT = Format(NAME, find, load)

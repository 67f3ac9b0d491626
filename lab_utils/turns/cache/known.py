"""What reading a recording told, kept by its files: a recording that is known isn't decoded again.

Traces are found by the hash of the samples, and to have that hash a file must be decoded. So the hash is kept
with what the file system says of each of the recording's files: size, inode, and the times of the last change
of content and of status, to the nanosecond. If any of it differs, the files are read again. As in git's
index, files that changed just before they were read aren't remembered at all: another change might leave the
same times. What then is assumed is that nobody writes a file without the file system noting it; setting the
time of content back (rsync, touch) doesn't hide a change, since no program can set the time of status.

Kept in caches on this machine only, and of files on this machine: their times mean nothing elsewhere. Label
files are read each time: they are small, and edited by hand.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ...core.files.places import Place
from ...core.labels import Labels
from ...core.recording import Pcm, Provenance, Recording
from ...recordings.band import Background, Band
from ...recordings.find import labels_beside
from ...recordings.recording_files import RecordingFiles
from . import FINISHED, TraceCache

VERSION = 1
"""To be raised where reading a recording, or estimating its labels, tells anything else than before."""
JUST_NOW_S = 2.0
"""Times of files may be as coarse as this (FAT)."""
NAME = "known"
"""The end of an entry's address."""
_READERS = ("livekit-turn-lab", "soundfile", "soxr", "av", "numpy", "livekit-local-inference")
"""Packages whose version may change what is read, and what labels are estimated."""

FilesNow = tuple[tuple[int, int, int, int], ...]
"""Of each file its size, inode, time of content and time of status (ns)."""
Line = tuple[Band, Background]


class AudioNeeded(BaseException):
    """Samples were asked for that haven't been read.

    No Exception, so that no detector of a user's takes it for one of its own.
    """


class Unread:
    """Stands for samples of which only the number is known. Raises AudioNeeded for all but `len`."""

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, where: object) -> NoReturn:
        raise AudioNeeded

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise AudioNeeded

    def __getattr__(self, name: str) -> NoReturn:
        raise AudioNeeded


@dataclass(frozen=True)
class _Told:
    """What reading told, and of which files."""

    files: FilesNow
    sha256: str
    samples: int
    two_channels: bool
    labels: Labels | None
    """The format's own or estimated ones; None where a label file has them."""
    notes: tuple[str, ...]
    provenance: Provenance | None
    line: Line


def files_now(files: RecordingFiles) -> FilesNow | None:
    """What the file system says of a recording's files; None if they aren't all on this machine.

    None on Windows, too: it tells when a file was made in place of when its status changed.
    """
    if os.name == "nt" or not all(isinstance(path, Path) for path in files.paths):
        return None
    try:
        states = [path.stat() for path in files.paths]
    except OSError:
        return None
    return tuple((one.st_size, one.st_ino, one.st_mtime_ns, one.st_ctime_ns) for one in states)


def recall(cache: TraceCache, files: RecordingFiles) -> tuple[Recording, Line] | None:
    """A known recording with its labels and without samples (`Unread`), and what `line_of` said of it.

    None if it isn't known or its files have changed. Raises BadLabels for its label file.
    """
    now = files_now(files)
    if now is None or not isinstance(cache.folder, Path):
        return None
    entry = cache.load(_address(files), ["told"])
    if entry is None:
        return None
    try:
        told = _adapter().validate_json(entry[0].tobytes())
    except ValidationError:
        return None
    if told.files != now or (files.sha256 and files.sha256 != told.sha256):
        return None
    user = cast(Pcm, Unread(told.samples))
    recording = Recording(
        name=files.name,
        path=str(files.user),
        user=user,
        agent=cast(Pcm, Unread(told.samples)) if told.two_channels else None,
        sha256=told.sha256,
        labels=told.labels,
        notes=told.notes,
        provenance=told.provenance,
    )
    if files.labels is not None:
        recording = replace(recording, labels=labels_beside(files, recording.duration_s))
    return recording, told.line


def remember(
    cache: TraceCache,
    files: RecordingFiles,
    before: FilesNow | None,
    began_s: float,
    recording: Recording,
    line: Line,
) -> None:
    """Keep what reading told. Raises ValueError if it can't be kept.

    `before`: `files_now` before they were read, and `began_s`, the time of day then. `recording`: as it was
    read, with its labels.
    """
    newest_ns = max((ns for one in before or () for ns in one[2:]), default=0)
    if before is None or not isinstance(cache.folder, Path) or before != files_now(files):
        return
    if newest_ns >= (began_s - JUST_NOW_S) * 1e9:
        return
    labels = None if files.labels is not None else recording.labels
    both = recording.agent is not None
    told = _Told(
        before,
        recording.sha256,
        len(recording.user),
        both,
        labels,
        recording.notes,
        recording.provenance,
        line,
    )
    text = _adapter().dump_json(told)
    if _adapter().validate_json(text) != told:  # a format whose facts aren't plain values is read each time
        return
    address = _address(files)
    cache.link(recording.sha256, address.partition("-")[0])  # first: `lab forget` must find it
    cache.store(address, told=np.frombuffer(text, dtype=np.uint8))


def of_models(entries: Iterable[Place]) -> list[Place]:
    """Entries of a cache without what `remember` kept there, and without finished sessions."""
    every = [path for path in entries if not path.stem.endswith(FINISHED)]
    keys = {path.stem.removesuffix(f"-{NAME}") for path in every if path.stem.endswith(f"-{NAME}")}
    return [path for path in every if path.stem[:64] not in keys and path.stem[-64:] not in keys]


@functools.cache
def _adapter() -> TypeAdapter[_Told]:
    return TypeAdapter(_Told)


@functools.cache
def _readers() -> list[str]:
    return [f"{name} {version(name)}" for name in _READERS]


def _address(files: RecordingFiles) -> str:
    """By the places of the files and how they are read."""
    how = [
        [VERSION, _readers()],
        [str(path.absolute()) for path in files.paths],
        [files.layout, files.format, files.row, files.swapped, files.labels is None],
        None if files.raw is None else [files.raw.encoding, files.raw.rate_hz, files.raw.channels],
    ]
    return f"{hashlib.sha256(json.dumps(how).encode()).hexdigest()}-{NAME}"

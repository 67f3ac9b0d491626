"""Imports a folder: each recording is found, loaded once, reported and listed in a manifest.

The manifest holds hashes, durations and notes on what is odd, so listing and filtering it later reads no
audio.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..core.batch import Done, Outcome, run_batch
from ..core.errors import machine_error_text
from ..core.text.html import table_html
from .audio import BadRecording, as_path, audio_header, is_local
from .find import find_all, load_recording
from .manifest import Entry, write_manifest
from .recording_files import FindOptions, RecordingFiles, Skipped


@dataclass(frozen=True)
class Imported:
    """What an import found."""

    folder: Path
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    """Files that look like recordings and can't be used, and why."""

    @property
    def formats(self) -> dict[str, int]:
        """Recordings by format, the most frequent first."""
        return dict(Counter(entry.files.format for entry in self.entries).most_common())

    @property
    def duration_s(self) -> float:
        """Total duration of all recordings."""
        return sum(entry.duration_s for entry in self.entries)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was repaired or looked odd while loading: "NAME: note"."""
        return tuple(f"{entry.files.name}: {note}" for entry in self.entries for note in entry.notes)

    @property
    def advice(self) -> tuple[str, ...]:
        """What is missing or seems wrong, with remedies: a recording of one channel, channels exchanged."""
        found = []
        alone = [one for one in self.entries if one.channels == 1 and not one.labels_source]
        if alone:
            named = alone[0].files.name + ", ..." * (len(alone) > 1)
            count = f"{len(alone)} recording(s) have one channel and no labels ({named})"
            found.append(f"{count}: {ways(alone[0].files.user)}")
        for entry in self.entries:
            if any(note.startswith("the user's channel behaves like") for note in entry.notes):
                command = f"lab import {shlex.quote(str(entry.files.user))} --swap"
                found.append(f"{entry.files.name}: user and agent may be exchanged; this does it: {command}")
        return tuple(found)

    def _repr_html_(self) -> str:
        """One row per recording, then one per file that can't be used, with the reason."""
        rows = [
            (
                self._below(entry.files.user),
                entry.files.format,
                entry.channels,
                f"{entry.duration_s:.1f}",
                entry.labels_source,
                entry.words_source,
                "; ".join(entry.notes),
            )
            for entry in self.entries
        ]
        skipped = [(self._below(item.path), "skipped", "", "", "", "", item.reason) for item in self.skipped]
        head = ("file", "format", "channels", "seconds", "labels from", "words from", "notes")
        return table_html(head, [*rows, *skipped])

    def _below(self, path: str | Path) -> str:
        inside = Path(path).is_relative_to(self.folder)
        return Path(path).relative_to(self.folder).as_posix() if inside else str(path)


def ways(audio: Path) -> str:
    """What one channel without labels lacks, and what a user can do about it."""
    return (
        "without the agent a pause inside a turn can't be told from its end, so they are not swept; "
        "bring the agent's channel (a stereo file, or a pair: --pair), or labels: "
        f"lab label --skeleton {shlex.quote(str(audio))} writes a file to fill in, and RTTM, TextGrid or a "
        "transcript with speakers becomes labels too (docs/formats.md); or, if both speak in it, "
        f"lab diarize {shlex.quote(str(audio))} tells them apart by voice"
    )


def import_folder(
    path: str | Path,
    options: FindOptions | None = None,
    *,
    read: Callable[[Sequence[RecordingFiles]], Iterable[Outcome[Entry]]] | None = None,
    quiet: bool = False,
) -> Imported:
    """Find and load every recording in a folder (or one file); those that can't be used are skipped.

    The same audio counts once. `read`: loads them in another way than one after the other, here. Raises
    BadRecording for a path that doesn't exist.
    """
    found = find_all(path, options)
    entries: list[Entry] = []
    skipped = list(found.skipped)
    first: dict[str, RecordingFiles] = {}
    if read is None:
        read = partial(run_batch, entry_of, task="importing", quiet=quiet)
    for files, outcome in zip(found.recordings, read(found.recordings), strict=True):
        if not isinstance(outcome, Done):
            reason = outcome.reason
            if isinstance(outcome.error, OSError):
                reason = f"{files.user}: {machine_error_text(outcome.error)}"
            elif not isinstance(outcome.error, BadRecording):
                finding = f"can't be loaded ({reason})"
                reason = str(BadRecording.of(files.user, finding, "convert it with ffmpeg, or leave it out"))
            skipped.append(Skipped(files.user, reason))
            continue
        entry = outcome.value
        if entry.sha256 in first:
            finding = f"is the same audio as {first[entry.sha256].user}"
            skipped.append(Skipped(files.user, str(BadRecording.of(files.user, finding, "counted once"))))
            continue
        first[entry.sha256] = files
        entries.append(entry)
    return Imported(as_path(path), tuple(entries), tuple(skipped))


def save_import(imported: Imported, path: str | Path, first_at: Path | None = None) -> Path | None:
    """Write the manifest; returns the folder to give as `root` when reading it, or None if none is needed.

    A manifest in a folder above the recordings needs no root. `first_at`: where it lies until it is moved to
    `path`. Raises BadRecording if there are no recordings.
    """
    if not imported.entries:
        why = imported.skipped[0].reason if imported.skipped else "no file has a known format"
        raise BadRecording.of(imported.folder, "holds no usable recording", why)
    target = as_path(path)
    folder = imported.folder if imported.folder.is_dir() else imported.folder.parent
    above = is_local(target) == is_local(folder) and _is_above(target.parent, folder)
    place = target if first_at is None else first_at
    if is_local(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(imported.entries, place, target.parent if above else folder)
    return None if above else folder


def entry_of(files: RecordingFiles) -> Entry:
    """What a manifest says of a recording; loads it. Raises BadRecording."""
    recording = load_recording(files)
    header = audio_header(files.user, files.raw) if files.row is None else None
    return Entry.of(files, recording, header.rate_hz if header else 0)


def _is_above(folder: Path, other: Path) -> bool:
    one, two = folder.absolute(), other.absolute()
    return one == two or one in two.parents

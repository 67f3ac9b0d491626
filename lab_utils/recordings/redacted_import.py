"""Redacted copies of what an import found, in a folder of their own; the originals are not touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..core.files.scratch import scratch_folder
from ..core.timeline import Floats
from .audio import BadRecording, as_path, is_local, write_flac
from .find import load_recording
from .importing import Imported, entry_of, save_import
from .labels.file import SUFFIX, write_labels
from .manifest import Entry
from .recording_files import Layout, RecordingFiles, Skipped
from .redact import found, redacted


@dataclass(frozen=True)
class RedactedImport:
    """What was written, and which phrases weren't found."""

    imported: Imported
    """The folder and the entries of the copies."""
    unmatched: tuple[str, ...]
    """Phrases that no recording holds."""
    manifest: str
    root: Path | None
    """What `save_import` returned of the manifest."""


def check_folder_for_copies(folder: Path, originals: str | Path) -> None:
    """Raises ValueError unless copies can be written to a folder without harm to anything."""
    if not is_local(as_path(folder)):
        raise ValueError(f"{folder}: redacted copies are written to this machine; name a local folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is not an empty folder; name a new one for the redacted copies")
    if folder.is_mount():
        raise ValueError(f"{folder}: is a mount point, which can't be replaced; name a new folder in it")
    source = as_path(originals)
    if is_local(source) and source.is_dir() and source.resolve() in folder.resolve().parents:
        finding = "lies in the folder that is imported, which would list the copies next time"
        raise ValueError(f"{folder}: {finding}; name a folder elsewhere")


def write_redacted(
    imported: Imported,
    folder: Path,
    *,
    phrases: Sequence[str] = (),
    spans: Floats | None = None,
    manifest: str | Path | None = None,
    quiet: bool = False,
) -> RedactedImport:
    """Write a FLAC (user left, agent right) and a label file of each recording, redacted, into a folder.

    `manifest` lists them (default: `manifest.parquet` in the folder). All are made in a folder beside it,
    which takes its place at once: whenever this is killed, it can be done again. A recording that can't be
    searched or has no sound left is skipped: no copy is made of it. Spans are those of one recording. Raises
    ValueError if there are several, for phrases and spans that can't be used, and if there is no copy.
    """
    check_folder_for_copies(folder, imported.folder)
    if spans is not None and len(imported.entries) != 1:
        found_s = f"{len(imported.entries)} recordings were found"
        raise ValueError(f"spans to redact belong to one recording, but {found_s}; import that one file")
    place = folder.resolve()
    place.mkdir(parents=True, exist_ok=True)
    target = folder / "manifest.parquet" if manifest is None else as_path(manifest)
    with scratch_folder("part", place.parent) as scratch:
        part = scratch / "copies"
        part.mkdir()  # with the usual permissions, which the scratch folder hasn't
        copies, unmatched = _write_copies(imported, part, phrases, spans, quiet)
        entries = tuple(_moved(entry, part, folder) for entry in copies.entries)
        copies = replace(copies, folder=folder, entries=entries)
        inside = is_local(target) and target.absolute().is_relative_to(folder.absolute())
        first_at = part / target.absolute().relative_to(folder.absolute()) if inside else None
        root = save_import(copies, target, first_at)
        place.rmdir()  # empty; only some systems replace it
        part.rename(place)
    return RedactedImport(copies, unmatched, str(target), root)


def _moved(entry: Entry, before: Path, now: Path) -> Entry:
    """The entry of a copy whose folder was `before`."""
    user, labels = (
        path and now / path.relative_to(before) for path in (entry.files.user, entry.files.labels)
    )
    assert user is not None
    return replace(entry, files=replace(entry.files, user=user, labels=labels))


def _write_copies(
    imported: Imported, folder: Path, phrases: Sequence[str], spans: Floats | None, quiet: bool
) -> tuple[Imported, tuple[str, ...]]:
    """The copies, and the phrases that no recording holds."""
    entries: list[Entry] = []
    skipped = list(imported.skipped)
    unmatched = dict.fromkeys(phrases)
    for entry in tqdm(imported.entries, "redacting", unit="recording", disable=quiet):
        try:
            recording = load_recording(entry.files)
            result = redacted(recording, spans=spans, phrases=phrases)
            if not np.any(result.user):
                finding, remedy = "has no sound of the user left", "redact less of it"
                raise BadRecording.of(entry.files.user, finding, remedy)
            target = _free(folder, entry.files.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            labels = None
            if result.labels is not None:
                labels = target.with_name(target.name.removesuffix(".flac") + SUFFIX)
                write_labels(result.labels, labels)
            both = result.user if result.agent is None else np.column_stack([result.user, result.agent])
            write_flac(target, both)
            layout: Layout = "mono" if result.agent is None else "stereo"
            files = RecordingFiles(entry.files.name, target, None, labels, layout, sha256=result.sha256)
            entries.append(replace(entry_of(files), notes=result.notes))
        except BadRecording as error:
            skipped.append(Skipped(entry.files.user, str(error)))
            continue
        for phrase in list(unmatched):
            if recording.labels is not None and found(recording.labels, phrase):
                del unmatched[phrase]
    return Imported(folder, tuple(entries), tuple(skipped)), tuple(unmatched)


def _free(folder: Path, name: str) -> Path:
    """A path of that name in the folder, numbered if such a file exists already."""
    parts = [re.sub(r"[^\w.\- ]", "_", part) for part in name.split("/") if part.strip(". ")]
    base = folder.joinpath(*parts) if parts else folder / "recording"
    target, number = base.with_name(f"{base.name}.flac"), 2
    while target.exists() or target.with_name(target.stem + SUFFIX).exists():
        target, number = base.with_name(f"{base.name}-{number}.flac"), number + 1
    return target

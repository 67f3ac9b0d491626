"""A folder of recordings in any known format → a manifest, and copies with words muted if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..core.batch import Outcome, run_batch
from ..recordings.importing import Imported, entry_of, import_folder, save_import
from ..recordings.manifest import Entry
from ..recordings.recording_files import FindOptions, RecordingFiles
from ..recordings.redact import read_spans
from ..recordings.redacted_import import check_folder_for_copies, write_redacted
from ..turns.cache.finished import Kept, Run
from ..turns.cache.known import files_now


@dataclass(frozen=True)
class Redaction:
    """What is muted in copies of the recordings: words or phrases, or the spans of an annotation."""

    folder: Path
    """Receives the copies; it must be new."""
    phrases: Sequence[str] = ()
    spans: Path | None = None
    """Annotation file whose segments (or tier "redact") are muted."""


@dataclass(frozen=True)
class ImportDone:
    """What was found, and where it is listed."""

    imported: Imported
    manifest: str
    root: Path | None
    """From here the manifest's paths count, if not from its own folder."""
    unmatched: tuple[str, ...] = ()
    """Phrases that were not found, so that nothing was muted for them."""

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "recordings": len(self.imported.entries),
            "duration_s": self.imported.duration_s,
            "formats": self.imported.formats,
            "notes": list(self.imported.notes),
            "advice": list(self.imported.advice),
            "skipped": [item.reason for item in self.imported.skipped],
            "manifest": self.manifest,
            "root": self.root and str(self.root),
        }


def import_recordings(
    folder: str,
    out: str | None = None,
    options: FindOptions | None = None,
    redaction: Redaction | None = None,
    *,
    jobs: int = 1,
    quiet: bool = False,
) -> ImportDone:
    """Find the recordings of a folder, write redacted copies if asked for, and list them in a manifest.

    `out`: the manifest (default: `manifest.parquet` in the folder, or in that of the copies). Inside
    `going_on` recordings of this machine that were read aren't read again. Raises ValueError for what can't
    be read or written; a recording that can't be used is skipped with its reason.
    """
    spans = read_spans(redaction.spans) if redaction and redaction.spans else None
    if redaction is not None:
        check_folder_for_copies(redaction.folder, folder)
    imported = import_folder(folder, options, read=partial(_read, jobs=jobs, quiet=quiet))
    if redaction is not None and imported.entries:
        copies = write_redacted(
            imported,
            redaction.folder,
            phrases=redaction.phrases,
            spans=spans,
            manifest=out,
            quiet=quiet,
        )
        return ImportDone(copies.imported, copies.manifest, copies.root, copies.unmatched)
    base = imported.folder if imported.folder.is_dir() else imported.folder.parent
    target = out if out is not None else str(base / "manifest.parquet")
    return ImportDone(imported, target, save_import(imported, target))


@dataclass(frozen=True)
class _AsTheyAre:
    """A recording's files, told from others without reading them, where they are on this machine."""

    files: RecordingFiles

    @property
    def made_of(self) -> tuple[Any, ...]:
        now = files_now(self.files)
        return repr(self.files), self.files.labels, self.files if now is None else now


def _read(found: Sequence[RecordingFiles], *, jobs: int, quiet: bool) -> Iterator[Outcome[Entry]]:
    if not all(isinstance(path, Path) for files in found for path in files.paths):
        return run_batch(entry_of, found, jobs=min(jobs, max(1, len(found))), task="importing", quiet=quiet)
    run = Run(_entry_of, [(_AsTheyAre(files),) for files in found], Kept(Entry, quotes=True), "recording")
    return run.in_batch("importing", jobs=jobs, quiet=quiet)


def _entry_of(of: _AsTheyAre) -> Entry:
    return entry_of(of.files)

"""The files below a folder, local or behind an fsspec URL, as the import formats look at them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .audio import AUDIO_SUFFIXES, BadRecording, is_local
from .labels.file import SUFFIX as LABEL_SUFFIX
from .recording_files import Skipped, bad_name

RAW_SUFFIXES = (".ulaw", ".mulaw", ".ul", ".alaw", ".al", ".raw", ".pcm")
"""Audio without a header."""


@dataclass(frozen=True)
class Listing:
    """Some files, sorted by path. Hidden ones, and names that aren't UTF-8, are not among them."""

    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...] = ()

    @classmethod
    def below(cls, folder: Path) -> Listing:
        """All files in a folder and its folders. Raises BadRecording if it can't be listed."""
        try:
            return cls._of(_walk(folder) if is_local(folder) else _walk_remote(folder))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BadRecording.of(folder, f"can't be listed ({reason})", "check its permissions") from None

    @classmethod
    def beside(cls, file: Path) -> Listing:
        """The files of a file's folder."""
        return cls._of(other for other in file.parent.iterdir() if other.is_file())

    @classmethod
    def _of(cls, paths: Iterable[Path]) -> Listing:
        files: list[Path] = []
        skipped: list[Skipped] = []
        for path in sorted(path for path in paths if not path.name.startswith(".")):
            reason = bad_name(path)
            if reason is None:
                files.append(path)
            else:
                skipped.append(Skipped(path, reason))
        return cls(tuple(files), tuple(skipped))

    def without(self, claimed: Iterable[Path]) -> Listing:
        """The listing less some files."""
        gone = frozenset(claimed)
        return Listing(tuple(path for path in self.files if path not in gone)) if gone else self

    @cached_property
    def audio(self) -> tuple[Path, ...]:
        """Audio files with a header, by name."""
        return tuple(path for path in self.files if path.name.lower().endswith(AUDIO_SUFFIXES))

    @cached_property
    def raw(self) -> tuple[Path, ...]:
        """Audio files without a header, by name."""
        return self.named(*RAW_SUFFIXES)

    @cached_property
    def json(self) -> tuple[Path, ...]:
        """JSON files that are no labels."""
        label_names = (LABEL_SUFFIX, LABEL_SUFFIX.lstrip("."))
        found = self.named(".json", ".jsonl")
        return tuple(
            path for path in found if path.name != label_names[1] and not path.name.endswith(label_names[0])
        )

    def named(self, *suffixes: str) -> tuple[Path, ...]:
        """Files with one of some suffixes."""
        return tuple(path for path in self.files if path.suffix.lower() in suffixes)

    @cached_property
    def audio_by_folder(self) -> dict[Path, tuple[Path, ...]]:
        """Folder -> its audio files."""
        folders: dict[Path, list[Path]] = {}
        for path in self.audio:
            folders.setdefault(path.parent, []).append(path)
        return {folder: tuple(paths) for folder, paths in folders.items()}


def existing_labels(path: Path) -> Path | None:
    """The label file `path`, if there is one."""
    return path if path.exists() else None


def labels_beside(audio: Path) -> Path | None:
    """The label file of one audio file, if there is one."""
    return existing_labels(audio.with_name(audio.stem + LABEL_SUFFIX))


def _walk(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent) / name for name in names)


def _walk_remote(folder: Path) -> Iterable[Path]:
    depth = len(folder.parts)
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.parts[depth:]):
            yield path

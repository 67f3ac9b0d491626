"""What a fuzzing target is, and what those of recordings share. See `fuzz.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from recording_fixtures import one_line

from lab_utils.recordings.audio import write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.importing import Imported, import_folder, save_import
from lab_utils.recordings.labels.file import write_labels
from lab_utils.recordings.recording_files import FindOptions

RATE_HZ = 16_000


@dataclass(frozen=True)
class Target:
    """One reader to be fuzzed."""

    seeds: Callable[[], tuple[bytes, ...]]
    """Sound inputs from which to start."""
    prepare: Callable[[Path], Callable[[bytes], None]]
    """Given an empty folder, puts there what stays the same; what it returns tries one input."""
    is_json: bool = False
    """Whether inputs are changed as JSON rather than as bytes."""


def imports_soundly(folder: Path, options: FindOptions | None = None) -> Imported:
    """Import a folder as the command line does, and check what it says and writes."""
    imported = import_folder(folder, options, quiet=True)
    for item in imported.skipped:
        one_line(ValueError(item.reason))
    list_ = folder.parent / "manifest.parquet"
    if imported.entries:
        save_import(imported, list_)
        for files, entry in zip(find_recordings(list_), imported.entries, strict=True):
            assert (files.paths, files.row) == (entry.files.paths, entry.files.row)
            recording = load_recording(files)
            assert recording.sha256 == entry.sha256
            if recording.labels is not None:
                write_labels(recording.labels, folder.parent / "written.labels.json")
        names = [entry.files.name for entry in imported.entries]
        assert len(set(names)) == len(names), names
    return imported


def noise(path: Path, duration_s: float, channels: int = 2, seed: int = 0) -> Path:
    """A WAV file of noise: fast to read, and not silent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.random.default_rng(seed).normal(0, 3000, (round(duration_s * RATE_HZ), channels))
    write_wav(path, pcm.astype(np.int16).squeeze())
    return path


def dumped(*values: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)

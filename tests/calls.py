"""Short recordings for tests of whole sessions: parts of the sample calls, with their labels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from lab_utils.core.labels import Labels
from lab_utils.core.recording import Recording
from lab_utils.core.timeline import to_samples
from lab_utils.recordings.find import audio_sha256, find_recordings, load_recording

SAMPLES = Path(__file__).resolve().parents[1] / "audio_samples"


def sample(name: str) -> Recording:
    """One of the sample calls, by the beginning of its name."""
    (files,) = [files for files in find_recordings(SAMPLES) if files.name.startswith(name)]
    return load_recording(files)


def copy_samples(folder: Path, *names: str) -> Path:
    """Put sample calls with their labels into a folder, and return it."""
    for name in names:
        for suffix in (".flac", ".labels.json"):
            shutil.copy(SAMPLES / f"{name}{suffix}", folder)
    return folder


def cut(recording: Recording, start_s: float, end_s: float, name: str = "") -> Recording:
    """The part of a labelled recording from `start_s` to `end_s`; labels that lie within it are kept."""
    assert recording.labels is not None

    def within(things):
        return tuple(
            replace(thing, start_s=thing.start_s - start_s, end_s=thing.end_s - start_s)
            for thing in things
            if thing.start_s >= start_s and thing.end_s <= end_s
        )

    known = recording.labels
    labels = Labels(
        end_s - start_s, within(known.ipus), within(known.labels), within(known.words), known.source
    )
    part = slice(to_samples(start_s), to_samples(end_s))
    user, agent = recording.user[part], None if recording.agent is None else recording.agent[part]
    name = name or f"{recording.name} {start_s:g}"
    return Recording(name, recording.path, user, agent, audio_sha256(user, agent), labels)


def short_call(name: str = "") -> Recording:
    """Twelve seconds of the first sample: turns with holds, a reply of the recorded agent; no greeting."""
    return cut(sample("01"), 4.0, 16.0, name)


def one_question(name: str = "") -> Recording:
    """Two and a half seconds with a single stretch of speech."""
    return cut(sample("01"), 9.5, 11.5, name)

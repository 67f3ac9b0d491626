"""What an import format is, and the reading of channels that formats share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.labels import Labels
from ...core.recording import Pcm, Provenance
from ...core.samples.kept import joined
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording, RawFormat, decode_pcm16k
from ..listing import Listing
from ..recording_files import FindOptions, Found, RecordingFiles

MAX_PADDING_S = 1.0
"""Channels of a pair may differ in length by this much; the shorter is padded with silence."""


@dataclass(frozen=True)
class Contents:
    """What the files of a recording hold; both channels have the same length."""

    user: Pcm
    agent: Pcm | None
    labels: Labels | None = None
    provenance: Provenance | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """One import format.

    `find` looks at files that no format before it claimed; it reads headers and small files only, and lists
    what it recognises even if it is damaged. `load` then raises BadRecording, saying what is wrong.
    """

    name: str
    find: Callable[[Listing, FindOptions], Found]
    load: Callable[[RecordingFiles], Contents]
    details: int = 0
    """Least number of files in `RecordingFiles.details`."""
    others: int = 0
    """Least number of files in `RecordingFiles.others`."""


def read_channels(files: RecordingFiles, max_padding_s: float = MAX_PADDING_S) -> Contents:
    """Both channels of a stereo file or a pair, or a mono file's one.

    Channels of a pair that differ in length by up to `max_padding_s` are padded at the end, with a note.
    """
    if files.agent is None:
        decoded = decode_pcm16k(files.user, files.raw)
        user, *others = decoded.channels
        return Contents(user, others[0] if others else None, notes=decoded.notes)
    if not files.user.exists():
        finding = f"has no {files.user.name} beside it"
        raise BadRecording.of(files.agent, finding, "add the user's channel, or name the two channels")
    user, user_notes = decode_mono(files.user, files.raw)
    agent, agent_notes = decode_mono(files.agent, files.raw)
    both_padded = padded(files.user, user, files.agent, agent, max_padding_s)
    return replace(both_padded, notes=user_notes + agent_notes + both_padded.notes)


def padded(user_path: Path, user: Pcm, agent_path: Path, agent: Pcm, max_padding_s: float) -> Contents:
    """Two channels at equal length; raises BadRecording if they differ by more than may be padded."""
    lengths = f"{len(user) / SAMPLE_RATE_HZ:.3f} s and {agent_path.name} {len(agent) / SAMPLE_RATE_HZ:.3f} s"
    difference = len(user) - len(agent)
    if abs(difference) > max_padding_s * SAMPLE_RATE_HZ:
        finding = f"lasts {lengths}; they may differ by {max_padding_s:g} s"
        raise BadRecording.of(user_path, finding, "give two channels of the same call, from the same start")
    notes = []
    if difference:
        shorter = agent_path if difference > 0 else user_path
        by_s = abs(difference) / SAMPLE_RATE_HZ
        notes.append(f"{shorter.name} is {by_s:.3f} s shorter than the other channel; padded with silence")
    n = max(len(user), len(agent))
    return Contents(as_long(user, n), as_long(agent, n), notes=tuple(notes))


def as_long(pcm: Pcm, n: int) -> Pcm:
    """The samples with silence after them, `n` in all."""
    return pcm if len(pcm) == n else joined(pcm, np.zeros(n - len(pcm), np.int16))


def decode_mono(path: Path, raw: RawFormat | None = None) -> tuple[Pcm, tuple[str, ...]]:
    """The samples of a mono file, shape=(n,), with notes that name it; BadRecording for a stereo file."""
    decoded = decode_pcm16k(path, raw)
    if len(decoded.channels) != 1:
        finding = f"has {len(decoded.channels)} channels, but is one of a pair of mono files"
        raise BadRecording.of(path, finding, "export one speaker per file, or give the stereo file alone")
    return decoded.channels[0], named_notes(path, decoded.notes)


def named_notes(path: Path, notes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes on one file of several, with its name."""
    return tuple(f"{path.name}: {note}" for note in notes)


def audio_of(details: Path, listing: Listing, names: tuple[str, ...] = ()) -> Path | None:
    """The audio file that a report belongs to: one of `names`, of the same stem, or alone in the folder.

    It is searched in the report's own folder: folders named in a report are those of another machine.
    """
    here = listing.audio_by_folder.get(details.parent, ())
    by_name = {path.name: path for path in here}
    for name in names:
        if name in by_name:
            return by_name[name]
    stem = details.name.partition(".")[0]
    same = [path for path in here if path.stem in (stem, details.stem)]
    return same[0] if same else here[0] if len(here) == 1 else None

"""Recordings on disk: which files belong together, and loading them at 16 kHz.

Three layouts: `stereo` (one file: user left, agent right), `pair` (two mono files `caller` and `agent`, or
`X_caller` and `X_agent`; the names can be chosen) and `mono` (the user only). Labels lie beside the audio in
`<stem>.labels.json`; for a pair in `X.labels.json`, or `labels.json` in its folder.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..audio import AUDIO_SUFFIXES, BadRecording, channel_count, read_pcm16k
from ..records import Labels, Pcm, Recording
from ..timeline import SAMPLE_RATE_HZ
from .label_file import SUFFIX, check_duration, read_labels

Layout = Literal["stereo", "pair", "mono"]

MAX_PADDING_S = 1.0
"""Channels of a pair may differ in length by this much; the shorter is padded with silence."""
SILENCE_PEAK = 3
"""Audio whose int16 samples never exceed this (about -80 dBFS) is silent."""


@dataclass(frozen=True)
class RecordingFiles:
    """The files of one recording."""

    name: str
    user: Path
    agent: Path | None
    """The agent's file of a pair; None for the other layouts."""
    labels: Path | None
    layout: Layout


def find_recordings(path: str | Path, *, user: str = "caller", agent: str = "agent") -> list[RecordingFiles]:
    """The recordings in a file or, recursively, in a folder, sorted by path and with distinct names.

    Either file of a pair stands for the pair. Only headers are read: a file that can't be read is listed as
    `mono`, an agent's file without its user's as a `pair`, and `load_recording` says what is wrong. Hidden
    files and folders are passed over. Raises BadRecording for a path that doesn't exist or has no recording.
    """
    if not user or not agent or user.casefold() == agent.casefold():
        raise ValueError(f"the channel names must differ and not be empty, got {user!r} and {agent!r}")
    root = Path(path)
    if not root.exists():
        raise BadRecording.of(path, "no such file or folder", "check the path and its spelling")
    if root.is_dir():
        found = _grouped(_audio_files(root), user.casefold(), agent.casefold())
    else:
        roles = [_prefix(root, role) for role in (user.casefold(), agent.casefold())]
        paths = [root] if roles == [None, None] else sorted({root, *_audio_beside(root)})
        found = _grouped(paths, user.casefold(), agent.casefold())
        found = [files for files in found if root in (files.user, files.agent)]
    if not found:
        looked = f"looked for {', '.join(AUDIO_SUFFIXES)}: stereo, mono, or pairs *_{user}/*_{agent}"
        raise BadRecording.of(path, "no recording in this folder", f"{looked}; give another folder or a file")
    return with_distinct_names(found)


def with_distinct_names(found: Iterable[RecordingFiles]) -> list[RecordingFiles]:
    """The recordings, each once; names that occur twice are lengthened by folders ("monday/call").

    For what `find_recordings` found in several places.
    """
    unique = list({files.user.absolute(): files for files in found}.values())
    places = [_place(files) for files in unique]
    shared = Counter(places)
    places = [f.user.absolute() if shared[p] > 1 else p for f, p in zip(unique, places, strict=True)]
    names = [place.name for place in places]
    for depth in range(2, max((len(place.parts) for place in places), default=0) + 1):
        counts = Counter(names)
        names = [
            "/".join(place.parts[-depth:]) if counts[name] > 1 else name
            for place, name in zip(places, names, strict=True)
        ]
    return [replace(files, name=name) for files, name in zip(unique, names, strict=True)]


def load_recording(files: RecordingFiles) -> Recording:
    """A recording at 16 kHz with its labels, if it has a label file.

    Channels of a pair that differ by up to 1.0 s in length are padded at the end (a note says so). `sha256`:
    see `audio_sha256`. Raises BadRecording or BadLabels, naming file, finding and remedy.
    """
    user, agent, notes = _channels(files)
    if _silent(user):
        other = agent is not None and not _silent(agent)
        which = "the user's channel (left)" if files.layout == "stereo" else "the user's audio"
        remedy = "check which channel is whose" if other else "use a recording with speech"
        raise BadRecording.of(files.user, f"{which} is silent throughout (below -80 dBFS)", remedy)
    if agent is not None and _silent(agent):
        notes.append("the agent's channel is silent throughout")
    labels = _labels(files, len(user) / SAMPLE_RATE_HZ)
    return Recording(
        files.name, str(files.user), user, agent, audio_sha256(user, agent), labels, tuple(notes)
    )


def audio_sha256(user: Pcm, agent: Pcm | None) -> str:
    """SHA-256 of each channel's name and number of samples, and its 16 kHz samples as little-endian int16.

    The user's channel comes first. The same audio has the same hash as stereo file and as pair.
    """
    digest = hashlib.sha256()
    for name, pcm in (("user", user), ("agent", agent)):
        if pcm is not None:
            digest.update(f"{name} {len(pcm)}\n".encode())
            digest.update(pcm.astype("<i2").tobytes())
    return digest.hexdigest()


def _audio_files(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent) / name for name in names if _is_audio_name(name)]
    return sorted(found)


def _audio_beside(file: Path) -> list[Path]:
    return [other for other in file.parent.iterdir() if _is_audio_name(other.name)]


def _is_audio_name(name: str) -> bool:
    return name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith(".")


def _prefix(path: Path, role: str) -> str | None:
    """What precedes the role in a file's name: "X" for X_caller, "" for caller, None without the role."""
    stem = path.stem
    if stem.casefold() == role:
        return ""
    if stem.casefold().endswith("_" + role):
        return stem[: -len(role) - 1]
    return None


def _grouped(paths: list[Path], user: str, agent: str) -> list[RecordingFiles]:
    """The recordings among files in order of path; `user` and `agent` are casefolded."""
    agents = [path for path in paths if _prefix(path, agent) is not None]
    taken: set[Path] = set()
    found: list[RecordingFiles] = []
    for path in paths:
        prefix = _prefix(path, user)
        partner = None if prefix is None else _partner(path, prefix, agents, agent)
        if prefix is not None and partner is not None:
            taken.add(partner)
            found.append(_pair(path, partner, prefix))
    paired = {files.user for files in found} | taken
    for path in paths:
        if path in paired:
            continue
        prefix = _prefix(path, agent)
        if prefix is not None and channel_count(path) == 1:
            missing = path.with_name(path.stem[: len(path.stem) - len(agent)] + user + path.suffix)
            found.append(_pair(missing, path, prefix))
        else:
            layout: Layout = "stereo" if channel_count(path) == 2 else "mono"
            labels = _existing(path.with_name(path.stem + SUFFIX))
            found.append(RecordingFiles(path.stem, path, None, labels, layout))
    return sorted(found, key=lambda files: files.user)


def _partner(path: Path, prefix: str, agents: list[Path], agent: str) -> Path | None:
    """The agent's file for a user's file: same folder and prefix, the same format before another."""
    own = [other for other in agents if other.parent == path.parent and _prefix(other, agent) == prefix]
    return min(own, key=lambda other: (other.suffix != path.suffix, other), default=None)


def _pair(user: Path, agent: Path, prefix: str) -> RecordingFiles:
    name = prefix or user.absolute().parent.name or user.stem
    labels = _existing(user.with_name(prefix + SUFFIX if prefix else SUFFIX.lstrip(".")))
    return RecordingFiles(name, user, agent, labels, "pair")


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _place(files: RecordingFiles) -> Path:
    """The recording's path without suffix or role: the folder, if it is named after that."""
    folder = files.user.absolute().parent
    name = files.name.rpartition("/")[2] if files.layout == "pair" else files.user.stem
    return folder if files.layout == "pair" and folder.name == name else folder / name


def _channels(files: RecordingFiles) -> tuple[Pcm, Pcm | None, list[str]]:
    """Both channels, of equal length, and notes."""
    if files.agent is None:
        pcm = read_pcm16k(files.user)
        both = pcm.shape[1] == 2
        return np.ascontiguousarray(pcm[:, 0]), np.ascontiguousarray(pcm[:, 1]) if both else None, []
    if not files.user.exists():
        finding = f"has no {files.user.name} beside it"
        raise BadRecording.of(files.agent, finding, "add the user's channel, or name the two channels")
    user, agent = _mono(files.user), _mono(files.agent)
    lengths = f"{len(user) / SAMPLE_RATE_HZ:.3f} s and {files.agent.name} {len(agent) / SAMPLE_RATE_HZ:.3f} s"
    difference = len(user) - len(agent)
    if abs(difference) > MAX_PADDING_S * SAMPLE_RATE_HZ:
        finding = f"lasts {lengths}; they may differ by {MAX_PADDING_S:g} s"
        raise BadRecording.of(files.user, finding, "give two channels of the same call, from the same start")
    notes = []
    if difference:
        shorter = files.agent if difference > 0 else files.user
        by_s = abs(difference) / SAMPLE_RATE_HZ
        notes.append(f"{shorter.name} is {by_s:.3f} s shorter than the other channel; padded with silence")
    n = max(len(user), len(agent))
    return np.pad(user, (0, n - len(user))), np.pad(agent, (0, n - len(agent))), notes


def _mono(path: Path) -> Pcm:
    pcm = read_pcm16k(path)
    if pcm.shape[1] != 1:
        finding = f"has {pcm.shape[1]} channels, but is one of a pair of mono files"
        raise BadRecording.of(path, finding, "export one speaker per file, or give the stereo file alone")
    return pcm[:, 0].copy()


def _silent(pcm: Pcm) -> bool:
    return bool(max(-int(pcm.min()), int(pcm.max())) <= SILENCE_PEAK)


def _labels(files: RecordingFiles, duration_s: float) -> Labels | None:
    if files.labels is None:
        return None
    labels = read_labels(files.labels)
    check_duration(files.labels, labels, duration_s)
    return labels

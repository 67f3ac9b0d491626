"""Audio files by themselves: stereo (user left, agent right), pairs of mono files, and the user alone.

Pairs are files named by two roles: `caller.wav` and `agent.wav`, `X_caller.wav` and `X_agent.wav` (the words
can be chosen), `X-caller.wav` too, or whatever a `PairPattern` says. WAV files may hold PCM, u-law or A-law.
"""

from __future__ import annotations

from pathlib import Path

from ..audio import channel_count
from ..labels.file import SUFFIX
from ..listing import Listing, existing_labels, labels_beside
from ..pairs import PairPattern
from ..recording_files import FindOptions, Found, Layout, RecordingFiles, Skipped
from .base import Format, read_channels

NAME = "audio"


def find(listing: Listing, options: FindOptions) -> Found:
    """Every audio file is a recording, or a channel of one."""
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    files = listing.audio
    if options.pair:
        found, skipped = pairs_by_pattern(files, PairPattern.of(options.pair))
        taken = {path for one in found for path in one.paths} | {one.path for one in skipped}
        files = tuple(path for path in files if path not in taken)
    found += _grouped(files, options.user.casefold(), options.agent.casefold())
    return Found(tuple(found), tuple(skipped), frozenset(listing.audio))


def pairs_by_pattern(
    paths: tuple[Path, ...], pattern: PairPattern
) -> tuple[list[RecordingFiles], list[Skipped]]:
    """The pairs among files, and the files that fit the pattern but have no partner, or two."""
    channels: dict[tuple[Path, str], dict[bool, list[Path]]] = {}
    for path in paths:
        match = pattern.match(path)
        if match:
            pair = channels.setdefault((match.folder, match.name), {False: [], True: []})
            pair[match.is_agent].append(path)
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    for (folder, name), pair in channels.items():
        users, agents = pair[False], pair[True]
        if len(users) == 1 and len(agents) == 1:
            labels = existing_labels(folder / (name + SUFFIX))
            found.append(RecordingFiles(name, users[0], agents[0], labels, "pair", NAME))
            continue
        which = (
            "no file of the user" if not users else "no file of the agent" if not agents else "several files"
        )
        for path in users + agents:
            reason = (
                f"{path}: the pair pattern finds {which} for {name!r}; add the other channel, or change it"
            )
            skipped.append(Skipped(path, reason))
    return found, skipped


def _prefix(path: Path, role: str) -> str | None:
    """What precedes the role in a file's name: "X" for X_caller, "" for caller, None without the role."""
    stem = path.stem
    if stem.casefold() == role:
        return ""
    if stem.casefold().endswith(("_" + role, "-" + role)):
        return stem[: -len(role) - 1]
    return None


def _grouped(paths: tuple[Path, ...], user: str, agent: str) -> list[RecordingFiles]:
    """The recordings among files in order of path; `user` and `agent` are casefolded."""
    agents: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        prefix = _prefix(path, agent)
        if prefix is not None:
            agents.setdefault((path.parent, prefix), []).append(path)
    taken: set[Path] = set()
    found: list[RecordingFiles] = []
    for path in paths:
        prefix = _prefix(path, user)
        partners = [] if prefix is None else agents.get((path.parent, prefix), [])
        if prefix is not None and partners:
            # The same format before another: caller.wav goes with agent.wav, not with agent.flac.
            partner = min(partners, key=lambda other: (other.suffix != path.suffix, other))
            taken |= {path, partner}
            found.append(_pair(path, partner, prefix))
    for path in paths:
        if path in taken:
            continue
        prefix = _prefix(path, agent)
        channels = channel_count(path)
        if prefix is not None and channels == 1:
            missing = path.with_name(path.stem[: len(path.stem) - len(agent)] + user + path.suffix)
            found.append(_pair(missing, path, prefix))
        else:
            layout: Layout = "stereo" if channels == 2 else "mono"
            found.append(RecordingFiles(path.stem, path, None, labels_beside(path), layout, NAME))
    return found


def _pair(user: Path, agent: Path, prefix: str) -> RecordingFiles:
    name = prefix or user.absolute().parent.name or user.stem
    labels = existing_labels(user.with_name(prefix + SUFFIX if prefix else SUFFIX.lstrip(".")))
    return RecordingFiles(name, user, agent, labels, "pair", NAME)


FORMAT = Format(NAME, find, read_channels)

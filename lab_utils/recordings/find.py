"""Recordings on disk: finding them in whatever format they are, and loading them at 16 kHz.

`find_recordings` asks each import format in turn (`formats.FORMATS`) which of a folder's files it recognises;
`load_recording` reads one recording. Labels lie beside the audio in `<stem>.labels.json` (for a pair in
`X.labels.json`, or `labels.json` in its folder) and replace labels that a format has. Paths may be fsspec
URLs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ..core.batch import Done, Outcome
from ..core.batch import Skipped as Unusable
from ..core.errors import machine_error_text
from ..core.labels import Labels
from ..core.recording import Pcm, Recording
from ..core.samples.kept import blocks_of
from ..core.timeline import SAMPLE_RATE_HZ
from .audio import AUDIO_SUFFIXES, BadRecording, RawFormat, as_path
from .formats import BY_CONVENTION, BY_NAME, FORMATS
from .json_files import check_json
from .labels.file import SUFFIX as LABEL_SUFFIX
from .labels.file import check_duration, read_labels
from .labels.swapped import suspect_swap
from .left_over import annotations_alone, left_over
from .listing import Listing, existing_labels
from .manifest import is_manifest, read_manifest
from .recording_files import FindOptions, Found, Layout, RecordingFiles, Skipped, bad_name

__all__ = [
    "Layout",
    "RecordingFiles",
    "audio_sha256",
    "find_all",
    "find_in",
    "find_recordings",
    "load_recording",
    "results_of",
    "with_distinct_names",
]

T = TypeVar("T")

SILENCE_PEAK = 3
"""Audio whose int16 samples never exceed this (about -80 dBFS) is silent."""


def find_recordings(
    path: str | Path,
    *,
    user: str = "caller",
    agent: str = "agent",
    pair: str = "",
    raw: RawFormat | None = None,
    swap: bool = False,
    root: str | Path | None = None,
) -> list[RecordingFiles]:
    """The recordings in a file, a manifest or, recursively, a folder: sorted by path, with distinct names.

    `user`, `agent`, `pair`, `raw` and `swap` are those of `FindOptions`; `root` is the folder that a
    manifest's paths are relative to, if it isn't the manifest's own. Given one file of a pair, it returns the
    pair. Only headers and small files are read: a file that can't be read is listed, and `load_recording`
    says what is wrong. Hidden files and folders are passed over. Raises BadRecording for a path that doesn't
    exist or has no recording, and ValueError for options that make no sense.
    """
    options = FindOptions(user, agent, pair, raw, swap)
    target = as_path(path)
    if target.suffix.lower() == ".parquet" and target.is_file() and is_manifest(target):
        return read_manifest(target, root=root).recordings()
    found = find_all(target, options)
    if not found.recordings:
        looked = f"looked for {', '.join(AUDIO_SUFFIXES)}: stereo, mono, or pairs *_{user}/*_{agent}"
        why = f"; {found.skipped[0].reason}" if found.skipped else ""
        raise BadRecording.of(
            path,
            f"no recording in this {'folder' if target.is_dir() else 'file'}",
            f"{looked}{why}; give another folder or a file",
        )
    return list(found.recordings)


def find_in(
    paths: Iterable[str | Path],
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
) -> tuple[list[RecordingFiles], list[tuple[str | Path, BadRecording]]]:
    """The recordings in several files, folders and manifests, and the paths that have none, with the error.

    Label files are skipped: a shell pattern such as `folder/*` lists them too. `channels`: names of the
    user's and the agent's channel. `options`, if given, are used instead of `channels`.
    """
    found: list[RecordingFiles] = []
    failed: list[tuple[str | Path, BadRecording]] = []
    for path in paths:
        if str(path).endswith(LABEL_SUFFIX):
            continue
        try:
            one = options or FindOptions(*channels)
            found += find_recordings(
                path, user=one.user, agent=one.agent, pair=one.pair, raw=one.raw, swap=one.swap
            )
        except BadRecording as error:
            failed.append((path, error))
    return with_distinct_names(found), failed


def find_every(
    paths: Iterable[str | Path], channels: tuple[str, str] = ("caller", "agent")
) -> list[RecordingFiles]:
    """`find_in` where each path must have recordings. Raises BadRecording for the first without, and if there
    is none at all."""
    found, failed = find_in(paths, channels)
    if failed:
        raise failed[0][1]
    if not found:
        raise BadRecording("no recordings given; name a file or a folder")
    return found


def find_all(path: str | Path, options: FindOptions | None = None) -> Found:
    """The recordings in a file or folder, and the files that were skipped, each with the reason.

    Recordings are sorted by path and have distinct names. Raises BadRecording for a path that doesn't exist.
    """
    options = options or FindOptions()
    root = as_path(path)
    if (wrong := bad_name(root)) is not None:
        raise BadRecording(wrong)
    try:
        there, folder = root.exists(), root.is_dir()
    except (OSError, ImportError) as error:
        raise BadRecording.of(
            path, f"can't be reached ({error})", "check the address and your access"
        ) from None
    if not there:
        raise BadRecording.of(path, "no such file or folder", "check the path and its spelling")
    if folder:
        found = _found(Listing.below(root), options)
    else:
        found = _found(_around(root), options)
        mine = tuple(one for one in found.recordings if root in one.paths)
        found = Found(mine, tuple(one for one in found.skipped if one.path == root))
    labelled = (
        one if one.labels else replace(one, labels=existing_labels(one.label_path))
        for one in found.recordings
    )
    ordered = sorted(labelled, key=lambda files: (files.user, files.row or 0))
    return Found(tuple(with_distinct_names(ordered)), found.skipped, found.claimed)


def with_distinct_names(found: Iterable[RecordingFiles]) -> list[RecordingFiles]:
    """The recordings, each once; names that occur twice are lengthened by folders ("monday/call").

    Use it to join what `find_recordings` found in several places.
    """
    unique = list({(files.user.absolute(), files.row): files for files in found}.values())
    places = [_place(files) for files in unique]
    shared = Counter(places)
    places = [
        p if shared[p] == 1 else f.user.absolute() if f.row is None else f.user.absolute() / p.name
        for f, p in zip(unique, places, strict=True)
    ]
    names = [place.name for place in places]
    for depth in range(2, max((len(place.parts) for place in places), default=0) + 1):
        counts = Counter(names)
        if len(counts) == len(names):
            break
        names = [
            "/".join(place.parts[-depth:]) if counts[name] > 1 else name
            for place, name in zip(places, names, strict=True)
        ]
    return [replace(files, name=name) for files, name in zip(unique, names, strict=True)]


def load_recording(files: RecordingFiles) -> Recording:
    """A recording at 16 kHz with its labels, if a label file or its format has them.

    Its notes say what was repaired or looks odd, such as a shorter channel that was padded, or channels that
    seem to be exchanged. `sha256`: see `audio_sha256`. Raises BadRecording or BadLabels, naming file,
    finding, remedy.
    """
    contents = BY_NAME[files.format].load(files)
    user, agent, notes = contents.user, contents.agent, list(contents.notes)
    if files.swapped and agent is not None:
        user, agent = agent, user
        notes.append("user and agent exchanged, as asked")
    if _silent(user):
        other = agent is not None and not _silent(agent)
        side = "right" if files.swapped else "left"
        which = f"the user's channel ({side})" if files.layout == "stereo" else "the user's audio"
        remedy = "check which channel is whose" if other else "use a recording with speech"
        raise BadRecording.of(files.user, f"{which} is silent throughout (below -80 dBFS)", remedy)
    if agent is not None and _silent(agent):
        notes.append("the agent's channel is silent throughout")
    elif agent is not None and files.format in BY_CONVENTION and (reason := suspect_swap(user, agent)):
        notes.append(f"{reason}; if user and agent are exchanged, load it with swap")
    sha256 = audio_sha256(user, agent)
    if files.sha256 and sha256 != files.sha256:
        finding = "is not the audio that the manifest was made of (another hash)"
        raise BadRecording.of(files.user, finding, "import the folder again")
    labels = labels_beside(files, len(user) / SAMPLE_RATE_HZ) or contents.labels
    return Recording(
        files.name, str(files.user), user, agent, sha256, labels, tuple(notes), contents.provenance
    )


def results_of(
    files: Sequence[RecordingFiles], outcomes: Iterable[Outcome[T]], done: str
) -> Iterator[T | ValueError]:
    """What a batch made of each recording, in order; in the place of one that failed is an error naming it.

    `done`: what was to be done with it, such as "traced".
    """
    for one, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Done):
            yield outcome.value
        elif isinstance(outcome, Unusable):
            assert isinstance(outcome.error, ValueError)
            yield outcome.error
        elif isinstance(outcome.error, OSError):
            yield BadRecording(f"{one.user}: {machine_error_text(outcome.error)}")
        else:
            remedy = "try it alone, with --jobs 1; if it stays so, please report it"
            yield BadRecording.of(one.user, f"can't be {done} ({outcome.reason})", remedy)


def audio_sha256(user: Pcm, agent: Pcm | None) -> str:
    """SHA-256 of each channel's name and number of samples, and its 16 kHz samples as little-endian int16.

    The user's channel comes first. The same audio has the same hash as stereo file and as pair.
    """
    digest = hashlib.sha256()
    for name, pcm in (("user", user), ("agent", agent)):
        if pcm is not None:
            digest.update(f"{name} {len(pcm)}\n".encode())
            for block in blocks_of(pcm):
                digest.update(block.astype("<i2").tobytes())
    return digest.hexdigest()


def _found(listing: Listing, options: FindOptions) -> Found:
    """What the formats find among some files; each file goes to the first format that claims it."""
    recordings: list[RecordingFiles] = []
    skipped: list[Skipped] = list(listing.skipped)
    claimed: set[Path] = set()
    rest = listing
    for format_ in FORMATS:
        found = format_.find(rest, options)
        recordings += found.recordings
        skipped += found.skipped
        claimed |= found.claimed
        rest = rest.without(found.claimed)
    audio = left_over(rest)
    told = {one.path for one in audio}
    for path in rest.json:
        if path in told:
            continue
        # A report cut off before the keys that identify its format would be skipped without a message.
        try:
            check_json(path)
        except BadRecording as error:
            skipped.append(Skipped(path, str(error)))
    skipped += audio
    if not recordings:
        skipped += annotations_alone(rest)
    if options.swap:
        recordings = [
            replace(one, swapped=one.layout != "mono" and one.format in BY_CONVENTION) for one in recordings
        ]
    return Found(tuple(recordings), tuple(skipped), frozenset(claimed))


def _around(file: Path) -> Listing:
    """The files to search for one file's recording: those of its folder, or of its corpus's folders."""
    channel, audio = file.parent, file.parent.parent
    in_corpus = audio.name == "audio" and channel.name in ("agent", "caller")
    listing = Listing.below(audio.parent) if in_corpus else Listing.beside(file)
    if file in listing.files:
        return listing
    # A hidden file, or one that a listing doesn't show, was named on purpose.
    return Listing(tuple(sorted((*listing.files, file))))


def _place(files: RecordingFiles) -> Path:
    """The recording's path without suffix or role; the folder itself if the recording is named after it."""
    folder = files.user.absolute().parent
    name = files.name.rpartition("/")[2]
    return folder if folder.name == name else folder / name


def _silent(pcm: Pcm) -> bool:
    return all(max(-int(block.min()), int(block.max())) <= SILENCE_PEAK for block in blocks_of(pcm))


def labels_beside(files: RecordingFiles, duration_s: float) -> Labels | None:
    """What a recording's label file says, if there is one. Raises BadLabels, also for another length."""
    if files.labels is None:
        return None
    labels = read_labels(files.labels)
    check_duration(files.labels, labels, duration_s)
    return labels

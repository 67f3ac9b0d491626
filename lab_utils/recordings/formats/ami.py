"""AMI meetings: a headset recording per participant, with who speaks when as RTTM. Licence: CC BY 4.0.

Layout (groups.inf.ed.ac.uk/ami/corpus, and the RTTM files of the usual diarization set-ups):
`<meeting>.Headset-<k>.wav` (mono, 16 kHz, one per participant, one clock) and `<meeting>.rttm` anywhere below
the folder, with speakers by their corpus names ("MEE006").

Recognised by those names. Each participant in turn is the user, and all the others together are the agent, so
a meeting gives as many recordings as it has headsets. RTTM doesn't say who wears which headset: a speaker's
headset is the one with the highest median level while only that speaker speaks. If two speakers fit one
headset, the meeting is refused. Labels follow from the segments (`two_channel`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...core.labels import Labels, as_spans
from ...core.recording import Pcm, Provenance
from ...core.samples.kept import blocks_of, kept
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from ..annotations import read_annotation
from ..audio import BadRecording
from ..labels.swapped import FRAME_SAMPLES, frame_levels_db
from ..labels.two_channel import label_two_channels
from ..listing import Listing
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, as_long, decode_mono

NAME = "ami"
LEAST_ALONE_S = 0.5
"""A speaker who speaks alone for less than this can't be matched to a headset."""
_HEADSET = re.compile(r"(?P<meeting>[A-Za-z0-9]+)\.Headset-(?P<k>\d+)\.(wav|flac)", re.IGNORECASE)


def find(listing: Listing, _: FindOptions) -> Found:
    """Meetings by their headset files, one recording per participant."""
    rttm = {path.stem: path for path in listing.named(".rttm")}
    meetings: dict[tuple[Path, str], list[Path]] = {}
    for path in listing.audio:
        match = _HEADSET.fullmatch(path.name)
        if match:
            meetings.setdefault((path.parent, match["meeting"]), []).append(path)
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for (_folder, meeting), headsets in meetings.items():
        claimed |= set(headsets)
        for path in headsets:
            others = tuple(other for other in headsets if other != path)
            if meeting not in rttm:
                remedy = f"put {meeting}.rttm into the folder"
                reason = str(BadRecording.of(path, "is an AMI headset recording without RTTM", remedy))
                skipped.append(Skipped(path, reason))
            elif not others:
                remedy = "add the other participants' headset files"
                skipped.append(Skipped(path, str(BadRecording.of(path, "is alone of its meeting", remedy))))
            else:
                claimed.add(rttm[meeting])
                details = (rttm[meeting],)
                name = path.name[: -len(path.suffix)]
                found.append(RecordingFiles(name, path, None, None, "mono", NAME, details, others))
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def load(files: RecordingFiles) -> Contents:
    """One participant as user, the sum of the others as agent, and labels."""
    paths = (files.user, *files.others)
    decoded = [decode_mono(path) for path in paths]
    n = max(len(pcm) for pcm, _ in decoded)
    channels = [as_long(pcm, n) for pcm, _ in decoded]
    duration_s = n / SAMPLE_RATE_HZ
    annotation = read_annotation(files.details[0], "rttm")
    speaks = {
        name: as_spans([(s.start_s, s.end_s) for s in annotation.segments if s.speaker == name])
        for name in annotation.speakers
    }
    last_s = max((segment.end_s for segment in annotation.segments), default=0.0)
    if last_s > duration_s + 1.0:
        finding = f"has speech at {last_s:.1f} s, but {files.user.name} lasts {duration_s:.1f} s"
        raise BadRecording.of(files.details[0], finding, "use the RTTM file of this very meeting")
    wearer = _wearers(files.details[0], paths, channels, speaks)
    user = wearer.get(0)
    mine = speaks[user] if user is not None else as_spans([])
    theirs = np.concatenate([as_spans([]), *(spans for name, spans in speaks.items() if name != user)])
    labels: Labels = replace(label_two_channels(mine, theirs, duration_s), source=NAME)
    agent = kept(_sum(blocks) for blocks in zip(*map(blocks_of, channels[1:]), strict=True))
    details = {"corpus": "AMI", "licence": "CC BY 4.0", "speaker": user, "rttm": files.details[0].name}
    notes = tuple(note for _, own in decoded for note in own)
    if user is None:
        notes += ("no speaker of the RTTM file wears this headset; no labels",)
    return Contents(
        channels[0], agent, labels if user is not None else None, Provenance(NAME, details=details), notes
    )


def _sum(blocks: Sequence[Pcm]) -> Pcm:
    total = np.sum(np.stack(blocks), axis=0, dtype=np.int32)
    both: Pcm = np.clip(total, -32_768, 32_767).astype(np.int16)
    return both


def _wearers(
    rttm: Path, paths: tuple[Path, ...], channels: list[Pcm], speaks: Mapping[str, Floats]
) -> dict[int, str]:
    """Channel number -> the speaker who wears that headset."""
    levels = np.stack([frame_levels_db(pcm) for pcm in channels])
    active = {name: _frames(spans, levels.shape[1]) for name, spans in speaks.items()}
    count = np.sum(list(active.values()), axis=0) if active else np.zeros(levels.shape[1])
    wearer: dict[int, str] = {}
    for name, frames in active.items():
        alone = frames & (count == 1)
        if alone.sum() * FRAME_SAMPLES < LEAST_ALONE_S * SAMPLE_RATE_HZ:
            continue
        k = int(np.argmax(np.median(levels[:, alone], axis=1)))
        if k in wearer:
            finding = f"speakers {wearer[k]!r} and {name!r} are both loudest on {paths[k].name}"
            raise BadRecording.of(rttm, finding, "check that audio and RTTM are of one meeting")
        wearer[k] = name
    return wearer


def _frames(spans: Floats, n: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which frames of 20 ms lie in some spans; shape=(n,)."""
    inside = np.zeros(n, dtype=np.bool_)
    for start, end in np.rint(spans * SAMPLE_RATE_HZ / FRAME_SAMPLES).astype(int).tolist():
        inside[max(0, start) : max(0, end)] = True
    return inside


FORMAT = Format(NAME, find, load, details=1, others=1)

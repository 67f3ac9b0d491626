"""HarperValleyBank: simulated bank calls between two people, with word times. Licence: CC BY 4.0.

Layout (github.com/cricketclub/gridspace-stanford-harper-valley): `data/audio/agent/<sid>.wav` and
`data/audio/caller/<sid>.wav`, aligned mono files of 8 kHz; `data/transcript/<sid>.json`, a list of segments
with `speaker_role` ("agent", "caller"), `offset_ms` from the start of the recording, `transcript` (by
machine), `human_transcript`, and per machine word `word_offsets_ms` (from the segment's start) and
`word_durations_ms`; `data/metadata/<sid>.json`. `start_ms` counts separately in each channel and is not used;
the segments' time stamps show that `offset_ms` has one start for both channels.

Recognised by the folders `audio/agent` and `audio/caller`. Labels come from the words (`two_channel`);
"[noise]" and the like are no words. Texts are from the human transcript if it has as many words as the
machine's, and otherwise from the machine's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from ...core.labels import Speaker, Word
from ...core.recording import Provenance
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import BadRecording
from ..json_files import Lenient, parse
from ..labels.from_words import labels_from_words
from ..listing import Listing
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format, read_channels

NAME = "harper_valley"
MAX_PADDING_S = 30.0
"""The two channels begin together; the channel of the person who hangs up first is shorter."""
_ROLES: dict[str, Speaker] = {"agent": "agent", "caller": "user"}
_WANTED = "a HarperValleyBank transcript: a list of segments with speaker_role, offset_ms and word times"
Milliseconds = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]


class _Segment(Lenient):
    speaker_role: Literal["agent", "caller"]
    offset_ms: Milliseconds
    transcript: str = ""
    human_transcript: str = ""
    word_offsets_ms: list[Milliseconds] = Field(default_factory=list)
    word_durations_ms: list[Milliseconds] = Field(default_factory=list)


class _Transcript(RootModel[list[_Segment]]):
    pass


class _Metadata(Lenient):
    sid: str = ""
    session: str = ""
    tasks: list[dict[str, Any]] = Field(default_factory=list)


def find(listing: Listing, _: FindOptions) -> Found:
    """Calls by the corpus's folders."""
    files = set(listing.files)
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.named(".wav"):
        if path.parent.parent.name != "audio" or path.parent.name not in _ROLES:
            continue
        data = path.parent.parent.parent
        other = path.parent.parent / ("agent" if path.parent.name == "caller" else "caller") / path.name
        transcript = data / "transcript" / f"{path.stem}.json"
        if transcript not in files:
            continue
        metadata = data / "metadata" / f"{path.stem}.json"
        claimed |= {path, transcript, metadata}
        if other not in files:
            finding = f"has no {other.parent.name}/{other.name}"
            skipped.append(Skipped(path, str(BadRecording.of(path, finding, "copy the corpus again"))))
        elif path.parent.name == "caller":
            details = (transcript, metadata) if metadata in files else (transcript,)
            labels = data / "labels" / f"{path.stem}.labels.json"
            own = labels if labels in files else None
            found.append(RecordingFiles(path.stem, path, other, own, "pair", NAME, details))
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def load(files: RecordingFiles) -> Contents:
    """Both channels, and labels from the words."""
    contents = read_channels(files, MAX_PADDING_S)
    segments = parse(files.details[0], _Transcript, _WANTED).root
    words = tuple(
        word for number, segment in enumerate(segments) for word in _words(files.details[0], number, segment)
    )
    duration_s = len(contents.user) / SAMPLE_RATE_HZ
    labels, notes = labels_from_words(files.details[0], words, duration_s, NAME)
    details: dict[str, Any] = {"licence": "CC BY 4.0", "corpus": "HarperValleyBank"}
    if len(files.details) > 1:
        metadata = parse(files.details[1], _Metadata, "HarperValleyBank metadata")
        tasks = [str(task.get("task_type", "")) for task in metadata.tasks]
        details |= {"sid": metadata.sid, "session": metadata.session, "tasks": tasks}
    return Contents(
        contents.user, contents.agent, labels, Provenance(NAME, details=details), contents.notes + notes
    )


def _words(path: Path, number: int, segment: _Segment) -> list[Word]:
    offsets, durations = segment.word_offsets_ms, segment.word_durations_ms
    heard, corrected = segment.transcript.split(), segment.human_transcript.split()
    if len(offsets) != len(durations):
        finding = f"{number}: {len(offsets)} word offsets and {len(durations)} durations"
        raise BadRecording.of(path, finding, "copy the corpus again")
    texts = corrected if len(corrected) == len(offsets) else heard
    if len(texts) != len(offsets):
        texts = ["?"] * len(offsets)
    speaker = _ROLES[segment.speaker_role]
    return [
        Word(speaker, (segment.offset_ms + at) / 1000.0, (segment.offset_ms + at + lasts) / 1000.0, text)
        for at, lasts, text, raw in zip(offsets, durations, texts, _padded(heard, len(offsets)), strict=True)
        if not (text.startswith(("[", "<")) or raw.startswith(("[", "<")))
    ]


def _padded(texts: list[str], n: int) -> list[str]:
    return texts if len(texts) == n else [""] * n


FORMAT = Format(NAME, find, load, details=1)

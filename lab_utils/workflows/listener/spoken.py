"""A turn that somebody spoke into their own microphone, kept as a recording with labels.

Definition: who is recorded speaks one turn and is silent then. So every pause between two stretches of their
speech is a hold, and after the last one the turn is over; nobody else is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ...core.errors import InputError
from ...core.files import write_whole
from ...core.files.places import Folder
from ...core.labels import Label, Labels
from ...recordings.audio import BadRecording
from ...recordings.find import find_recordings, load_recording
from ...recordings.labels.file import SUFFIX, write_labels
from ...turns.tracing import TraceCache, Tracer

ENDINGS = {"webm": ".webm", "ogg": ".ogg", "mp4": ".m4a", "wav": ".wav"}
"""Kinds of sound that browsers record, and how their files end."""
SOURCE = "one turn, spoken alone"


@dataclass(frozen=True)
class SpokenTurn:
    """What was recorded, and where it is kept."""

    path: Path
    labels: Labels

    def __str__(self) -> str:
        holds = len(self.labels.of_kind("hold"))
        pauses = "1 pause" if holds == 1 else f"{holds} pauses"
        return f"{self.labels.duration_s:.1f} s with {pauses} inside the turn; kept in {self.path}"


def keep_turn(sound: bytes, mime: str, folder: str | Path, cache: Folder | None = None) -> SpokenTurn:
    """Write a turn as a browser recorded it, and its labels, into a folder, under a name that is free there.

    `mime`: the sound's type, such as "audio/webm;codecs=opus". Raises BadRecording, and keeps nothing, for
    what can't be read or has no speech, and InputError for another kind of sound.
    """
    kind = mime.partition(";")[0].rpartition("/")[2].lower()
    if kind not in ENDINGS:
        raise InputError(f"the browser recorded {mime or 'no type'}, expected {', '.join(ENDINGS)}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    number = 1
    while any(target.glob(f"turn_{number:02}.*")):
        number += 1
    path = target / f"turn_{number:02}{ENDINGS[kind]}"
    write_whole(path, sound)
    try:
        labels = _labelled(path, cache)
        write_labels(labels, path.with_name(path.stem + SUFFIX))
    except ValueError:
        path.unlink()
        raise
    return SpokenTurn(path, labels)


def one_turn(speech: Labels) -> Labels:
    """The labels of one turn of which only the speech is known. Raises ValueError without speech.

    >>> from lab_utils.core.labels import Ipu
    >>> alone = Labels(6.0, (Ipu("user", 1.0, 2.0), Ipu("user", 2.7, 4.0)), ())
    >>> [(one.kind, one.start_s, one.end_s) for one in one_turn(alone).labels]
    [('hold', 2.0, 2.7), ('shift', 4.0, 6.0)]
    """
    ipus = speech.ipus
    if not ipus:
        raise ValueError("no speech was heard; speak louder, or choose another microphone")
    holds = [Label("hold", before.end_s, after.start_s, reason=SOURCE) for before, after in pairwise(ipus)]
    end = Label("shift", ipus[-1].end_s, max(ipus[-1].end_s, speech.duration_s), reason=SOURCE)
    return Labels(speech.duration_s, ipus, (*holds, end), source=SOURCE)


def _labelled(path: Path, cache: Folder | None) -> Labels:
    (files,) = find_recordings(path)
    speech = Tracer(TraceCache.at(cache)).speech_only(load_recording(files))
    try:
        return one_turn(speech)
    except ValueError as error:
        raise BadRecording(f"{path.name}: {error}") from None

"""Fuzzing targets: the annotation readers. See `fuzz.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz_target import Target
from recording_fixtures import one_line

from lab_utils.recordings.annotations import FORMATS, BadAnnotation, read_annotation
from lab_utils.recordings.annotations.roles import annotation_of, guess_roles, labels_of

READERS = tuple(FORMATS.values())
FIXTURES = Path(__file__).parent / "fixtures" / "annotations"
FIRST = {
    "assemblyai.json": "assemblyai",
    "audacity.txt": "audacity",
    "call.rttm": "rttm",
    "comma.csv": "csv",
    "deepgram.json": "deepgram",
    "elan.txt": "elan",
    "elan_columns.txt": "elan",
    "long.TextGrid": "textgrid",
    "semicolon.csv": "csv",
    "short.TextGrid": "textgrid",
    "voices.vtt": "webvtt",
    "whisper.json": "whisper",
    "whisperx.json": "whisper",
}


def _prepare(folder: Path) -> Callable[[bytes], None]:
    """The first byte of an input chooses the reader, the rest is the file."""
    file = folder / "fuzzed"

    def try_one(data: bytes) -> None:
        if not data:
            return
        file.write_bytes(data[1:])
        number = data[0] % (len(READERS) + 1)
        try:
            found = READERS[number].read(file) if number < len(READERS) else read_annotation(file)
            roles = guess_roles(found) or dict.fromkeys(found.speakers, "user")
            annotation_of(labels_of(found, roles, 60.0))
        except BadAnnotation as error:
            one_line(error)

    return try_one


def _seeds() -> tuple[bytes, ...]:
    names = [one.name for one in READERS]
    return tuple(
        bytes([names.index(reader)]) + (FIXTURES / name).read_bytes() for name, reader in FIRST.items()
    )


TARGETS = {"annotations": Target(_seeds, _prepare)}

"""Coverage-guided fuzzing of the annotation readers; not part of the test suite.

    pip install atheris
    python tests/fuzz_annotations.py [SECONDS]

Starts from the fixtures and runs for so many seconds (default 60). Only `BadAnnotation` may come out of a
reader; anything else ends the run with a traceback, and the input in `crash-*`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lab_utils.corpus.annotations", "webvtt", "csv"]):
    from lab_utils.corpus.annotations import FORMATS, BadAnnotation, read_annotation
    from lab_utils.corpus.annotations.roles import annotation_of, guess_roles, labels_of

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


def main() -> None:
    """Fuzz; the first byte of an input chooses the reader, the rest is the file."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fuzzed"
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for name, reader in FIRST.items():
            number = next(k for k, one in enumerate(READERS) if one.name == reader)
            (corpus / name).write_bytes(bytes([number]) + (FIXTURES / name).read_bytes())

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
                if "\n" in str(error):
                    raise RuntimeError("the error has several lines") from error

        arguments = [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={seconds}",
            "-max_len=8192",
            "-rss_limit_mb=2048",
        ]
        atheris.Setup(arguments, try_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

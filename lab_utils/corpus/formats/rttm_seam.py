"""Where recordings meet annotation formats: reading one RTTM file."""

from __future__ import annotations

from pathlib import Path

from ...audio import BadRecording
from ...records import Annotation, Segment
from ..recording_files import read_bytes


def read_rttm(path: Path) -> Annotation:
    """Who speaks when, by a file in NIST's Rich Transcription Time Marked format.

    Only `SPEAKER` lines count. Raises BadRecording, naming the line, for times that are no numbers, negative
    or not finite.
    """
    segments = []
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start_s, lasts_s, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError):
            start_s = lasts_s = -1.0
            speaker = ""
        if not (0.0 <= start_s < 1e6 and 0.0 <= lasts_s < 1e6):
            finding = f"line {number} is {line[:60]!r}"
            remedy = "expected SPEAKER FILE CHANNEL START DURATION <NA> <NA> SPEAKER_NAME"
            raise BadRecording.of(path, finding, remedy)
        segments.append(Segment(speaker, start_s, start_s + lasts_s))
    if not segments:
        raise BadRecording.of(path, "has no SPEAKER line", "expected an RTTM file")
    segments.sort(key=lambda segment: (segment.start_s, segment.end_s))
    return Annotation(tuple(segments), source="rttm")

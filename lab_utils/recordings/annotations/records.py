"""Who speaks when according to an annotation file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A stretch of speech, or a word; `speaker` is the name in the file."""

    speaker: str
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True)
class Annotation:
    """Who speaks when according to some file: segments (turns, IPUs) and words, each in order of time."""

    segments: tuple[Segment, ...]
    words: tuple[Segment, ...] = ()
    duration_s: float | None = None
    """Duration of the audio, if the file gives it."""
    source: str = ""
    """Its format, for example "rttm"."""
    notes: tuple[str, ...] = ()
    """What is odd about the file, and how it was handled."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names in order of first appearance."""
        return tuple(dict.fromkeys(segment.speaker for segment in (*self.segments, *self.words)))

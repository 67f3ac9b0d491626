"""Who speaks when, by the names of some annotation file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A stretch of speech or a word, by a speaker's name in the file it comes from."""

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
    """Of the audio, if the file tells."""
    source: str = ""
    """Its format, for example "rttm"."""
    notes: tuple[str, ...] = ()
    """What is odd about the file, and what was made of it."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names in order of first appearance."""
        return tuple(dict.fromkeys(segment.speaker for segment in (*self.segments, *self.words)))

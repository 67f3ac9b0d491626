"""Labels from the known times of words.

The definitions are those of `two_channel`; the speech of a speaker is the speaker's words.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...core.labels import Ipu, Labels, Speaker, Word, as_spans
from ..audio import BadRecording
from .two_channel import label_two_channels

BEYOND_S = 0.25
"""Words may end this much after the audio (alignments round up); they are clipped."""


def labels_from_words(
    path: Path, words: tuple[Word, ...], duration_s: float, source: str
) -> tuple[Labels, tuple[str, ...]]:
    """Labels with IPUs, their texts and the words, and notes.

    Raises BadRecording, naming the file `path` of the words, if over half of them lie beyond the audio.
    """
    kept = tuple(word for word in words if _is_within(word, duration_s))
    notes: tuple[str, ...] = ()
    if len(kept) < len(words):
        last_s = max(word.end_s for word in words)
        beyond = f"{len(words) - len(kept)} of {len(words)} words lie outside the audio"
        finding = f"{beyond} (0 to {duration_s:.1f} s), the last at {last_s:.1f} s"
        if 2 * len(kept) < len(words):
            raise BadRecording.of(path, finding, "use the transcript of this very recording")
        notes = (f"{path.name}: {finding}; left out",)
    clipped = [replace(word, end_s=min(word.end_s, duration_s)) for word in kept]
    ordered = tuple(sorted(clipped, key=lambda word: (word.start_s, word.end_s)))

    def spans(speaker: Speaker) -> list[tuple[float, float]]:
        return [(word.start_s, word.end_s) for word in ordered if word.speaker == speaker]

    labels = label_two_channels(as_spans(spans("user")), as_spans(spans("agent")), duration_s)
    ipus = tuple(replace(ipu, text=_text(ipu, ordered)) for ipu in labels.ipus)
    return replace(labels, ipus=ipus, words=ordered, source=source), notes


def _is_within(word: Word, duration_s: float) -> bool:
    return 0.0 <= word.start_s <= min(word.end_s, duration_s) and word.end_s <= duration_s + BEYOND_S


def _text(ipu: Ipu, words: tuple[Word, ...]) -> str:
    inside = [
        word.text
        for word in words
        if word.speaker == ipu.speaker and ipu.start_s <= word.middle_s <= ipu.end_s
    ]
    return " ".join(inside)

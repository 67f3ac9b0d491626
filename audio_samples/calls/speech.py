"""A turn as sound: synthesized whole, cut at word boundaries, planned silences put in, others shortened.

What a turn is made of (`Turn`, `Ipu`), how speech edges are found and how a cut fades is as in the first
sample calls (audio_samples/make_samples.py). Times are seconds from the onset of the turn's first word.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))
from make_samples import (
    Ipu,
    Turn,
    excerpt,
    level_db,
    quietest,
    speech_spans,
    to_level,
    word_starts,
)
from voices import RATE_HZ, Voice

SHORT_SILENCE_S = 0.15
"""What is left of a silence of 0.2 s or more that the voice makes itself where no hold is planned."""

Span = tuple[float, float]


def speak(voice: Voice, words: list[str], dbfs: float) -> tuple[np.ndarray, list[float], list[float]]:
    """Synthesize words as one utterance: its audio, each word's start, and where to cut before each word.

    The phonemes of a word that is known alone are matched to those of the utterance, unless the spaces
    between the words came through, which is exact.
    """
    phonemes = voice.phonemes(" ".join(words)).strip()
    audio, starts_s = voice.speak(phonemes)
    audio = to_level(audio, dbfs)
    spaces = [i for i, c in enumerate(phonemes) if c == " "]
    if len(spaces) == len(words) - 1:
        begins_s = [float(starts_s[0]), *(float(starts_s[i + 1]) for i in spaces)]
        before_s = [0.0, *(float(starts_s[i] + starts_s[i + 1]) / 2 for i in spaces)]
    else:
        begins_s = before_s = word_starts(voice, words, phonemes, starts_s)
    return audio, begins_s, before_s


def joined(
    piece: np.ndarray, spans: list[Span]
) -> tuple[np.ndarray, float, float, list[tuple[float, float]]]:
    """One IPU of several spans of speech: audio with its lead, the lead, the length, where each span went.

    Of the silence between two spans `SHORT_SILENCE_S` is left. The last value has, for each span, its start
    in the piece and its start in the IPU.
    """
    first, lead_s = excerpt(piece, *spans[0])
    length_s = spans[0][1] - spans[0][0]
    moved = [(spans[0][0], 0.0)]
    audio = first
    for span in spans[1:]:
        at_s = length_s + SHORT_SILENCE_S
        cut, cut_lead_s = excerpt(piece, *span)
        begin = round((lead_s + at_s - cut_lead_s) * RATE_HZ)
        grown = np.zeros(max(len(audio), begin + len(cut)))
        grown[: len(audio)] += audio
        grown[begin : begin + len(cut)] += cut
        audio, length_s = grown, at_s + span[1] - span[0]
        moved.append((span[0], at_s))
    return audio, lead_s, length_s, moved


def make_turn(voice: Voice, words: list[str], holds_s: dict[int, float], dbfs: float, name: str) -> Turn:
    """A turn with a hold after each word of `holds_s` and no other silence of 0.2 s or more.

    Raises ValueError, naming the turn, if a stretch between two holds has no speech.
    """
    audio, begins_s, before_s = speak(voice, words, dbfs)
    loudest_db = float(np.percentile(level_db(audio), 98))
    after = [0, *(i + 1 for i in sorted(holds_s)), len(words)]
    edges_s = [0.0, *(quietest(audio, before_s[i]) for i in after[1:-1]), len(audio) / RATE_HZ]
    at_s, ipus = 0.0, []
    for (first, stop), (low_s, high_s) in zip(pairwise(after), pairwise(edges_s), strict=True):
        piece = audio[round(low_s * RATE_HZ) : round(high_s * RATE_HZ)]
        spans = speech_spans(piece, loudest_db)
        if not spans:
            raise ValueError(
                f"{name}: no speech in {' '.join(words[first:stop])!r}; draw other holds or reword"
            )
        sound, lead_s, length_s, moved = joined(piece, spans)
        at_s += holds_s[first - 1] if first else 0.0
        timed = [(words[i], at_s + placed(begins_s[i] - low_s, moved, length_s)) for i in range(first, stop)]
        timed = in_order(timed, at_s, at_s + length_s)
        ipus.append(Ipu(at_s, at_s + length_s, sound, lead_s, timed))
        at_s += length_s
    return Turn(ipus)


def placed(begin_s: float, moved: list[tuple[float, float]], length_s: float) -> float:
    """Where a word that begins at a time of the piece begins in the IPU."""
    start_s, to_s = (
        [m for m in moved if m[0] <= begin_s + 0.1][-1] if begin_s + 0.1 >= moved[0][0] else moved[0]
    )
    return float(np.clip(to_s + begin_s - start_s, to_s, length_s - 0.02))


def in_order(timed: list[tuple[str, float]], start_s: float, end_s: float) -> list[tuple[str, float]]:
    """The words of one IPU from its start on, each at least 10 ms after the one before if there is room."""
    times_s = [start_s]
    for _, time_s in timed[1:]:
        times_s.append(max(time_s, times_s[-1] + 0.01))
    if times_s[-1] > end_s - 0.005:  # too many at the end: spread them evenly
        times_s = np.linspace(start_s, end_s, len(timed), endpoint=False).tolist()
    return [(word, time_s) for (word, _), time_s in zip(timed, times_s, strict=True)]

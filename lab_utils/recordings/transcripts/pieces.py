"""Speech packed for Whisper, which takes as long over 30 s of silence as over 30 s of speech.

Conventions: a piece is a half-open range of samples of the channel. A pack is some pieces in order, at most
30 s together: what Whisper gets at once, with the silences between its pieces cut out. Pieces keep `PAD_S` of
the silence around them, so that the speech of two neighbours is never joined directly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Floats, to_samples

PAD_S = 0.4
"""Kept before and after speech, as faster-whisper's own filter does."""
MOST_SAMPLES = 30 * SAMPLE_RATE_HZ
"""Length of Whisper's window."""
SEARCH_SAMPLES = 10 * SAMPLE_RATE_HZ
"""Speech longer than the window is cut at its least probable moment in the last ten seconds of a window."""


@dataclass(frozen=True)
class Piece:
    """Samples `[start, end)` of a channel."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def pack(speech: Floats, probabilities: Floats, samples: int) -> list[list[Piece]]:
    """Packs of the speech, shape=(n, 2) seconds, of a channel with so many samples.

    Pieces are in order and don't overlap; together they hold all speech. `probabilities`: the VAD's,
    shape=(windows,).
    """
    pad = to_samples(PAD_S)
    padded: list[Piece] = []
    for start_s, end_s in speech.tolist():
        piece = Piece(max(0, to_samples(start_s) - pad), min(samples, to_samples(end_s) + pad))
        if padded and piece.start <= padded[-1].end:
            piece = Piece(padded.pop().start, piece.end)
        padded.append(piece)
    packs: list[list[Piece]] = []
    room = 0
    for whole in padded:
        for piece in _split(whole, probabilities):
            if len(piece) > room:
                packs.append([])
                room = MOST_SAMPLES
            packs[-1].append(piece)
            room -= len(piece)
    return packs


def _split(piece: Piece, probabilities: Floats) -> list[Piece]:
    parts = []
    while len(piece) > MOST_SAMPLES:
        last = (piece.start + MOST_SAMPLES) // WINDOW_SAMPLES
        first = last - SEARCH_SAMPLES // WINDOW_SAMPLES
        cut = (first + int(np.argmin(probabilities[first:last]))) * WINDOW_SAMPLES
        parts.append(Piece(piece.start, cut))
        piece = Piece(cut, piece.end)
    return [*parts, piece]


def sound_of(pcm: Pcm, pieces: list[Piece]) -> NDArray[np.float32]:
    """The pieces' samples one after the other, in [-1, 1]; shape=(samples,)."""
    return np.concatenate([pcm[piece.start : piece.end] for piece in pieces]).astype(np.float32) / 32_768.0


def times_of(pieces: list[Piece], start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A span of a pack's time as spans of the recording, in seconds: one per piece that it touches.

    At least one span is returned; a span after the pack's end becomes the pack's last moment.
    """
    start, end = start_s * SAMPLE_RATE_HZ, end_s * SAMPLE_RATE_HZ
    spans: list[tuple[float, float]] = []
    passed = 0
    for k, piece in enumerate(pieces):
        low, high = max(start, passed), min(end, passed + len(piece))
        if low <= high or (k == len(pieces) - 1 and not spans):
            shift = piece.start - passed
            spans.append(((min(low, high) + shift) / SAMPLE_RATE_HZ, (high + shift) / SAMPLE_RATE_HZ))
        passed += len(piece)
    return spans

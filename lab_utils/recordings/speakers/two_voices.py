"""Two speakers in one channel: which of them speaks in each stretch of speech.

Conventions: seconds of the recording; frames of 10 ms, frame k centred on k * 10 ms; spans `[start, end)`,
shape=(n, 2). A *window* is 1.6 s of speech or, in a shorter stretch, all of it, repeated.
Definitions:
- Each stretch of speech (an IPU of the voice-activity detector) is heard in windows every 0.2 s, and each
  window has an embedding (`voices`). All embeddings form two groups, whose directions are the speakers':
  first by the sign of their main axis of variation, then by spherical k-means until nobody changes.
- A frame's *lean* is the mean, over the windows that hear it, of how much nearer they are to the first
  speaker than to the second (difference of cosines), each window weighted by how near to its middle the frame
  lies.
- In one stretch the speaker changes where that raises the sum of leans by more than `CHANGE_COST` for each
  change (the best sequence, by dynamic programming); between stretches a change is free.
- *Separation*: the mean cosine of windows with their own speaker less that of the speakers with each other.
  Of the sample calls, one channel alone, cut into two groups, has -0.06 to -0.03, and both together 0.07 to
  0.32.

Known limits: where both speak at once, one of them is lost. Short answers ("yes") are heard least well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.labels import as_spans
from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ, Floats, runs_of
from .voices import FRAMES, HOP, Matrix, VoiceEncoder, mel_frames

EVERY = 20
"""Frames from one window to the next."""
CHANGE_COST = 12.0
"""In frames that lean wholly to one side."""
LEAST_SEPARATION = 0.02
LEAST_WINDOWS = 10
FRAME_S = HOP / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class TwoVoices:
    """Who speaks when."""

    first: Floats
    """Spans of whoever speaks first, shape=(n, 2)."""
    second: Floats
    separation: float


def tell_apart(pcm: Pcm, speech: Floats, encoder: VoiceEncoder) -> TwoVoices:
    """The speech of two speakers, from the spans in which anyone speaks, shape=(n, 2).

    Raises ValueError if there is too little speech, or only one voice.
    """
    heard = [_places(round((end_s - start_s) / FRAME_S) + 1) for start_s, end_s in speech.tolist()]
    if sum(map(len, heard)) < LEAST_WINDOWS:
        raise ValueError(f"has {sum(map(len, heard))} windows of speech, too few to tell two speakers apart")
    embeddings = np.concatenate(
        [encoder.embed(_windows(pcm, span, places)) for span, places in zip(speech, heard, strict=True)]
    )
    centres = two_groups(embeddings)
    near = embeddings @ centres.T
    separation = float(near.max(axis=1).mean() - centres[0] @ centres[1])
    if separation < LEAST_SEPARATION:
        raise ValueError(f"has one voice, as far as can be told (separation {separation:.2f})")
    leans = near[:, 0] - near[:, 1]
    spans: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    at = 0
    for (start_s, end_s), places in zip(speech.tolist(), heard, strict=True):
        lean = lean_of_frames(places, leans[at : at + len(places)].astype(np.float64))
        at += len(places)
        for who, first, last in _runs(best_sequence(np.sign(lean) * np.minimum(np.abs(lean) / 0.2, 1.0))):
            until_s = end_s if last == len(lean) else start_s + last * FRAME_S
            spans[who].append((start_s + first * FRAME_S, until_s))
    one, two = as_spans(spans[0]), as_spans(spans[1])
    begins_first = not len(two) or (len(one) and one[0, 0] <= two[0, 0])
    return TwoVoices(one, two, separation) if begins_first else TwoVoices(two, one, separation)


def _windows(pcm: Pcm, span: Floats, places: list[tuple[int, int]]) -> Matrix:
    """The mel frames of a stretch's windows, shape=(n, FRAMES, bands)."""
    first, last = (round(float(at_s) * SAMPLE_RATE_HZ) for at_s in span)
    mels = mel_frames(pcm[first:last])
    return np.stack([np.resize(mels[a:b], (FRAMES, mels.shape[1])) for a, b in places])


def two_groups(embeddings: Matrix) -> Matrix:
    """The directions of two groups of embeddings of length 1, shape=(2, numbers)."""
    middle = embeddings - embeddings.mean(axis=0)
    axis = np.linalg.eigh(middle.T @ middle)[1][:, -1]
    member = middle @ axis > 0
    centres: Matrix = np.zeros((2, embeddings.shape[1]), np.float32)
    for _ in range(50):
        if member.all() or not member.any():
            break
        centres = np.stack([embeddings[member].mean(axis=0), embeddings[~member].mean(axis=0)])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        nearer = embeddings @ centres[0] > embeddings @ centres[1]
        if (nearer == member).all():
            return centres
        member = nearer
    if member.all() or not member.any():
        same = embeddings.mean(axis=0)
        centres = np.stack([same, same]) / np.linalg.norm(same)
    return centres


def lean_of_frames(places: list[tuple[int, int]], leans: Floats) -> Floats:
    """Of each frame of a stretch, from the windows that hear it; shape=(frames,)."""
    total, weight = np.zeros(places[-1][1]), np.zeros(places[-1][1])
    for (first, last), lean in zip(places, leans.tolist(), strict=True):
        n = last - first
        near = 1.0 - np.abs(2 * (np.arange(n) + 0.5) / n - 1.0)
        total[first:last] += near * lean
        weight[first:last] += near
    lean_by_frame: Floats = total / weight
    return lean_by_frame


def best_sequence(lean: Floats, change_cost: float = CHANGE_COST) -> NDArray[np.int64]:
    """The speaker (0 leans up, 1 down) of each frame with the greatest sum of leans less the cost of changes.

    >>> best_sequence(np.array([1.0, 1.0, -1.0, 1.5, -1.0, -1.0, -1.0]), change_cost=2.0).tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """
    best, came = np.zeros(2), np.zeros((len(lean), 2), dtype=np.int64)
    for k, up in enumerate(lean.tolist()):
        stays, changes = best, best[::-1] - change_cost
        came[k] = np.where(stays >= changes, (0, 1), (1, 0))
        best = np.maximum(stays, changes) + np.array((up, -up))
    who = np.zeros(len(lean), dtype=np.int64)
    who[-1] = int(best[1] > best[0])
    for k in range(len(lean) - 1, 0, -1):
        who[k - 1] = came[k, who[k]]
    return who


def _places(frames: int) -> list[tuple[int, int]]:
    """Windows [first, last) of a stretch, the last one at its end."""
    if frames <= FRAMES:
        return [(0, frames)]
    starts = [*range(0, frames - FRAMES, EVERY), frames - FRAMES]
    return [(first, first + FRAMES) for first in starts]


def _runs(who: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Speaker, first and last frame of each run, in order."""
    found = [(k, int(first), int(last)) for k in (0, 1) for first, last in runs_of(who == k)]
    return sorted(found, key=lambda run: run[1])

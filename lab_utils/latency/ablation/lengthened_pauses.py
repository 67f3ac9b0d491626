"""A caller who waits longer for the agent: the pauses between recorded turns are made longer.

A recorded caller goes on when the *recorded* agent has answered, after about half a second. A slow
configuration would not have begun its answer by then, and only its fast answers would count. So the pause
before each turn is made longer, until it begins at least `wait_s` after the end of the turn before. The added
time is filled with the pause's own background, played backward and forward in turn, so that noise goes on
unchanged. The turns themselves aren't changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ...core.labels import Ipu, Label, Labels, Word
from ...core.recording import Pcm, Recording
from ...core.timeline import SAMPLE_RATE_HZ, Floats, to_samples
from ...recordings.find import audio_sha256
from .timing import turns_of

Span = TypeVar("Span", Ipu, Label, Word)

BEFORE_S = 0.3
"""Time is added this many seconds before the next turn, or in the middle of a shorter pause."""
EDGE_S = 0.05
"""Audio this close to speech isn't used as background."""
BACKGROUND_S = 1.0
"""At most so many seconds of background are repeated."""


def with_lengthened_pauses(recording: Recording, wait_s: float) -> Recording:
    """The labelled recording in which no turn begins within `wait_s` of the end of the one before."""
    assert recording.labels is not None
    at_s, added_s = _insertions(recording.labels, wait_s)
    if not len(at_s):
        return recording
    samples = [(to_samples(at), to_samples(added)) for at, added in zip(at_s, added_s, strict=True)]
    user = _lengthened(recording.user, [(i, _background(recording, i, n)) for i, n in samples])
    agent = recording.agent
    if agent is not None:
        agent = _lengthened(agent, [(i, np.zeros(n, np.int16)) for i, n in samples])
    exact_s = np.array([n for _, n in samples]) / SAMPLE_RATE_HZ
    duration_s = len(user) / SAMPLE_RATE_HZ
    labels = _moved(recording.labels, at_s, exact_s, duration_s)
    return replace(recording, user=user, agent=agent, labels=labels, sha256=audio_sha256(user, agent))


def _insertions(labels: Labels, wait_s: float) -> tuple[Floats, Floats]:
    """Where time is added, and how much; seconds, two arrays of shape=(n,)."""
    speech_ends = labels.spans("user")[:, 1]
    found = []
    for turn in turns_of(labels):
        missing_s = wait_s - (turn.until_s - turn.end_s)
        if 0 < missing_s < np.inf:
            before = speech_ends[speech_ends <= turn.until_s]
            free_s = turn.until_s - max(before, default=turn.end_s)
            found.append((turn.until_s - min(BEFORE_S, free_s / 2), missing_s))
    at_s, added_s = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return at_s, added_s


def _background(recording: Recording, at: int, count: int) -> Pcm:
    """`count` samples to insert at sample `at`: the audio before it, backward and forward in turn."""
    assert recording.labels is not None
    ends = recording.labels.spans("user")[:, 1] + EDGE_S
    begin = to_samples(max(ends[ends < at / SAMPLE_RATE_HZ], default=0.0))
    piece = recording.user[max(begin, at - to_samples(BACKGROUND_S), 0) : at]
    if len(piece) < to_samples(EDGE_S):
        return np.zeros(count, np.int16)
    both = np.concatenate((piece[::-1], piece))
    return np.resize(both, count)


def _lengthened(pcm: Pcm, added: list[tuple[int, Pcm]]) -> Pcm:
    pieces, last = [], 0
    for at, more in added:
        pieces += [pcm[last:at], more]
        last = at
    return np.concatenate([*pieces, pcm[last:]])


def _moved(labels: Labels, at_s: Floats, added_s: Floats, duration_s: float) -> Labels:
    """The labels with the times of the longer recording."""
    total_s = np.append(0.0, np.cumsum(added_s))

    def moved(time_s: float) -> float:
        return float(time_s + total_s[np.searchsorted(at_s, time_s, side="right")])

    def move(span: Span) -> Span:
        return replace(span, start_s=moved(span.start_s), end_s=moved(span.end_s))

    return replace(
        labels,
        duration_s=duration_s,
        ipus=tuple(move(ipu) for ipu in labels.ipus),
        labels=tuple(move(label) for label in labels.labels),
        words=tuple(move(word) for word in labels.words),
    )

"""Branches: what a recording would sound like if the caller waited for an answer.

Goal: latencies that don't end where the caller of the tape spoke again. They did so because the *recorded*
agent had answered; the agent under test may not have yet.
Conventions: seconds and samples (16 kHz) of the recording.
Definition: after each end of turn the branch is the tape up to the user's next sound, and the recording's own
silence from there until the longest wait after the end is over. The recorded agent is silent from there on,
too. The *own silence* is the recording's longest stretch in which neither party speaks, without a margin of
0.2 s on either side; it is played to its end, then backwards, then forwards again, so that it has no jump.
Of a recording with no such stretch of 0.25 s it is digital silence. An end of turn after which the user is
silent for that long anyway needs no branch: there the tape is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..core.labels import Labels, labels_until, user_turns
from ..core.recording import Pcm, Recording
from ..core.samples.kept import joined
from ..core.samples.stream import Stream, to_and_fro
from ..core.timeline import SAMPLE_RATE_HZ, Floats, to_samples
from ..recordings.find import audio_sha256

LONGEST_WAIT_S = 8.0
"""How long after its true end an end of turn may be committed; later, and without a commit, it is missed."""
WAIT_AFTER_MAX_DELAY_S = 2.0
"""An end of turn may always be committed for this much longer than `max_delay`."""
MARGIN_S = 0.2
LEAST_SILENCE_S = 0.25
BEYOND_S = 0.1
"""A branch goes on for this much longer than the longest wait, so that a wait may end exactly with it."""


class Heard(Protocol):
    """What a branch needs of a recording, or of one as heard over a path."""

    @property
    def user(self) -> Pcm: ...
    @property
    def labels(self) -> Labels | None: ...
    @property
    def duration_s(self) -> float: ...


@dataclass(frozen=True)
class Fork:
    """Where a branch leaves the tape."""

    turn: int
    """Number of the end of turn."""
    from_sample: int
    """Where the user's next sound begins."""
    until_sample: int
    """Where the branch ends."""


def longest_wait_s(max_delay: Floats) -> Floats:
    """How long after its true end an end of turn may be committed, by setting; shape=(settings,).

    >>> longest_wait_s(np.array([2.5, 7.0])).tolist()
    [8.0, 9.0]
    """
    return np.maximum(LONGEST_WAIT_S, max_delay + WAIT_AFTER_MAX_DELAY_S)


def forks_of(labels: Labels, wait_s: float = LONGEST_WAIT_S) -> list[Fork]:
    """Where branches leave a recording, in order of its ends of turn.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 5.0, 6.0)
    >>> forks_of(Labels(30.0, user, (Label("shift", 2.0, 3.0), Label("shift", 6.0, 7.0))))
    [Fork(turn=0, from_sample=80000, until_sample=161600)]
    """
    sounds = np.sort(np.concatenate((labels.spans("user")[:, 0], labels.of_kind("backchannel")[:, 0])))
    found = []
    for turn, end_s in enumerate(one.end_s for one in user_turns(labels)):
        later = sounds[np.searchsorted(sounds, end_s) :]
        if len(later) and later[0] < end_s + wait_s:
            until = to_samples(end_s + wait_s + BEYOND_S)
            found.append(Fork(turn, to_samples(float(later[0])), until))
    return found


def own_silence(recording: Heard) -> tuple[int, int]:
    """The stretch of the user's channel, in samples, that stands for silence; empty if there is none."""
    assert recording.labels is not None
    n = to_samples(recording.duration_s)
    spans = [(ipu.start_s, ipu.end_s) for ipu in recording.labels.ipus]
    spans += [
        (label.start_s, label.end_s) for label in recording.labels.labels if label.kind == "backchannel"
    ]
    best, silent_from = (0, 0), 0
    for start_s, end_s in [*sorted(spans), (n / SAMPLE_RATE_HZ + MARGIN_S, np.inf)]:
        until = min(n, to_samples(start_s - MARGIN_S))
        if until - silent_from > best[1] - best[0]:
            best = (silent_from, until)
        if end_s < np.inf:
            silent_from = max(silent_from, to_samples(end_s + MARGIN_S))
    return best if best[1] - best[0] >= LEAST_SILENCE_S * SAMPLE_RATE_HZ else (0, 0)


def branch_name(fork: Fork, silence: tuple[int, int]) -> str:
    """What a branch's audio depends on beside the recording's."""
    return f"branch-{fork.from_sample}-{fork.until_sample}-{silence[0]}-{silence[1]}"


@dataclass(frozen=True)
class ForksOf:
    """A recording's branches by the number of their end of turn, found once for all of them."""

    forks: dict[int, Fork]
    silence: tuple[int, int]

    def suffix(self, turn: int) -> str:
        """Of a branch's addresses in the cache; "" for the tape (`turn` -1)."""
        return f"-{branch_name(self.forks[turn], self.silence)}" if turn >= 0 else ""


def silence_like(pcm: Pcm, stretch: tuple[int, int], n: int) -> Stream:
    """`n` samples of a stretch of audio, forwards and backwards in turn; zeros if it is empty.

    >>> silence_like(np.array([9, 1, 2, 3, 9], dtype=np.int16), (1, 4), 8)[:].tolist()
    [1, 2, 3, 3, 2, 1, 1, 2]
    """
    own = pcm[slice(*stretch)]
    return Stream(*to_and_fro(own, n)) if len(own) else Stream(n)


def branch_audio(recording: Heard, fork: Fork, silence: tuple[int, int] | None = None) -> Stream:
    """The user's channel of a branch from where it leaves the tape, shape=(samples,).

    `silence`: `own_silence(recording)`, if it is known.
    """
    silence = own_silence(recording) if silence is None else silence
    return silence_like(recording.user, silence, fork.until_sample - fork.from_sample)


def branch_recording(recording: Recording, turn: int, wait_s: float = LONGEST_WAIT_S) -> Recording:
    """The branch of an end of turn as a recording of its own, for a session or a whole replay.

    Raises ValueError if that end of turn has no branch.
    """
    labels = recording.labels
    if labels is None:
        raise ValueError(f"{recording.path}: has no labels, so no end of turn is known; label it first")
    fork = next((one for one in forks_of(labels, wait_s) if one.turn == turn), None)
    if fork is None:
        turns = [one.turn for one in forks_of(labels, wait_s)]
        raise ValueError(f"{recording.path}: end of turn {turn} has no branch; those of {turns} have one")
    silence = branch_audio(recording, fork)[:]
    user = joined(recording.user[: fork.from_sample], silence)
    agent = None
    if recording.agent is not None:
        agent = joined(recording.agent[: fork.from_sample], np.zeros_like(silence))
    return replace(
        recording,
        name=f"{recording.name}, caller waits after turn {turn + 1}",
        user=user,
        agent=agent,
        sha256=audio_sha256(user, agent),
        labels=labels_until(labels, fork.from_sample / SAMPLE_RATE_HZ, len(user) / SAMPLE_RATE_HZ),
    )

"""Scenes: one onset of the user's sound each, cut out of its recording, in which the agent goes on.

Goal: what an agent under other settings would have done. On the tape the recorded agent fell silent by its
own settings; in a scene it speaks until it is stopped.
Conventions: seconds; `Scene.recording` and all times in a scene count from the scene's first sample.
Definition: docs/barge-in.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...core.labels import Ipu, Labels, Word, agent_turns
from ...core.recording import Pcm, Recording
from ...core.samples.kept import joined
from ...core.timeline import SAMPLE_RATE_HZ, Floats, to_samples
from ...recordings.find import audio_sha256
from ..branches import own_silence, silence_like
from .onsets import WORDLESS, Onset

LEAD_S = 3.0
"""Heard before the onset, and for so long at most the agent has been speaking."""
HORIZON_S = 5.0
"""An interruption is detected within this time, and so much of the tape is heard after its onset."""
SCENE_S = 9.0
"""Where a scene ends, from the onset: a pause of the agent may take a while to end."""
TAIL_S = 1.0
"""Silence after a scene, for a session to close in."""
MARGIN_S = 0.3
"""Heard after the end of a sound to talk through."""
UNTOLD_S = 1.0
"""How long a sound lasts of which nobody tells the end, and in which no speech is known."""
WITHIN_S = 0.5
"""Speech that goes on after a shorter silence belongs to the same sound."""
NEAR_S = 1.0
"""The agent counts as speaking in pauses up to this long."""


@dataclass(frozen=True)
class Scene:
    """One onset, alone."""

    recording: Recording
    """Its labels: the user's IPUs and words from the onset on, and one IPU of the agent, up to the end."""
    onset: Onset
    of: str
    """Name of the recording that it is cut from: the unit of intervals."""
    words_known: bool
    """Whether somebody heard what words the user says; if there are none, no transcript comes."""

    @property
    def onset_s(self) -> float:
        return self.onset.time_s

    @property
    def agent_start_s(self) -> float:
        """From when on the agent speaks."""
        assert self.recording.labels is not None
        return float(self.recording.labels.spans("agent")[0, 0])

    @property
    def words(self) -> int:
        """How many words the user says, as far as they are known."""
        assert self.recording.labels is not None
        return sum(word.speaker == "user" for word in self.recording.labels.words)

    @property
    def user(self) -> Floats:
        """The user's speech from the onset on, shape=(n, 2)."""
        assert self.recording.labels is not None
        return self.recording.labels.spans("user")


class NotInSpeech(ValueError):
    """The agent doesn't speak where an onset is said to be."""


def scene_of(recording: Recording, onset: Onset, *, transcribed: bool = False) -> Scene:
    """One onset of a labelled recording as a scene. `transcribed`: its words are known, even if none.

    Raises NotInSpeech, and ValueError for an onset beyond the recording.
    """
    labels = recording.labels
    assert labels is not None
    if onset.time_s >= recording.duration_s:
        raise ValueError(
            f"{recording.path}: an onset at {onset.time_s:g} s, but it lasts {recording.duration_s:.2f} s; "
            "correct the labels, or give the audio that they are about"
        )
    agent_s = _agent_start_s(recording, labels, onset.time_s)
    from_s = max(0.0, onset.time_s - LEAD_S)
    heard_s = min(_heard_until_s(labels, onset), recording.duration_s)
    first, last = to_samples(from_s), to_samples(heard_s)
    from_s = first / SAMPLE_RATE_HZ
    length = to_samples(onset.time_s + SCENE_S) - first
    user = _followed_by_silence(recording, first, last, length)
    duration_s = length / SAMPLE_RATE_HZ
    after = replace(onset, time_s=onset.time_s - from_s)
    if onset.end_s is not None:
        after = replace(after, end_s=onset.end_s - from_s)
    agent = None if recording.agent is None else _held(recording.agent, first, length)
    cut = replace(
        recording,
        name=f"{recording.name} at {onset.time_s:.2f} s",
        user=user,
        agent=agent,
        sha256=audio_sha256(user, None),
        labels=_scene_labels(labels, onset.time_s, heard_s, from_s, max(from_s, agent_s), duration_s),
    )
    known = transcribed or any(word.speaker == "user" for word in labels.words)
    return Scene(cut, after, recording.name, known or onset.sound in WORDLESS)


def _agent_start_s(recording: Recording, labels: Labels, onset_s: float) -> float:
    """Where the agent's turn begins in which the onset lies."""
    for start_s, end_s in agent_turns(labels).tolist()[::-1]:
        if start_s <= onset_s:
            if onset_s <= end_s + NEAR_S:
                return float(start_s)
            break
    raise NotInSpeech(
        f"{recording.path}: the agent doesn't speak at {onset_s:.2f} s, so nobody is interrupted there; "
        "correct the onset, or check which channel is the agent's"
    )


def _heard_until_s(labels: Labels, onset: Onset) -> float:
    """Up to where the tape is heard: for the horizon, or to the end of a sound to talk through."""
    if onset.should_yield:
        return onset.time_s + HORIZON_S
    end_s = onset.end_s
    if end_s is None:
        for start_s, until_s in labels.spans("user").tolist():
            near_s = onset.time_s + WITHIN_S if end_s is None else end_s + WITHIN_S
            if until_s > onset.time_s and start_s <= near_s:
                end_s = until_s
    return (onset.time_s + UNTOLD_S if end_s is None else end_s) + MARGIN_S


def _followed_by_silence(recording: Recording, first: int, last: int, length: int) -> Pcm:
    """A stretch of the user's channel, and the recording's own silence up to `length` samples."""
    heard = recording.user[first : min(last, first + length)]
    silence = silence_like(recording.user, own_silence(recording), length - len(heard))[:]
    return joined(heard, silence)


def _held(agent: Pcm, first: int, length: int) -> Pcm:
    """The recorded agent's channel, as far as it goes: what is heard of an agent that goes on is unknown."""
    heard = agent[first : first + length]
    return joined(heard, np.zeros(length - len(heard), np.int16))


def _scene_labels(
    labels: Labels, onset_s: float, heard_s: float, from_s: float, agent_s: float, duration_s: float
) -> Labels:
    """Who speaks in a scene from the onset on, at the scene's times."""

    def within(one: Ipu | Word) -> bool:
        return one.speaker == "user" and one.end_s > onset_s and one.start_s < heard_s

    def moved(one: Ipu | Word) -> tuple[float, float]:
        return max(one.start_s, onset_s) - from_s, min(one.end_s, heard_s) - from_s

    user = tuple(Ipu("user", *moved(one), one.text) for one in labels.ipus if within(one))
    agent = Ipu("agent", agent_s - from_s, duration_s)
    words = _whole(Word("user", *moved(one), one.text) for one in labels.words if within(one))
    ipus = tuple(sorted((*user, agent), key=lambda ipu: (ipu.start_s, ipu.speaker)))
    return Labels(duration_s, ipus, (), words, labels.source, labels.language)


def _whole(pieces: Iterable[Word]) -> tuple[Word, ...]:
    """Words whose pieces Whisper times apart ("Mm", "-hmm.") in one piece, as `min_words` counts them."""
    words: list[Word] = []
    for piece in pieces:
        if words and piece.text.startswith("-"):
            words[-1] = replace(words[-1], end_s=piece.end_s, text=words[-1].text + piece.text)
        else:
            words.append(piece)
    return tuple(words)

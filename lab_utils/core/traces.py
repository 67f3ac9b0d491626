"""What models say about a recording, once for all settings, and the commits that follow under one.

Times are float seconds; probabilities lie in [0, 1].
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .detectors import traits_of
from .labels import Labels, agent_turns, labels_until
from .languages import base_language
from .timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Floats, Ints

Bools = NDArray[np.bool_]
Cause = Literal["detector", "max_delay", "vad", "stt", "late_transcript"]
CAUSES: tuple[Cause, ...] = ("detector", "max_delay", "vad", "stt", "late_transcript")
"""Why a commit came (`Commits`)."""
SttEventKind = Literal["start_of_speech", "interim", "preflight", "final", "end_of_speech"]


@dataclass(frozen=True)
class SttEvent:
    """One event of a streaming speech-to-text, on the recording's time axis."""

    time_s: float
    """When it reaches the agent."""
    kind: SttEventKind
    text: str = ""
    """A final without text does nothing (audio_recognition.py:1276)."""
    start_s: float | None = None
    """Start of the speech it is about, if the STT tells times; a start_of_speech's `speech_start_time`."""
    end_s: float | None = None
    """End of the speech it is about, if the STT tells times; an end_of_speech's `speech_end_time`."""


@dataclass(frozen=True)
class VadTrace:
    """Speech probability of every window of one recording at one phase."""

    model: str
    phase_samples: int
    probabilities: Floats
    """shape=(windows,); for silero with LiveKit's exponential smoothing."""
    path: str = "16k"
    """How the audio was heard (`recordings.heard_paths`)."""
    restarts: Mapping[int, Floats] = field(default_factory=dict)
    """What the VAD says if it begins anew at a stream sample, by window from there on: as many windows as
    were asked for. In `stt` mode the speech-to-text's END_OF_SPEECH restarts a VAD that hears speech."""

    def windows_from(self, origin: int) -> int:
        """Windows from a stream sample to the end of the stream."""
        return len(self.probabilities) - -(-origin // WINDOW_SAMPLES)


BUFFER_SAMPLES = 19_200
"""The detector hears the last 1.2 s (livekit/agents/inference/eot/transports.py)."""


@dataclass(frozen=True)
class EotTrace:
    """One detector's end-of-turn probabilities by the audio heard: samples `[start, end)` of the stream.

    Sorted by end, then by length (`eot_keys`); `end - start` is at most `hears_samples`.
    """

    starts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ends: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    probabilities: Floats = field(default_factory=lambda: np.zeros(0))
    hears_samples: int = BUFFER_SAMPLES
    """How much the detector hears at most."""
    since_commit: bool = True
    """Whether it hears nothing from before the last commit. If it does, the end alone tells what it hears."""

    @classmethod
    def of(cls, detector: str) -> EotTrace:
        """Without entries yet, of a detector by its name in settings."""
        traits = traits_of(detector)
        return cls(hears_samples=traits.hears_samples, since_commit=traits.since_commit)

    @property
    def keys(self) -> Ints:
        """`eot_keys` of the entries, ascending; shape=(n,)."""
        return eot_keys(self.starts, self.ends)

    def merged(self, other: EotTrace) -> EotTrace:
        """Both traces' entries; where both have one, this trace's stays."""
        starts = np.concatenate((self.starts, other.starts))
        ends = np.concatenate((self.ends, other.ends))
        _, first = np.unique(eot_keys(starts, ends), return_index=True)
        probabilities = np.concatenate((self.probabilities, other.probabilities))
        return replace(self, starts=starts[first], ends=ends[first], probabilities=probabilities[first])


EOT_LENGTHS = 32_768
"""Lengths of audio that `eot_keys` tells apart, in samples: more than `BUFFER_SAMPLES`."""


def eot_keys(starts: Ints, ends: Ints) -> Ints:
    """One integer per span of audio, ordered by end, then by length; shape=(n,).

    Longer spans than `EOT_LENGTHS` count as that long: those who hear so much hear what the end tells.
    """
    keys: Ints = ends * EOT_LENGTHS + np.minimum(ends - starts, EOT_LENGTHS - 1)
    return keys


Prompt = tuple[tuple[str, str], ...]
"""What a text detector is asked: ("user" or "assistant", what they said) in order, the turn so far last."""


def text_key(prompt: Prompt) -> int:
    """One integer per prompt: 64 bits of a hash, so that no words need to be kept."""
    digest = hashlib.sha256(json.dumps(prompt).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@dataclass(frozen=True)
class TextAnswers:
    """One text detector's end-of-turn probabilities by what it was asked; they depend on nothing else."""

    keys: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """`text_key`, ascending."""
    probabilities: Floats = field(default_factory=lambda: np.zeros(0))
    thresholds: Mapping[str, float] | None = None
    """Its own threshold in each language that it knows; None: its files have not been read."""

    def threshold_in(self, language: str) -> float | None:
        """Its own threshold where the transcripts tell this language; None if it doesn't know that.

        >>> TextAnswers(thresholds={"en": 0.1}).threshold_in("en-GB")
        0.1
        """
        known = self.thresholds or {}
        return known.get(language, known.get(base_language(language)))

    def merged(self, keys: Ints, probabilities: Floats) -> TextAnswers:
        """With more answers; where both have one, this one's stays."""
        every = np.concatenate((self.keys, keys))
        _, first = np.unique(every, return_index=True)
        p = np.concatenate((self.probabilities, probabilities))
        return replace(self, keys=every[first], probabilities=p[first])

    def known(self, keys: Ints) -> Floats:
        """Probabilities, NaN where there is none."""
        if not len(self.keys):
            return np.full(len(keys), np.nan)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.probabilities[place], np.nan)


Said = EotTrace | TextAnswers
"""What a detector said: by the audio heard, or by the text asked."""

BRANCH_SAMPLES = 1 << 36
"""The samples of the branch of turn k are numbered from (k + 1) times this on, so that one trace holds what
models say about the tape and about its branches; more samples than any recording has."""


@dataclass(frozen=True)
class Branch:
    """A branch of a recording: after one end of turn the caller waits instead of going on.

    Its audio is the recording's up to the user's next sound and the recording's own silence from there on.
    Only what differs from the tape is kept. Predictions and restarts are kept beside the tape's
    (`Traced.eot`, `VadTrace.restarts`), with their samples numbered by `BRANCH_SAMPLES`.
    """

    turn: int
    """Number of the end of turn."""
    from_sample: int
    """The recording's sample at which the silence begins."""
    until_s: float
    """Where it ends, in recording time."""
    vad: Mapping[str, tuple[Floats, ...]]
    """VAD model name → for each phase the probabilities, from the first window that hears the silence on."""


@dataclass(frozen=True)
class Traced:
    """A labelled recording with all that a replay needs; no audio. One entry per phase."""

    name: str
    path: str
    sha256: str
    duration_s: float
    labels: Labels
    vad: Mapping[str, tuple[VadTrace, ...]]
    """VAD model name → one trace per phase."""
    eot: tuple[EotTrace, ...]
    """v1-mini's predictions, one trace per phase."""
    tail_s: float
    """Silence added after the recording, so that its last turn can be committed."""
    notes: tuple[str, ...] = ()
    """What loading had to mend or guess."""
    band: str = ""
    """"telephone" or "wide band", by what the user's channel holds above 4 kHz (`recordings.band`)."""
    background: str = ""
    """"noisy" or "quiet", behind the user's voice (`recordings.band`)."""
    language: str = ""
    """What the user speaks, as a code ("de"); "" if nobody tells."""
    finals: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    """What the recorded session tells of its own final transcripts: where the speech ended and when each
    came, recording times, shape=(n, 2) in order."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the recorded session tells to have had, by its own names."""
    branches: tuple[Branch, ...] = ()
    """One for each end of turn after which the user speaks again before the longest wait is over."""
    others: Mapping[str, tuple[EotTrace, ...]] = field(default_factory=dict)
    """Other detectors' predictions: name → one trace per phase."""
    texts: Mapping[str, TextAnswers] = field(default_factory=dict)
    """Text detectors' predictions: name → answers, the same for all phases."""

    @property
    def phases(self) -> int:
        return len(self.eot)

    @property
    def vad_bytes(self) -> int:
        """What the VADs said, in memory; all else is small beside it."""
        tapes = [trace for takes in self.vad.values() for trace in takes]
        size = sum(trace.probabilities.nbytes for trace in tapes)
        size += sum(p.nbytes for trace in tapes for p in trace.restarts.values())
        return size + sum(p.nbytes for one in self.branches for takes in one.vad.values() for p in takes)

    def heard_by(self, vad: str) -> tuple[VadTrace, ...]:
        """What a VAD model heard, one trace per phase. Raises ValueError if it wasn't traced."""
        if vad not in self.vad:
            raise ValueError(
                f"{self.path}: traced with the VAD {' and '.join(sorted(self.vad))}, not with {vad}; measure "
                f"again with a grid that has it, as in 'vad: [{', '.join(sorted({*self.vad, vad}))}]'"
            )
        return self.vad[vad]

    def predictions(self, detector: str) -> tuple[EotTrace, ...]:
        """What a detector said, one trace per phase; without entries where it was not asked."""
        if detector == "v1-mini":
            return self.eot
        return self.others.get(detector) or (EotTrace.of(detector),) * self.phases

    def said(self, detector: str, phase: int) -> Said:
        """What a detector said in one phase."""
        if traits_of(detector).needs == "words":
            return self.texts.get(detector, TextAnswers())
        return self.predictions(detector)[phase]

    def with_predictions(self, detector: str, eot: Sequence[EotTrace]) -> Traced:
        """The same with what a detector said, one trace per phase."""
        if detector == "v1-mini":
            return replace(self, eot=tuple(eot))
        return replace(self, others={**self.others, detector: tuple(eot)})

    @cached_property
    def waiting(self) -> tuple[tuple[Labels, Floats], ...]:
        """Who speaks on each branch, and the agent's turns there, shape=(n, 2); recording times."""
        on_branches = [
            labels_until(self.labels, branch.from_sample / SAMPLE_RATE_HZ, branch.until_s)
            for branch in self.branches
        ]
        return tuple((labels, agent_turns(labels)) for labels in on_branches)


def check_probabilities(p: Floats, what: str, recording: object) -> None:
    """Raise ValueError if a model gave what is no probability: a replay would take a NaN for a likely end.

    >>> check_probabilities(np.array([0.2, np.nan]), "speech probabilities", "a.wav")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: a.wav: 1 of 2 speech probabilities are not from 0 to 1 (NaN, or broken): ...
    """
    wrong = int(np.count_nonzero(~((p >= 0) & (p <= 1))))
    if wrong:
        raise ValueError(
            f"{recording}: {wrong} of {len(p)} {what} are not from 0 to 1 (NaN, or broken): nothing can be "
            "told from them; check the audio, or install the models' packages anew"
        )


@dataclass(frozen=True)
class Commits:
    """The moments at which the agent decides that the user's turn is over, under one setting.

    `cause`: `detector` (it accepted the end), `max_delay` (it did not, and the longest wait ran out), `vad`
    (no prediction: silence alone), `stt` (the speech-to-text's END_OF_SPEECH), `late_transcript` (a final
    transcript that came after a commit, or before any speech that the VAD heard). In `stt` mode it is what
    triggered the commit: `stt`, or, while the turn has been ended but not committed, `vad` (the VAD's
    END_OF_SPEECH) or `late_transcript` (a final).
    """

    time_s: Floats
    """shape=(n,), ascending"""
    cause: tuple[Cause, ...]
    probability: Floats
    """shape=(n,); NaN without a prediction"""
    last_speaking_s: Floats
    """shape=(n,): where the silence that a commit waited out began, as the agent heard it: LiveKit's last
    speaking time; what the speech-to-text decided, less its silence and its transcripts' delay."""

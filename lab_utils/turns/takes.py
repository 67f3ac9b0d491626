"""Takes: one call as it is heard several times over, at several phases and over several paths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..core.labels import Labels
from ..core.recording import Pcm, Recording
from ..core.timeline import phase_offsets
from ..recordings.band import Background, Band, line_of
from ..recordings.heard_paths import HeardPath, as_heard


class Take(NamedTuple):
    """One of several hearings of a call that no listener could tell apart."""

    phase_samples: int
    """Silence before the recording: where its samples fall in the detectors' windows."""
    path: str = "16k"
    """How the audio reaches the agent (`heard_paths`)."""


TAKE_PATHS: tuple[HeardPath, ...] = ("16k", "24k", "opus", "24k")
"""Paths of the takes in turn, where none is given."""


def takes_of(n: int, path: HeardPath | None = None) -> list[Take]:
    """`n` takes: phases spread over one window, each heard over the next path, or all over a given one.

    >>> takes_of(4)[1:3]
    [Take(phase_samples=128, path='24k'), Take(phase_samples=256, path='opus')]
    """
    offsets = phase_offsets(n)
    return [Take(offset, path or TAKE_PATHS[k % len(TAKE_PATHS)]) for k, offset in enumerate(offsets)]


@dataclass(frozen=True)
class HeardRecording:
    """The user's channel as heard over a path, made when it is needed; with an address in the cache."""

    recording: Recording
    path: str = "16k"

    @cached_property
    def user(self) -> Pcm:
        return as_heard(self.recording.user, self.path)

    @property
    def labels(self) -> Labels | None:
        return self.recording.labels

    @property
    def duration_s(self) -> float:
        return self.recording.duration_s

    @property
    def sha256(self) -> str:
        return self.recording.sha256 + ("" if self.path == "16k" else f"-{self.path}")


Audible = Recording | HeardRecording


class Hearings:
    """A labelled recording as heard over each path; each version is made once."""

    def __init__(self, recording: Recording, line: tuple[Band, Background] | None = None) -> None:
        """`line`: what `line_of` says of the user's channel, if it is known."""
        self.recording, self._line = recording, line
        self._over: dict[str, HeardRecording] = {}

    def over(self, path: str) -> HeardRecording:
        """As heard over one of `heard_paths`."""
        return self._over.setdefault(path, HeardRecording(self.recording, path))

    @cached_property
    def line(self) -> tuple[Band, Background]:
        """The bandwidth of the line, and whether there is noise on it (`line_of`)."""
        return self._line or line_of(self.recording.user)

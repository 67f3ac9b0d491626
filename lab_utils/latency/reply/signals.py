"""What the VAD says that a reply waits for or ends at, from its trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...core.settings import Settings, VadSettings
from ...core.timeline import Floats, Ints, accumulated_s
from ...turns.barge_in.replay import heard_vad
from ...turns.replay.vad_runs import speech_events
from .records import Given, in_order

MOST_KEPT = 48
"""Runs of the VAD that are kept, of one call: each takes about 0.1 MB."""


class _Run(NamedTuple):
    """One run of the VAD, before the agent's `min_delay` counts."""

    events: list[Given]
    """Start and end of speech, its windows, and those of speech that doesn't start."""
    arrival_s: Floats
    """Of each window in speech; shape=(windows in speech,)."""
    silent: Ints
    """How many windows of silence have come by then; shape as above."""
    first: np.ndarray
    """Whether it is the first of its stretch of speech; shape as above."""


@dataclass(eq=False)
class Voice:
    """The user's voice activity in one call."""

    probabilities: Floats
    """Of speech, by window; shape=(windows,)."""
    _known: dict[tuple[VadSettings, float, int], _Run] = field(default_factory=dict, repr=False)

    def signals(self, settings: Settings, frame: int) -> list[Given]:
        """The VAD's events, in order (`records.in_order`); stream seconds. `frame`: samples of a frame.

        A window is quiet if the silence before it exceeds half of `min_delay` (agent_activity.py,
        `on_vad_inference_done`).

        >>> p = np.repeat([0.01, 0.95, 0.01], [10, 30, 40])
        >>> [one.kind for one in Voice(p).signals(Settings(), 800)][:2]
        ['spoken', 'start']
        """
        key = settings.vad, settings.interruption.min_duration, frame
        if key not in self._known:
            if len(self._known) == MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = self._run(*key)
        run = self._known[key]
        if not len(run.silent):
            return run.events
        quiet = accumulated_s(int(run.silent.max()))[run.silent] > settings.endpointing.min_delay / 2
        changes = np.flatnonzero(run.first | (quiet != np.roll(quiet, 1)))
        told = zip(run.arrival_s[changes].tolist(), quiet[changes].tolist(), strict=True)
        return in_order(
            [*run.events, *(Given.at(time_s, "quiet" if is_so else "loud") for time_s, is_so in told)]
        )

    def _run(self, vad: VadSettings, min_duration: float, frame: int) -> _Run:
        p = self.probabilities
        found = speech_events(p, vad, frame, 0)
        ends = [*found.end, *[len(p) - 1] * (len(found.start) - len(found.end))]
        speech = np.zeros(len(p), dtype=bool)
        speech[found.heard] = True
        latest = np.maximum.accumulate(np.where(speech, np.arange(len(p)), -1))
        stretches = [np.arange(start + 1, end + 1) for start, end in zip(found.start, ends, strict=True)]
        silent = [k - np.maximum(latest[k], k[0] - 1) for k in stretches if len(k)]
        windows = np.concatenate([*stretches, np.zeros(0, dtype=np.int64)])
        events = heard_vad(p, vad, min_duration, frame).events
        alone = np.setdiff1d(found.heard, windows)
        spoken = [Given.at(time_s, "spoken") for time_s in np.array(found.arrival_s)[alone].tolist()]
        return _Run(
            in_order([*spoken, *(Given.at(time_s, kind) for time_s, kind in events)]),  # type: ignore[arg-type]
            np.array(found.arrival_s)[windows] if len(windows) else np.zeros(0),
            np.concatenate([*silent, np.zeros(0, dtype=np.int64)]),
            np.concatenate([*(np.arange(len(k)) == 0 for k in stretches), np.zeros(0, dtype=bool)]),
        )

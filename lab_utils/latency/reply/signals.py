"""What the VAD says that a reply waits for or ends at, from its trace."""

from __future__ import annotations

from ...core.settings import Settings
from ...core.timeline import Floats, accumulated_s
from ...turns.barge_in.replay import heard_vad
from ...turns.replay.vad_runs import speech_events
from .records import Given


def vad_signals(p: Floats, settings: Settings, frame: int) -> list[Given]:
    """The VAD's events in a call, in order; stream seconds.

    `p`: speech probability by window, shape=(windows,); `frame`: samples of a frame. A window is quiet if the
    silence before it exceeds half of `min_delay` (agent_activity.py, `on_vad_inference_done`).

    >>> import numpy as np
    >>> p = np.repeat([0.01, 0.95, 0.01], [10, 30, 40])
    >>> [one.kind for one in vad_signals(p, Settings(), 800)][:2]
    ['start', 'loud']
    """
    heard = heard_vad(p, settings.vad, settings.interruption.min_duration, frame)
    found = [Given(time_s, kind) for time_s, kind in heard.events]  # type: ignore[arg-type]
    run = speech_events(p, settings.vad, frame, 0)
    sums = accumulated_s(len(p) + 1)
    ends = [*run.end, *[len(p) - 1] * (len(run.start) - len(run.end))]
    speech = set(run.heard)
    for start, end in zip(run.start, ends, strict=True):
        silent, before = 0, ""
        for k in range(start + 1, end + 1):
            silent = 0 if k in speech else silent + 1
            kind = "quiet" if sums[silent] > settings.endpointing.min_delay / 2 else "loud"
            if kind != before:
                found.append(Given(run.arrival_s[k], kind))  # type: ignore[arg-type]
            before = kind
    return sorted(found, key=lambda one: one.time_s)

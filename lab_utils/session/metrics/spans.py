"""A session's events as spans: when each side spoke, when the models worked, and the labelled commits.

Conventions: seconds of recording time; a span that never ended has a NaN end. Keys of `SessionEvent.data`
that are read here, all optional: `id` (which generation), `name` (of a tool), `interrupted` (playout_ends),
`cause` and `probability` (commit). Without an `id`, a first token or audio is taken to belong to the newest
run (older ones were given up), an end to the oldest run that has none yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ...core.labels import Labels, as_spans
from ...core.session_log import SessionEvent, SessionEventKind, SessionLog
from ...core.timeline import Floats
from ...core.traces import Commits
from ...turns.metrics.labelled_pauses import attribute, labelled_pauses

_NEXT: dict[SessionEventKind, tuple[SessionEventKind | None, SessionEventKind]] = {
    "llm_starts": ("llm_first_token", "llm_ends"),
    "tts_starts": ("tts_first_audio", "tts_ends"),
    "tool_starts": (None, "tool_ends"),
    "user_starts": (None, "user_ends"),
}


@dataclass(frozen=True)
class Activity:
    """One run of an LLM, a TTS or a tool, or one stretch of speech as detected by the VAD."""

    start_s: float
    first_s: float
    """First token or audio, NaN if there was none; for tools and speech the start."""
    end_s: float
    name: str = ""

    @property
    def waiting_s(self) -> tuple[float, float]:
        """Start, and first token or audio; without one the run's end, NaN if it never ended."""
        return self.start_s, self.end_s if np.isnan(self.first_s) else self.first_s

    @property
    def working_s(self) -> tuple[float, float] | None:
        """First token or audio, and end (NaN if the run never ended); None without a first token or audio."""
        return None if np.isnan(self.first_s) else (self.first_s, self.end_s)


@dataclass(frozen=True)
class Playout:
    """One stretch of agent speech as it was played."""

    start_s: float
    end_s: float
    interrupted: bool
    pauses: Floats
    """shape=(n, 2); the last one may have a NaN end."""


def activities(log: SessionLog, starts: SessionEventKind) -> tuple[Activity, ...]:
    """The runs that begin with `llm_starts`, `tts_starts`, `tool_starts` or `user_starts`, in order."""
    if starts not in _NEXT:
        raise ValueError(f"runs begin with one of {', '.join(_NEXT)}; got {starts!r}")
    first, ends = _NEXT[starts]
    found: list[Activity] = []
    open_runs: list[tuple[int, Any]] = []
    for event in log.events:
        if event.kind == starts:
            open_runs.append((len(found), event.data.get("id")))
            at_once_s = event.time_s if first is None else np.nan
            found.append(Activity(event.time_s, at_once_s, np.nan, str(event.data.get("name", ""))))
        elif event.kind in (first, ends):
            wanted = event.data.get("id")
            fitting = [run for run in open_runs if wanted is None or run[1] == wanted]
            if event.kind == first:
                fitting = [run for run in fitting if np.isnan(found[run[0]].first_s)]
            if not fitting:
                continue
            k = fitting[-1 if event.kind == first else 0][0]
            if event.kind == first:
                found[k] = replace(found[k], first_s=event.time_s)
            else:
                found[k] = replace(found[k], end_s=event.time_s)
                open_runs.remove(fitting[0])
    return tuple(found)


def playouts(log: SessionLog) -> tuple[Playout, ...]:
    """The agent's stretches of speech in order, with their pauses; they don't overlap."""
    found: list[Playout] = []
    for event in log.of_kind("playout_starts", "playout_pauses", "playout_resumes", "playout_ends"):
        if event.kind == "playout_starts":
            found.append(Playout(event.time_s, np.nan, False, as_spans([])))
        elif found and np.isnan(found[-1].end_s):
            found[-1] = _continued(found[-1], event)
    return tuple(found)


def _continued(playout: Playout, event: SessionEvent) -> Playout:
    pauses = playout.pauses.copy()
    paused = bool(len(pauses)) and bool(np.isnan(pauses[-1, 1]))
    if event.kind == "playout_pauses":
        if paused:  # a second pause event changes nothing
            return playout
        return replace(playout, pauses=np.vstack((pauses, [event.time_s, np.nan])))
    if paused:
        pauses[-1, 1] = event.time_s
    if event.kind == "playout_resumes":
        return replace(playout, pauses=pauses)
    interrupted = bool(event.data.get("interrupted", False))
    return replace(playout, end_s=event.time_s, interrupted=interrupted, pauses=pauses)


def session_commits(log: SessionLog, labels: Labels | None = None) -> pd.DataFrame:
    """The commits of a session, one row each: commit_s, cause ("unknown" if not told), probability.

    With labels also the other columns of `attributes`. A commit without a last speaking time from LiveKit
    belongs to the pause that it falls into, as if it had waited for nothing. Without labels `false_boundary`
    is False throughout, since nothing is known.
    """
    events = log.of_kind("commit")
    time_s = np.array([event.time_s for event in events], dtype=np.float64)
    cause: tuple[Any, ...] = tuple(event.data.get("cause") or "unknown" for event in events)
    told = [event.data.get("probability") for event in events]
    probability = np.array([np.nan if p is None else p for p in told], dtype=np.float64)
    if labels is None:
        columns = {"commit_s": time_s, "cause": np.array(cause, dtype=object), "probability": probability}
        return pd.DataFrame(columns | {"false_boundary": np.zeros(len(events), dtype=np.bool_)})
    last = [event.data.get("last_speaking_s") for event in events]
    last_speaking_s = np.where([one is None for one in last], time_s, np.array(last, dtype=np.float64))
    tail_s = max(0.0, log.duration_s - labels.duration_s)
    return attribute(Commits(time_s, cause, probability, last_speaking_s), labelled_pauses(labels, tail_s))

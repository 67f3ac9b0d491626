"""One call under several settings, as sessions of the real `AgentSession`, and the replay's word for it.

`rehearse` runs the sessions; `side_by_side` puts their commits next to those of a replay that is given the
same traces and transcripts. With `endpointing.mode` "dynamic" the replay assumes the recorded agent, which a
rehearsal hasn't: such sessions run, and have no replay beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..core.delays import Delay
from ..core.recording import Recording
from ..core.session_log import SessionLog, SessionMode
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.timeline import TAIL_S
from ..core.traces import Commits, Traced
from ..turns.replay import replay
from ..turns.tracing import TraceCache, Tracer, default_cache
from .comparison import TOLERANCE_S, both_sides
from .job import HasSettings, SessionJob, SessionTraces, conditions_in, settings_in
from .log.files import save_session, session_folder
from .scripted.stt_plan import SttTiming, planned
from .workers import run_sessions


@dataclass(frozen=True)
class Rehearsal:
    """The sessions of one recording, by the name of their settings."""

    recording: Recording
    logs: Mapping[str, SessionLog]
    replayed: Mapping[str, Commits]
    """What a replay says, where it can: in open loop, with fixed endpointing."""


def rehearse(
    recording: Recording,
    settings: Mapping[str, Settings | HasSettings],
    *,
    conditions: Conditions | None = None,
    mode: SessionMode = "open_loop",
    agent: Callable[[], Any] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    text: bool = False,
    cache: Path | None = None,
    processes: int = 2,
    quiet: bool = False,
) -> Rehearsal:
    """Run a labelled recording under several settings (or profiles), each a session in its own process.

    `conditions`: None for those of each profile, the usual ones for bare settings.
    `agent`: an `Agent` subclass, or what returns one, as in `run_session`. With a `folder` each log is kept
    in it, below the name of its settings, with what was said only if `text`. What went wrong in a session is
    in its log; a session that could not be run at all raises its error.
    """
    if recording.labels is None:
        raise ValueError(f"{recording.name}: has no labels; load it with lab_utils.load")
    if not settings:
        raise ValueError("no settings to run; expected a name and Settings or a profile for each session")
    tracer = Tracer(TraceCache(cache or default_cache()))
    jobs: list[SessionJob] = []
    replayed: dict[str, Commits] = {}
    for name, given in tqdm(
        settings.items(), desc="traces", unit="setting", disable=quiet or mode == "reactive"
    ):
        chosen = settings_in(given)
        assumed = conditions_in(given) if conditions is None else conditions
        timing = stt_timing(chosen, assumed)
        job = SessionJob(recording, chosen, assumed, agent=agent, seed=seed, mode=mode, stt_timing=timing)
        if mode == "open_loop":
            job, traced = traced_job(job, tracer)
            if chosen.endpointing.mode == "fixed":
                replayed[name] = replay(traced, chosen, assumed, 0, job.transcripts)
        jobs.append(job)
    logs: dict[str, SessionLog] = {}
    results = run_sessions(jobs, processes=min(processes, len(jobs)), quiet=quiet)
    for name, log in zip(settings, results, strict=True):
        if isinstance(log, Exception):
            raise log
        logs[name] = log
        if folder is not None:
            save_session(log, session_folder(Path(folder), name), text=text)
    return Rehearsal(recording, logs, replayed)


def stt_timing(settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> SttTiming:
    """How the scripted STT hears: as the conditions say.

    A `transcription_delay` of 0, "soon enough", is a sweep's way not to ask; a session needs a figure, and
    takes the scripted STT's own.
    """
    timing = SttTiming(end_of_speech=settings.detector.model == "stt", utterance_gap_s=conditions.stt_silence)
    if not conditions.transcription_delay:
        return timing
    return timing.model_copy(update={"final_delay": Delay(conditions.transcription_delay)})


def traced_job(job: SessionJob, tracer: Tracer) -> tuple[SessionJob, Traced]:
    """An open-loop job with its transcripts and traces, so that no model need run, and what was traced."""
    assert job.recording.labels is not None
    events = planned(job.recording.labels, job.stt_timing, job.seed)
    traced = tracer.trace_session(job.recording, job.settings, job.conditions, stt=events)
    traces = SessionTraces(traced.vad[job.settings.vad.model][0], traced.eot[0])
    return replace(job, transcripts=events, traces=traces), traced


def side_by_side(replayed: Commits, log: SessionLog, until_s: float = np.inf) -> pd.DataFrame:
    """The commits of a replay and of a session before `until_s`, paired by their place.

    Columns: replay_s, session_s, difference_ms (session - replay, to the nanosecond), replay_cause,
    session_cause, agrees (the same cause, within `TOLERANCE_S`). What has no partner has NaN, "" and False.
    """
    sides = []
    for name, moments in zip(("replay", "session"), both_sides(replayed, log, until_s), strict=True):
        rows = [(moment.time_s, moment.cause) for moment in moments]
        sides.append(pd.DataFrame(rows, columns=[f"{name}_s", f"{name}_cause"]).astype({f"{name}_s": float}))
    table = pd.concat(sides, axis=1)
    causes = ["replay_cause", "session_cause"]
    table[causes] = table[causes].astype(object).where(table[causes].notna(), "")
    difference_s = table["session_s"] - table["replay_s"]
    same = table["replay_cause"] == table["session_cause"]
    table["difference_ms"] = (1000 * difference_s).round(6) + 0.0
    table["agrees"] = same & (difference_s.abs() <= TOLERANCE_S)
    return table[["replay_s", "session_s", "difference_ms", *causes, "agrees"]]


def proof(rehearsal: Rehearsal) -> pd.DataFrame:
    """`side_by_side` of every session that has a replay, indexed by (setting, commit).

    Commits at or after the end of the audio are left out: the end of a session brings them forward.
    Raises ValueError if no session has a replay.
    """
    if not rehearsal.replayed:
        raise ValueError(
            "no session here has a replay: run them in open loop, with endpointing.mode fixed "
            "(dynamic endpointing is proven with the recorded agent, by `lab verify`)"
        )
    until_s = rehearsal.recording.duration_s + TAIL_S
    tables = {
        name: side_by_side(commits, rehearsal.logs[name], until_s)
        for name, commits in rehearsal.replayed.items()
    }
    return pd.concat(tables, names=["setting", "commit"])

"""One recording under several settings, as sessions of the real `AgentSession`, and their replays.

`run_settings` runs the sessions; `against_replay` puts their commits next to those of a replay that is given
the same traces and transcripts. With `endpointing.mode` "dynamic" a replay assumes the recorded agent, which
these sessions don't have: they run, but get no replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from ..core.files.places import Folder
from ..core.recording import Recording
from ..core.session_log import SessionLog, SessionMode
from ..core.settings import Conditions, Settings
from ..core.timeline import TAIL_S
from ..core.traces import Commits
from ..turns.replay import replay
from ..turns.tracing import TraceCache, Tracer
from .commits import commit_pairs
from .job import HasSettings, SessionJob, conditions_in, settings_in
from .log.files import save_session, session_folder
from .prepare import stt_timing, traced_job
from .workers import run_sessions


@dataclass(frozen=True)
class SessionSet:
    """The sessions of one recording, by the name of their settings."""

    recording: Recording
    logs: Mapping[str, SessionLog]
    replayed: Mapping[str, Commits]
    """The commits of a replay, where one is possible: in open loop, with fixed endpointing."""


def run_settings(
    recording: Recording,
    settings: Mapping[str, Settings | HasSettings],
    *,
    conditions: Conditions | None = None,
    mode: SessionMode = "open_loop",
    agent: Callable[[], Any] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    text: bool = False,
    cache: Folder | None = None,
    processes: int = 2,
    quiet: bool = False,
) -> SessionSet:
    """Run a labelled recording under several settings (or profiles), each a session in its own process.

    `conditions`: None for those of each profile, the usual ones for bare settings.
    `agent`: an `Agent` subclass, or a function that returns an agent, as in `run_session`. With a `folder`
    each log is saved in it, in a folder named like the settings; what was said is saved only with `text`.
    Errors in a session are in its log. If a session could not be run at all, its error is raised.
    """
    if recording.labels is None:
        raise ValueError(f"{recording.name}: has no labels; load it with lab_utils.load")
    if not settings:
        raise ValueError("no settings to run; expected a name and Settings or a profile for each session")
    tracer = Tracer(TraceCache.at(cache))
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
    return SessionSet(recording, logs, replayed)


def against_replay(sessions: SessionSet) -> pd.DataFrame:
    """`commit_pairs` of every session that has a replay, indexed by (setting, commit).

    Commits at or after the end of the audio are left out: the end of a session makes them come earlier.
    Raises ValueError if no session has a replay.
    """
    if not sessions.replayed:
        raise ValueError(
            "no session here has a replay: run them in open loop, with endpointing.mode fixed "
            "(dynamic endpointing is compared with the recorded agent, by `lab verify`)"
        )
    until_s = sessions.recording.duration_s + TAIL_S
    tables = {
        name: commit_pairs(commits, sessions.logs[name], until_s)
        for name, commits in sessions.replayed.items()
    }
    return pd.concat(tables, names=["setting", "commit"])

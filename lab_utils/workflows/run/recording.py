"""One recording of a run, from file to results; in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import PlainSerializer, PlainValidator

from ...core.batch.made_of import content_hash
from ...core.files import write_whole
from ...core.files.places import Place
from ...core.labels import Labels
from ...core.recording import Recording
from ...core.session_log import SessionLog, SessionMode
from ...core.settings import Conditions, Settings
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, load_recording
from ...session.entrypoint.facts import RoomFacts
from ...session.entrypoint.load import load_worker
from ...session.faults.watch import at_most
from ...session.job import Limits, SessionJob
from ...session.log.files import save_session, session_folder
from ...session.log.left_out import without_text
from ...session.metrics import playouts, replies_as_resumed, session_commits, stage_table
from ...session.metrics.stages import stage_frame
from ...session.prepare import traced_job
from ...session.providers.schema import Providers
from ...session.scripted.stt_plan import SttTiming, has_placeholders, words_of
from ...session.stand_ins.imports import ProcessStandIns, stand_ins
from ...session.stand_ins.script import StoodIn
from ...session.user_parts import Part, PartKind, load_parts, users_code
from ...session.workers import run_watched
from ...turns.tracing import TraceCache, Tracer
from .providers import script_of, with_simulated

FILES = ("session.json", "heard.flac", "report.json", "turns.csv", "timeline.png", "latency.png")
"""What each recording's folder holds; the last is written last."""
LOAD_S = 120.0
"""Real seconds that a user's code may take to be imported."""
StageTable = Annotated[
    pd.DataFrame, PlainValidator(stage_frame), PlainSerializer(lambda table: table.to_dict("records"))
]
"""As pydantic keeps it: by its rows."""
Outcome = Literal["done", "failed", "skipped"]
"""Of a recording: its session ended with it, ended before it, or couldn't be run at all."""


@dataclass(frozen=True)
class Result:
    """What one recording gave."""

    recording: str
    path: str
    outcome: Outcome
    reason: str = ""
    """Why it failed or was skipped."""
    sha256: str = ""
    duration_s: float = 0.0
    labels: str = ""
    """Where the labels come from."""
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Commits, replies, interruptions … and, where labels allow, holds and false boundaries."""
    stages: StageTable | None = None
    """`metrics.stage_table`"""
    caveats: tuple[str, ...] = ()
    stood_in: tuple[StoodIn, ...] = ()
    """What an agent or plug-in asks for and a stand-in answered (`session.stand_ins`)."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Hashes of what lies in its folder."""
    code: str = ""
    """A hash of the user's modules that were loaded when its session had ended."""


@dataclass(frozen=True)
class Plan:
    """What the sessions of a run have in common; can be sent to a worker."""

    settings: Settings
    conditions: Conditions
    mode: SessionMode
    seed: int
    real_time: bool
    limits: Limits | None
    stt_timing: SttTiming
    parts: Mapping[PartKind, Part]
    worker: str | None
    """Name of a worker file or module, instead of an agent."""
    room: RoomFacts
    cache: Place
    out: Path
    text: bool
    """Whether results hold what was said."""
    providers: Providers | None = None
    """Whose delays simulated parts have."""
    code: str = ""
    """A hash of the user's modules that are loaded with the parts they name."""
    environment: str = ""
    """A hash of the environment of these modules."""
    day: str = ""
    """Of sessions on the wall clock: what services did on another one isn't gone on from."""


def run_one(plan: Plan, files: RecordingFiles) -> Result:
    """One recording from file to results, in a process with a virtual clock."""
    own = begin_stand_ins(plan)
    with at_most(LOAD_S):
        parts = load_parts(plan.parts, own)
        if plan.worker is None:  # a worker's session has parts of its own
            parts = with_simulated(parts, plan.providers, plan.seed)
        worker = None if plan.worker is None else load_worker(plan.worker, own)
    tracer = Tracer(TraceCache(plan.cache))
    recording = _labelled(load_recording(files), tracer)
    job = replace(_job(plan, recording, tracer, parts), worker=worker, room=plan.room, stand_ins=own)
    log = run_watched(job)
    if not plan.text:
        log = without_text(log)  # here, so that figures and summary don't have it either
    scored = recording.labels
    if plan.mode == "reactive" or not (scored and scored.labels):
        scored = None
    stood_in = () if own is None else own.stood_in()
    result = replace(result_of(log, recording, scored), stood_in=stood_in)
    folder = save_session(log, plan.out, text=plan.text)
    assert result.stages is not None
    write_whole(folder / "turns.csv", result.stages.to_csv(index=False, lineterminator="\n").encode())
    _draw(log, scored, folder)
    return replace(result, files=_hashes(folder), code=users_code() if plan.code else "")


def may_stand(plan: Plan, result: Result) -> bool:
    """Whether a session needn't be run again: it came to its end, its folder is as it was left, and the plan,
    by which it is found, knows all of the user's modules that it loaded."""
    folder = session_folder(plan.out, result.recording)
    return result.outcome == "done" and result.code == plan.code and result.files == _hashes(folder)


def _hashes(folder: Path) -> dict[str, str]:
    files = [folder / name for name in FILES]
    return {file.name: content_hash(file) for file in files if file.is_file()}


def _draw(log: SessionLog, labels: Labels | None, folder: Path) -> None:
    from ... import plots  # matplotlib takes a while to load, and who gives the work draws nothing

    span_s = (0.0, max(log.duration_s, 1.0))  # a session that could not be started lasted no time
    write_whole(folder / "timeline.png", plots.png(plots.session_figure(log, span_s, labels)))
    write_whole(folder / "latency.png", plots.png(plots.latency_figure(log)))


def begin_stand_ins(plan: Plan) -> ProcessStandIns | None:
    """This process's stand-ins at the start of a session; None where there are none.

    What is to be measured on the wall clock must be there, and who brings no code needs none.
    """
    if plan.real_time or not (plan.worker or any(plan.parts.values())):
        return None
    own = stand_ins()
    own.answer_services()
    if plan.providers is not None:
        own.script = script_of(plan.providers)
    own.begin(plan.seed)
    return own


def _labelled(recording: Recording, tracer: Tracer) -> Recording:
    """The recording with who speaks when, as well as it can be known."""
    if recording.labels is None and recording.agent is None:
        return replace(recording, labels=tracer.speech_only(recording))
    return tracer.labelled(recording)


def _job(
    plan: Plan, recording: Recording, tracer: Tracer, parts: Mapping[PartKind, Callable[[], Any] | None]
) -> SessionJob:
    limits = plan.limits or (Limits(real_s=_real_limit_s(recording)) if plan.real_time else Limits())
    try:
        job = SessionJob(
            recording,
            plan.settings,
            plan.conditions,
            agent=parts["agent"],
            stt=parts["stt"],
            llm=parts["llm"],
            tts=parts["tts"],
            seed=plan.seed,
            mode=plan.mode,
            tail_s=tracer.tail_s,
            stt_timing=plan.stt_timing,
            real_time=plan.real_time,
            limits=limits,
        )
    except ValueError as error:  # a mode that this recording doesn't allow
        raise BadRecording(str(error)) from None
    if plan.mode == "reactive" or plan.real_time:
        return job
    try:
        return traced_job(job, tracer)[0]
    except ValueError as error:  # settings that this recording doesn't allow
        raise BadRecording(f"{recording.name}: {error}") from None


def _real_limit_s(recording: Recording) -> float:
    """Real seconds for a session on the wall clock, which a reactive caller may make three times as long."""
    return Limits().real_s + 4 * recording.duration_s


def result_of(log: SessionLog, recording: Recording, labels: Labels | None) -> Result:
    """The headline figures of one session; `labels` None where they say nothing about its commits."""
    commits = session_commits(log, labels)
    counts = {
        "commits": len(commits),
        "replies": sum(reply.commit_s is not None for reply in log.replies),
        "interruptions": sum(playout.interrupted for playout in playouts(log)),
        "false_interruptions": len(log.of_kind("false_interruption")),
        "errors": len(log.of_kind("error")),
    }
    if labels is not None:
        counts["holds"] = len(labels.of_kind("hold"))
        counts["false_boundaries"] = int(commits["false_boundary"].sum())
        counts["replies_as_resumed"] = len(replies_as_resumed(log, labels))
    notes = recording.notes
    if recording.labels is not None and has_placeholders(words_of(recording.labels)):
        notes += ("nobody has transcribed the user's words: the scripted STT sends placeholders",)
    return Result(
        recording=log.recording,
        path=recording.path,
        outcome="failed" if log.failure else "done",
        reason=log.failure,
        sha256=log.sha256,
        duration_s=log.duration_s,
        labels=recording.labels.source or "unknown" if recording.labels else "",
        notes=notes,
        counts=counts,
        stages=stage_table(log),
        caveats=log.caveats,
    )

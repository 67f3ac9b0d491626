"""Replay: (traces, settings) → commits, exactly as `AgentSession` would decide them. Pure.

`replay` gives the commits of one setting; `decide` those of a block of settings that share a voice-activity
detector, which is what a sweep needs. Semantics and sources: `pauses`, `decisions`, `endpointing`.
"""

from __future__ import annotations

import numpy as np

from ..records import CAUSES, Cause, Commits, Decisions, EotTrace, Labels, Pauses, Traced
from ..settings import Settings
from ..timeline import SAMPLE_RATE_HZ, Floats, frame_samples
from .block import Block, blocks_of
from .decisions import MissingPredictions, early_decisions, late_decisions
from .pauses import find_pauses

__all__ = [
    "Block",
    "MissingPredictions",
    "agent_turns",
    "blocks_of",
    "commits_of",
    "decide",
    "find_pauses",
    "replay",
]


def decide(pauses: Pauses, eot: EotTrace, agent: Floats, block: Block) -> Decisions:
    """What each setting of a block does in each pause (stream times).

    `agent`: stream times of the agent's turns, used by dynamic endpointing only. Raises MissingPredictions if
    `eot` lacks a prediction that is needed.
    """
    delays = block.delays(pauses, agent)
    conditions = block.conditions
    frame = frame_samples(conditions.frame_duration)
    heard = eot if block.detector == "v1-mini" else None
    if np.all(pauses.last_speaking_s + conditions.transcription_delay <= pauses.end_of_speech_s):
        return early_decisions(pauses, heard, delays, conditions.prediction_delay, frame)
    return late_decisions(
        pauses, heard, delays, conditions.transcription_delay, conditions.prediction_delay, frame
    )


def agent_turns(labels: Labels) -> Floats:
    """The agent's turns, shape=(n, 2): its IPUs, joined where the user says nothing in between."""
    turns: list[list[float]] = []
    user = labels.spans("user")
    for start_s, end_s in labels.spans("agent"):
        if turns and not np.any((user[:, 0] < start_s) & (user[:, 1] > turns[-1][1])):
            turns[-1][1] = max(turns[-1][1], float(end_s))
        else:
            turns.append([float(start_s), float(end_s)])
    return np.array(turns, dtype=np.float64).reshape(-1, 2)


def replay(traced: Traced, settings: Settings, phase: int = 0) -> Commits:
    """The commits of one setting on one recording, in recording time.

    `phase` is the index of the trace's phase. Raises MissingPredictions if the trace lacks a prediction.
    """
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / SAMPLE_RATE_HZ
    pauses = find_pauses(trace, settings.vad, frame_samples(settings.conditions.frame_duration))
    decisions = decide(pauses, traced.eot[phase], agent_turns(traced.labels) + offset_s, Block.of(settings))
    return commits_of(decisions, 0, settings.detector.model, offset_s)


def commits_of(decisions: Decisions, setting: int, detector: str, offset_s: float) -> Commits:
    """The commits of one setting of a block, in recording time (stream time less `offset_s`)."""
    level = decisions.level[setting]
    accepted, rejected = decisions.accepted[:, level].copy(), decisions.rejected[:, level].copy()
    probability = decisions.probability[:, min(setting, decisions.probability.shape[1] - 1)].copy()
    every = np.ones(len(accepted), np.bool_)
    resolved = decisions.resolve(np.array([setting]), every)
    for one in decisions.shortened:
        yes, start = resolved[one.pause]
        accepted[one.pause], rejected[one.pause] = yes[0], not yes[0]
        probability[one.pause] = one.probability[start[0]]
    accepted_s = np.where(accepted, decisions.accepted_s[:, decisions.min_column[setting]], np.inf)
    rejected_s = np.where(rejected, decisions.rejected_s[:, decisions.max_column[setting]], np.inf)
    times = np.minimum(accepted_s, rejected_s)
    if detector == "vad":
        causes = np.full(len(times), CAUSES.index("vad"))
    else:
        causes = np.where(rejected_s < accepted_s, CAUSES.index("max_delay"), CAUSES.index("detector"))
    if len(decisions.late_s):
        late = decisions.late_s[:, setting]
        times = np.concatenate((times, late))
        causes = np.concatenate((causes, np.full(len(late), CAUSES.index("late_transcript"))))
        probability = np.concatenate((probability, np.full(len(late), np.nan)))
    order = np.argsort(times, kind="stable")[: np.count_nonzero(np.isfinite(times))]
    named: tuple[Cause, ...] = tuple(CAUSES[k] for k in causes[order])
    return Commits(times[order] - offset_s, named, probability[order])

"""Replay: (traces, settings) → commits, exactly as `AgentSession` would decide them. Pure.

`replay` gives the commits of one setting; `decide` those of a block of settings that share a voice-activity
detector, which is what a sweep needs. Semantics and sources: `pauses`, `decisions`, `late`, `stt_mode`,
`stt_events`, `endpointing`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.detectors import DETECTORS
from ...core.labels import Labels, agent_turns
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.timeline import SAMPLE_RATE_HZ, Floats, frame_samples
from ...core.traces import CAUSES, Cause, Commits, EotTrace, SttEvent, Traced, VadTrace
from .block import Block, blocks_of
from .decisions import MissingPredictions, MissingTraces, early_decisions
from .late import late_decisions
from .pauses import find_pauses
from .records import Decisions, Pauses
from .refusals import Refusals, word_count, word_times, words_by_pause
from .stt_events import in_stream, stt_events, transcripts_of
from .stt_mode import MissingRestarts, stt_decisions

__all__ = [
    "Block",
    "MissingPredictions",
    "MissingRestarts",
    "MissingTraces",
    "blocks_of",
    "commits_of",
    "counted_words",
    "decide",
    "find_pauses",
    "heard_by",
    "replay",
    "stt_events",
]


def decide(
    pauses: Pauses,
    eot: EotTrace,
    agent: Floats,
    block: Block,
    stt: Sequence[SttEvent] | None = None,
    trace: VadTrace | None = None,
    words_s: Floats | None = None,
) -> Decisions:
    """What each setting of a block does in each pause (stream times).

    `agent`: stream times of the agent's turns, used by dynamic endpointing and `min_words` only. `words_s`:
    those of the user's words (`word_times`), needed where `min_words` counts modelled transcripts. `stt`:
    events of the speech-to-text at stream times, in order; None: one final per stretch of speech (see
    `heard_by`). `stt` mode must be given them, and the `trace` of the `pauses`. Raises MissingTraces if `eot`
    lacks a prediction, or `trace` a restart, that is needed.
    """
    conditions = block.conditions
    frame = frame_samples(conditions.frame_duration)
    if block.needs == "stt_events":
        if stt is None or trace is None:
            raise ValueError("stt mode was given no events or no trace; give decide both (events: heard_by)")
        lag_s = conditions.stt_silence + conditions.transcription_delay
        refusals = _refusals(block, agent, stt)
        return stt_decisions(
            trace, block.vad, stt, block.learners(agent), frame, len(pauses), lag_s, refusals
        )
    delays = block.delays(pauses, agent)
    heard = eot if block.needs == "predictions" else None
    if stt is None:
        early = np.all(pauses.last_speaking_s + conditions.transcription_delay <= pauses.end_of_speech_s)
        if early and block.min_words is None:
            return early_decisions(pauses, heard, delays, conditions.prediction_delay, frame)
        modelled = transcripts_of(pauses, conditions.transcription_delay)
        return late_decisions(
            pauses,
            heard,
            delays,
            modelled,
            conditions.prediction_delay,
            frame,
            modelled=True,
            refusals=_refusals(block, agent, modelled, _counted(block, pauses, words_s)),
        )
    refusals = _refusals(block, agent, stt)
    return late_decisions(pauses, heard, delays, stt, conditions.prediction_delay, frame, refusals=refusals)


def _counted(block: Block, pauses: Pauses, words_s: Floats | None) -> list[int] | None:
    """Words of each modelled transcript; None where nobody counts them."""
    if block.min_words is None:
        return None
    if words_s is None:
        raise ValueError("min_words needs the times of the user's words; give decide words_s (word_times)")
    return [int(n) for n in words_by_pause(words_s, pauses.last_speaking_s)]


def _refusals(
    block: Block, agent: Floats, stt: Sequence[SttEvent], words: Sequence[int] | None = None
) -> Refusals | None:
    if block.min_words is None:
        return None
    return Refusals(block.min_words, agent, [word_count(one.text) for one in stt] if words is None else words)


def heard_by(
    block: Block, labels: Labels, offset_s: float, stt: Sequence[SttEvent] | None = None
) -> list[SttEvent] | None:
    """The speech-to-text's events that `decide` is to be given, at stream times (`offset_s` later).

    Given events `stt` (recording times) as they are; else the modelled ones in `stt` mode, none in others.
    """
    if stt is None and block.needs == "stt_events":
        stt = stt_events(labels, block.conditions)
    return None if stt is None else in_stream(stt, offset_s)


def counted_words(block: Block, labels: Labels, offset_s: float) -> Floats | None:
    """`word_times` at stream times (`offset_s` later) if the block's settings have `min_words`, else None."""
    return None if block.min_words is None else word_times(labels) + offset_s


def replay(
    traced: Traced,
    settings: Settings,
    conditions: Conditions = USUAL_CONDITIONS,
    phase: int = 0,
    stt: Sequence[SttEvent] | None = None,
) -> Commits:
    """The commits of one setting on one recording, in recording time.

    `conditions`: what is assumed about the surroundings; `phase`: the index of the trace's phase; `stt`: the
    speech-to-text's events in recording time, None for modelled ones. Raises MissingTraces if the trace
    lacks a prediction or a restart of the VAD, and ValueError for `min_words` above 0 where no words, or no
    speech of the agent, are labelled.
    """
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / SAMPLE_RATE_HZ
    block = Block.of(settings, conditions)
    pauses = find_pauses(trace, settings.vad, frame_samples(conditions.frame_duration))
    heard = heard_by(block, traced.labels, offset_s, stt)
    agent = agent_turns(traced.labels) + offset_s
    words_s = counted_words(block, traced.labels, offset_s)
    decisions = decide(pauses, traced.eot[phase], agent, block, heard, trace, words_s)
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
    columns = np.where(rejected_s < accepted_s, decisions.max_column[setting], decisions.min_column[setting])
    last_speaking = np.take_along_axis(
        np.broadcast_to(decisions.last_speaking_s, decisions.accepted_s.shape), columns[:, None], axis=1
    )[:, 0]
    if DETECTORS[detector].needs == "transcripts":
        causes = np.full(len(times), CAUSES.index("vad"))
    else:
        causes = np.where(rejected_s < accepted_s, CAUSES.index("max_delay"), CAUSES.index("detector"))
    if len(decisions.late_s):
        late = decisions.late_s[:, setting]
        times = np.concatenate((times, late))
        causes = np.concatenate((causes, [CAUSES.index(cause) for cause in decisions.late_cause]))
        probability = np.concatenate((probability, np.full(len(late), np.nan)))
        last_speaking = np.concatenate((last_speaking, decisions.late_last_speaking_s[:, setting]))
    order = np.argsort(times, kind="stable")[: np.count_nonzero(np.isfinite(times))]
    named: tuple[Cause, ...] = tuple(CAUSES[k] for k in causes[order])
    return Commits(times[order] - offset_s, named, probability[order], last_speaking[order] - offset_s)

"""Replay: (traces, settings) → commits, exactly as `AgentSession` would decide them. Pure.

`replay` gives the commits of one setting; `decide` those of a block of settings that share a voice-activity
detector, which is what a sweep needs. Semantics and sources: `pauses`, `decisions`, `late`, `stt_mode`,
`stt_events`, `endpointing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.detectors import traits_of
from ...core.labels import Labels, agent_turns
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints, frame_samples
from ...core.traces import CAUSES, Cause, Commits, EotTrace, Said, SttEvent, TextAnswers, Traced, VadTrace
from .block import Block, blocks_of, blocks_of_settings
from .decisions import MissingPredictions, MissingTraces, early_decisions
from .late import World, late_decisions
from .pauses import find_all_rows, find_pauses, find_rows
from .records import TIE_S, Decisions, PauseCommits, Pauses, Rows
from .refusals import Refusals, word_count, word_times, words_by_pause
from .said import Conversation, Memory, MissingTexts, Speech
from .stt_events import final_times, in_stream, stt_events, transcripts_of
from .stt_mode import SttWorld, stt_commits
from .vad_runs import MissingRestarts, Restart, trace_of

__all__ = [
    "Block",
    "MissingPredictions",
    "MissingRestarts",
    "MissingTexts",
    "MissingTraces",
    "Restart",
    "Rows",
    "blocks_of",
    "check_traces",
    "commit_times",
    "commits_and_waits",
    "commits_of",
    "counted_words",
    "decide",
    "find_all_rows",
    "find_pauses",
    "find_rows",
    "replay",
    "replay_branches",
    "stt_events",
    "stt_events_for",
    "waits_of",
]


def decide(
    rows: Rows,
    eot: Said,
    agent: Floats,
    block: Block,
    stt: Sequence[SttEvent] | None = None,
    trace: VadTrace | None = None,
    words_s: Floats | None = None,
    restart: Restart | None = None,
) -> Decisions:
    """What each setting of a block does in each pause (stream times).

    `rows`: the pauses of a tape and of its branches, where the caller waits for an answer instead of going on
    (`find_rows`, or `Rows.of` for a tape alone); events of a real speech-to-text know nothing of branches.
    `agent`: stream times of the agent's turns, used by dynamic endpointing and `min_words` only. `words_s`:
    those of the user's words (`word_times`), needed where `min_words` counts modelled transcripts. `stt`:
    events of the speech-to-text at stream times, in order; None: one final per stretch of speech (see
    `stt_events_for`). `stt` mode must be given them, and the `trace` of the tape; a text detector its
    `TextAnswers` as `eot`. Raises MissingTraces if `eot` lacks a prediction, or `trace` a restart, that is
    needed and that `restart` doesn't give (`stt` mode).

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> rows = Rows.of(find_pauses(trace, settings.vad, 800))
    >>> decisions = decide(rows, EotTrace(), np.zeros((0, 2)), Block.of(settings))
    >>> decisions.accepted_s[:, decisions.min_column].round(3).tolist()  # one pause, one setting
    [[2.094]]
    """
    conditions = block.conditions
    frame = frame_samples(conditions.frame_duration)
    if block.needs == "stt_events":
        if stt is None or trace is None:
            raise ValueError(
                "stt mode was given no events or no trace; give decide both (events: stt_events_for)"
            )
        return _decide_stt(rows, agent, block, stt, trace, restart)
    delays = block.delays(rows, agent)
    heard = eot if isinstance(eot, EotTrace) and block.needs == "predictions" else None
    memory = Memory(eot) if isinstance(eot, TextAnswers) and block.speech is not None else None
    delay_s = conditions.transcription_delay
    # At the very moment of END_OF_SPEECH, a final comes after a commit that this triggers at once.
    early = stt is None and np.all(
        final_times(rows.pauses, delay_s, block.finals_s) < rows.pauses.end_of_speech_s - TIE_S
    )
    if block.extra is not None and block.needs == "predictions" and block.speech is None:
        raise ValueError("extra delays depend on what was said; give decide the block that Block.on gives")
    if early and block.min_words is None and memory is None and not block.shapes and block.extra is None:
        return early_decisions(rows, heard, delays, conditions.prediction_delay, frame)
    worlds = _worlds(block, rows, agent, stt, words_s, memory)
    return late_decisions(
        rows,
        worlds,
        heard,
        delays,
        conditions.prediction_delay,
        frame,
        modelled=stt is None,
        extra=block.extra,
    )


def _worlds(
    block: Block,
    rows: Rows,
    agent: Floats,
    stt: Sequence[SttEvent] | None,
    words_s: Floats | None,
    memory: Memory | None,
) -> list[World]:
    """What is heard on the tape, and on each branch: given events `stt`, or modelled ones."""
    delay_s, told_s = block.conditions.transcription_delay, block.finals_s
    tape = transcripts_of(rows.tape, delay_s, told_s) if stt is None else stt

    def world(
        pauses: Pauses,
        heard: Sequence[SttEvent],
        speaks: Floats,
        spoken_s: Floats | None,
        speech: Speech | None,
    ) -> World:
        if speech is None:
            counts = _counted(block, pauses, spoken_s) if stt is None else None
            return World(pauses, heard, _refusals(block, speaks, heard, counts))
        if stt is None:
            heard = speech.finals(heard, pauses.last_speaking_s)
        return World(pauses, heard, _refusals(block, speaks, heard), Conversation(speech, heard, memory))

    worlds = [world(rows.tape, tape, agent, words_s, block.speech)]
    for one in rows.branches:
        heard = [*tape[: one.shared], *transcripts_of(one.own, delay_s, told_s)] if stt is None else stt
        spoken_s = None if words_s is None else words_s[words_s < one.from_sample / SAMPLE_RATE_HZ]
        speech = block.speech and block.speech.of_branch(one.labels)
        worlds.append(world(one.world(rows.tape), heard, one.agent, spoken_s, speech))
    return worlds


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


def _decide_stt(
    rows: Rows,
    agent: Floats,
    block: Block,
    stt: Sequence[SttEvent],
    trace: VadTrace,
    restart: Restart | None,
) -> Decisions:
    """`decide` in `stt` mode."""
    conditions = block.conditions
    worlds = [SttWorld(trace, stt, agent, _refusals(block, agent, stt))]
    for one in rows.branches:
        modelled = stt_events_for(block, one.labels, trace.phase_samples / SAMPLE_RATE_HZ) or []
        refusals = _refusals(block, one.agent, modelled)
        heard = trace_of(one, trace)
        worlds.append(SttWorld(heard, modelled, one.agent, refusals, one.from_sample, one.shift))
    lag_s = conditions.stt_silence + conditions.transcription_delay
    frame = frame_samples(conditions.frame_duration)
    parts = stt_commits(worlds, block.vad, block.learners, frame, lag_s, restart)
    no_pause = np.zeros(0, dtype=np.int64)
    return Decisions.side_by_side(PauseCommits.none(len(block)), no_pause, parts, rows.forks)


def stt_events_for(
    block: Block, labels: Labels, offset_s: float, stt: Sequence[SttEvent] | None = None
) -> list[SttEvent] | None:
    """The speech-to-text's events that `decide` is to be given, at stream times (`offset_s` later).

    Given events `stt` (recording times) as they are; else the modelled ones in `stt` mode, none in others.

    >>> from lab_utils.core.labels import Ipu
    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0, "One."),), ())
    >>> settings = Settings().replace(detector="stt")
    >>> [event.kind for event in stt_events_for(Block.of(settings), labels, 0.25)]
    ['start_of_speech', 'final', 'end_of_speech']
    >>> stt_events_for(Block.of(settings.replace(detector="vad")), labels, 0.25) is None
    True
    """
    if stt is None and block.needs == "stt_events":
        stt = stt_events(labels, block.conditions)
    return None if stt is None else in_stream(stt, offset_s)


def counted_words(block: Block, labels: Labels, offset_s: float) -> Floats | None:
    """`word_times` at stream times (`offset_s` later) if the block's settings have `min_words`, else None.

    >>> from lab_utils.core.settings import InterruptionSettings
    >>> from lab_utils.core.labels import Ipu
    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0, "One two."), Ipu("agent", 3.0, 4.0)), ())
    >>> settings = Settings(interruption=InterruptionSettings(min_words=2))
    >>> counted_words(Block.of(settings), labels, 0.5).tolist()
    [1.75, 2.25]
    """
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

    >>> heard = np.repeat([0.01, 0.95, 0.01], [10, 30, 100])  # speech from 0.32 to 1.28 s
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, (EotTrace(),), tail_s=0.0)
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> commits = replay(traced, settings)
    >>> commits.time_s.round(3).tolist(), commits.last_speaking_s.round(3).tolist(), commits.cause
    ([2.094], [1.294], ('vad',))
    """
    decisions, offset_s = _decisions_on(traced, Block.of(settings, conditions), phase, stt)
    return commits_of(decisions, 0, settings.detector.model, offset_s)


def commit_times(
    traced: Traced,
    settings: Sequence[Settings],
    conditions: Conditions = USUAL_CONDITIONS,
    phase: int = 0,
    stt: Sequence[SttEvent] | None = None,
) -> list[Floats]:
    """When each of many settings commits on one recording: one ascending array a setting, recording time.

    The times are those of `replay`, and so are the other arguments and the errors; settings that differ in
    threshold and delays only are decided together.

    >>> heard = np.repeat([0.01, 0.95, 0.01], [10, 30, 100])  # speech from 0.32 to 1.28 s
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, (EotTrace(),), tail_s=0.0)
    >>> usual = Settings().replace(vad="silero", detector="vad")
    >>> times_s = commit_times(traced, [usual.replace(min_delay=0.8), usual.replace(min_delay=1.2)])
    >>> [one_s.round(3).tolist() for one_s in times_s]
    [[2.094], [2.494]]
    """
    times_s: dict[int, Floats] = {}
    for rows, block in blocks_of_settings(settings, conditions):
        decisions, offset_s = _decisions_on(traced, block, phase, stt)
        for k, row in enumerate(rows):
            times_s[row] = commits_of(decisions, k, block.detector, offset_s).time_s
    return [times_s[row] for row in range(len(settings))]


def replay_branches(
    traced: Traced, settings: Settings, conditions: Conditions = USUAL_CONDITIONS, phase: int = 0
) -> dict[int, tuple[float, Commits]]:
    """By number of the end of turn: where its branch leaves the tape (recording time, as the agent hears it)
    and the commits on it that one setting leads to, from the last pause before that on.

    Raises MissingTraces as `replay` does.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> from lab_utils.core.traces import Branch
    >>> heard = np.repeat([0.01, 0.95, 0.01, 0.95, 0.01], [10, 30, 20, 30, 80])
    >>> user = Ipu("user", 0.32, 1.28), Ipu("user", 1.92, 2.88)
    >>> labels = Labels(5.44, user, (Label("shift", 1.28, 1.6), Label("shift", 2.88, 5.44)))
    >>> waits = Branch(0, 30_720, 6.4, {"silero": (np.full(140, 0.01),)})  # as if the caller had waited
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> eot = (EotTrace(),)
    >>> traced = Traced("call", "call.wav", "", 5.44, labels, vad, eot, tail_s=0.0, branches=(waits,))
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> from_s, commits = replay_branches(traced, settings)[0]
    >>> round(from_s, 3), commits.time_s.round(3).tolist()
    (1.95, [2.094])
    """
    block = Block.of(settings, conditions)
    decisions, offset_s = _decisions_on(traced, block, phase, with_branches=True)
    return waits_of(decisions, 0, settings.detector.model, offset_s)


def waits_of(
    decisions: Decisions, setting: int, detector: str, offset_s: float
) -> dict[int, tuple[float, Commits]]:
    """`replay_branches` of one setting of a block.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> settings = Settings().replace(vad="silero", detector="vad")
    >>> rows = Rows.of(find_pauses(trace, settings.vad, 800))
    >>> decisions = decide(rows, EotTrace(), np.zeros((0, 2)), Block.of(settings))
    >>> waits_of(decisions, 0, "vad", offset_s=0.0)  # the recording has no branch
    {}
    """
    return commits_and_waits(decisions, setting, detector, offset_s)[1]


def check_traces(
    traced: Traced, settings: Settings, conditions: Conditions = USUAL_CONDITIONS, phase: int = 0
) -> None:
    """Raise MissingTraces, with what is missing, if `replay` or `replay_branches` would.

    >>> vad = {"silero": (VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100])),)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, (EotTrace(),), tail_s=0.0)
    >>> check_traces(traced, Settings().replace(vad="silero", detector="vad"))
    >>> other = Settings().replace(vad="silero", detector="v1-mini")
    >>> check_traces(traced, other)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lab_utils.turns.replay.decisions.MissingPredictions: 1 end-of-turn predictions are not in the trace; ...
    """
    _decisions_on(traced, Block.of(settings, conditions), phase, with_branches=True)


def _decisions_on(
    traced: Traced,
    block: Block,
    phase: int,
    stt: Sequence[SttEvent] | None = None,
    *,
    with_branches: bool = False,
) -> tuple[Decisions, float]:
    """What a block's settings do on a recording, and stream time less recording time."""
    trace = traced.heard_by(block.vad.model)[phase]
    offset_s = trace.phase_samples / SAMPLE_RATE_HZ
    frame = frame_samples(block.conditions.frame_duration)
    if with_branches:
        rows = find_rows(traced, block.vad, phase, frame)
    else:
        rows = Rows.of(find_pauses(trace, block.vad, frame))
    block = block.on(traced, offset_s)
    heard = stt_events_for(block, traced.labels, offset_s, stt)
    agent = agent_turns(traced.labels) + offset_s
    words_s = counted_words(block, traced.labels, offset_s)
    eot = traced.said(block.detector, phase)
    return decide(rows, eot, agent, block, heard, trace, words_s), offset_s


def commits_of(
    decisions: Decisions, setting: int, detector: str, offset_s: float, branch: int = -1
) -> Commits:
    """The commits of one setting of a block, in recording time (stream time less `offset_s`).

    `branch`: those on a branch, by its place in `decisions.forks`; -1 for the tape.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> rows = Rows.of(find_pauses(trace, settings.vad, 800))
    >>> decisions = decide(rows, EotTrace(), np.zeros((0, 2)), Block.of(settings))
    >>> commits_of(decisions, 0, "vad", offset_s=0.25).time_s.round(3).tolist()
    [1.844]
    """
    return _Decided.of(decisions, setting, detector).commits(branch, offset_s)


def commits_and_waits(
    decisions: Decisions, setting: int, detector: str, offset_s: float
) -> tuple[Commits, dict[int, tuple[float, Commits]]]:
    """`commits_of` the tape, and `waits_of`, of one setting of a block.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> rows = Rows.of(find_pauses(trace, settings.vad, 800))
    >>> decisions = decide(rows, EotTrace(), np.zeros((0, 2)), Block.of(settings))
    >>> commits, waits = commits_and_waits(decisions, 0, "vad", offset_s=0.0)
    >>> commits.time_s.round(3).tolist(), waits  # the recording has no branch
    ([2.094], {})
    """
    decided = _Decided.of(decisions, setting, detector)
    forks = zip(decisions.forks.turn.tolist(), decisions.forks.from_s.tolist(), strict=True)
    waits = {
        turn: (from_s - offset_s, decided.commits(k, offset_s)) for k, (turn, from_s) in enumerate(forks)
    }
    return decided.commits(-1, offset_s), waits


@dataclass(frozen=True)
class _Decided:
    """What one setting does in each pause and after each late trigger, on the tape and on its branches."""

    time_s: Floats
    """Stream times; infinity for no commit."""
    cause: Ints
    """Place in `CAUSES`."""
    probability: Floats
    last_speaking_s: Floats
    branch: Ints

    @classmethod
    def of(cls, decisions: Decisions, setting: int, detector: str) -> _Decided:
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
        low, high = decisions.min_column[setting], decisions.max_column[setting]
        columns = np.where(rejected_s < accepted_s, high, low)
        last_speaking = np.take_along_axis(
            np.broadcast_to(decisions.last_speaking_s, decisions.accepted_s.shape), columns[:, None], axis=1
        )[:, 0]
        causes = np.where(rejected_s < accepted_s, CAUSES.index("max_delay"), CAUSES.index("detector"))
        if traits_of(detector).needs in ("transcripts", "words"):
            causes = np.where(np.isnan(probability), CAUSES.index("vad"), causes)
        if len(decisions.late_s):
            late = decisions.late_s[:, setting]
            times = np.concatenate((times, late))
            causes = np.concatenate((causes, [CAUSES.index(cause) for cause in decisions.late_cause]))
            probability = np.concatenate((probability, np.full(len(late), np.nan)))
            last_speaking = np.concatenate((last_speaking, decisions.late_last_speaking_s[:, setting]))
        branch = np.concatenate((decisions.branch, decisions.late_branch))
        return cls(times, causes, probability, last_speaking, branch)

    def commits(self, branch: int, offset_s: float) -> Commits:
        """Those on a branch, or on the tape (-1), in order and in recording time."""
        here = np.flatnonzero((self.branch == branch) & np.isfinite(self.time_s))
        order = here[np.argsort(self.time_s[here], kind="stable")]
        named: tuple[Cause, ...] = tuple(CAUSES[k] for k in self.cause[order])
        return Commits(
            self.time_s[order] - offset_s,
            named,
            self.probability[order],
            self.last_speaking_s[order] - offset_s,
        )

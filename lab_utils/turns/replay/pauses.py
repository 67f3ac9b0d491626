"""The pauses a voice-activity detector reports, from its trace and its settings.

Goal: the moments at which `AgentSession` hears START_OF_SPEECH and END_OF_SPEECH, exactly.
Conventions: stream times in seconds, samples at 16 kHz; one pause per END_OF_SPEECH, in time order.
Definitions: see `state_machine`. The *last speaking time* is the END_OF_SPEECH's time less its accumulated
silence (livekit/agents/voice/audio_recognition.py:1508).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, pairwise

import numpy as np

from ...core.settings import VadSettings
from ...core.timeline import (
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    Floats,
    Ints,
    accumulated_s,
    arrival_samples,
    windows_to_reach,
)
from ...core.traces import Traced, VadTrace
from .records import BranchPauses, Pauses, Rows
from .state_machine import alternate, candidates, short_speech, within

PREDICTION_SILENCE_S = 0.2
"""Silence that must have been counted before a prediction is requested (inference/eot/base.py)."""


def find_pauses(trace: VadTrace, vad: VadSettings, frame_samples: int) -> Pauses:
    """Run the VAD state machine over a trace whose audio arrives in frames of `frame_samples`.

    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> pauses.last_speaking_s.round(3).tolist(), pauses.end_of_speech_s.round(3).tolist()
    ([1.294], [1.55])
    """
    (pauses,) = _pauses([_Stream(trace.probabilities)], vad, frame_samples)
    return pauses


def find_rows(traced: Traced, vad: VadSettings, phase: int, frame_samples: int) -> Rows:
    """The pauses heard in one take of a recording, and on each branch of it those the tape doesn't share.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.core.traces import Branch, EotTrace
    >>> heard = np.repeat([0.01, 0.95, 0.01, 0.95, 0.01], [10, 30, 20, 30, 80])
    >>> user = Ipu("user", 0.32, 1.28), Ipu("user", 1.92, 2.88)
    >>> labels = Labels(5.44, user, (Label("shift", 1.28, 1.6), Label("shift", 2.88, 5.44)))
    >>> waits = Branch(0, 30_720, 6.4, {"silero": (np.full(140, 0.01),)})  # as if the caller had waited
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> eot = (EotTrace(),)
    >>> traced = Traced("call", "call.wav", "", 5.44, labels, vad, eot, tail_s=0.0, branches=(waits,))
    >>> rows = find_rows(traced, VadSettings(model="silero"), 0, 800)
    >>> len(rows.tape), rows.branches[0].from_s, rows.branches[0].own.last_speaking_s.round(3).tolist()
    (2, 1.95, [1.294])
    """
    return _rows(traced, range(phase, phase + 1), vad, frame_samples)[0]


def find_all_rows(traced: Traced, vad: VadSettings, frame_samples: int) -> list[Rows]:
    """The same of each take, all computed at once.

    >>> from lab_utils.core.labels import Labels
    >>> from lab_utils.core.traces import EotTrace
    >>> heard = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> eot = (EotTrace(), EotTrace())
    >>> vad = {"silero": (heard, heard)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, eot, tail_s=0.0)
    >>> [len(rows) for rows in find_all_rows(traced, VadSettings(model="silero"), 800)]
    [1, 1]
    """
    return _rows(traced, range(traced.phases), vad, frame_samples)


def _rows(traced: Traced, phases: range, vad: VadSettings, frame_samples: int) -> list[Rows]:
    every = traced.heard_by(vad.model)
    tapes = [every[phase] for phase in phases]
    streams: list[_Stream] = []
    shared: list[list[int]] = []
    for phase, tape, turns in zip(phases, tapes, _turning_points(tapes, vad), strict=True):
        own, told = _streams(traced, phase, tape, turns, vad.model)
        streams += own
        shared.append(told)
    pauses = iter(_pauses(streams, vad, frame_samples))
    found = []
    for phase, tape, told in zip(phases, tapes, shared, strict=True):
        own_pauses, waiting = next(pauses), list(islice(pauses, len(told)))
        heard = [branch.vad[vad.model][phase] for branch in traced.branches]
        found.append(Rows.of(own_pauses, _branches(traced, tape, heard, waiting, told, frame_samples)))
    return found


Turns = tuple[list[int], list[int]]
"""Windows of START_OF_SPEECH and END_OF_SPEECH."""


def _turning_points(tapes: Sequence[VadTrace], vad: VadSettings) -> list[Turns]:
    """Those of each tape, counted from its first window."""
    bounds = np.cumsum([0, *(len(tape.probabilities) for tape in tapes)])
    heard = np.concatenate([np.zeros(0), *(tape.probabilities for tape in tapes)])
    _, starts, ends = candidates(heard, vad, bounds[:-1])
    start_list, end_list = starts.tolist(), ends.tolist()
    found = []
    for at, stop in pairwise(bounds.tolist()):
        start_of, end_of = alternate(within(start_list, at, stop), within(end_list, at, stop))
        found.append(([window - at for window in start_of], [window - at for window in end_of]))
    return found


def _streams(
    traced: Traced, phase: int, tape: VadTrace, turns: Turns, model: str
) -> tuple[list[_Stream], list[int]]:
    """A take's tape and its branches; and how many of the tape's pauses each branch shares."""
    start_of, end_of = turns
    streams = [_Stream(tape.probabilities, turns=turns)]
    shared: list[int] = []
    for branch in traced.branches:
        fork = (branch.from_sample + tape.phase_samples) // WINDOW_SAMPLES  # it hears something else first
        ended = bisect_left(end_of, fork)
        shared.append(max(0, ended - 1))
        before = slice(shared[-1], ended)  # the last END_OF_SPEECH, if any: the VAD is silent from there on
        first = end_of[ended - 1] + 1 if ended else 0
        heard = np.concatenate((tape.probabilities[first:fork], branch.vad[model][phase]))
        opening = start_of[0] if start_of and start_of[0] < fork else None
        streams.append(_Stream(heard, first, start_of[before], end_of[before], opening))
    return streams, shared


def _branches(
    traced: Traced,
    tape: VadTrace,
    heard: Sequence[Floats],
    waiting: Sequence[Pauses],
    shared: Sequence[int],
    frame_samples: int,
) -> list[BranchPauses]:
    """What is heard on each branch of a take; `heard`: its speech probabilities."""
    offset_s = tape.phase_samples / SAMPLE_RATE_HZ
    found = []
    for branch, probabilities, own, k, (labels, agent) in zip(
        traced.branches, heard, waiting, shared, traced.waiting, strict=True
    ):
        from_sample = branch.from_sample + tape.phase_samples
        found.append(
            BranchPauses(
                turn=branch.turn,
                from_sample=from_sample,
                from_s=(from_sample // frame_samples + 1) * frame_samples / SAMPLE_RATE_HZ,
                shared=k,
                own=own,
                agent=agent + offset_s,
                labels=labels,
                probabilities=probabilities,
            )
        )
    return found


@dataclass(frozen=True)
class _Stream:
    """What a VAD hears from a moment of silence on."""

    probabilities: Floats
    first: int = 0
    """Number of the first of these windows."""
    start: list[int] = field(default_factory=list)
    """Windows of START_OF_SPEECH before them, of pauses that are to be told of as well."""
    end: list[int] = field(default_factory=list)
    """Windows of END_OF_SPEECH of these."""
    opening: int | None = None
    """Window of the very first START_OF_SPEECH, if that is not among those to be told of."""
    turns: Turns | None = None
    """Its windows of START_OF_SPEECH and END_OF_SPEECH, where they are known."""


def _pauses(streams: Sequence[_Stream], vad: VadSettings, frame_samples: int) -> list[Pauses]:
    """The pauses of each stream; all are computed at once, for the streams may be many and short."""
    bounds = np.cumsum([0, *(len(one.probabilities) for one in streams)])
    heard = np.concatenate([one.probabilities for one in streams])
    active, starts, ends = candidates(heard, vad, bounds[:-1])
    start_list, end_list = starts.tolist(), ends.tolist()
    start: list[int] = []
    end: list[int] = []
    resume: list[int] = []
    opening: list[int] = []
    last: list[int] = []
    sizes = [0]
    start_of: list[int] = []
    end_of: list[int] = []
    for one, at, stop in zip(streams, bounds.tolist(), bounds[1:].tolist(), strict=False):
        if one.turns is None:
            own_start, own_end = alternate(within(start_list, at, stop), within(end_list, at, stop))
        else:
            own_start, own_end = ([window + at for window in windows] for windows in one.turns)
        to_window = one.first - at
        told_start = one.start + [window + to_window for window in own_start]
        told_end = one.end + [window + to_window for window in own_end]
        last.append(stop - 1 + to_window)
        start += told_start[: len(told_end)]
        end += told_end
        resume += [*told_start[1:], last[-1]][: len(told_end)]
        opening.append(one.opening if one.opening is not None else [*told_start, last[-1]][0])
        sizes.append(len(end))
        start_of += own_start
        end_of += own_end + [stop - 1] * (len(own_start) - len(own_end))
    short = short_speech(active, bounds, start_of, end_of)
    shorts = np.searchsorted(short, bounds)
    stream = np.searchsorted(bounds, short, side="right") - 1
    short += (np.array([one.first for one in streams], dtype=np.int64) - bounds[:-1])[stream]
    columns = [np.array(column, dtype=np.int64) for column in (start, end, resume, opening, last)]
    return _timed(columns, short, sizes, shorts.tolist(), vad, frame_samples)


def _timed(
    columns: list[Ints],
    short: Ints,
    sizes: list[int],
    shorts: list[int],
    vad: VadSettings,
    frame_samples: int,
) -> list[Pauses]:
    """Pauses from windows: `columns` has those of START_OF_SPEECH, END_OF_SPEECH and resumption of each
    pause, and the opening and the last window of each stream; `short`: those where short speech moves the
    last speaking time. `sizes`, `shorts`: where each stream's begin.
    """
    n_speech = windows_to_reach(vad.min_speech_duration)
    n_silence = windows_to_reach(vad.min_silence_duration)
    n_predict = windows_to_reach(PREDICTION_SILENCE_S) + 1  # silence is read before it is updated
    sums = accumulated_s(max(n_speech, n_silence))
    parts = [*columns, columns[1] - n_silence + n_predict, short]
    at = arrival_samples(np.concatenate(parts), frame_samples)
    cuts = [0, *accumulate(len(part) for part in parts)]
    times_s = at / SAMPLE_RATE_HZ
    start_s, end_s, resume_s, opening_s, last_s, _, short_s = (times_s[a:b] for a, b in pairwise(cuts))
    predict = at[cuts[5] : cuts[6]]
    if n_silence < n_predict:
        predict = np.zeros_like(predict)
    speech_s, last_speaking_s = start_s - sums[n_speech], end_s - sums[n_silence]
    found = []
    for k, (first, after) in enumerate(pairwise(sizes)):
        own = slice(first, after)
        found.append(
            Pauses(
                speech_start_s=speech_s[own],
                start_of_speech_s=start_s[own],
                last_speaking_s=last_speaking_s[own],
                end_of_speech_s=end_s[own],
                resume_s=resume_s[own],
                predict_sample=predict[own],
                short_speech_s=short_s[shorts[k] : shorts[k + 1]],
                opening_s=float(opening_s[k]),
                stream_end_s=float(last_s[k]),
            )
        )
    return found

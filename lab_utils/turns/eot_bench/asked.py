"""A detector asked as eot-bench asks it: in every silence of every turn, at each step of a grid.

Not when AgentSession would ask (that is what `lab compare` does): every 0.1 s from the start of the silence,
and at its end, about all the audio up to there. A recording with several turns gives one id for each.
Source: livekit/eot-bench, eot_harness/io.py (`_time_grid`, `iter_transformed_row`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...core.labels import Labels, user_turns
from ...core.recording import Recording
from ...core.samples.stream import heard_stream
from ...core.timeline import SAMPLE_RATE_HZ
from ..detectors.base import Predictor, Questions
from .policy import TIMEOUTS
from .predictions import COLUMNS

INTERVAL_S = 0.1
SCORE_POINT_S = 0.2
"""Where eot-bench's adapters for detectors of audio take their one score."""
LEAST_SILENCE_S = 0.1
LONGEST_TURN_END_S = max(TIMEOUTS)
"""An end of turn is asked about no longer: each policy has acted by then."""
_EPS = 1e-6


class Silence(NamedTuple):
    """A hold of a turn, or its end; recording times."""

    turn: int
    span_index: int
    start_s: float
    end_s: float
    label: str
    """As in predictions: "hold" or "eot"."""


def silences(labels: Labels) -> list[Silence]:
    """The silences of each of the user's turns, in time order: its holds, then its end.

    An end lasts until the user's next sound, at most `LONGEST_TURN_END_S`.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 4.0), Ipu("user", 6.0, 7.0)
    >>> silences(Labels(9.0, user, (Label("hold", 2.0, 3.0), Label("shift", 4.0, 5.0))))[1]
    Silence(turn=0, span_index=1, start_s=4.0, end_s=6.0, label='eot')
    """
    holds = labels.of_kind("hold")
    found = []
    for turn, said in enumerate(user_turns(labels)):
        within = holds[(holds[:, 0] >= said.start_s) & (holds[:, 1] <= said.end_s)]
        spans = [(start_s, end_s, "hold") for start_s, end_s in sorted(within.tolist())]
        spans.append((said.end_s, min(said.until_s, said.end_s + LONGEST_TURN_END_S), "eot"))
        found += [Silence(turn, index, *span) for index, span in enumerate(spans)]
    return found


def asked(recording: Recording, predictor: Predictor, hears_samples: int) -> pd.DataFrame:
    """A detector's answers about one labelled recording, with the columns of `predictions.COLUMNS`.

    `hears_samples`: how much audio it hears at most. What follows the recording is silence.
    """
    labels = recording.labels
    if labels is None:
        raise ValueError(f"{recording.name}: its turns are not labelled")
    rows = list(_grid(recording.name, labels, labels.language or "und"))
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "p_eot"])
    ends = np.floor(table["timestamp"].to_numpy(np.float64) * SAMPLE_RATE_HZ + _EPS).astype(np.int64)
    beyond_s = max(0.0, float(ends.max(initial=0)) / SAMPLE_RATE_HZ - len(recording.user) / SAMPLE_RATE_HZ)
    stream = heard_stream(recording.user, 0, beyond_s + INTERVAL_S)
    starts = np.maximum(ends - hears_samples, 0)
    questions = Questions(stream, starts, ends, 0, recording.sha256, labels)
    return table.assign(p_eot=predictor.probabilities(questions))[list(COLUMNS)]


def _grid(name: str, labels: Labels, language: str) -> Iterator[tuple[str, str, int, float, float, str]]:
    """Each question: id, language, span_index, timestamp, silence_dur, label."""
    found = silences(labels)
    several = len({one.turn for one in found}) > 1
    for row in found:
        duration_s = row.end_s - row.start_s
        if duration_s < LEAST_SILENCE_S - _EPS:
            continue
        steps = math.floor(duration_s / INTERVAL_S + _EPS)
        moments_s = [round(row.start_s + k * INTERVAL_S, 6) for k in range(steps + 1)]
        if moments_s[-1] < row.end_s - _EPS:
            moments_s.append(round(row.end_s, 6))
        for at_s in moments_s:
            turn = f"{name}/{row.turn}" if several else name
            yield turn, language, row.span_index, at_s, round(at_s - row.start_s, 6), row.label

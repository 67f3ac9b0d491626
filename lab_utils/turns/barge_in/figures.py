"""What settings make of onsets: detected, missed, how soon, for how long both talk, what is falsely stopped.

Conventions: seconds; arrays of shape=(settings, onsets, takes); infinity for "never". Rates and means are
over takes and pooled over onsets; intervals (`uncertainty`) have the recording as their unit.
Definitions: docs/barge-in.md. Time to yield and talk-over: as in hotato (github.com/attenlabs/hotato).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...core.timeline import Floats
from ...core.traces import Bools
from ..metrics.uncertainty import UNTOLD, Interval, mean_interval, rate_interval
from .onsets import Onset, Sound
from .replay import AgentSpeech
from .scenes import HORIZON_S, Scene

FIGURES = (
    "missed_rate",
    "given_back_rate",
    "yield_mean",
    "yield_p50",
    "yield_p95",
    "yield_restricted",
    "talk_over_mean",
    "words_lost_mean",
    "falsely_stopped_rate",
    "stopped_for_good_rate",
    "resumed_rate",
    "resumed_after_mean",
)
"""Columns of `summarize`."""


@dataclass(frozen=True)
class OnsetScore:
    """What became of one onset."""

    yield_s: float
    """From the onset to the silence that lasts; infinity if it comes too late or never."""
    given_back: bool
    """The agent fell silent and went on, and is not silent for good in time."""
    stopped: bool
    """The agent is silent at some moment from the onset on."""
    silent_for_s: float
    """All of its silence from the onset on; infinity if it doesn't go on."""
    talk_over_s: float
    """Both are heard, from the onset to the horizon."""
    words_lost: float = 0
    """Words that the user says to an agent whose STT hears silence."""


def score_onset(speech: AgentSpeech, onset_s: float, user: Floats, words: int = 0) -> OnsetScore:
    """Judge what is heard of the agent; `user`: the user's speech, shape=(n, 2), and how many words it has.

    >>> user = np.array([[2.0, 4.0]])
    >>> score_onset(AgentSpeech(silent_s=2.75), 2.0, user)
    OnsetScore(yield_s=0.75, given_back=False, stopped=True, silent_for_s=inf, talk_over_s=0.75, words_lost=0)
    >>> score_onset(AgentSpeech(pauses=((2.5, 3.5),)), 2.0, user)
    OnsetScore(yield_s=inf, given_back=True, stopped=True, silent_for_s=1.0, talk_over_s=1.0, words_lost=0)
    """
    silences = [(max(start_s, onset_s), end_s) for start_s, end_s in speech.silences if end_s > onset_s]
    waited_s = max(0.0, speech.silent_s - onset_s)
    yield_s = waited_s if waited_s <= HORIZON_S else math.inf
    until_s = onset_s + HORIZON_S
    talk_over_s = 0.0
    for start_s, end_s in user.tolist():
        start_s, end_s = max(start_s, onset_s), min(end_s, until_s)
        quiet_s = sum(max(0.0, min(end_s, to_s) - max(start_s, from_s)) for from_s, to_s in silences)
        talk_over_s += max(0.0, end_s - start_s) - quiet_s
    return OnsetScore(
        yield_s=yield_s,
        given_back=bool(silences) and math.isinf(yield_s),
        stopped=bool(silences),
        silent_for_s=sum(end_s - start_s for start_s, end_s in silences),
        talk_over_s=talk_over_s,
        words_lost=words if speech.deaf else 0,
    )


@dataclass(frozen=True)
class Scores:
    """Every onset under every setting in every take."""

    onsets: tuple[Onset, ...]
    of: tuple[str, ...]
    """The recording of each onset."""
    yield_s: Floats
    given_back: Bools
    stopped: Bools
    silent_for_s: Floats
    talk_over_s: Floats
    words_lost: Floats

    @classmethod
    def of_speech(cls, scenes: Sequence[Scene], speech: Sequence[Sequence[Sequence[AgentSpeech]]]) -> Scores:
        """`speech`: by scene, take and setting."""
        judged = [
            [[score_onset(one, scene.onset_s, scene.user, scene.words) for one in take] for take in takes]
            for scene, takes in zip(scenes, speech, strict=True)
        ]

        def column(name: str) -> Floats:
            values = [[[getattr(one, name) for one in take] for take in takes] for takes in judged]
            return np.array(values, dtype=np.float64).transpose(2, 0, 1)

        return cls(
            tuple(scene.onset for scene in scenes),
            tuple(scene.of for scene in scenes),
            column("yield_s"),
            column("given_back") > 0,
            column("stopped") > 0,
            column("silent_for_s"),
            column("talk_over_s"),
            column("words_lost"),
        )

    def part(self, kept: Bools) -> Scores:
        """Some of the onsets; `kept`: shape=(onsets,)."""
        chosen = np.flatnonzero(kept).tolist()
        onsets, of = tuple(self.onsets[k] for k in chosen), tuple(self.of[k] for k in chosen)
        return Scores(onsets, of, *(column[:, chosen] for column in self._columns))

    def under(self, setting: int) -> Scores:
        """One of the settings alone."""
        return Scores(self.onsets, self.of, *(column[[setting]] for column in self._columns))

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Several sets of onsets under as many settings."""
        onsets, of = (tuple(one for part in parts for one in getattr(part, n)) for n in ("onsets", "of"))
        columns = zip(*(part._columns for part in parts), strict=True)
        return cls(onsets, of, *(np.concatenate(column, axis=1) for column in columns))

    @property
    def _columns(self) -> tuple[Any, ...]:
        times = self.yield_s, self.given_back, self.stopped, self.silent_for_s, self.talk_over_s
        return *times, self.words_lost

    @property
    def interrupts(self) -> Bools:
        """Which onsets are interruptions; shape=(onsets,)."""
        return np.array([onset.should_yield for onset in self.onsets], dtype=np.bool_)

    def of_sound(self, sound: Sound) -> Bools:
        """Which onsets are of one kind; shape=(onsets,)."""
        return np.array([onset.sound == sound for onset in self.onsets], dtype=np.bool_)


def summarize(scores: Scores) -> pd.DataFrame:
    """The figures of each setting, one row each, columns `FIGURES`; NaN where there is nothing to count.

    >>> onsets, of = (Onset(2.0, "interruption"), Onset(2.0, "cough")), ("a", "b")
    >>> speech = [[[AgentSpeech(silent_s=2.5)]], [[AgentSpeech(pauses=((2.5, 4.5),))]]]
    >>> judged = [[[score_onset(one, 2.0, np.zeros((0, 2))) for one in take] for take in of] for of in speech]
    >>> fields = ("yield_s", "given_back", "stopped", "silent_for_s", "talk_over_s", "words_lost")
    >>> cells = (np.array([[[getattr(o[0][0], f)] for o in judged]]) for f in fields)
    >>> row = summarize(Scores(onsets, of, *cells)).iloc[0]
    >>> [float(row[name]) for name in ("missed_rate", "yield_mean", "falsely_stopped_rate", "resumed_rate")]
    [0.0, 0.5, 1.0, 1.0]
    """
    ours, others = scores.part(scores.interrupts), scores.part(~scores.interrupts)
    settings = len(scores.yield_s)
    waits, silent = ours.yield_s.reshape(settings, -1), others.silent_for_s.reshape(settings, -1)
    stopped = others.stopped.reshape(settings, -1)
    goes_on = stopped & np.isfinite(silent)
    columns = {
        "missed_rate": _mean(np.isinf(waits)),
        "given_back_rate": _mean(ours.given_back.reshape(settings, -1)),
        "yield_mean": _mean(waits, np.isfinite(waits)),
        "yield_p50": _percentile(waits, 0.5),
        "yield_p95": _percentile(waits, 0.95),
        "yield_restricted": _mean(np.minimum(waits, HORIZON_S)),
        "talk_over_mean": _mean(ours.talk_over_s.reshape(settings, -1)),
        "words_lost_mean": _mean(ours.words_lost.reshape(settings, -1)),
        "falsely_stopped_rate": _mean(stopped),
        "stopped_for_good_rate": _mean(stopped & ~goes_on),
        "resumed_rate": _mean(goes_on, stopped),
        "resumed_after_mean": _mean(silent, goes_on),
    }
    return pd.DataFrame(columns)


def _mean(values: Floats | Bools, among: Bools | None = None) -> Floats:
    """By row, of the values that count; NaN where none does."""
    among = np.ones(values.shape, np.bool_) if among is None else among
    n = among.sum(axis=1)
    total = np.where(among, values, 0.0).sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(total, n, out=mean, where=n > 0)
    return mean


def _percentile(values: Floats, share: float) -> Floats:
    """By row, the least value that so many don't exceed (infinite ones come last); NaN without values."""
    n = values.shape[1]
    if not n:
        return np.full(len(values), np.nan)
    found: Floats = np.sort(values, axis=1)[:, max(0, math.ceil(share * n) - 1)]
    return found


def with_intervals(scores: Scores, setting: int) -> pd.DataFrame:
    """The figures of one setting; index `FIGURES`, columns value, low, high and n (onsets).

    Limits are those of 95 % intervals by recording; NaN where they can't be told, and for percentiles, of
    which so few onsets tell none.
    """
    value = summarize(scores).iloc[setting]
    names = sorted(set(scores.of))
    number = np.array([names.index(of) for of in scores.of])
    interrupts = scores.interrupts

    def interval(values: Floats, among: Bools, rate: bool) -> Interval:
        """`values`, `among`: shape=(onsets,), means over takes, and how much each counts."""
        n = np.bincount(number, among, len(names)).astype(np.float64)
        total = np.bincount(number, np.where(among, values, 0), len(names)).astype(np.float64)
        if not n.sum():
            return UNTOLD
        if rate:
            return rate_interval(total, n)
        return mean_interval(total[n > 0], n[n > 0]) if total.sum() > 0 else UNTOLD

    waits, stopped = scores.yield_s[setting], scores.stopped[setting]
    finite, goes_on = np.isfinite(waits), stopped & np.isfinite(scores.silent_for_s[setting])
    found = {
        "missed_rate": interval((~finite).mean(axis=1), interrupts, True),
        "given_back_rate": interval(scores.given_back[setting].mean(axis=1), interrupts, True),
        "yield_restricted": interval(np.minimum(waits, HORIZON_S).mean(axis=1), interrupts, False),
        "talk_over_mean": interval(scores.talk_over_s[setting].mean(axis=1), interrupts, False),
        "falsely_stopped_rate": interval(stopped.mean(axis=1), ~interrupts, True),
        "stopped_for_good_rate": interval((stopped & ~goes_on).mean(axis=1), ~interrupts, True),
    }
    n = {
        "resumed_rate": stopped[~interrupts].any(axis=1).sum(),
        "yield_mean": finite[interrupts].any(axis=1).sum(),
    }
    n["resumed_after_mean"] = goes_on[~interrupts].any(axis=1).sum()
    rows = [
        {
            "value": float(value[name]),
            "low": _limit(found.get(name, UNTOLD).low),
            "high": _limit(found.get(name, UNTOLD).high),
            "n": int(n.get(name, _counted(name, interrupts))),
        }
        for name in FIGURES
    ]
    return pd.DataFrame(rows, index=list(FIGURES))


def _limit(limit: float | None) -> float:
    return math.nan if limit is None else limit


def _counted(name: str, interrupts: Bools) -> int:
    about_sounds = name.startswith(("falsely", "stopped", "resumed"))
    return int(np.count_nonzero(~interrupts if about_sounds else interrupts))


def selectivity(scores: Scores, setting: int) -> pd.DataFrame:
    """By kind of sound to talk through: n (onsets), talked_through (a share), low and high, resumed_rate."""
    rows = {}
    for sound in dict.fromkeys(onset.sound for onset in scores.onsets if not onset.should_yield):
        found = with_intervals(scores.part(scores.of_sound(sound)), setting).to_dict(orient="index")
        stopped = found["falsely_stopped_rate"]
        rows[sound] = {
            "n": stopped["n"],
            "talked_through": 1 - stopped["value"],
            "low": 1 - stopped["high"],
            "high": 1 - stopped["low"],
            "resumed_rate": found["resumed_rate"]["value"],
        }
    columns = ["n", "talked_through", "low", "high", "resumed_rate"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

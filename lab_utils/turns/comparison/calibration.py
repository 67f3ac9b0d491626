"""How far a detector's probabilities can be taken at their word.

Goal: tell a detector that separates holds from ends of turn, if at another threshold, from one that can't.
Conventions: one row per scored hold or end of turn and take, with the probability that the detector gave at
the first question in it (`eot_bench.spans_of`); what was not asked, or not answered, is left out and counted.
Definitions: the Brier score is the mean square of probability less outcome; the calibration error is the mean
over pauses of how far the share of ends of turn lies from the mean probability in its tenth of the scale
(expected calibration error; Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian
binning"). ROC AUC and average precision as in `eot_bench.diagnostics`. The share of ends of turn is that of
these recordings: another mix of holds and ends calibrates otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.detectors import traits_of
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings, livekit_defaults
from ...core.timeline import SAMPLE_RATE_HZ, frame_samples
from ..eot_bench import counted, diagnostics, scored_spans, spans_of
from ..replay import Block, find_pauses
from ..sweep import Corpus

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """A detector's probabilities against what came of the pauses."""

    bins: pd.DataFrame
    """low, high, n, said (mean probability), ended (share of ends of turn); empty tenths left out."""
    n: int
    """Judgements: pauses times takes."""
    unanswered: int
    """Judgements left out for want of a probability."""
    brier: float
    error: float
    roc_auc: float
    average_precision: float


def judgements(corpus: Corpus, detector: str, conditions: Conditions = USUAL_CONDITIONS) -> pd.DataFrame:
    """Every labelled pause and take with a detector's probability: the columns of `spans_of`, and take.

    The pauses are those of LiveKit's own voice activity, by its defaults, in every detector's case. A text
    detector's answers hang on what was committed before: they are those under LiveKit's defaults. Raises
    MissingTraces where these were not traced.
    """
    if traits_of(detector).needs == "words":
        return _about_words(corpus, detector, conditions)
    vad = Settings().vad
    frame = frame_samples(conditions.frame_duration)
    parts = []
    for recording in corpus.recordings:
        for take, trace in enumerate(recording.vad[vad.model]):
            pauses = find_pauses(trace, vad, frame)
            offset_s = trace.phase_samples / SAMPLE_RATE_HZ
            found = spans_of(recording, pauses, recording.predictions(detector)[take], offset_s)
            parts.append(found.assign(take=take))
    return pd.concat(parts, ignore_index=True)


def _about_words(corpus: Corpus, detector: str, conditions: Conditions) -> pd.DataFrame:
    block = Block.of(livekit_defaults(detector=detector), conditions)
    rows = corpus.pauses(block.vad, conditions.frame_duration)
    parts = []
    for r, take, decided, offset_s in corpus.decisions(block, rows):
        tape = rows[r][take].tape
        p = decided.probability[: len(tape), 0]
        found = scored_spans(corpus.recordings[r], tape.end_of_speech_s - offset_s, p)
        parts.append(found.assign(take=take))
    return pd.concat(parts, ignore_index=True)


def calibration(spans: pd.DataFrame) -> Calibration:
    """The calibration of some judgements (`judgements`); NaN where there are none.

    >>> spans = pd.DataFrame({"p": [0.1, 0.1, 0.9, 0.9, np.nan], "is_hold": [1, 0, 0, 0, 1]})
    >>> found = calibration(spans.assign(duration_s=1.0, score_point_s=0.3, recording="a"))
    >>> found.bins[["n", "said", "ended"]].round(2).to_numpy().tolist(), found.unanswered
    ([[2.0, 0.1, 0.5], [2.0, 0.9, 1.0]], 1)
    >>> round(found.brier, 3), round(found.error, 3), round(found.roc_auc, 3)
    (0.21, 0.25, 0.833)
    """
    spans = counted(spans)
    told = spans[spans["p"].notna()]
    p, ended = told["p"].to_numpy(np.float64), ~told["is_hold"].to_numpy(np.bool_)
    place = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    rows = [
        (k / BINS, (k + 1) / BINS, int(here.sum()), float(p[here].mean()), float(ended[here].mean()))
        for k in range(BINS)
        if (here := place == k).any()
    ]
    bins = pd.DataFrame(rows, columns=["low", "high", "n", "said", "ended"])
    quality = diagnostics(told) if len(told) else {"roc_auc": np.nan, "average_precision": np.nan}
    return Calibration(
        bins=bins,
        n=len(told),
        unanswered=len(spans) - len(told),
        brier=float(np.mean((p - ended) ** 2)) if len(told) else np.nan,
        error=float((bins["n"] * (bins["said"] - bins["ended"]).abs()).sum() / len(told))
        if len(told)
        else np.nan,
        roc_auc=quality["roc_auc"],
        average_precision=quality["average_precision"],
    )

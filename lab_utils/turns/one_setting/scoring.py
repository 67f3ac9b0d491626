"""Commits of one setting in all pauses at once, and what they mean.

Definitions as in `replay.decisions` and `metrics.setting_counts`. The detector's answer in a pause may hang
on whether an earlier commit emptied its buffer; earlier pauses never hang on later ones, so the answers are
looked up again until none changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ...core.detectors import is_own
from ...core.settings import Conditions, Settings
from ...core.timeline import Floats, Ints, frame_samples
from ...core.traces import BUFFER_SAMPLES, Bools
from ..branches import longest_wait_s
from ..metrics.labelled_pauses import CUT_OFF, END_OF_TURN, HOLD
from ..metrics.per_recording import PerRecording
from ..replay import Block
from ..replay.decisions import flush_samples
from ..replay.records import TIE_S
from ..sweep import Corpus
from .pauses import CorpusPauses
from .predictions import CorpusPredictions


@dataclass(frozen=True)
class Outcome:
    """What one setting did."""

    recordings: tuple[PerRecording, ...]
    lacking: frozenset[int]
    """Recordings, by number, of which a prediction had to be guessed: what is said of them may be wrong."""


@dataclass(frozen=True)
class _Commits:
    """Recording times, infinity for none; shape=(rows,)."""

    time_s: Floats
    accepted: Bools
    guessed: Bools


def can_score(rows: CorpusPauses, settings: Settings, conditions: Conditions) -> bool:
    """Whether `score` is exact for a setting of this VAD.

    >>> from lab_utils.core.labels import Labels
    >>> from lab_utils.core.traces import EotTrace, Traced, VadTrace
    >>> vad = {"silero": (VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100])),)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, (EotTrace(),), tail_s=0.0)
    >>> settings = Settings().replace(vad="silero", detector="vad")
    >>> rows = CorpusPauses.of(Corpus.of([traced]), settings.vad, 0.05)
    >>> usual, late = Conditions(transcription_delay=0.0), Conditions(transcription_delay=1.0)
    >>> can_score(rows, settings, usual), can_score(rows, settings, late)
    (True, False)
    """
    block = Block.of(settings, conditions)
    return (
        block.needs in ("transcripts", "predictions")
        and not is_own(block.detector)
        and block.endpointing_mode == "fixed"
        and block.min_words is None
        and not block.shapes
        and block.extra is None
        and rows.are_early(conditions.transcription_delay)
    )


def score(
    corpus: Corpus,
    rows: CorpusPauses,
    predictions: CorpusPredictions,
    settings: Settings,
    conditions: Conditions,
) -> Outcome:
    """What one setting did on each recording. `rows`, `predictions`: of the corpus under the setting's VAD.

    Predictions that the traces lack are guessed (`CorpusPredictions.guessed`); `Outcome.lacking` tells where.
    Raises ValueError if the recordings were traced for shorter waits than the setting's.

    >>> from lab_utils.core.labels import Labels
    >>> from lab_utils.core.traces import EotTrace, Traced, VadTrace
    >>> heard = np.repeat([0.01, 0.95, 0.01], [10, 30, 100])  # speech from 0.32 to 1.28 s
    >>> vad = {"silero": (VadTrace("silero", 0, heard),)}
    >>> traced = Traced("call", "call.wav", "", 4.48, Labels(4.48, (), ()), vad, (EotTrace(),), tail_s=0.0)
    >>> settings = Settings().replace(vad="silero", detector="vad", min_delay=0.8)
    >>> corpus = Corpus.of([traced])
    >>> rows = CorpusPauses.of(corpus, settings.vad, 0.05)
    >>> found = score(corpus, rows, CorpusPredictions.of(corpus, rows), settings, Conditions())
    >>> found.recordings[0].in_no_label, sorted(found.lacking)
    (1.0, [])
    """
    wait_s = longest_wait_s(np.array([settings.endpointing.max_delay]))
    corpus.check_waits(float(wait_s[0]))
    commits = _commits(corpus, rows, predictions, settings, conditions)
    owner = _owner(rows, commits.time_s)
    hit = np.zeros(len(rows.kind), np.bool_)
    hit[owner[owner >= 0]] = True
    likely_s, unlikely_s = (
        _first_s(rows, owner, commits.time_s, side, float(wait_s[0]))
        for side in (commits.accepted, ~commits.accepted)
    )
    nowhere = np.bincount(rows.recording[owner == -1], minlength=len(corpus.recordings))
    made = _per_recording(corpus, rows, hit, likely_s, unlikely_s, nowhere / rows.takes)
    return Outcome(made, frozenset(np.unique(rows.recording[commits.guessed]).tolist()))


def _commits(
    corpus: Corpus,
    rows: CorpusPauses,
    predictions: CorpusPredictions,
    settings: Settings,
    conditions: Conditions,
) -> _Commits:
    block = Block.of(settings, conditions)
    detects = block.needs == "predictions"
    trigger_s = rows.end_of_speech_s
    if detects:
        trigger_s = np.maximum(trigger_s, rows.predict_s + conditions.prediction_delay)

    def after(delay_s: float) -> Floats:
        commit_s = np.maximum(trigger_s, rows.last_speaking_s + delay_s)
        return np.where(commit_s < rows.resume_s - TIE_S, commit_s, np.inf)

    likely_s = after(float(block.min_delay[0]))
    if not detects:
        every = np.ones(len(likely_s), np.bool_)
        return _Commits(likely_s - rows.offset_s, every, ~every)
    unlikely_s = after(float(block.max_delay[0]))
    threshold = np.array([block.on(one, 0.0).threshold[0] for one in corpus.recordings])[rows.recording]
    frame = frame_samples(conditions.frame_duration)
    accepted, guessed = _accepted(
        rows, predictions, threshold, flush_samples(likely_s, frame), flush_samples(unlikely_s, frame)
    )
    return _Commits(np.where(accepted, likely_s, unlikely_s) - rows.offset_s, accepted, guessed)


def _accepted(
    rows: CorpusPauses,
    predictions: CorpusPredictions,
    threshold: Floats,
    likely: Ints,
    unlikely: Ints,
) -> tuple[Bools, Bools]:
    """Which ends the detector accepts, and for which its answer is a guess.

    `likely`, `unlikely`: samples heard when the commit after an accepted, or a rejected, end empties the
    buffer, -1 where there is none.
    """
    end = rows.predict_sample
    whole = np.maximum(end - BUFFER_SAMPLES, 0)
    start = np.full(len(end), -1, dtype=np.int64)
    p = np.zeros(len(end))
    guessed = np.zeros(len(end), np.bool_)
    hears = whole
    while True:
        changed = np.flatnonzero(hears != start)
        if not len(changed):
            return p >= threshold, guessed
        start = hears
        length = (end - start)[changed]
        p[changed] = predictions.known(changed, length)
        guessed[changed] = np.isnan(p[changed])
        missing = changed[guessed[changed]]
        p[missing] = predictions.guessed(missing, (end - start)[missing])
        hears = np.maximum(whole, rows.emptied(np.where(p >= threshold, likely, unlikely)))


def _owner(rows: CorpusPauses, commit_s: Floats) -> Ints:
    """The labelled pause of each commit: -1 for no label, -2 for no commit or one that isn't scored there."""
    committed = np.isfinite(commit_s)
    of_next = committed & (rows.after_start_s <= commit_s) & (rows.nearer | ~rows.within)
    owner = np.where(of_next, rows.after, np.where(rows.within, rows.before, -1))
    until_s = np.where(of_next, rows.after_until_s, np.where(rows.within, rows.before_until_s, np.inf))
    branch = np.arange(len(owner)) >= rows.tapes
    return np.where(committed & (commit_s < until_s) & ~(branch & (owner < 0)), owner, -2)


def _first_s(rows: CorpusPauses, owner: Ints, commit_s: Floats, side: Bools, longest_s: float) -> Floats:
    """From each end of turn to the first of some commits, infinity if later than the longest wait.

    shape=(takes, turns)
    """
    found = np.full((rows.takes, len(rows.turn_of_recording)), np.inf)
    chosen = np.flatnonzero(side & (owner >= 0))
    chosen = chosen[rows.kind[owner[chosen]] == END_OF_TURN]
    pause = owner[chosen]
    np.minimum.at(found.reshape(-1), rows.turn[pause], commit_s[chosen] - rows.pause_start_s[pause])
    return np.where(found <= longest_s + 1e-9, found, np.inf)


def _per_recording(
    corpus: Corpus, rows: CorpusPauses, hit: Bools, likely_s: Floats, unlikely_s: Floats, nowhere: Floats
) -> tuple[PerRecording, ...]:
    n = len(corpus.recordings)
    takes, kind = rows.takes, rows.kind
    by_take = hit.reshape(takes, -1)
    counted = (kind == HOLD) | (kind == CUT_OFF)
    turns = np.zeros((takes, len(rows.turn_of_recording)), np.bool_)
    in_turn = hit & (kind <= CUT_OFF) & (rows.turn >= 0)
    turns.reshape(-1)[rows.turn[in_turn]] = True
    unknown = np.concatenate([np.zeros(0, np.bool_), *(one.cut_off_turns for one in corpus.labelled)])
    latency_s = np.minimum(likely_s, unlikely_s)
    differ = np.zeros(by_take.shape[1])
    pairs = list(combinations(range(takes), 2))
    for one, other in pairs:
        differ += by_take[one] != by_take[other]

    def of_pauses(which: Bools) -> Floats:
        return np.bincount(rows.of_recording, which.reshape(takes, -1).sum(axis=0), n) / takes

    def of_turns(which: Bools) -> Floats:
        return np.bincount(rows.turn_of_recording, which.sum(axis=0), n) / takes

    holds_cut, cut_offs_cut = of_pauses(hit & (kind == HOLD)), of_pauses(hit & (kind == CUT_OFF))
    turns_cut, at_most = of_turns(turns), of_turns(turns | unknown)
    timeouts, missed = of_turns(unlikely_s < likely_s), of_turns(np.isinf(latency_s))
    flipped = np.bincount(rows.of_recording, differ * counted[: len(differ)], n) / max(1, len(pairs))
    first = np.searchsorted(rows.turn_of_recording, np.arange(n + 1))
    return tuple(
        PerRecording(
            holds=one.n_holds,
            holds_cut=float(holds_cut[r] + cut_offs_cut[r]),
            holds_cut_at_most=float(holds_cut[r] + one.count(CUT_OFF)),
            turns=one.n_turns,
            turns_cut=float(turns_cut[r]),
            turns_cut_at_most=float(at_most[r]),
            timeouts=float(timeouts[r]),
            missed=float(missed[r]),
            in_no_label=float(nowhere[r]),
            flipped=float(flipped[r]) if pairs else np.nan,
            latency_s=latency_s[:, first[r] : first[r + 1]],
        )
        for r, one in enumerate(corpus.labelled)
    )

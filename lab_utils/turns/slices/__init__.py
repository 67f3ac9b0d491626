"""Figures by slice: the same definitions, over some of the user's turns.

Goal: where a setting fails: by language, line, recording, length of the turn, numbers in it, what was asked.
Conventions: a slice holds whole user turns, with the holds and cut-off pauses inside each and its end; each
turn belongs to one slice of a key, so counts add up to the whole. What belongs to no label belongs to no
turn, and to no slice. The turn after the last labelled end of turn has holds only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.traces import Bools, Traced
from ..branches import longest_wait_s
from ..metrics import CUT_OFF, HOLD, LabelledPauses, PerRecording, attributes, figures
from ..replay import Block, commits_and_waits
from ..sweep import Corpus
from . import turn_kinds

LEAST_CASES = 10
"""Holds, or ends of turn, below which a figure of a slice is called "not enough data"."""
LEAST_RECORDINGS = 2
UNKNOWN = "unknown"

Columns = dict[str, NDArray[Any]]


def _alike(value: str, traced: Traced) -> list[str]:
    return [value or UNKNOWN] * (len(turn_kinds.lengths(traced.labels)) or 1)


def _of_turns(kinds: Callable[[Any], list[str]]) -> Callable[[Traced, Conditions], list[str]]:
    return lambda traced, _: kinds(traced.labels)


KEYS: dict[str, Callable[[Traced, Conditions], list[str]]] = {
    "language": lambda traced, conditions: _alike(traced.language or conditions.language, traced),
    "length": _of_turns(turn_kinds.lengths),
    "numbers": _of_turns(turn_kinds.numbers),
    "asked": _of_turns(turn_kinds.asked),
    "line": lambda traced, _: _alike(traced.band, traced),
    "noise": lambda traced, _: _alike(traced.background, traced),
    "recording": lambda traced, _: _alike(traced.name, traced),
}
"""What figures can be sliced by → the slice of each turn of a recording."""


def slices(
    corpus: Corpus,
    settings: Settings,
    conditions: Conditions = USUAL_CONDITIONS,
    by: Sequence[str] = ("language", "length", "numbers", "asked", "line", "noise"),
) -> pd.DataFrame:
    """One setting's figures in each slice: a row per key, slice and metric.

    Columns: by, slice, metric, then those of `metrics.figures` (value, low, high, told, n), recordings (with
    a case in the slice), and note: "" or "not enough data: …" with what is lacking; a figure with such a note
    has no interval. Raises InputError for an unknown key, MissingTraces as a replay does.
    """
    for key in by:
        if key not in KEYS:
            raise InputError(f"can't slice by {key!r}; expected some of {', '.join(KEYS)}")
    takes = list(commit_columns(corpus, settings, conditions))
    frames = []
    for key in by:
        kinds = [
            _of_every_turn(KEYS[key](one, conditions), labelled.n_turns)
            for one, labelled in zip(corpus.recordings, corpus.labelled, strict=True)
        ]
        for name in sorted({str(kind) for kind in np.concatenate([np.zeros(0, object), *kinds])}, key=_order):
            parts = [
                statistics(columns, labelled, kind == name)
                for columns, labelled, kind in zip(takes, corpus.labelled, kinds, strict=True)
            ]
            frames.append(_noted(figures(parts), parts).assign(by=key, slice=name))
    if not frames:
        raise InputError("nothing to slice by; name some of " + ", ".join(KEYS))
    table = pd.concat(frames).rename_axis("metric").reset_index()
    columns = ["by", "slice", "metric", "value", "low", "high", "told", "n", "recordings", "note"]
    return table[columns]


def _order(name: str) -> tuple[bool, float, str]:
    """By the number in a name, so that lengths come in order; what is unknown last."""
    numbers = [] if name.startswith("under") else [float(part) for part in name.split() if part.isdigit()]
    return name in (UNKNOWN, turn_kinds.NO_WORDS), (numbers or [0.0])[0], name


def _of_every_turn(kinds: Sequence[str], n_turns: int) -> NDArray[Any]:
    """The kinds with one for what comes after the last labelled end of turn, shape=(n_turns + 1,)."""
    after = [kinds[-1] if kinds else UNKNOWN] * (n_turns + 1 - len(kinds))
    return np.array([*kinds, *after], dtype=object)


def commit_columns(corpus: Corpus, settings: Settings, conditions: Conditions) -> Iterator[list[Columns]]:
    """`metrics.attributes` of one setting, by recording and take; a recording's as it is asked for."""
    block = Block.of(settings, conditions)
    wait_s = float(longest_wait_s(block.max_delay)[0])
    corpus.check_waits(wait_s)
    pauses = corpus.pauses(block.vad, conditions.frame_duration)
    for r, takes in groupby(corpus.decisions(block, pauses), key=itemgetter(0)):
        decided = (commits_and_waits(one, 0, block.detector, offset_s) for _, _, one, offset_s in takes)
        yield [attributes(commits, corpus.labelled[r], waits, wait_s) for commits, waits in decided]


def statistics(takes: Sequence[Columns], labelled: LabelledPauses, turns: Bools) -> PerRecording:
    """What one setting did in some turns of a recording; `turns`: which, shape=(n_turns + 1,)."""
    of_hold = ((labelled.kind == HOLD) | (labelled.kind == CUT_OFF)) & turns[labelled.turn]
    cut_off = (labelled.kind == CUT_OFF) & turns[labelled.turn]
    ended = np.flatnonzero(turns[: labelled.n_turns])
    latency_s = np.full((len(takes), labelled.n_turns), np.inf)
    counts = np.zeros((len(takes), 5))
    unsure = np.zeros(labelled.n_turns + 1, np.bool_)
    unsure[labelled.turn[cut_off]] = True
    for k, one in enumerate(takes):
        inside = (one["turn"] >= 0) & turns[one["turn"]]
        scored, false = one["scored"] & inside, one["false_boundary"] & inside
        sure = scored & ~np.isin(one["label_start_s"], labelled.start_s[cut_off])
        cut = np.zeros(labelled.n_turns + 1, np.bool_)
        cut[one["turn"][false]] = True
        answers = inside & np.isfinite(one["latency_s"])
        latency_s[k, one["turn"][answers]] = one["latency_s"][answers]
        counts[k] = (
            len(np.unique(one["label_start_s"][scored])),
            len(np.unique(one["label_start_s"][sure])) + np.count_nonzero(cut_off),
            np.count_nonzero(cut[:-1]),
            np.count_nonzero((cut | unsure)[:-1]),
            np.count_nonzero(answers & (one["cause"] == "max_delay")),
        )
    cut_holds, cut_at_most, cut_turns, cut_turns_at_most, timeouts = counts.mean(axis=0).tolist()
    latency_s = latency_s[:, ended]
    return PerRecording(
        holds=int(np.count_nonzero(of_hold)),
        holds_cut=cut_holds,
        holds_cut_at_most=cut_at_most,
        turns=len(ended),
        turns_cut=cut_turns,
        turns_cut_at_most=cut_turns_at_most,
        timeouts=timeouts,
        missed=float(np.isinf(latency_s).sum() / len(takes)),
        in_no_label=np.nan,
        latency_s=latency_s,
    )


def _noted(frame: pd.DataFrame, parts: Sequence[PerRecording]) -> pd.DataFrame:
    """The figures with how many recordings each rests on, and a note where that is too little."""
    frame = frame.copy()
    notes, recordings = [], []
    for metric in frame.index:
        per_hold = metric in ("false_boundary_rate", "false_boundary_rate_at_most", "coin_flips")
        cases = "holds" if per_hold else "ends of turn"
        of = [one.holds if per_hold else one.turns for one in parts]
        n, calls = sum(of), sum(count > 0 for count in of)
        lacking = [f"{n} {cases}"] * (n < LEAST_CASES) + [f"{calls} recording"] * (calls < LEAST_RECORDINGS)
        notes.append(f"not enough data: {', '.join(lacking)}" if lacking else "")
        recordings.append(calls)
    frame["recordings"], frame["note"] = recordings, notes
    small = frame["note"] != ""
    frame.loc[small, ["low", "high"]] = np.nan
    frame.loc[small, "told"] = "can't be told"
    return frame

"""The end-of-turn predictions of all recordings and takes, by the pause that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.timeline import Floats, Ints
from ...core.traces import EOT_LENGTHS, eot_keys
from ..sweep import Corpus
from .pauses import CorpusPauses

_LENGTHS = EOT_LENGTHS


@dataclass(frozen=True)
class CorpusPredictions:
    """What the traces hold for the rows of `CorpusPauses`."""

    keys: Ints
    """Row and length of the audio heard, ascending; shape=(n,)."""
    probabilities: Floats
    nearest: Floats
    """Of each row: the prediction of the nearest audio, a guess where a row has none; shape=(rows,)."""

    @classmethod
    def of(cls, corpus: Corpus, rows: CorpusPauses) -> CorpusPredictions:
        """The predictions at hand."""
        ends = rows.predict_sample + rows.shift
        low, high = np.zeros((2, len(ends)), dtype=np.int64)
        nearest: Floats = np.zeros(len(ends))
        lengths, probabilities, first = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], 0
        order = np.argsort(rows.take, kind="stable")
        takes = rows.takes * len(corpus.recordings)
        cuts = np.searchsorted(rows.take[order], np.arange(takes + 1))
        for number in range(takes):
            own = order[cuts[number] : cuts[number + 1]]
            trace = corpus.recordings[number // rows.takes].eot[number % rows.takes]
            low[own] = first + np.searchsorted(trace.ends, ends[own], side="left")
            high[own] = first + np.searchsorted(trace.ends, ends[own], side="right")
            nearest[own] = _nearest(trace.keys, trace.probabilities, eot_keys(ends[own], ends[own]))
            lengths.append(trace.ends - trace.starts)
            probabilities.append(trace.probabilities)
            first += len(trace.ends)
        counts = high - low
        row = np.repeat(np.arange(len(ends)), counts)
        entry = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
        length = np.concatenate(lengths)[entry]
        return cls(row * _LENGTHS + length, np.concatenate(probabilities)[entry], nearest)

    def known(self, row: Ints, length: Ints) -> Floats:
        """Probabilities, NaN where there is none."""
        keys = row * _LENGTHS + length
        if not len(self.keys):
            return np.full(len(keys), np.nan)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.probabilities[place], np.nan)

    def guessed(self, row: Ints, length: Ints) -> Floats:
        """The nearest predictions: of the same pause if there are any, else of a neighbour, or 0.5."""
        if not len(self.keys):
            return self.nearest[row]
        place, distance = _closest(self.keys, row * _LENGTHS + length)
        same = self.keys[place] // _LENGTHS == row
        return np.where(same & (distance < _LENGTHS), self.probabilities[place], self.nearest[row])


def _closest(keys: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """The place of the nearest key, and how far it is."""
    right = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    left = np.maximum(right - 1, 0)
    to_left, to_right = np.abs(wanted - keys[left]), np.abs(keys[right] - wanted)
    return np.where(to_left < to_right, left, right), np.minimum(to_left, to_right)


def _nearest(keys: Ints, probabilities: Floats, wanted: Ints) -> Floats:
    if not len(keys):
        return np.full(len(wanted), 0.5)
    return probabilities[_closest(keys, wanted)[0]]

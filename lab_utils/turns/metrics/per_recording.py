"""One setting on one recording, in the few numbers that every figure and interval is made of.

Goal: what statistics need (resampling, bounds, guarantees), without traces or labels.
Conventions: counts of what the labels hold are whole; counts of what commits did are means over the takes of
the recording, so they may be fractions; seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ...core.timeline import Floats
from .labelled_pauses import CUT_OFF, LabelledPauses
from .setting_counts import SettingCounts


@dataclass(frozen=True, kw_only=True)
class PerRecording:
    """What one setting did on one recording; definitions at the head of `turns.metrics`."""

    holds: int
    """Scored holds, and pauses that the recorded agent cut off."""
    holds_cut: float
    """Of these, with a commit (in a cut-off pause, before the recorded agent spoke)."""
    holds_cut_at_most: float
    """The same, were every cut-off pause cut."""
    turns: int
    """Labelled ends of turn."""
    turns_cut: float
    """User turns with at least one false boundary."""
    turns_cut_at_most: float
    """The same, were every cut-off pause cut."""
    timeouts: float
    """Ends of turn committed by `max_delay`."""
    missed: float
    """Ends of turn without a commit."""
    in_no_label: float
    """Commits that belong to no label."""
    flipped: float = np.nan
    """Holds and cut-off pauses on which two random takes disagree; NaN for a single take."""
    latency_s: Floats
    """shape=(takes, turns): from the true end of speech to the commit; infinity where missed."""

    @property
    def takes(self) -> int:
        """How often the recording was scored."""
        return len(self.latency_s)


def per_recording(
    counts: Sequence[SettingCounts], labelled: LabelledPauses, setting: int = 0
) -> PerRecording:
    """The statistics of one setting of a block; `counts`: one per take of the recording, at least one.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.turns.metrics import labelled_pauses
    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0),), (Label("shift", 2.0, 3.0),))
    >>> none = np.zeros(1, dtype=np.int64)
    >>> takes = [SettingCounts(*[none] * 5, none[None], none, none, np.array([[s]])) for s in (0.6, np.inf)]
    >>> one = per_recording(takes, labelled_pauses(labels))
    >>> one.turns, one.missed, one.latency_s.tolist()
    (1, 0.5, [[0.6], [inf]])
    """
    latency_s = np.stack([t.latency_s[:, setting] for t in counts])

    def mean(name: str) -> float:
        return float(np.mean([getattr(t, name)[setting] for t in counts]))

    return PerRecording(
        holds=labelled.n_holds,
        holds_cut=mean("holds_cut") + mean("cut_offs_cut"),
        holds_cut_at_most=mean("holds_cut") + labelled.count(CUT_OFF),
        turns=labelled.n_turns,
        turns_cut=mean("turns_cut"),
        turns_cut_at_most=mean("turns_cut_at_most"),
        timeouts=mean("timeouts"),
        missed=float(np.isinf(latency_s).sum() / len(latency_s)),
        in_no_label=mean("in_no_label"),
        flipped=_flipped(counts, setting),
        latency_s=latency_s,
    )


def _flipped(takes: Sequence[SettingCounts], setting: int) -> float:
    pairs = list(combinations((one.cut_words[:, setting] for one in takes), 2))
    differ = sum(int(np.bitwise_count(one ^ other).sum()) for one, other in pairs)
    return differ / len(pairs) if pairs else np.nan

"""Who speaks when in a recording, and what each pause of the user is.

Times are float seconds from the start of the recording; spans are arrays of shape=(n, 2) with
`[start, end)` rows in time order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .html import table_html
from .timeline import Floats

LabelKind = Literal["hold", "shift", "cut_off", "backchannel"]
LABEL_KINDS: tuple[LabelKind, ...] = ("hold", "shift", "cut_off", "backchannel")
Speaker = Literal["user", "agent"]


@dataclass(frozen=True)
class Ipu:
    """An inter-pausal unit: one stretch of one speaker's speech."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True)
class Word:
    """One spoken word."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str

    @property
    def middle_s(self) -> float:
        """It is said to lie where this lies."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True)
class Label:
    """A judgement on the user's channel (terms: `hold`, `shift`, `cut_off`, `backchannel`).

    A hold or cut_off is the silence between two IPUs of one user turn. A shift begins at the true end of the
    user's turn and ends where the agent starts (both equal if the agent started earlier). A backchannel is
    the user's short speech itself. `confidence` is 1 for labels that are known, less for estimated ones.
    """

    kind: LabelKind
    start_s: float
    end_s: float
    confidence: float = 1.0
    reason: str = ""
    edited: bool = False
    """Set by a person: it wins over any estimate."""


@dataclass(frozen=True)
class Labels:
    """All that is known about who speaks when in one recording."""

    duration_s: float
    ipus: tuple[Ipu, ...]
    labels: tuple[Label, ...]
    words: tuple[Word, ...] = ()
    source: str = ""
    """Where they come from, for example "construction" or "two channels"."""

    def spans(self, speaker: Speaker) -> Floats:
        """The IPUs of one speaker, shape=(n, 2)."""
        return as_spans([(ipu.start_s, ipu.end_s) for ipu in self.ipus if ipu.speaker == speaker])

    @property
    def counted(self) -> str:
        """How many labels of each kind there are, and where they come from, in words."""
        counts = [f"{len(self.of_kind(kind))} {kind}" for kind in LABEL_KINDS]
        return ", ".join(counts) + (f"; from {self.source}" if self.source else "")

    def _repr_html_(self) -> str:
        rows = [
            (one.kind, f"{one.start_s:.2f}", f"{one.end_s:.2f}", f"{one.confidence:.2f}", one.reason)
            for one in self.labels
        ]
        return table_html(("kind", "from (s)", "to (s)", "confidence", "reason"), rows, self.counted)

    def of_kind(self, kind: LabelKind) -> Floats:
        """The spans with one label, shape=(n, 2)."""
        return as_spans([(label.start_s, label.end_s) for label in self.labels if label.kind == kind])


def as_spans(pairs: list[tuple[float, float]]) -> Floats:
    """Pairs of seconds as an array of shape=(n, 2), also for n = 0."""
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def agent_turns(labels: Labels) -> Floats:
    """The agent's turns, shape=(n, 2): its IPUs, joined where the user says nothing in between."""
    turns: list[list[float]] = []
    user = labels.spans("user")
    for start_s, end_s in labels.spans("agent"):
        if turns and not np.any((user[:, 0] < start_s) & (user[:, 1] > turns[-1][1])):
            turns[-1][1] = max(turns[-1][1], float(end_s))
        else:
            turns.append([float(start_s), float(end_s)])
    return np.array(turns, dtype=np.float64).reshape(-1, 2)

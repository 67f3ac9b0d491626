"""Who speaks when in a recording, and what each pause of the user is.

Times are float seconds from the start of the recording; spans are arrays of shape=(n, 2) with
`[start, end)` rows in time order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from .text.html import table_html
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
        """The middle of the word: a span that holds it holds the word."""
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


Span = TypeVar("Span", Ipu, Word, Label)


@dataclass(frozen=True)
class Labels:
    """All that is known about who speaks when in one recording."""

    duration_s: float
    ipus: tuple[Ipu, ...]
    labels: tuple[Label, ...]
    words: tuple[Word, ...] = ()
    source: str = ""
    """Where they come from, for example "construction" or "two channels"."""
    language: str = ""
    """What the user speaks, as a code ("de", "pt-BR"); "" if nobody tells."""

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


@dataclass(frozen=True)
class UserTurn:
    """One turn of the user, from the end of the turn before (see `user_turns`)."""

    start_s: float
    """Where its first IPU begins; without IPUs, the end of the turn before."""
    end_s: float
    """Its true end: where its shift begins; of a turn without a labelled end, where its last IPU ends."""
    until_s: float
    """Where the user's next turn begins; infinity after the last."""
    ipus: tuple[tuple[float, float], ...]
    """Start and end of each of its IPUs, in time order; backchannels are none of them."""


def user_turns(labels: Labels, *, unfinished: bool = False) -> tuple[UserTurn, ...]:
    """The user's turns in order: each is what the user says up to a labelled end of turn (`shift`).

    Holds and cut-off pauses lie inside a turn, and a backchannel is none. What the user says after the last
    labelled end has no known end: it is one more turn if `unfinished`, else it is left out. Who uses it:

    - the metrics count one latency, and one row of the rate per turn, for each turn with a known end;
    - the latency study has one row for each of them, with its words and the wait until the next;
    - label checks show no words of another turn;
    - the reactive caller speaks every IPU, the unfinished ones too, and cuts turns where its agent decides
      what comes next (`session.caller.turns`): a turn with a cut-off pause is two cues there, and one turn.

    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 4.0), Ipu("user", 6.0, 7.0)
    >>> labels = Labels(9.0, user, (Label("cut_off", 2.0, 3.0), Label("shift", 4.0, 5.0)))
    >>> user_turns(labels)
    (UserTurn(start_s=1.0, end_s=4.0, until_s=6.0, ipus=((1.0, 2.0), (3.0, 4.0))),)
    >>> user_turns(labels, unfinished=True)[1]
    UserTurn(start_s=6.0, end_s=7.0, until_s=inf, ipus=((6.0, 7.0),))
    """
    ends_s = np.sort(labels.of_kind("shift")[:, 0])
    ipus = user_ipus(labels)
    ipus = ipus[np.lexsort((ipus[:, 1], ipus[:, 0]))]
    first = [0, *np.searchsorted(ipus[:, 0], ends_s).tolist(), len(ipus)]
    turns = []
    before_s = 0.0
    for turn, end_s in enumerate([*ends_s.tolist(), None]):
        own = tuple((start_s, stop_s) for start_s, stop_s in ipus[first[turn] : first[turn + 1]].tolist())
        if end_s is None:
            if not (unfinished and own):
                break
            end_s = max(stop_s for _, stop_s in own)
        later = ipus[first[turn + 1] :, 0]
        until_s = float(later[0]) if len(later) else np.inf
        turns.append(UserTurn(own[0][0] if own else before_s, end_s, until_s, own))
        before_s = end_s
    return tuple(turns)


def user_ipus(labels: Labels) -> Floats:
    """The user's IPUs but for backchannels, which claim no turn; shape=(n, 2).

    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 3.0, 3.4)
    >>> user_ipus(Labels(9.0, user, (Label("backchannel", 3.0, 3.4),))).tolist()
    [[1.0, 2.0]]
    """
    user = labels.spans("user")
    is_backchannel = np.zeros(len(user), dtype=np.bool_)
    for start_s, end_s in labels.of_kind("backchannel"):
        is_backchannel |= (user[:, 0] < end_s) & (user[:, 1] > start_s)
    return user[~is_backchannel]


def agent_turns(labels: Labels) -> Floats:
    """The agent's turns, shape=(n, 2): its IPUs, joined where the user says nothing in between."""
    turns: list[list[float]] = []
    user, agent = labels.spans("user"), labels.spans("agent")
    user = user[np.argsort(user[:, 0], kind="stable")]
    # The latest end of what the user began before each of the agent's IPUs.
    latest_s = np.concatenate(([-np.inf], np.maximum.accumulate(user[:, 1])))
    spoken_s = latest_s[np.searchsorted(user[:, 0], agent[:, 0])]
    for (start_s, end_s), user_end_s in zip(agent.tolist(), spoken_s.tolist(), strict=True):
        if turns and user_end_s <= turns[-1][1]:
            turns[-1][1] = max(turns[-1][1], end_s)
        else:
            turns.append([start_s, end_s])
    return np.array(turns, dtype=np.float64).reshape(-1, 2)


def spoken_words(labels: Labels) -> list[Word]:
    """The words of both parties by their ends; without any, those of the IPUs, spread evenly.

    >>> [(one.text, one.end_s) for one in spoken_words(Labels(9.0, (Ipu("user", 1.0, 2.0, "One two"),), ()))]
    [('One', 1.5), ('two', 2.0)]
    """
    words = list(labels.words)
    if not words:
        for ipu in labels.ipus:
            texts = ipu.text.split()
            edges = np.linspace(ipu.start_s, ipu.end_s, len(texts) + 1).tolist()
            words += [Word(ipu.speaker, edges[k], edges[k + 1], text) for k, text in enumerate(texts)]
    return sorted(words, key=lambda word: (word.end_s, word.start_s, word.speaker))


def agent_messages(labels: Labels) -> list[tuple[float, float, str]]:
    """Start, end and words of each of the agent's turns (`agent_turns`); "" where no words are known.

    >>> agent_messages(Labels(9.0, (Ipu("agent", 1.0, 2.0, "Hello."), Ipu("agent", 2.5, 3.0, "Yes?")), ()))
    [(1.0, 3.0, 'Hello. Yes?')]
    """
    words = [one for one in spoken_words(labels) if one.speaker == "agent" and one.text.strip()]
    return [
        (start_s, end_s, " ".join(one.text.strip() for one in words if start_s <= one.middle_s <= end_s))
        for start_s, end_s in agent_turns(labels).tolist()
    ]


def labels_until(labels: Labels, time_s: float, duration_s: float) -> Labels:
    """The labels of a recording of another length in which nobody speaks from `time_s` on."""
    return Labels(
        duration_s,
        _until(labels.ipus, time_s),
        _until(labels.labels, time_s),
        _until(labels.words, time_s),
        labels.source,
        labels.language,
    )


def _until(spans: tuple[Span, ...], time_s: float) -> tuple[Span, ...]:
    """Those that begin before a moment; the same objects if they also end before, for branches are many."""
    return tuple(
        one if one.end_s <= time_s else replace(one, end_s=time_s) for one in spans if one.start_s < time_s
    )

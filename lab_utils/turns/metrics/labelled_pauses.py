"""The user's labelled pauses, and the one that each commit belongs to.

Conventions: seconds of recording time; a commit that belongs to no label has pause -1.
Definition: a commit belongs to the pause whose silence caused it. Its wait begins at the *last speaking time*
and ends with the commit; of the pauses that this stretch touches, it is the one whose start is nearest the
last speaking time. So a commit that comes a moment after the user went on, before the voice-activity detector
noticed, still belongs to the pause before. A commit whose wait touches no labelled pause (the detector lost
the user's voice, or heard speech in noise) belongs to no label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.labels import Labels, user_ipus, user_turns
from ...core.timeline import Floats, Ints
from ...core.traces import Bools, Commits

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 5.0

HOLD, UNSCORED_HOLD, CUT_OFF, BACKCHANNEL, END_OF_TURN = range(5)
PAUSE_NAMES = ("hold", "unscored_hold", "cut_off", "backchannel", "end_of_turn")
IN_SPEECH, NO_LABEL = "speech", "other"
"""Names of what belongs to no label: while the user's turn went on, and at any other time."""


@dataclass(frozen=True)
class LabelledPauses:
    """The user's labelled pauses: disjoint spans in time order, all shape=(pauses,)."""

    start_s: Floats
    """Where the silence begins; of a backchannel, its end."""
    end_s: Floats
    """Where the user's next sound begins."""
    kind: Ints
    """Index into `PAUSE_NAMES`."""
    turn: Ints
    """Number of the user turn, in order; `n_turns` after the last labelled end of turn."""
    agent_s: Floats
    """Of a cut-off pause: where the recorded agent began to speak; from then on nothing is known of how long
    the user would have paused. Infinity elsewhere."""
    n_turns: int
    speech_s: Floats
    """The user's speech but for backchannels, up to the last labelled end of turn; shape=(n, 2)."""

    def count(self, kind: int) -> int:
        return int(np.count_nonzero(self.kind == kind))

    @property
    def ends_of_turn(self) -> Ints:
        """The pauses of the ends of turn, by number of the turn; shape=(n_turns,)."""
        return np.flatnonzero(self.kind == END_OF_TURN)

    @property
    def n_holds(self) -> int:
        """What the rate per hold rests on: scored holds, and pauses that the recorded agent cut off."""
        return self.count(HOLD) + self.count(CUT_OFF)

    @property
    def cut_off_turns(self) -> Bools:
        """Which turns have a cut-off pause; shape=(n_turns,)."""
        found = np.zeros(self.n_turns + 1, np.bool_)
        found[self.turn[self.kind == CUT_OFF]] = True
        return found[:-1]


def labelled_pauses(
    labels: Labels,
    tail_s: float = 0.0,
    shortest_hold_s: float = SHORTEST_HOLD_S,
    longest_hold_s: float = LONGEST_HOLD_S,
) -> LabelledPauses:
    """The labelled pauses; `tail_s` is the silence that was added after the recording.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    >>> labelled = labelled_pauses(Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0))))
    >>> [PAUSE_NAMES[kind] for kind in labelled.kind], labelled.end_s.tolist()
    (['hold', 'end_of_turn'], [2.5, 9.0])
    """
    rows: list[tuple[float, float, int, float]] = []
    backchannels = labels.of_kind("backchannel")
    user = user_ipus(labels)
    end_of_all_s = labels.duration_s + tail_s
    for start_s, end_s in labels.of_kind("hold"):
        scored = shortest_hold_s <= round(end_s - start_s, 9) <= longest_hold_s
        rows.append((start_s, end_s, HOLD if scored else UNSCORED_HOLD, np.inf))
    agent_starts = labels.spans("agent")[:, 0]
    for start_s, end_s in labels.of_kind("cut_off"):
        inside = agent_starts[(agent_starts >= start_s) & (agent_starts < end_s)]
        rows.append((start_s, end_s, CUT_OFF, float(inside.min(initial=end_s))))
    turn_ends = np.array([turn.end_s for turn in user_turns(labels)], dtype=np.float64)
    user_starts = np.sort(np.concatenate((user[:, 0], backchannels[:, 0])))
    for kind, begins in ((END_OF_TURN, turn_ends), (BACKCHANNEL, backchannels[:, 1])):
        for start_s in begins:
            later = user_starts[np.searchsorted(user_starts, start_s) :]
            rows.append((start_s, float(later[0]) if len(later) else end_of_all_s, kind, np.inf))
    starts, ends, kinds, agent_s = np.array(sorted(rows), dtype=np.float64).reshape(-1, 4).T
    ends[:-1] = np.minimum(ends[:-1], starts[1:])  # rounded labels may overlap a little
    turn = np.searchsorted(turn_ends, starts, side="left").astype(np.int64)
    speech_s = user[user[:, 0] < turn_ends.max(initial=-np.inf)]
    return LabelledPauses(starts, ends, kinds.astype(np.int64), turn, agent_s, len(turn_ends), speech_s)


def owners(last_speaking_s: Floats, commit_s: Floats, labelled: LabelledPauses) -> Ints:
    """The pause that each commit belongs to, -1 for no label; arrays that broadcast.

    `commit_s` is infinite where there is no commit: no label either. Of two starts at the same distance the
    earlier counts.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    >>> labelled = labelled_pauses(Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0))))
    >>> owners(np.array([2.05, 2.05, 1.2]), np.array([2.4, 2.55, 1.6]), labelled).tolist()
    [0, 0, -1]
    """
    start_s, end_s = np.append(labelled.start_s, np.inf), np.append(labelled.end_s, -np.inf)
    after = np.searchsorted(labelled.start_s, last_speaking_s, side="right")
    before = after - 1  # -1 is the entry appended, which nothing belongs to
    within = last_speaking_s < end_s[before]
    touches_next = start_s[after] <= commit_s
    nearer = ~(last_speaking_s - start_s[before] <= start_s[after] - last_speaking_s)
    of_next = touches_next & (nearer | ~within)
    owner = np.where(of_next, after, np.where(within, before, -1))
    return np.where(np.isfinite(commit_s), owner, -1)


Waits = Mapping[int, tuple[float, Commits]]
"""By number of the end of turn: where its branch leaves the tape, and the commits on it (recording times)."""


def attribute(
    commits: Commits, labelled: LabelledPauses, waits: Waits | None = None, longest_wait_s: float = np.inf
) -> pd.DataFrame:
    """What each commit of one setting means: one row per commit (see `attributes`).

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    >>> labelled = labelled_pauses(Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0))))
    >>> times_s = np.array([2.55, 3.6])
    >>> commits = Commits(times_s, ("detector",) * 2, np.array([0.7, 0.8]), np.array([2.05, 3.1]))
    >>> attribute(commits, labelled)[["label", "false_boundary", "latency_s"]]
             label  false_boundary  latency_s
    0         hold            True        NaN
    1  end_of_turn           False        0.6
    """
    return pd.DataFrame(attributes(commits, labelled, waits, longest_wait_s))


def attributes(
    commits: Commits, labelled: LabelledPauses, waits: Waits | None = None, longest_wait_s: float = np.inf
) -> dict[str, NDArray[Any]]:
    """What each commit of one setting means, as columns of shape=(commits,).

    commit_s, cause, probability, last_speaking_s; label (a pause's name; "speech" or "other" where it
    belongs to no label), label_start_s, turn (-1 without a label); latency_s (of the commit that an end of
    turn is scored by, else NaN); false_boundary (it belongs to a hold of any length, or to a cut-off pause
    before the recorded agent spoke); scored (such a false boundary counts in the rate per hold); on_branch.

    `waits`: what happens where the caller waits (`replay_branches`). An end of turn is then scored by the
    first of its commits before its branch leaves the tape, or else by the first on the branch, which is a
    row more, at the end. One that comes after `longest_wait_s` scores nothing.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> labelled = labelled_pauses(Labels(9.0, (Ipu("user", 1.0, 2.0),), (Label("shift", 2.0, 3.0),)))
    >>> commits = Commits(np.array([2.8]), ("detector",), np.array([0.7]), np.array([2.0]))
    >>> columns = attributes(commits, labelled)
    >>> columns["label"].tolist(), columns["latency_s"].round(3).tolist(), columns["false_boundary"].tolist()
    (['end_of_turn'], [0.8], [False])
    """
    waits = waits or {}
    until_s = np.full(len(labelled.kind) + 1, np.inf)
    until_s[labelled.ends_of_turn[list(waits)]] = [from_s for from_s, _ in waits.values()]
    columns = _meanings(commits, labelled, until_s)
    of_end = ~np.isnan(columns["latency_s"])
    late = columns["latency_s"] > longest_wait_s + 1e-9
    answered = set(columns["turn"][of_end].tolist())
    columns["latency_s"][late] = np.nan
    more = []
    for turn, (_, heard) in waits.items():
        if turn in answered:
            continue
        own = _meanings(heard, labelled, np.full(len(labelled.kind) + 1, np.inf))
        found = np.flatnonzero((own["turn"] == turn) & (own["latency_s"] <= longest_wait_s + 1e-9))
        if len(found):
            own["on_branch"][:] = True
            more.append({name: column[found[:1]] for name, column in own.items()})
    return {name: np.concatenate([part[name] for part in (columns, *more)]) for name in columns}


def _meanings(commits: Commits, labelled: LabelledPauses, until_s: Floats) -> dict[str, NDArray[Any]]:
    """`attributes` of one tape or branch; `until_s`: by pause, when its commits stop being scored."""
    owner = owners(commits.last_speaking_s, commits.time_s, labelled)
    kind = np.append(labelled.kind, -1)[owner]
    start_s = np.append(labelled.start_s, np.nan)[owner]
    names = np.array([*PAUSE_NAMES, NO_LABEL], dtype=object)[kind]
    alone = np.flatnonzero(owner < 0)
    if len(alone):
        begin_s, end_s = labelled.speech_s.T
        time_s = commits.time_s[alone, None]
        names[alone[((begin_s <= time_s) & (time_s < end_s)).any(axis=1)]] = IN_SPEECH
    known = commits.time_s < np.append(labelled.agent_s, -np.inf)[owner]
    ends = (kind == END_OF_TURN) & (commits.time_s < until_s[owner])
    first = np.zeros(len(owner), np.bool_)
    first[np.flatnonzero(ends)[np.unique(owner[ends], return_index=True)[1]]] = True
    scored = (kind == HOLD) | ((kind == CUT_OFF) & known)
    return {
        "commit_s": commits.time_s,
        "cause": np.array(commits.cause, dtype=object),
        "probability": commits.probability,
        "last_speaking_s": commits.last_speaking_s,
        "label": names,
        "label_start_s": start_s,
        "turn": np.append(labelled.turn, -1)[owner],
        "latency_s": np.where(first, commits.time_s - start_s, np.nan),
        "false_boundary": scored | (kind == UNSCORED_HOLD),
        "scored": scored,
        "on_branch": np.zeros(len(owner), np.bool_),
    }

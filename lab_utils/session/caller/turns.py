"""The turns of a recorded caller, and what cued each. Computed from the labels alone.

Conventions: times are recording seconds; offsets are seconds from the cue to the turn's first speech, never
negative. A caller's turn is a user's turn (`user_turns`; the last one also without a labelled end), or a part
of one: a user's turn is cut where the recorded agent may have caused what follows, because a reactive caller
needs a cue for each part. It isn't cut at holds. `CallerTurn.kind`:

- `opening`: the agent has said nothing before; the cue is the recording's start.
- `answer`: the agent has finished; the cue is the end of its turn.
- `barge_in`: the agent is speaking; the cue is the start of its turn.
- `continuation`: the caller goes on after a `cut_off` pause, into which the recorded agent barged; the cue is
  the end of the caller's own speech. Nobody knows how long the pause would have been without that agent, nor
  whether what follows answers it. As turns of their own, continuations can be recognized and left out.

A *backchannel* ("mm-hm") is a `barge_in` that ends no turn; the agent goes on speaking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...core.labels import Labels, UserTurn, agent_turns, user_ipus, user_turns
from ...core.timeline import Floats

TurnKind = Literal["opening", "answer", "barge_in", "continuation"]


@dataclass(frozen=True)
class CallerTurn:
    """One turn of the recorded caller, and how it began (kinds: see the module's docstring)."""

    start_s: float
    """Recording seconds of its first and last speech."""
    end_s: float
    kind: TurnKind
    offset_s: float
    """From its cue to its first speech; never negative."""
    backchannel: bool = False


def caller_turns(labels: Labels) -> tuple[CallerTurn, ...]:
    """The caller's turns in order of their start.

    A user's turn is cut at each cut-off pause, and at each pause without a label in which an agent's IPU
    begins. User IPUs that a backchannel label overlaps are turns of their own, unless they lie inside another
    turn.
    """
    ipus = user_ipus(labels)
    agent = agent_turns(_without_backchannels(labels, ipus))
    turns: list[CallerTurn] = []
    for user_turn in user_turns(labels, unfinished=True):
        for start_s, end_s, resumed in _cut(user_turn, labels):
            if resumed and turns:
                turn = CallerTurn(start_s, end_s, "continuation", start_s - turns[-1].end_s)
            else:
                turn = CallerTurn(start_s, end_s, *_cue(start_s, agent))
            turns.append(turn)
    own = set(map(tuple, ipus.tolist()))
    for start_s, end_s in labels.spans("user").tolist():
        inside = any(turn.start_s <= start_s and end_s <= turn.end_s for turn in turns)
        if (start_s, end_s) not in own and not inside:
            turns.append(_backchannel(start_s, end_s, agent))
    return tuple(sorted(turns, key=lambda turn: turn.start_s))


def _overlaps(spans: Floats, start_s: float, end_s: float) -> bool:
    return bool(((spans[:, 0] < end_s) & (spans[:, 1] > start_s)).any())


def _without_backchannels(labels: Labels, ipus: Floats) -> Labels:
    kept = set(map(tuple, ipus.tolist()))
    return replace(
        labels,
        ipus=tuple(i for i in labels.ipus if i.speaker == "agent" or (i.start_s, i.end_s) in kept),
    )


def _cut(turn: UserTurn, labels: Labels) -> list[tuple[float, float, bool]]:
    """The parts of a user's turn: (start, end, whether the caller resumes after a cut_off)."""
    cut_offs, holds = labels.of_kind("cut_off"), labels.of_kind("hold")
    agent_starts = labels.spans("agent")[:, 0]
    parts: list[tuple[float, float, bool]] = []
    for start_s, end_s in turn.ipus:
        resumed = False
        if parts:
            first_s, before_s, was_resumed = parts[-1]
            resumed = _overlaps(cut_offs, before_s, start_s)
            held = _overlaps(holds, before_s, start_s)
            if held or not (resumed or _any_in(agent_starts, before_s, start_s)):
                parts[-1] = (first_s, max(before_s, end_s), was_resumed)
                continue
        parts.append((start_s, end_s, resumed))
    return parts


def _any_in(moments: Floats, from_s: float, until_s: float) -> bool:
    return bool(((moments >= from_s) & (moments < until_s)).any())


def _cue(start_s: float, agent: Floats) -> tuple[TurnKind, float]:
    """Kind and offset of a turn that starts at `start_s`; `agent`: the agent's turns, shape=(n, 2)."""
    earlier = agent[agent[:, 0] < start_s]
    if not len(earlier):
        return "opening", start_s
    agent_start_s, agent_end_s = earlier[-1].tolist()
    if start_s < agent_end_s:
        return "barge_in", start_s - agent_start_s
    return "answer", start_s - agent_end_s


def _backchannel(start_s: float, end_s: float, agent: Floats) -> CallerTurn:
    earlier = agent[agent[:, 0] < start_s]
    if not len(earlier):
        return CallerTurn(start_s, end_s, "opening", start_s, backchannel=True)
    return CallerTurn(start_s, end_s, "barge_in", start_s - float(earlier[-1, 0]), backchannel=True)

"""Which turns a listener hears, and what they hear of each: the caller, then silence until they answer.

Nothing tells that the turn is over: the agent isn't heard, and from the caller's next sound on the
recording's own silence is played, as on a branch (`turns.branches`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ...core.errors import InputError
from ...core.labels import agent_messages, user_turns
from ...core.recording import Pcm, Recording
from ...core.samples.kept import joined
from ...core.timeline import to_samples
from ...turns.branches import LONGEST_WAIT_S, own_silence, silence_like
from ...turns.metrics.labelled_pauses import CUT_OFF, HOLD
from ...turns.sweep import Corpus

LEAD_S = 0.4
"""So much is heard before the caller's first word."""


@dataclass(frozen=True)
class HeardTurn:
    """One turn of a caller as a listener hears it; times in seconds of its recording."""

    recording: int
    """Its number in the study."""
    name: str
    turn: int
    """Number of the user turn."""
    from_s: float
    """What is heard begins here, shortly before the first word."""
    speaks_s: float
    """The first word."""
    end_s: float
    """The true end of the turn."""
    left_s: float
    """From here on, the caller's next sound, silence is heard in place of the recording."""
    until_s: float
    """The longest wait is over."""
    asked: str
    """What the agent had said before, if its words are known."""


def choose_turns(corpus: Corpus, n: int, seed: int = 0) -> tuple[HeardTurn, ...]:
    """`n` turns of a study's recordings, drawn by a seed: every second one with a hold, as far as there are.

    They come from as many recordings as can be, for the recording is the unit of every interval. All turns if
    there are fewer. Raises InputError for less than one, and where no end of turn is labelled.
    """
    if n < 1:
        raise InputError(f"{n} turns can't be heard; ask for 1 or more")
    draw = np.random.default_rng(seed)
    with_hold: list[list[HeardTurn]] = []
    without: list[list[HeardTurn]] = []
    for r in draw.permutation(len(corpus.recordings)).tolist():
        turns = _turns_of(corpus, r)
        shuffled = [turns[k] for k in draw.permutation(len(turns))]
        held = set(_held_turns(corpus, r))
        with_hold.append([one for one in shuffled if one.turn in held])
        without.append([one for one in shuffled if one.turn not in held])
    pauses, plain = _in_turn(with_hold), _in_turn(without[::-1])
    if not pauses and not plain:
        raise InputError("no end of turn is labelled in these recordings; label one, or bring other calls")
    few = min(len(pauses), max(n - n // 2, n - len(plain)))
    chosen = [*pauses[:few], *plain[: n - few]]
    return tuple(chosen[k] for k in draw.permutation(len(chosen)))


def turn_sound(recording: Recording, heard: HeardTurn) -> Pcm:
    """What a listener hears of a turn, 16 kHz, shape=(samples,)."""
    first, end = to_samples(heard.from_s), to_samples(heard.until_s)
    tape = recording.user[first : min(to_samples(heard.left_s), len(recording.user))]
    silence = silence_like(recording.user, own_silence(recording), end - first - len(tape))
    return joined(tape, silence[:])


def _turns_of(corpus: Corpus, r: int) -> list[HeardTurn]:
    labels, labelled = corpus.recordings[r].labels, corpus.labelled[r]
    said = agent_messages(labels)
    found = []
    for turn, (one, pause) in enumerate(zip(user_turns(labels), labelled.ends_of_turn, strict=True)):
        if not one.ipus:
            continue
        before = [text for start_s, _, text in said if start_s < one.start_s]
        until_s = one.end_s + LONGEST_WAIT_S
        found.append(
            HeardTurn(
                recording=r,
                name=corpus.recordings[r].name,
                turn=turn,
                from_s=max(0.0, one.start_s - LEAD_S),
                speaks_s=one.start_s,
                end_s=one.end_s,
                left_s=min(float(labelled.end_s[pause]), until_s),
                until_s=until_s,
                asked=before[-1] if before else "",
            )
        )
    return found


def _held_turns(corpus: Corpus, r: int) -> list[int]:
    labelled = corpus.labelled[r]
    counted = (labelled.kind == HOLD) | (labelled.kind == CUT_OFF)
    return [int(turn) for turn in labelled.turn[counted]]


def _in_turn(of_recordings: Sequence[Sequence[HeardTurn]]) -> list[HeardTurn]:
    """The first of each recording, then the second of each, and so on."""
    return [one for row in zip_longest(*of_recordings) for one in row if one is not None]

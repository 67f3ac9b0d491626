"""Where callers hold, how long, and when the next speaker begins: drawn from what people do on the telephone.

The figures are those of 2,438 Switchboard dialogues (human-human, American English): 227,319 holds of one
speaker with none of the other's speech in them, and 118,217 changes of speaker. Turns that give a number, a
date or a spelling hold more often and longer; for them no such count was to be had, so the numbers here are a
choice: a 95th percentile of 2.3 s, near the 2.5 s that LiveKit reports from call centres (its issue 3640).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

HOLDS_PER_TURN = {"plain": (0.75, 0.15, 0.07, 0.03), "number": (0.15, 0.30, 0.30, 0.25)}
"""Shares of the turns with no hold, one, two, and three or more."""

MANY = (3, 4, 5)
MANY_SHARES = (0.6, 0.3, 0.1)
"""What "three or more" is, and how often."""

HOLD = {"plain": (0.51, 0.58), "filler": (0.57, 0.65), "number": (0.80, 0.65)}
"""Median in seconds and standard deviation of the logarithm: log-normal; `filler` is after "um" or "uh"."""

HOLD_RANGE_S = (0.2, 5.0)
"""A draw outside is drawn again: a shorter silence doesn't split an IPU."""

FILLER_SHARE = 0.12
"""Share of the holds that come after "um" or "uh"."""

GAP_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
GAP_S = (-3.0, -2.17, -0.42, 0.04, 0.38, 0.90, 1.33, 2.36, 3.0)
"""From one speaker's end to the other's start; negative is overlap. The outermost two close the table."""

AGENT_OVERLAPS = 0.1
"""Share of the agent's replies that begin before the caller's end; for the others it waits."""

LEAST_GAP_S = {"user": -0.8, "agent": -0.4}
"""No overlap is longer, or longer than half of an IPU that it joins (`most_overlap_s`)."""

CONJUNCTIONS = "and but because so or if that which when where since until as unless"
PREPOSITIONS = "for to at on in with from about of by next after before"
FILLERS = ("um", "uh")


@dataclass(frozen=True)
class Planned:
    """A caller's turn: its words, fillers included, and the seconds of silence after some of them."""

    kind: str
    """`plain`, or `number` for a turn that gives a number or a date, or spells."""
    words: tuple[str, ...]
    holds_s: dict[int, float]
    """Index of a word -> the length of the hold after it."""


def boundary_weights(words: list[str], kind: str) -> np.ndarray:
    """How likely a hold is after each word but the last, up to a factor; shape=(len(words) - 1,)."""
    weights = np.full(len(words) - 1, 1.0 if kind == "number" else 0.15)
    for i, (word, following) in enumerate(pairwise(words)):
        if word.strip(".,?!").lower() in FILLERS:
            weights[i] = 4.0
        elif word[-1] in ",.?!":
            weights[i] = 3.0
        elif kind == "plain" and following.lower().strip(",") in CONJUNCTIONS.split():
            weights[i] = 2.0
        elif kind == "plain" and following.lower().strip(",") in PREPOSITIONS.split():
            weights[i] = 1.0
    return weights


def count_holds(lengths: list[int], kind: str, rng: np.random.Generator) -> list[int]:
    """How many holds each turn gets: the shares of `HOLDS_PER_TURN` exactly, the longer turns more often.

    `lengths` are the turns' numbers of words. A turn of n words has at most n // 2 holds.
    """
    _, one, two, many = (round(share * len(lengths)) for share in HOLDS_PER_TURN[kind])
    wanted = sorted(
        [1] * one + [2] * two + rng.choice(MANY, many, p=MANY_SHARES).tolist(),
        reverse=True,
    )
    counts = [0] * len(lengths)
    for holds in wanted:
        weights = np.array([n * (n >= 2 * holds and not got) for n, got in zip(lengths, counts, strict=True)])
        if not weights.any():
            raise ValueError(f"no turn of {2 * holds} words is left for {holds} holds; write longer ones")
        counts[int(rng.choice(len(lengths), p=weights / weights.sum()))] = holds
    return counts


def draw_hold_s(kind: str, rng: np.random.Generator) -> float:
    """A hold's length in seconds, on the grid of 16 kHz."""
    median_s, sigma = HOLD[kind]
    while True:
        drawn_s = float(rng.lognormal(np.log(median_s), sigma))
        if HOLD_RANGE_S[0] <= drawn_s <= HOLD_RANGE_S[1]:
            return round(drawn_s * 16_000) / 16_000


def plan(text: str, kind: str, holds: int, rng: np.random.Generator) -> Planned:
    """Place holds in a turn: after "um", at commas and before conjunctions more often than elsewhere.

    At some of the places the caller says "um," or "uh," first.
    """
    words, places = text.split(), []
    if holds:
        weights = boundary_weights(words, kind)
        drawn = rng.choice(len(weights), holds, replace=False, p=weights / weights.sum())
        places = drawn.tolist()
    said: list[str] = []
    holds_s: dict[int, float] = {}
    for i, word in enumerate(words):
        said.append(word)
        if i not in places:
            continue
        filler = word.strip(".,?!").lower() in FILLERS
        if not filler and rng.random() < FILLER_SHARE and word[-1] not in ".?!":
            said[-1] = word.rstrip(",") + ","
            said.append(f"{rng.choice(FILLERS)},")
            filler = True
        holds_s[len(said) - 1] = draw_hold_s("filler" if filler and kind == "plain" else kind, rng)
    return Planned(kind, tuple(said), holds_s)


def plan_turns(texts: list[tuple[str, str]], seed: int) -> list[Planned]:
    """Plan all turns of all scripts together, so that shares are met over the set; texts: (kind, text)."""
    rng = np.random.default_rng([seed, 0])
    counts = [0] * len(texts)
    for kind in HOLDS_PER_TURN:
        mine = [i for i, (k, _) in enumerate(texts) if k == kind]
        drawn = count_holds([len(texts[i][1].split()) for i in mine], kind, rng)
        for i, holds in zip(mine, drawn, strict=True):
            counts[i] = holds
    return [
        plan(text, kind, holds, np.random.default_rng([seed, 1, i]))
        for i, ((kind, text), holds) in enumerate(zip(texts, counts, strict=True))
    ]


def draw_gap_s(speaker: str, most_overlap_s: float, rng: np.random.Generator) -> float:
    """Seconds from the other's end to this speaker's start, on the grid of 16 kHz; negative is overlap.

    A draw with more overlap than allowed is drawn again among the overlaps that are: there are as many
    overlaps as in the table, shorter ones, and none piles up at the limit.
    """
    least_s = max(LEAST_GAP_S[speaker], -most_overlap_s)
    least, none = (float(np.interp(gap_s, GAP_S, GAP_QUANTILES)) for gap_s in (least_s, 0.0))
    at = rng.random()
    if speaker == "agent":
        at = at * none if rng.random() < AGENT_OVERLAPS else none + at * (1.0 - none)
    if at < least:
        at = rng.uniform(least, none)
    return round(float(np.interp(at, GAP_QUANTILES, GAP_S)) * 16_000) / 16_000

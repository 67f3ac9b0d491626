"""Instructions whose replies measure least of what a user asks for, within what they must keep to.

Method: with no more combinations than tries, all are tried; else Optuna's tree-structured Parzen estimator
chooses, from the instructions as they stand on (Bergstra et al. 2011; seeded, so the same replies lead to the
same tries). Each reply is kept in `TRIES` as it comes: a search that is run again asks only for what is
missing. A third of the turns is held out: the best and the instructions as they stand answer these at the
end, turn by turn, and the limits are looked at there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.timeline import Floats
from ...session.providers.schema import Providers
from ...turns.metrics.uncertainty import Interval, difference_interval
from ..evaluate.judge import CHARACTERS_PER_TOKEN
from .ask import Model
from .asked import Asked, Rewrites
from .figures import OBJECTIVES, Figures, Limits, objective_of, value_of
from .parts import Choice, Parts
from .turns import AskedTurn

TRIES = "tries.jsonl"
HELD_OUT = 3
"""Every third call is held out; every third turn, where there are fewer calls."""
RANDOM_TRIES = 8
"""Chosen at random, before the estimator has something to learn from."""
MOST_REPEATED = 200
"""Proposals in a row that are known, before a search ends."""


@dataclass(frozen=True)
class Try:
    """Instructions that were tried."""

    choice: Choice
    """Of the parts; () for what was rewritten."""
    in_words: str
    text: str
    figures: Figures = field(default_factory=dict)
    """`figures.figures_of`, with `failures` and `coherence` where they were asked for."""
    kept: bool = True
    """Whether it keeps to the limits."""


@dataclass(frozen=True)
class Search:
    """What a search found."""

    objective: str
    combinations: int
    tries: tuple[Try, ...]
    """In order; the first is the instructions as they stand."""
    best: Try
    turns: tuple[int, int]
    """Searched on, and held out."""
    held_out: dict[str, Figures]
    """ "as it stands" and "best"; the same figures."""
    difference: float
    """Mean over the held-out turns of the objective: best less as it stands."""
    interval: Interval
    """Of the difference, by call; untold with fewer than three calls held out."""
    held_out_beyond: tuple[str, ...]
    """The limits that the best doesn't keep to on the held-out turns: "failures", "coherence"."""


def split(turns: Sequence[AskedTurn]) -> tuple[list[AskedTurn], list[AskedTurn]]:
    """Turns to search on, and held-out ones. Raises InputError for fewer than three turns."""
    calls = list(dict.fromkeys(one.call for one in turns))
    if len(turns) < HELD_OUT:
        raise InputError(f"{len(turns)} turn(s) with words; a search needs {HELD_OUT}, a third to hold out")
    if len(calls) >= HELD_OUT:
        held = set(calls[HELD_OUT - 1 :: HELD_OUT])
        return [one for one in turns if one.call not in held], [one for one in turns if one.call in held]
    return [one for k, one in enumerate(turns) if (k + 1) % HELD_OUT], list(turns[HELD_OUT - 1 :: HELD_OUT])


def told(
    parts: Parts, turns: Sequence[AskedTurn], model: Model, limits: Limits, tries: int, variations: int = 0
) -> str:
    """What will be sent at most, and to whom; `variations`: that are written of the best instructions."""
    searched, held_out = split(turns)
    several = min(tries, parts.combinations) + variations
    counted = [(searched, several), (held_out, 2)]
    requests = sum(len(own) * n for own, n in counted)
    characters = sum(n * sum(parts.longest + _length(one) for one in own) for own, n in counted)
    rewriting = " and 1 to rewrite the instructions" if variations else ""
    judged = ""
    if limits.judge is not None:
        grades = sum(len({one.call for one in own}) * n for own, n in counted)
        judge = f"{limits.judge.model} at {limits.judge.host}"
        judged = f"; the replies also to {judge}: {grades} requests to the judge"
    return (
        f"the words of {len(turns)} turns with what was said before go to {model.model} at {model.host}: "
        f"{requests} requests{rewriting}, about {characters // CHARACTERS_PER_TOKEN} tokens in all{judged}"
    )


def _length(turn: AskedTurn) -> int:
    return sum(len(text) for _, text in turn.messages)


def search_prompts(
    parts: Parts,
    turns: Sequence[AskedTurn],
    model: Model,
    prices: Providers,
    *,
    objective: str = OBJECTIVES[0],
    limits: Limits | None = None,
    tries: int = 20,
    seed: int = 0,
    rewrites: Rewrites | None = None,
    variations: int = 5,
    folder: Path,
    tell: Callable[[str], object] = lambda _: None,
) -> Search:
    """Try at most so many combinations. `folder`: where replies are kept, and found again.

    `rewrites`: writes `variations` of the best instructions that were found before, which are tried too.

    Raises InputError where a server doesn't answer or tell what the objective needs, and if no instructions
    keep to the limits.
    """
    searched, held_out = split(turns)
    limits = limits or Limits()
    asked = Asked(model, limits, prices, folder / TRIES)
    found: dict[Choice, Try] = {}
    every = (
        parts.choices() if parts.combinations <= tries else _proposed(parts, tries, seed, found, objective)
    )
    for choice in every:
        one = Try(choice, parts.in_words(choice), parts.text(choice))
        found[choice] = one = _tried(one, searched, asked, objective, found.get(parts.as_it_stands))
        tell(f"{len(found)}: {one.in_words}: {objective} {objective_of(one.figures, objective):.4g}")
    all_tries = list(found.values())
    best = _best(all_tries, objective, limits)
    variants = asked.rewritten(best.text, rewrites, variations) if rewrites else []
    for number, text in enumerate(variants, start=1):
        one = Try((), f"rewritten {number}", text)
        all_tries.append(one := _tried(one, searched, asked, objective, found[parts.as_it_stands]))
        tell(f"{len(all_tries)}: {one.in_words}: {objective} {objective_of(one.figures, objective):.4g}")
    best = _best(all_tries, objective, limits)
    pairs = asked.replies((found[parts.as_it_stands].text, best.text), held_out)
    before, after = (asked.figures(held_out, replies) for replies in pairs)
    values = [[value_of(objective, one, prices) for one in replies] for replies in pairs]
    saved = np.subtract(values[1], values[0])
    return Search(
        objective,
        parts.combinations,
        tuple(all_tries),
        best,
        (len(searched), len(held_out)),
        {"as it stands": before, "best": after},
        float(np.mean(saved)),
        _interval(held_out, saved),
        limits.beyond(after, before),
    )


def _interval(turns: Sequence[AskedTurn], differences: Floats) -> Interval:
    """Of the mean difference, with the call as the unit; shape=(turns,)."""
    _, of = np.unique([one.call for one in turns], return_inverse=True)
    total, n = (np.bincount(of, each).astype(np.float64) for each in (differences, np.ones(len(of))))
    return difference_interval(total, n)


def _best(tries: Sequence[Try], objective: str, limits: Limits) -> Try:
    """The one that measures least of those within the limits. Raises InputError without any."""
    kept = [one for one in tries if one.kept]
    if not kept:
        raise InputError(
            f"none of {len(tries)} instructions reaches a coherence of {limits.least_coherence:g}; "
            "lower --least-coherence, or write others"
        )
    return min(kept, key=lambda one: objective_of(one.figures, objective))


def _tried(
    one: Try, turns: Sequence[AskedTurn], asked: Asked, objective: str, as_it_stands: Try | None
) -> Try:
    """The try with its figures; `as_it_stands`: the first one, None while that is tried."""
    replies = asked.replies((one.text,), turns)[0]
    figures = asked.figures(turns, replies)
    objective_of(figures, objective)  # raises here, before more is asked for
    most = figures if as_it_stands is None else as_it_stands.figures
    return replace(one, figures=figures, kept=not asked.limits.beyond(figures, most))


def _proposed(
    parts: Parts, tries: int, seed: int, found: dict[Choice, Try], objective: str
) -> Iterator[Choice]:
    """Choices that aren't in `found`, where each must be by the time the next is asked for."""
    try:
        import optuna  # an extra, and slow to load
    except ImportError as error:
        remedy = "pip install 'livekit-turn-lab[optimize]'"
        raise InputError(f"a search needs Optuna, which isn't installed ({error}); {remedy}") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(RANDOM_TRIES, tries // 2))
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({name: 0 for name, _ in parts.varying})
    repeated = 0
    while len(found) < tries and repeated < MOST_REPEATED:
        trial = study.ask()
        choice = tuple(
            trial.suggest_categorical(name, list(range(len(part.texts)))) for name, part in parts.varying
        )
        repeated += 1
        if choice not in found:
            repeated = 0
            yield choice
        one = found[choice]
        trial.set_constraint("limits", 0.0 if one.kept else 1.0)
        study.tell(trial, objective_of(one.figures, objective))

"""Instructions whose replies measure least of what a user asks for, within what they must keep to.

Method: with no more combinations than tries, all are tried; else Optuna's tree-structured Parzen estimator
chooses, from the instructions as they stand on (Bergstra et al. 2011; seeded, so the same replies lead to the
same tries). The replies of a try are kept in `TRIES` as soon as they are there: a search that is run again
asks only for what is missing. A third of the turns is held out: the best and the instructions as they stand
answer these at the end, turn by turn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ...core.errors import InputError
from ...session.providers.schema import Providers
from ..evaluate.judge import CHARACTERS_PER_TOKEN
from .ask import Model, Reply
from .figures import OBJECTIVES, Figures, Limits, coherence_of, failures_of, figures_of, value_of
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
    longest = len(parts.text(parts.as_it_stands))
    counted = [(searched, several), (held_out, 2)]
    requests = sum(len(own) * n for own, n in counted)
    characters = sum(n * sum(longest + _length(one) for one in own) for own, n in counted)
    judged = f"; the replies also to {limits.judge.model} at {limits.judge.host}" if limits.judge else ""
    return (
        f"the words of {len(turns)} turns with what was said before go to {model.model} at {model.host}: "
        f"{requests} requests, about {characters // CHARACTERS_PER_TOKEN} tokens in all{judged}"
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
    rewrites: Callable[[str], list[str]] | None = None,
    folder: Path,
    tell: Callable[[str], object] = lambda _: None,
) -> Search:
    """Try at most so many combinations. `folder`: where replies are kept, and found again.

    `rewrites`: writes variations of instructions, which are tried too, of the best that were found before.

    Raises InputError where a server doesn't answer, and if no instructions keep to the limits.
    """
    searched, held_out = split(turns)
    limits = limits or Limits()
    asked = _Asked(model, limits, folder / TRIES)
    found: dict[Choice, Try] = {}
    every = (
        parts.choices() if parts.combinations <= tries else _proposed(parts, tries, seed, found, objective)
    )
    for choice in every:
        one = Try(choice, parts.in_words(choice), parts.text(choice))
        found[choice] = one = _tried(one, searched, asked, prices, found.get(parts.as_it_stands))
        tell(f"{len(found)}: {one.in_words}: {objective} {one.figures[objective]:.4g}")
    all_tries = list(found.values())
    best = _best(all_tries, objective, limits)
    for number, text in enumerate(asked.rewritten(best.text, rewrites) if rewrites else (), start=1):
        one = Try((), f"rewritten {number}", text)
        all_tries.append(_tried(one, searched, asked, prices, found[parts.as_it_stands]))
        tell(f"{len(all_tries)}: {one.in_words}: {objective} {all_tries[-1].figures[objective]:.4g}")
    best = _best(all_tries, objective, limits)
    pairs = asked.in_turn((found[parts.as_it_stands].text, best.text), held_out)
    values = [[value_of(objective, one, prices) for one in replies] for replies in pairs]
    return Search(
        objective,
        parts.combinations,
        tuple(all_tries),
        best,
        (len(searched), len(held_out)),
        {
            name: figures_of(held_out, replies, prices)
            for name, replies in zip(("as it stands", "best"), pairs, strict=True)
        },
        float(np.mean(np.subtract(values[1], values[0]))),
    )


def _best(tries: Sequence[Try], objective: str, limits: Limits) -> Try:
    """The one that measures least of those within the limits. Raises InputError without any."""
    kept = [one for one in tries if one.kept]
    if not kept:
        raise InputError(
            f"none of {len(tries)} instructions reaches a coherence of {limits.least_coherence:g}; "
            "lower --least-coherence, or write others"
        )
    return min(kept, key=lambda one: one.figures[objective])


def _tried(
    one: Try,
    turns: Sequence[AskedTurn],
    asked: _Asked,
    prices: Providers,
    as_it_stands: Try | None,
) -> Try:
    """The try with its figures; `as_it_stands`: the first one, None while that is tried."""
    replies, coherence = asked.replies(one.text, turns)
    figures = figures_of(turns, replies, prices)
    expected = asked.limits.expected
    if expected is not None:
        figures["failures"] = failures_of(turns, replies, expected)
    if coherence is not None:
        figures["coherence"] = coherence
    most = figures if as_it_stands is None else as_it_stands.figures
    kept = figures.get("failures", 0.0) <= most.get("failures", 0.0)
    kept = kept and figures.get("coherence", np.inf) >= asked.limits.least_coherence
    return replace(one, figures=figures, kept=kept)


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
        study.tell(trial, one.figures[objective])


class _Asked:
    """Replies, kept in a file as they come."""

    def __init__(self, model: Model, limits: Limits, path: Path) -> None:
        self.limits = limits
        self._model, self._path = model, path
        self._session = model.session()
        self._known = dict(_kept(path))

    def replies(self, text: str, turns: Sequence[AskedTurn]) -> tuple[list[Reply], float | None]:
        """The replies to the turns under these instructions, and a judge's grade of them, if one is asked."""
        replies = self._replies((text,), turns)[0]
        judge = self.limits.judge
        if judge is None:
            return replies, None
        key = self._key("coherence", judge.model, judge.base_url, text, _plain(turns))
        if key not in self._known:
            self._keep(key, coherence_of(turns, replies, judge))
        return replies, float(self._known[key])

    def in_turn(self, texts: Sequence[str], turns: Sequence[AskedTurn]) -> list[list[Reply]]:
        """The replies under each of these instructions, asked turn by turn: a slow minute meets them all."""
        return self._replies(texts, turns)

    def rewritten(self, text: str, rewrites: Callable[[str], list[str]]) -> list[str]:
        """Variations of these instructions."""
        key = self._key("rewritten", text)
        if key not in self._known:
            self._keep(key, rewrites(text))
        return [str(one) for one in self._known[key]]

    def _replies(self, texts: Sequence[str], turns: Sequence[AskedTurn]) -> list[list[Reply]]:
        keys = [self._key("replies", text, _plain(turns)) for text in texts]
        missing = [k for k, key in enumerate(keys) if key not in self._known and key not in keys[:k]]
        came: dict[int, list[Reply]] = {k: [] for k in missing}
        for turn in turns:
            for k in missing:
                came[k].append(self._model.ask(self._session, texts[k], turn))
        for k in missing:
            self._keep(keys[k], [one.model_dump() for one in came[k]])
        try:
            return [TypeAdapter(list[Reply]).validate_python(self._known[key]) for key in keys]
        except ValidationError:
            raise InputError(f"{self._path}: not a search's replies; move it away to begin anew") from None

    def _key(self, *about: Any) -> str:
        told = json.dumps([self._model.model, self._model.base_url, *about])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def _keep(self, key: str, value: Any) -> None:
        self._known[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "value": value}) + "\n")


def _plain(turns: Sequence[AskedTurn]) -> list[Any]:
    return [[one.call, one.messages] for one in turns]


def _kept(path: Path) -> Iterator[tuple[str, Any]]:
    """What an earlier search has kept; a line that was cut off by its end is asked for again."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            kept = json.loads(line)
            yield str(kept["key"]), kept["value"]
        except (ValueError, TypeError, KeyError):
            continue

"""Proposals of one search: Optuna asked for settings, told what they do, and kept in its storage.

Method: NSGA-II (Deb et al. 2002), which crosses the settings that no other beats; with switches beside the
knobs, where there is far more to choose among than can be tried, multi-objective tree-structured Parzen
estimators (Ozaki et al. 2022), and for half of a batch steps from the best (`neighbours`). All constrained by
what must hold, such as the share of ends of turn that may go unanswered.
The sampler is seeded anew for each batch by the number of settings known: the same seed gives the same
settings, also if a search is interrupted between batches and goes on from its storage.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ...core.errors import InputError
from ..grid import is_possible
from .neighbours import neighbours
from .space import USUAL_OBJECTIVES, Choices, Objectives, Range, Space

POPULATION = 24
"""Settings of a generation, of which the next one comes."""
STARTUP = 40
"""Settings drawn at random before estimators learn from them."""
BEYOND = 0.05
"""By so much of its width a range is widened for the sampler; what lies beyond counts as the end, which would
hardly ever be proposed otherwise, and is often best."""
MOST_TRIES = 100
"""Proposals in a row that are impossible, or known, before a search has nothing new to try."""
WORST_LATENCY_S = 60.0
"""Stands for the latency of a setting that never answers."""
_BEGUN_WITH = "begun with"
"""Attribute of a kept search: proposals of `Proposals.begin_with`, which it may be interrupted before."""
_FAILED = optuna.trial.TrialState.FAIL


def open_storage(path: Path) -> JournalStorage:
    """Optuna's journal in a file, a line for each setting. Raises InputError for a file that is none."""
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:  # whatever Optuna meets in a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a search's storage ({reason}); move it away to begin anew") from None


class Proposals:
    """One search over a space. Settings come as tables (`grid.complete`)."""

    def __init__(
        self,
        space: Space,
        objectives: Objectives = USUAL_OBJECTIVES,
        *,
        seed: int = 0,
        storage: Path | None = None,
        name: str = "search",
        of: Mapping[str, Any] | None = None,
    ) -> None:
        """Go on with the search of this name in a storage (`open_storage`), if it is there.

        `of`: what the search depends on; raises InputError if the stored one was of something else.
        """
        self._space, self._objectives, self._seed = space, objectives, seed
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        directions = [optuna.study.StudyDirection.MINIMIZE] * len(objectives.columns)
        self._live = optuna.create_study(directions=directions)
        self._kept: optuna.Study | None = None
        self._asked: list[optuna.Trial] = []
        self._known: dict[tuple[Any, ...], dict[Any, Any]] = {}
        self._queued: set[tuple[Any, ...]] = set()
        if storage is not None:
            self._kept = optuna.create_study(
                storage=open_storage(storage),
                study_name=name,
                directions=directions,
                load_if_exists=True,
            )
            self._check(storage, json.loads(json.dumps(of or {}, sort_keys=True)))
            self._live.add_trials(self._kept.trials)
            params = [space.propose(partial(_of_trial, trial.params)) for trial in self._kept.trials]
            if params:
                self._remember(space.table(params))

        self._queue([space.propose(partial(_at_start, start)) for start in space.starts])
        self._queue([space.propose(partial(_of_trial, params)) for params in self._begun_with or ()])

    def _queue(self, proposals: Sequence[Mapping[str, Any]]) -> None:
        """Ask for these next, each once: those that are possible and neither known nor asked for already.

        So the queue of a search that goes on is the rest of the one that was interrupted.
        """
        if not proposals:
            return
        table = self._space.table(proposals)
        for one, key, possible in zip(proposals, self._keys(table), is_possible(table), strict=True):
            if possible and key not in self._known and key not in self._queued:
                self._queued.add(key)
                self._live.enqueue_trial(self._params(one))

    @property
    def _begun_with(self) -> list[dict[str, Any]] | None:
        """What is kept of `begin_with`; None if it wasn't called."""
        return None if self._kept is None else self._kept.user_attrs.get(_BEGUN_WITH)

    @property
    def has_begun(self) -> bool:
        """Whether settings are known already, or kept to begin with."""
        return bool(self._known) or self._begun_with is not None

    def _params(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """As `_suggest` names them."""
        numbers = {name for name, among in self._space.knobs.items() if isinstance(among, Range)}
        return {
            name: value if name in numbers else json.dumps(_plain(value)) for name, value in proposal.items()
        }

    def begin_with(self, knobs: Sequence[Mapping[str, Any]]) -> None:
        """Ask for these settings next, with all switches on, also if the search goes on from its storage."""
        proposals = [{**one, **dict.fromkeys(self._space.switches, True)} for one in knobs]
        if self._kept is not None:
            self._kept.set_user_attr(_BEGUN_WITH, [self._params(one) for one in proposals])
        self._queue(proposals)

    def __len__(self) -> int:
        """How many settings are known."""
        return len(self._known)

    @property
    def rows(self) -> list[dict[Any, Any]]:
        """The settings that are known, in the order in which they were proposed: rows of a table."""
        return list(self._known.values())

    @property
    def keys(self) -> list[tuple[Any, ...]]:
        """Of each of these settings; equal ones have equal keys."""
        return list(self._known)

    def ask(self, most: int) -> pd.DataFrame:
        """Up to so many settings that AgentSession accepts and that aren't known yet.

        None at all if there seems to be nothing new.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._live.sampler = self._sampler()
        if self._space.switches and len(self) >= STARTUP:
            waiting = self._live.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
            # No more than are asked for now: what is left of a queue isn't kept.
            steps = min(most // 2, max(0, most - len(waiting)))
            for params in neighbours(self._complete, steps, self._rng(1)):
                self._live.enqueue_trial(params)
        found: dict[tuple[Any, ...], Mapping[Any, Any]] = {}
        in_vain = 0
        while len(found) < most and in_vain < MOST_TRIES:
            trials = [self._live.ask() for _ in range(most - len(found))]
            # NSGA-II crosses what all trials have, so that idle knobs are suggested; estimators go by groups.
            every = not self._space.switches
            table = self._space.table(
                [self._space.propose(partial(_suggest, trial), choose_idle=every) for trial in trials]
            )
            of_each = zip(
                trials, self._keys(table), table.to_dict("records"), is_possible(table), strict=True
            )
            for trial, key, row, possible in of_each:
                if possible and key not in self._known and key not in found:
                    found[key] = row
                    self._asked.append(trial)
                    in_vain = 0
                else:
                    self._live.tell(trial, state=_FAILED)
                    in_vain += 1
        return pd.DataFrame(list(found.values()), columns=self._space.columns)

    def _sampler(self) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, len(self)]).generate_state(1)[0])
        if not self._space.switches:
            return optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=seed
        )

    def _rng(self, use: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self._seed, len(self), use]))

    @property
    def _complete(self) -> list[optuna.trial.FrozenTrial]:
        return self._live.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))

    def tell(self, table: pd.DataFrame, metrics: pd.DataFrame) -> None:
        """What the settings asked for last do, which is kept at once."""
        told = []
        limited = self._objectives.limited
        figures, held = (
            metrics[list(columns)].to_numpy(np.float64) for columns in (self._objectives.columns, limited)
        )
        for trial, (rate, latency_s, *others), found in zip(self._asked, figures, held, strict=True):
            worst_s = WORST_LATENCY_S
            values = [float(rate), min(float(latency_s), worst_s) if latency_s == latency_s else worst_s]
            values += map(float, others)
            for (name, most), value in zip(limited.items(), found, strict=True):
                # In parts of the limit, as Optuna adds up by how much each is exceeded.
                trial.set_constraint(name, (_finite(value) - most) / max(most, 0.01))
            told.append(self._live.tell(trial, values))
        self._asked = []
        self._remember(table)
        if self._kept is not None:
            self._kept.add_trials(told)

    def _remember(self, table: pd.DataFrame) -> None:
        rows: list[dict[Any, Any]] = table.to_dict("records")
        self._known |= dict(zip(self._keys(table), rows, strict=True))

    def _keys(self, table: pd.DataFrame) -> list[tuple[Any, ...]]:
        named = table[self._space.columns].astype(object)
        return list(named.where(named.notna(), None).itertuples(index=False, name=None))

    def _check(self, storage: Path, of: dict[str, Any]) -> None:
        assert self._kept is not None
        stored = self._kept.user_attrs.get("of")
        if stored is None:
            self._kept.set_user_attr("of", of)
            return
        changed = sorted(name for name in {*stored, *of} if stored.get(name) != of.get(name))
        if changed:
            raise InputError(
                f"{storage}: is of a search with other {', '.join(changed)}; "
                "give another folder to begin anew, or the same arguments to go on"
            )


def _suggest(trial: optuna.Trial, name: str, among: Range | Choices) -> Any:
    if isinstance(among, Range):
        wider = BEYOND * (among.high - among.low)
        return among.nearest(trial.suggest_float(name, among.low - wider, among.high + wider))
    texts = [json.dumps(_plain(value)) for value in among]
    return among[texts.index(trial.suggest_categorical(name, texts))]


def _at_start(start: Mapping[str, Any], name: str, among: Range | Choices) -> Any:
    """The value of a starting point."""
    return among.nearest(start[name]) if isinstance(among, Range) else start[name]


def _of_trial(params: Mapping[str, Any], name: str, among: Range | Choices) -> Any:
    """What `_suggest` gave."""
    if isinstance(among, Range):
        return among.nearest(params[name])
    return among[[json.dumps(_plain(value)) for value in among].index(params[name])]


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _finite(share: float) -> float:
    return 1.0 if math.isnan(share) else float(share)

"""Recordings, providers and a budget → the configuration that a search over all of it chooses.

Each proposal is a setting of turn-taking with techniques and levers. False boundaries and missed ends of turn
are the replay's, as `lab optimize` counts them (takes, branches); latency and money those of
`latency.joint`, on the calls as `lab techniques` runs them. Finalists are run as real sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.settings import Conditions, Settings
from ...latency.ablation.cells import Cell, Plan
from ...latency.ablation.run import SEEDS, WAIT_S, measured
from ...latency.joint.calls import JointCall, Outcome
from ...latency.joint.configuration import DOLLARS, EVERY_ONE, techniques_of
from ...latency.joint.evaluate import Configuration, Evaluator, figures_of
from ...latency.techniques.choice import Techniques, livekit_default
from ...recordings.heard_paths import HeardPath
from ...recordings.recording_files import FindOptions
from ...session.providers.files import load_providers
from ...session.providers.schema import Providers
from ...turns.cache import cache_folder
from ...turns.search import Objectives, Space
from ..assumed import conditions_with
from ..study.choice import settings_of_row
from ..study.search import Work, find
from ..study.study import Study, measure
from .chosen import JointBudget, finalists, frontier
from .judged import Judged, WithinRate, budgets_of, judge_of, within_rates
from .space import joint_space

if TYPE_CHECKING:
    from ... import plots

FINALISTS = 4


@dataclass(frozen=True)
class Finalist:
    """One configuration: computed, and run as sessions."""

    row: int
    computed: dict[str, float]
    session: dict[str, float]


@dataclass(frozen=True)
class JointStudy:
    """What a joint search found. Seconds; money per 1,000 turns."""

    study: Study
    table: pd.DataFrame
    """A row per configuration: knobs, switches, metrics."""
    providers: Providers
    budget: JointBudget
    seed: int
    row: int
    held_out: Judged | None
    """The choice on recordings that did not lead to it, with 95 % intervals; None for one recording."""
    frontier_figures: dict[int, Judged]
    """Of each row of the frontier, in order of false boundaries, with 95 % intervals on all recordings."""
    within_rates: tuple[WithinRate, ...]
    """Choices within rates of false boundaries, on all recordings and held out."""
    floor: dict[str, float]
    """A perfect detector's figures, with the agent for which the budget's latency is least: the one with
    everything on, the chosen one or one of the frontier; and its mean wait to the commit (`latency_mean`)."""
    default: dict[str, float]
    """LiveKit's default settings and techniques."""
    finalists: tuple[Finalist, ...]

    @property
    def settings(self) -> Settings:
        """Turn-taking that was chosen, without its levers."""
        return settings_of_row(self.table, self.row)

    @property
    def techniques(self) -> Techniques:
        """Techniques and levers that were chosen."""
        return techniques_of(self.table.iloc[self.row].to_dict())

    @property
    def within_budget(self) -> bool:
        """Whether the choice keeps the budget; else it is the nearest."""
        return bool(self.budget.excess(self.table)[self.row] == 0)

    @property
    def frontier(self) -> list[int]:
        """Rows of which no other is better in false boundaries, latency and money."""
        return list(self.frontier_figures)

    def plot_tradeoff(self) -> plots.Picture:
        """Turn-taking alone: false boundaries against the wait for the commit, with the floor's mean."""
        return self.study.plot_tradeoff(floor_s=self.floor["latency_mean"])

    def plot_frontier(self) -> plots.Picture:
        """False boundaries against the latency, with LiveKit's default, the choice and the floor."""
        from ... import plots

        figure = plots.joint_figure(
            self.table,
            self.frontier,
            least=self.budget.least,
            chosen=self.row,
            default=self.default,
            floor=self.floor,
            most_cut=self.budget.most_cut,
            judged=list(self.frontier_figures.values()),
            held_out=self.held_out,
        )
        return plots.Picture(figure)


def optimize_replies(
    paths: str | Path | Sequence[str | Path],
    providers: Providers | str | Path,
    space: Mapping[str, Sequence[Any]] | None = None,
    *,
    budget: JointBudget | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    sessions: int = FINALISTS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    conditions: Conditions | None = None,
    options: FindOptions | None = None,
    path: HeardPath | None = None,
) -> JointStudy:
    """Search turn-taking, techniques and levers together, and run the best as real sessions.

    `providers`: a provider profile, or its name or file; `space`: a grid of knobs (default: `JOINT_GRID`);
    `sessions`: how many configurations are run at the end (0: none); `conditions`: in place of the
    providers' own; the other arguments are those of `measure`. The same seed and evaluations give the
    same result; with a `folder` the search goes on from what is there. Raises InputError or BadRecording for
    what can't be used, and NotCovered for a knob or provider that the closed form of a reply doesn't cover.
    """
    budget = budget or JointBudget()
    chosen_providers = providers if isinstance(providers, Providers) else load_providers(str(providers))
    first = measure(
        paths,
        grid={name: [value] for name, value in Settings().knobs().items() if value is not None},
        conditions=conditions or conditions_with(chosen_providers),
        phases=phases,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
        channels=channels,
        options=options,
        path=path,
    )
    over = joint_space(space, first.conditions, chosen_providers)
    evaluator = evaluator_of(first, chosen_providers, seed=seed, cache=cache)
    kept = None if folder is None else Path(folder)
    work = Work(evaluations, seconds)
    scored, table = _found(
        first, over, work, budget, evaluator, chosen_providers, seed, kept, jobs, cache, quiet
    )
    return _judged(scored, table, evaluator, chosen_providers, budget, seed, sessions, jobs, quiet)


def _found(
    first: Study,
    over: Space,
    work: Work,
    budget: JointBudget,
    evaluator: Evaluator,
    providers: Providers,
    seed: int,
    folder: Path | None,
    jobs: int,
    cache: Folder | None,
    quiet: bool,
) -> tuple[Study, pd.DataFrame]:
    """What the search came to: turn-taking scored on all recordings, and a table of configurations."""
    table, origins = find(
        first,
        over,
        work,
        Objectives(budget.least, budget.most_missed, (DOLLARS,), budget.limits),
        seed=seed,
        folder=folder,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
        further=lambda rows, numbers: evaluator.table(configurations(rows), numbers),
        depends_on={"providers": providers.model_dump(mode="json"), "wait_s": WAIT_S},
    )
    return Study.of(first.with_table(table, origins=origins, jobs=jobs, cache=cache, quiet=quiet)), table


def evaluator_of(study: Study, providers: Providers, *, seed: int, cache: Folder | None) -> Evaluator:
    """The study's recordings made ready for joint evaluation with these providers."""
    kept, conditions = cache_folder(cache), study.conditions
    return Evaluator(
        [
            JointCall.of(files, providers, conditions, seed=SEEDS * seed, cache=kept, wait_s=WAIT_S)
            for files in study.files
        ],
        kept,
    )


def configurations(table: pd.DataFrame) -> list[Configuration]:
    """Settings and techniques of each row."""
    rows = table.reset_index(drop=True)
    return [(settings_of_row(rows, k), techniques_of(row)) for k, row in enumerate(rows.to_dict("records"))]


def _judged(
    study: Study,
    found: pd.DataFrame,
    evaluator: Evaluator,
    providers: Providers,
    budget: JointBudget,
    seed: int,
    sessions: int,
    jobs: int,
    quiet: bool,
) -> JointStudy:
    everyone = range(len(evaluator.calls))
    rows = configurations(found)
    joint = evaluator.table(rows, everyone, quiet=quiet)
    table = pd.concat([study.table, joint], axis=1)
    row = budget.choose(table)
    best = frontier(table, budget)
    judge = judge_of(study, table, evaluator, rows, budgets_of(budget))
    automatic = providers.large.cache is not None and providers.large.cache.automatic
    default = (Settings(), livekit_default(automatic))
    run = finalists(table, budget, row, sessions) if sessions else []
    return JointStudy(
        study,
        table,
        providers,
        budget,
        seed,
        row,
        judge.held_out(budget),
        {one: judge.figures(one) for one in best},
        within_rates(judge, table, budget, quiet=quiet),
        evaluator.floor((EVERY_ONE, *(rows[one][1] for one in (row, *best))), budget.least),
        figures_of(evaluator.outcomes(default)) | _rates(study),
        tuple(_finalists(study, table, run, rows, evaluator, providers, seed, jobs, quiet)),
    )


def _rates(study: Study) -> dict[str, float]:
    """How often LiveKit's defaults cut callers off, and don't answer."""
    figures = study.score(study.defaults)["value"]
    return {name: float(figures[name]) for name in ("false_boundary_rate", "missed_rate")}


def _finalists(
    study: Study,
    table: pd.DataFrame,
    run: Sequence[int],
    rows: Sequence[Configuration],
    evaluator: Evaluator,
    providers: Providers,
    seed: int,
    jobs: int,
    quiet: bool,
) -> list[Finalist]:
    """Each of these rows as real sessions on every call. Raises InputError for a session that failed."""
    work = []
    for row in run:
        settings, techniques = rows[row]
        plan = Plan(settings, study.conditions, providers, evaluator.cache, WAIT_S, True)
        work += [(plan, Cell(files, str(row), techniques, SEEDS * seed)) for files in study.files]
    answers = measured(work, jobs, quiet)
    found = []
    for row in run:
        e2e_s, answer_s, dollars = [], [], 0.0
        for files in study.files:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            if answer.failure:
                raise InputError(f"{files.user}: a session failed: {answer.failure}")
            e2e_s += [turn["turn_total_s"] for turn in answer.turns]
            answer_s += [turn["answer_s"] for turn in answer.turns]
            dollars += answer.session["dollars"]
        all_s, answers_s = (np.nan_to_num(np.array(one), nan=np.inf) for one in (e2e_s, answer_s))
        told = figures_of([Outcome(all_s, dollars, answers_s)])
        found.append(Finalist(row, {name: float(table[name].iloc[row]) for name in told}, told))
    return found

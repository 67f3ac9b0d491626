"""Run an ablation: every configuration on the same calls with the same random delays.

Sessions run in worker processes.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...core.files.places import Folder
from ...core.settings import Conditions, Settings
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_in, with_distinct_names
from ...session.job import HasSettings, conditions_in, settings_in
from ...session.providers.schema import Providers
from ...session.workers import in_workers
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run, came_to_its_end
from ..techniques.choice import Techniques
from .cells import Cell, Plan, Prepared, Rows
from .plan import LEVERS, TECHNIQUES, configurations, lever_configurations
from .summary import Summary, summarize
from .turns import SESSION_COLUMNS, TURN_COLUMNS, table

TURNS = 1000
WAIT_S = 8.0
"""Long enough for a reply of five seconds that begins within three."""
SEEDS = 10_000
"""The seed of the n-th set of random delays is the ablation's seed times this, plus n."""


@dataclass(frozen=True)
class Ablation:
    """An ablation's inputs and results."""

    settings: Settings
    conditions: Conditions
    providers: Providers
    seed: int
    draws: int
    """How often each call was run with each configuration, each time with other random delays."""
    wait_s: float
    greeting: bool | None
    recordings: tuple[str, ...]
    skipped: tuple[str, ...]
    """Why recordings were not used."""
    untranscribed: tuple[str, ...]
    """Recordings without known words: techniques that depend on what is said can't act on them."""
    configurations: dict[str, Techniques]
    turns: pd.DataFrame
    """`turns.TURN_COLUMNS`"""
    sessions: pd.DataFrame
    """`turns.SESSION_COLUMNS`"""
    summary: Summary

    @property
    def counted(self) -> str:
        """The numbers of turns, recordings and runs that the figures are based on, in words."""
        n, turns = len(self.recordings), len(self.turns) // len(self.configurations)
        calls = f"{n} recording{'' if n == 1 else 's'}"
        draws = f"{self.draws} draw{'' if self.draws == 1 else 's'}"
        unknown = f", {len(self.untranscribed)} without words" if self.untranscribed else ""
        return f"{turns:,} turns of {calls}{unknown} ({draws} of delays each)"

    @property
    def caption(self) -> str:
        """`counted`, and the name of the provider profile."""
        return f"{self.counted}; providers: {self.providers.name}"


def ablate(
    paths: Sequence[str | Path],
    profile: Settings | HasSettings,
    providers: Providers,
    *,
    turns: int = TURNS,
    seed: int = 0,
    wait_s: float = WAIT_S,
    greeting: bool | None = None,
    mistakes: bool = False,
    levers: bool = False,
    jobs: int = 2,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> Ablation:
    """Measure all configurations of `plan` on at least `turns` turns each.

    Recordings are taken in order until they have so many turns; if all together have fewer, they are run
    again with other random delays. `wait_s`: how long the caller waits for an answer (see
    `lengthened_pauses`).
    `greeting`: whether the agent speaks first; None: where the recorded agent did. `levers`: measure the
    levers on top of the techniques, instead of the techniques. The result doesn't depend on `jobs`. A
    recording that can't be used is skipped with its reason. Raises BadRecording if none is left, and
    the error of a session that could not be run at all.
    """
    if turns < 1:
        raise ValueError(f"turns is {turns}; expected 1 or more")
    if levers and mistakes:
        raise ValueError("mistakes are made with techniques, not with levers; leave one of the two out")
    plan = _plan(profile, providers, cache, wait_s, greeting)
    found, errors = find_in(paths, channels)
    prepared = _prepared(plan, with_distinct_names(found), jobs, quiet)
    chosen, unusable = _chosen(prepared, turns)
    skipped = [*(str(error) for _, error in errors), *unusable]
    if not chosen:
        raise BadRecording("; ".join(skipped) or "no recordings given; name a file or a folder")
    draws = math.ceil(turns / sum(one.turns for _, one in chosen))
    caches = providers.large.cache is not None and providers.large.cache.automatic
    wanted = lever_configurations(caches) if levers else configurations(caches, mistakes)
    cells = list(_cells([files for files, _ in chosen], wanted, seed, draws))
    rows = list(_measured(plan, cells, jobs, quiet))
    of_turns, of_sessions = _tables(cells, rows, wanted)
    return Ablation(
        settings=plan.settings,
        conditions=plan.conditions,
        providers=providers,
        seed=seed,
        draws=draws,
        wait_s=wait_s,
        greeting=greeting,
        recordings=tuple(files.name for files, _ in chosen),
        skipped=tuple(skipped),
        untranscribed=tuple(files.name for files, one in chosen if not one.transcribed),
        configurations=wanted,
        turns=of_turns,
        sessions=of_sessions,
        summary=summarize(of_turns, of_sessions, seed, LEVERS if levers else TECHNIQUES),
    )


def _plan(
    profile: Settings | HasSettings,
    providers: Providers,
    cache: Folder | None,
    wait_s: float,
    greeting: bool | None,
) -> Plan:
    if not 0 <= wait_s <= 60:
        raise ValueError(f"wait_s is {wait_s}; expected 0 to 60 seconds")
    settings, conditions = settings_in(profile), conditions_in(profile)
    return Plan(settings, conditions, providers, cache_folder(cache), wait_s, greeting)


def prepare(plan: Plan, files: RecordingFiles) -> Prepared:
    """Trace a recording as all its cells need it, in a worker. Raises ValueError if it can't be used."""
    from .measure import traced  # LiveKit must be imported after the worker's clock is installed

    return traced(plan, files)


def measure_cell(plan: Plan, cell: Cell) -> Rows:
    """Run one cell's session, in a worker."""
    from .measure import measure

    return measure(plan, cell)


def measured(cells: Sequence[tuple[Plan, Cell]], jobs: int, quiet: bool) -> Generator[Rows | Exception]:
    """What each cell gives, in order; an exception where its session could not be run at all."""
    run = Run(measure_cell, cells, Kept(Rows, came_to_its_end), "session")
    processes = min(jobs, max(1, len(cells)))
    answers = in_workers(run.work, run.rest, processes, task="sessions", unit="session", quiet=quiet)
    return run.all(answers)


def _prepared(
    plan: Plan, found: Sequence[RecordingFiles], jobs: int, quiet: bool
) -> Iterator[tuple[RecordingFiles, Prepared | Exception]]:
    """Each recording with the result of its preparation."""
    arguments = [(plan, files) for files in found]
    answers = in_workers(prepare, arguments, min(jobs, max(1, len(found))), task="tracing", quiet=quiet)
    with closing(answers):
        yield from zip(found, answers, strict=True)


def _chosen(
    prepared: Iterable[tuple[RecordingFiles, Prepared | Exception]], turns: int
) -> tuple[list[tuple[RecordingFiles, Prepared]], list[str]]:
    """The first recordings that together have so many turns, and why others can't be used.

    Raises an error that isn't due to a recording.
    """
    chosen: list[tuple[RecordingFiles, Prepared]] = []
    skipped: list[str] = []
    for files, one in prepared:
        if isinstance(one, Exception):
            if not isinstance(one, ValueError):
                raise one
            skipped.append(str(one))
        elif one.turns and sum(other.turns for _, other in chosen) < turns:
            chosen.append((files, one))
        elif not one.turns:
            skipped.append(f"{files.name}: no labelled end of turn")
    return chosen, skipped


def _cells(
    files: Sequence[RecordingFiles], wanted: dict[str, Techniques], seed: int, draws: int
) -> Iterator[Cell]:
    """The cells, recording by recording, so that workers load each once. Equal agents are run once."""
    distinct = {techniques: name for name, techniques in reversed(wanted.items())}
    for one in files:
        for draw in range(draws):
            for techniques, name in reversed(distinct.items()):
                yield Cell(one, name, techniques, SEEDS * seed + draw)


def _measured(plan: Plan, cells: Sequence[Cell], jobs: int, quiet: bool) -> Iterator[Rows]:
    for answer in measured([(plan, cell) for cell in cells], jobs, quiet):
        if isinstance(answer, Exception):
            raise answer
        yield answer


def _tables(
    cells: Sequence[Cell], rows: Sequence[Rows], wanted: dict[str, Techniques]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables, in order of the configurations; an agent with two names appears under both."""
    turns, sessions = [], []
    for name, techniques in wanted.items():
        renamed = {"configuration": name}
        for cell, found in zip(cells, rows, strict=True):
            if cell.techniques == techniques:
                turns += [row | renamed for row in found.turns]
                sessions.append(found.session | renamed)
    return table(turns, TURN_COLUMNS), table(sessions, SESSION_COLUMNS)

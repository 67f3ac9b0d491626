"""A study's recordings and a space of settings → the settings that a search found within a budget of work.

Each part of the recordings leads a search of its own (`turns.search.parts`), so that what is found can be
judged, and certified, on recordings that did not lead to it. A batch of settings is proposed, traced where a
prediction is missing, replayed at once, and kept in the storage before the next one is proposed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from ...core.errors import InputError
from ...core.files.locking import locked
from ...core.files.places import Folder
from ...turns.grid import DEFAULT_GRID
from ...turns.origins import Origins, part_of_each
from ...turns.replay import MissingTraces
from ...turns.search import USUAL_OBJECTIVES, Objectives, Space, parts_of, scouts
from ...turns.sweep import Corpus, counts, score_table
from .measured import Measured

if TYPE_CHECKING:
    from ...turns.search.proposals import Proposals

EVALUATIONS = 500
"""Settings to try if no budget is given."""
START = 150
"""So many of them, half of the evaluations at most, are settings of the grid, the same for all parts."""
BATCH = 24
SCOUTED, MOST_SCOUTED, SCOUTS = 20, 4000, 12
"""With further columns: so many settings of turn-taking for each evaluation are looked at first, at most so
many in all, and so many of them are begun with."""
STORAGE = "search.jsonl"
"""In the results folder: Optuna's storage, from which a search goes on."""
Further = Callable[[pd.DataFrame, Sequence[int]], pd.DataFrame]
"""Rows of a space's table and numbers of recordings → further columns of metrics, a row each."""


@dataclass(frozen=True)
class Work:
    """How much may be tried: so many settings, or for so long (s), whichever comes first."""

    evaluations: int | None = None
    seconds: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            object.__setattr__(self, "evaluations", EVALUATIONS)
        if self.evaluations is not None and self.evaluations < 1:
            raise ValueError(f"evaluations {self.evaluations}: expected at least 1")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds {self.seconds:g}: expected more than 0")

    def begun(self) -> Callable[[], bool]:
        """Whether the time that counts from now on is over."""
        until_s = math.inf if self.seconds is None else self.clock() + self.seconds
        return lambda: self.clock() >= until_s


@dataclass
class _Part:
    """One search, and the recordings that lead it."""

    measured: Measured
    numbers: tuple[int, ...]
    proposals: Proposals
    corners: pd.DataFrame
    corpus: Corpus
    jobs: int
    cache: Folder | None
    further: Further | None = None

    def scout(
        self,
        space: Space,
        objectives: Objectives,
        most: int,
        seed: int,
        time_is_over: Callable[[], bool],
        bar: tqdm,
    ) -> None:
        """Begin with the turn-taking that the replay alone finds best."""

        def score(table: pd.DataFrame) -> pd.DataFrame:
            scored = self._scored(table)
            bar.update(len(table))
            return scored

        self.proposals.begin_with(scouts(space, objectives, score, most, SCOUTS, seed, time_is_over))

    def step(self, most: int) -> int:
        """Try up to so many new settings; how many there were."""
        table = self.proposals.ask(most)  # none if there is nothing new, or nothing left to try
        if len(table):
            scored = self._scored(table)
            if self.further is not None:
                more = self.further(table, self.numbers)
                scored = pd.concat([scored.reset_index(drop=True), more.reset_index(drop=True)], axis=1)
            self.proposals.tell(table, scored)
        return len(table)

    def _scored(self, table: pd.DataFrame) -> pd.DataFrame:
        """Metrics, after tracing what these settings lead to and the traces lack."""
        everyone = range(len(self.numbers))
        try:
            return score_table(self.corpus, table, self.measured.conditions, [everyone], quiet=True)[0]
        except MissingTraces:
            # With the corners, so that callers wait as long as before.
            every = pd.concat([self.corners, table], ignore_index=True)
            self.corpus = self.measured.corpus_for(every, self.numbers, jobs=self.jobs, cache=self.cache)
            return score_table(self.corpus, table, self.measured.conditions, [everyone], quiet=True)[0]


def search(
    measured: Measured,
    space: Mapping[str, Sequence[Any]] | None = None,
    work: Work | None = None,
    objectives: Objectives = USUAL_OBJECTIVES,
    *,
    seed: int = 0,
    folder: Path | None = None,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
) -> Measured:
    """The settings that a search finds on a study's recordings, scored on all of them.

    `space`: a grid, between whose least and greatest numbers is looked (default: `grid.DEFAULT_GRID`);
    `objectives`: what is made least beside the rate of false boundaries. With a `folder` the search is kept
    there (`STORAGE`) and goes on from what is there. The same seed and number of evaluations find the same
    settings. Raises InputError for recordings, a space or a storage that can't be used.
    """
    over = Space.of(DEFAULT_GRID if space is None else space)
    table, origins = find(
        measured, over, work, objectives, seed=seed, folder=folder, jobs=jobs, cache=cache, quiet=quiet
    )
    return measured.with_table(table, origins=origins, jobs=jobs, cache=cache, quiet=quiet)


def find(
    measured: Measured,
    over: Space,
    work: Work | None,
    objectives: Objectives,
    *,
    seed: int,
    folder: Path | None,
    jobs: int,
    cache: Folder | None,
    quiet: bool,
    further: Further | None = None,
    depends_on: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, Origins]:
    """`search` without scoring what was found: a table of it, and to which recordings each row is owed.

    `further`: more columns of metrics that are made least, which rest on `depends_on` too.
    """
    work = work or Work()
    n = counts(measured.corpus)
    if not (n["holds"] and n["turns"]):
        raise InputError(
            f"the recordings have {n['holds']} holds and {n['turns']} ends of turn: nothing to search by"
        )
    alike = 0
    if not over.starts:
        over = over.beginning(START if work.evaluations is None else min(START, work.evaluations // 2), seed)
        alike = len(over.starts)
    corners = over.corners
    corpus = measured.corpus_for(corners, range(len(measured.files)), jobs=jobs, cache=cache, quiet=quiet)
    numbers = parts_of(corpus)
    with nullcontext() if folder is None else locked(_made(folder), wait_s=0.0):
        searches = _searches(measured, over, objectives, numbers, seed, folder, depends_on or {})
        parts = [
            _Part(measured, of, one, corners, corpus.of_some(of), jobs, cache, further)
            for of, one in zip(numbers, searches, strict=True)
        ]
        time_is_over = work.begun()
        if further is not None:
            _scout(parts, over, objectives, work, seed, time_is_over, quiet)
        _run(parts, work, time_is_over, quiet, alike)
    found = part_of_each([one.keys for one in searches])
    rows = {key: row for one in searches for key, row in zip(one.keys, one.rows, strict=True)}
    table = pd.DataFrame([rows[key] for key in found])
    return table, Origins(numbers, tuple(found.values()))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _searches(
    measured: Measured,
    space: Space,
    objectives: Objectives,
    numbers: Sequence[Sequence[int]],
    seed: int,
    folder: Path | None,
    further: Mapping[str, Any],
) -> list[Proposals]:
    """One for each part, with what was kept of it."""
    try:
        from ...turns.search.proposals import Proposals
    except ImportError as error:
        remedy = "pip install 'livekit-turn-lab[optimize]'"
        raise InputError(f"a search needs Optuna, which isn't installed ({error}); {remedy}") from None
    storage = None if folder is None else folder / STORAGE
    searches = []
    for part, of in enumerate(numbers):
        depends_on = dict(further) | {
            "recordings": [measured.corpus.recordings[r].sha256 for r in of],
            "space": space.plain,
            "objectives": [
                objectives.latency,
                objectives.most_missed,
                *objectives.others,
                *objectives.limits,
            ],
            "conditions": measured.conditions.model_dump(),
            "phases": measured.phases,
            "line": [str(measured.channel_condition), measured.seed, measured.path],
            "seed": seed,
        }
        own = 2 * seed + part
        searches.append(
            Proposals(
                space,
                objectives,
                seed=own,
                storage=storage,
                name=f"part {part + 1}",
                of=depends_on,
            )
        )
    return searches


def _scout(
    parts: Sequence[_Part],
    space: Space,
    objectives: Objectives,
    work: Work,
    seed: int,
    time_is_over: Callable[[], bool],
    quiet: bool,
) -> None:
    """Have the parts of which nothing is kept begin with what scouts find, until the time is over."""
    most = min(SCOUTED * (work.evaluations or MOST_SCOUTED), MOST_SCOUTED) // len(parts)
    new = [k for k, part in enumerate(parts) if not part.proposals.has_begun]
    with _progress(most * len(new), "scouting", quiet or not new) as bar:
        for k in new:
            parts[k].scout(space, objectives, most, 2 * seed + k, time_is_over, bar)


@contextmanager
def _progress(total: int | None, desc: str, quiet: bool, initial: int = 0) -> Iterator[tqdm[Any]]:
    """A bar that is full when its block ends well, also if there was less to try than `total`."""
    with tqdm(total=total, initial=initial, desc=desc, unit="setting", disable=quiet) as bar:
        yield bar
        bar.total = bar.n
        bar.refresh()


def _run(
    parts: Sequence[_Part], work: Work, time_is_over: Callable[[], bool], quiet: bool, alike: int
) -> None:
    """A batch of each part in turn, all of one size in the end, until the work is done or nothing is new.

    `alike`: so many settings are common to all parts, and count once. One batch is tried if nothing is known.
    """
    done = _done(parts, alike)
    with _progress(work.evaluations, "searching", quiet, done) as bar:
        try:
            while True:
                before = sum(len(part.proposals) for part in parts)
                for k, part in enumerate(parts):
                    if done and time_is_over():
                        return
                    part.step(min(BATCH, _left(part, work, k, len(parts), alike)))
                    tried = _done(parts, alike)
                    bar.update(tried - done)
                    done = tried
                if sum(len(part.proposals) for part in parts) == before:
                    return
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(f"{done} settings are kept; the same command goes on") from interrupt


def _done(parts: Sequence[_Part], alike: int) -> int:
    """How many settings were tried, those that all parts begin with once."""
    own = sum(max(0, len(part.proposals) - alike) for part in parts)
    return own + min(alike, max(len(part.proposals) for part in parts))


def _left(part: _Part, work: Work, number: int, parts: int, alike: int) -> int:
    """How many settings of its share of the evaluations a part has still to try."""
    if work.evaluations is None:
        return BATCH
    own = work.evaluations - alike
    share = alike + own // parts + (number < own % parts)
    return max(0, share - len(part.proposals))

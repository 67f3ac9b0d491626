"""Sweeps: a table of settings and traced recordings → false-boundary rate against latency.

Goal: score every setting of a grid, on all recordings and without each fold of them.
Conventions: a result table has the knob columns of `grid` and the metric columns of `metrics.summarize`;
rates in [0, 1], latencies in seconds. Work is done block of settings by block and recording by recording:
beside the results and labels, memory grows with neither (`kept_objects`, `metrics.pooled`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..core.batch import results, run_batch
from ..core.batch.cluster import current, worker_count
from ..core.labels import agent_turns, user_turns
from ..core.samples.kept_objects import OnDemand, kept_objects, some_of
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings, VadSettings
from ..core.timeline import SAMPLE_RATE_HZ, Floats, Ints, frame_samples
from ..core.traces import Traced, check_probabilities
from .branches import WAIT_AFTER_MAX_DELAY_S, longest_wait_s
from .cache import TraceCache
from .cache.lent import lent
from .folds import subsets_of
from .metrics import (
    BACKCHANNEL,
    CUT_OFF,
    HOLD,
    UNSCORED_HOLD,
    LabelledPauses,
    PerRecording,
    Pooled,
    SettingCounts,
    figures,
    labelled_pauses,
    per_recording,
    setting_counts,
)
from .metrics.joined import joined_by_subsets
from .origins import Origins
from .replay import (
    Block,
    Rows,
    blocks_of,
    counted_words,
    decide,
    find_all_rows,
    stt_events_for,
)
from .replay.records import Decisions

BLOCK_LATENCIES = 16_000_000
"""Latencies (settings x ends of turn x phases) of a recording that are held at once: it bounds memory to some
hundred megabytes."""
FILE_LATENCIES = 400_000_000
"""Those of all recordings, in a file of 3.2 GB if they don't fit into memory."""
TRACES_BYTES = 128 << 20
"""Speech probabilities that may be in memory: an hour of calls in four takes has 13 MB."""


@dataclass(frozen=True)
class Corpus:
    """Traced recordings, made ready for scoring."""

    recordings: Sequence[Traced]
    """In memory or in a file (`kept_objects`)."""
    labelled: tuple[LabelledPauses, ...]
    """The labels of each recording as intervals."""
    agents: tuple[Floats, ...]
    """The agent's turns of each recording, shape=(n, 2)."""
    longest_wait_s: tuple[float, ...]
    """How long the caller waits on the shortest branch of each recording; infinite without branches."""
    takes: tuple[int, ...]
    """In how many takes each was heard."""
    names: tuple[str, ...]
    cache: TraceCache | None = None
    """Through which a cluster's workers get the traces; None: they are sent to each."""

    @classmethod
    def of(cls, recordings: Iterable[Traced], cache: TraceCache | None = None) -> Corpus:
        """Raises ValueError for a recording of which a model said what is no probability."""
        made: list[tuple[LabelledPauses, Floats, float, int, str]] = []

        def checked() -> Iterator[Traced]:
            for one in recordings:
                _check(one)
                labelled = labelled_pauses(one.labels, one.tail_s)
                made.append((labelled, agent_turns(one.labels), _longest_wait_s(one), one.phases, one.name))
                yield one

        kept = kept_objects(checked(), attrgetter("vad_bytes"), TRACES_BYTES)
        return replace(cls(kept, *(zip(*made, strict=True) if made else [()] * 5)), cache=cache)

    def of_some(self, numbers: Sequence[int]) -> Corpus:
        """Some of the recordings."""
        return Corpus(
            some_of(self.recordings, numbers),
            tuple(self.labelled[r] for r in numbers),
            tuple(self.agents[r] for r in numbers),
            tuple(self.longest_wait_s[r] for r in numbers),
            tuple(self.takes[r] for r in numbers),
            tuple(self.names[r] for r in numbers),
            self.cache,
        )

    @contextmanager
    def for_workers(self) -> Iterator[Corpus]:
        """As it goes to worker processes: to a cluster's without traces, which they read one by one.

        With them where the cache can't be written to.
        """
        if self.cache is None or current() is None:
            yield self
            return
        with ExitStack() as until_end:
            shared = self
            with suppress(ValueError):
                recordings = until_end.enter_context(lent(self.cache, self.recordings))
                shared = replace(self, recordings=recordings)
            yield shared

    def pauses(self, vad: VadSettings, frame_duration: float) -> Sequence[list[Rows]]:
        """The VAD's pauses of each recording and phase, and of the branches there.

        Found as they are asked for, where the recordings lie in a file.
        """
        find = partial(_rows_of, self.recordings, vad, frame_samples(frame_duration))
        everyone = range(len(self.recordings))
        return (
            OnDemand(everyone, find) if isinstance(self.recordings, OnDemand) else list(map(find, everyone))
        )

    def decisions(
        self, block: Block, pauses: Sequence[Sequence[Rows]]
    ) -> Iterator[tuple[int, int, Decisions, float]]:
        """Recording, phase, the block's decisions there, and stream time less recording time.

        Raises MissingTraces.
        """
        everywhere = block
        for r, (recording, agent) in enumerate(zip(self.recordings, self.agents, strict=True)):
            for phase, rows in enumerate(pauses[r]):
                trace = recording.heard_by(block.vad.model)[phase]
                offset_s = trace.phase_samples / SAMPLE_RATE_HZ
                stt = stt_events_for(block, recording.labels, offset_s)
                eot, speaks = recording.said(block.detector, phase), agent + offset_s
                block = everywhere.on(recording, offset_s)
                words_s = counted_words(block, recording.labels, offset_s)
                decided = decide(rows, eot, speaks, block, stt, trace, words_s)
                yield r, phase, decided, offset_s

    def counted(
        self, block: Block, pauses: Sequence[Sequence[Rows]]
    ) -> Iterator[tuple[int, list[SettingCounts]]]:
        """Each recording's number and a block's counts there, one for each phase. Raises MissingTraces."""
        wait_s = longest_wait_s(block.max_delay)
        self.check_waits(float(wait_s.max(initial=0.0)))
        for r, takes in groupby(self.decisions(block, pauses), key=itemgetter(0)):
            counts = [
                setting_counts(decided, self.labelled[r], offset_s, wait_s)
                for _, _, decided, offset_s in takes
            ]
            yield r, counts

    def score(self, block: Block, pauses: Sequence[Sequence[Rows]]) -> list[list[SettingCounts]]:
        """A block's counts, for each recording and phase. Raises MissingTraces."""
        return [counts for _, counts in self.counted(block, pauses)]

    def check_waits(self, wait_s: float) -> None:
        """Raise ValueError if the recordings were traced for shorter waits than this."""
        for r, traced_s in enumerate(self.longest_wait_s):
            if traced_s < wait_s:
                raise ValueError(
                    f"{self.recordings[r].path}: was traced for waits of {traced_s:.1f} s, but "
                    f"a max_delay of {wait_s - WAIT_AFTER_MAX_DELAY_S:g} s needs {wait_s:g} s; "
                    "trace it with a grid that has such a max_delay"
                )


def _rows_of(recordings: Sequence[Traced], vad: VadSettings, frame_samples: int, number: int) -> list[Rows]:
    return find_all_rows(recordings[number], vad, frame_samples)


def _check(one: Traced) -> None:
    """Raise ValueError if a model said what is no probability."""
    others = [trace.probabilities for of in one.others.values() for trace in of]
    texts = [answers.probabilities for answers in one.texts.values()]
    for p in (*(trace.probabilities for trace in one.eot), *others, *texts):
        check_probabilities(p, "end-of-turn probabilities", one.path)
    for vad in (trace for of_model in one.vad.values() for trace in of_model):
        check_probabilities(vad.probabilities, "speech probabilities", one.path)


def _longest_wait_s(recording: Traced) -> float:
    ends_s = [turn.end_s for turn in user_turns(recording.labels)]
    return min((branch.until_s - ends_s[branch.turn] for branch in recording.branches), default=np.inf)


@dataclass(frozen=True)
class Sweep:
    """A scored table of settings; rows of `folds` belong to the same rows of `table`."""

    table: pd.DataFrame
    folds: tuple[tuple[int, ...], ...]
    """Recordings left out in each fold."""
    without: tuple[pd.DataFrame, ...]
    """Metrics of every setting on the recordings of the other folds."""
    origins: Origins | None = None
    """To which recordings the settings are owed, if a search found them."""
    of: int | None = None
    """These are the first of so many settings and all that some budget might choose (`grid.large`); None: all
    are here."""

    def rows_without(self, recordings: Sequence[int]) -> Ints:
        """Rows that may be judged on these recordings: all, unless a search looked at them."""
        if self.origins is None:
            return np.arange(len(self.table))
        return self.origins.rows_without(recordings)


def sweep(
    corpus: Corpus,
    table: pd.DataFrame,
    conditions: Conditions = USUAL_CONDITIONS,
    *,
    jobs: int = 1,
    quiet: bool = False,
    origins: Origins | None = None,
    of: int | None = None,
) -> Sweep:
    """Score every row of a table of settings (`grid.expand`). Raises MissingTraces if traces lack some.

    `jobs` > 1 shares the blocks among that many processes. `origins`: of settings that a search has found;
    no fold then has recordings of two parts. `of`: `Sweep.of`.
    """
    folds, subsets = subsets_of(len(corpus.recordings), origins)
    scored = score_table(corpus, table, conditions, subsets, jobs=jobs, quiet=quiet)
    whole = pd.concat([table.reset_index(drop=True), scored[0]], axis=1)
    return Sweep(whole, folds, tuple(scored[1:]), origins, of)


def score_table(
    corpus: Corpus,
    table: pd.DataFrame,
    conditions: Conditions,
    subsets: Sequence[Sequence[int]],
    *,
    jobs: int = 1,
    quiet: bool = False,
) -> list[pd.DataFrame]:
    """The metrics of every row of a table, on each subset of the recordings. Raises MissingTraces."""
    groups = groups_of(corpus, table, conditions)
    if len(groups) < 2 * worker_count():  # finding pauses again is cheaper than a worker without work
        groups = [[one] for group in groups for one in group]
    parts: list[tuple[Ints, list[dict[str, Floats]]]] = []
    with (
        corpus.for_workers() as shared,
        tqdm(total=len(table), desc="sweeping", unit="setting", disable=quiet) as bar,
    ):
        scored = run_batch(partial(_score_group, subsets=subsets), groups, shared=shared, jobs=jobs)
        for group in results(scored):
            for rows, metrics in group:
                parts.append((rows, metrics))
                bar.update(len(rows))
    rows = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(rows)
    return [
        pd.DataFrame(
            {name: np.concatenate([part[k][name] for _, part in parts])[order] for name in parts[0][1][k]}
        )
        for k in range(len(subsets))
    ]


def _block_size(corpus: Corpus, most_latencies: int) -> int:
    """Most settings to score at once."""
    latencies = [m.n_turns * takes for takes, m in zip(corpus.takes, corpus.labelled, strict=True)]
    most = (BLOCK_LATENCIES // max([1, *latencies]), most_latencies // max(1, sum(latencies)))
    return max(1, min(most))


def groups_of(
    corpus: Corpus, table: pd.DataFrame, conditions: Conditions, most_latencies: int = FILE_LATENCIES
) -> list[list[tuple[Ints, Block]]]:
    """The table in blocks, each with its rows; those of one VAD and frame, which share pauses, in a list.

    `most_latencies`: of all recordings under the settings of a block.
    """
    groups: dict[tuple[VadSettings, float], list[tuple[Ints, Block]]] = {}
    for rows, block in blocks_of(table, conditions, _block_size(corpus, most_latencies)):
        groups.setdefault((block.vad, block.conditions.frame_duration), []).append((rows, block))
    return list(groups.values())


def _score_group(
    corpus: Corpus, group: list[tuple[Ints, Block]], *, subsets: Sequence[Sequence[int]]
) -> list[tuple[Ints, list[dict[str, Floats]]]]:
    first = group[0][1]
    pauses = corpus.pauses(first.vad, first.conditions.frame_duration)
    scored = []
    for rows, block in group:
        pooled = Pooled([frozenset(one) for one in subsets], len(block))
        wait_s = longest_wait_s(block.max_delay)
        corpus.check_waits(float(wait_s.max(initial=0.0)))
        most = BLOCK_LATENCIES // max(1, len(block))
        for one in joined_by_subsets(corpus.decisions(block, pauses), corpus.labelled, subsets, most):
            takes = [take.counts(wait_s) for take in one.takes]
            pooled.add(one.first, takes, one.takes[0].labelled, one.recordings)
        scored.append((rows, pooled.summaries()))
    return scored


def score_one(corpus: Corpus, settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> pd.DataFrame:
    """One setting's figures with their uncertainty (see `metrics.figures`)."""
    block = Block.of(settings, conditions)
    counts = corpus.score(block, corpus.pauses(block.vad, block.conditions.frame_duration))
    return figures_of(counts, corpus.labelled)


def score_rows(
    corpus: Corpus, knobs: pd.DataFrame, conditions: Conditions = USUAL_CONDITIONS
) -> list[list[PerRecording]]:
    """What each setting of a table did on each recording. Raises MissingTraces."""
    table = knobs.reset_index(drop=True)
    scored: list[list[PerRecording]] = [[] for _ in range(len(table))]
    for group in groups_of(corpus, table, conditions, BLOCK_LATENCIES):
        pauses = corpus.pauses(group[0][1].vad, conditions.frame_duration)
        for rows, block in group:
            counts = corpus.score(block, pauses)
            for k, row in enumerate(rows.tolist()):
                of = zip(counts, corpus.labelled, strict=True)
                scored[row] = [per_recording(takes, one, k) for takes, one in of]
    return scored


def figures_of(counts: Sequence[Sequence[SettingCounts]], labelled: Sequence[LabelledPauses]) -> pd.DataFrame:
    """`metrics.figures` of a single setting; `counts[r]`: recording r's, one per phase."""
    return figures([per_recording(row, one) for row, one in zip(counts, labelled, strict=True)])


def counts(corpus: Corpus) -> dict[str, int]:
    """What the labels hold: scored and unscored holds, user turns, cut-off pauses, backchannels."""
    kinds = {"holds": HOLD, "unscored_holds": UNSCORED_HOLD, "cut_offs": CUT_OFF, "backchannels": BACKCHANNEL}
    found = {name: sum(m.count(kind) for m in corpus.labelled) for name, kind in kinds.items()}
    return found | {"turns": sum(m.n_turns for m in corpus.labelled)}

"""Sweeps: a table of settings and traced recordings → false-boundary rate against latency.

Goal: score every setting of a grid, on all recordings and without each fold of them.
Conventions: a result table has the knob columns of `grid` and the metric columns of `metrics.summarize`;
rates in [0, 1], latencies in seconds. Work is done block by block: beside the results, memory does not grow
with the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from ..core.batch import results, run_batch
from ..core.labels import agent_turns, user_turns
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings, VadSettings
from ..core.timeline import SAMPLE_RATE_HZ, Floats, Ints, frame_samples
from ..core.traces import Traced, check_probabilities
from . import grid as grids
from .branches import WAIT_AFTER_MAX_DELAY_S, longest_wait_s
from .metrics import (
    BACKCHANNEL,
    CUT_OFF,
    HOLD,
    UNSCORED_HOLD,
    LabelledPauses,
    PerRecording,
    SettingCounts,
    attributes,
    coin_flips,
    figures,
    labelled_pauses,
    per_recording,
    setting_counts,
    summarize,
)
from .origins import Origins
from .replay import (
    Block,
    Rows,
    blocks_of,
    commits_of,
    counted_words,
    decide,
    find_all_rows,
    stt_events_for,
    waits_of,
)
from .replay.records import Decisions

BLOCK_LATENCIES = 16_000_000
"""Latencies (settings x ends of turn x phases) held at once: it bounds memory to some hundred megabytes."""
MOST_FOLDS = 10


@dataclass(frozen=True)
class Corpus:
    """Traced recordings, made ready for scoring."""

    recordings: tuple[Traced, ...]
    labelled: tuple[LabelledPauses, ...]
    """The labels of each recording as intervals."""
    agents: tuple[Floats, ...]
    """The agent's turns of each recording, shape=(n, 2)."""
    longest_wait_s: tuple[float, ...]
    """How long the caller waits on the shortest branch of each recording; infinite without branches."""

    @classmethod
    def of(cls, recordings: Sequence[Traced]) -> Corpus:
        """Raises ValueError for a recording of which a model said what is no probability."""
        for one in recordings:
            others = [trace.probabilities for of in one.others.values() for trace in of]
            texts = [answers.probabilities for answers in one.texts.values()]
            for p in (*(trace.probabilities for trace in one.eot), *others, *texts):
                check_probabilities(p, "end-of-turn probabilities", one.path)
            for vad in (trace for of_model in one.vad.values() for trace in of_model):
                check_probabilities(vad.probabilities, "speech probabilities", one.path)
        labelled = tuple(labelled_pauses(r.labels, r.tail_s) for r in recordings)
        agents = tuple(agent_turns(r.labels) for r in recordings)
        return cls(tuple(recordings), labelled, agents, tuple(_longest_wait_s(r) for r in recordings))

    def of_some(self, numbers: Sequence[int]) -> Corpus:
        """Some of the recordings."""
        return Corpus(
            tuple(self.recordings[r] for r in numbers),
            tuple(self.labelled[r] for r in numbers),
            tuple(self.agents[r] for r in numbers),
            tuple(self.longest_wait_s[r] for r in numbers),
        )

    def pauses(self, vad: VadSettings, frame_duration: float) -> list[list[Rows]]:
        """The VAD's pauses of each recording and phase, and of the branches there."""
        frame = frame_samples(frame_duration)
        return [find_all_rows(one, vad, frame) for one in self.recordings]

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

    def score(self, block: Block, pauses: Sequence[Sequence[Rows]]) -> list[list[SettingCounts]]:
        """A block's counts, for each recording and phase. Raises MissingTraces."""
        counts: list[list[SettingCounts]] = [[] for _ in self.recordings]
        wait_s = longest_wait_s(block.max_delay)
        self.check_waits(float(wait_s.max(initial=0.0)))
        for r, _, decided, offset_s in self.decisions(block, pauses):
            counts[r].append(setting_counts(decided, self.labelled[r], offset_s, wait_s))
        return counts

    def check_waits(self, wait_s: float) -> None:
        """Raise ValueError if the recordings were traced for shorter waits than this."""
        for recording, traced_s in zip(self.recordings, self.longest_wait_s, strict=True):
            if traced_s < wait_s:
                raise ValueError(
                    f"{recording.path}: was traced for waits of {traced_s:.1f} s, but "
                    f"a max_delay of {wait_s - WAIT_AFTER_MAX_DELAY_S:g} s needs {wait_s:g} s; "
                    "trace it with a grid that has such a max_delay"
                )

    def summary(self, counts: Sequence[Sequence[SettingCounts]], chosen: Sequence[int]) -> dict[str, Floats]:
        """Metrics pooled over takes and some of the recordings; commits in no label: per take."""
        flat = [(t, self.labelled[r]) for r in chosen for t in counts[r]]
        flips = coin_flips([counts[r] for r in chosen], [self.labelled[r] for r in chosen])
        found = summarize([t for t, _ in flat], [m for _, m in flat]) | {"coin_flips": flips}
        takes = max(1, len(flat)) / max(1, len(chosen))
        return found | {"commits_in_no_label": found["commits_in_no_label"] / takes}


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
) -> Sweep:
    """Score every row of a table of settings (`grid.expand`). Raises MissingTraces if traces lack some.

    `jobs` > 1 shares the blocks among that many processes. `origins`: of settings that a search has found;
    no fold then has recordings of two parts.
    """
    everyone = range(len(corpus.recordings))
    folds = make_folds(len(everyone)) if origins is None else folds_of_parts(origins.parts)
    kept = [[r for r in everyone if r not in fold] for fold in folds]
    scored = score_table(corpus, table, conditions, [everyone, *kept], jobs=jobs, quiet=quiet)
    whole = pd.concat([table.reset_index(drop=True), scored[0]], axis=1)
    return Sweep(whole, folds, tuple(scored[1:]), origins)


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
    groups = _by_vad(blocks_of(table, conditions, _block_size(corpus)))
    scored_groups = run_batch(partial(_score_group, subsets=subsets), groups, shared=corpus, jobs=jobs)
    parts: list[tuple[Ints, list[dict[str, Floats]]]] = []
    with tqdm(total=len(table), desc="sweeping", unit="setting", disable=quiet) as bar:
        for group in results(scored_groups):
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


def make_folds(n_recordings: int) -> tuple[tuple[int, ...], ...]:
    """Recordings split for cross-validation: one by one up to ten, else in ten folds; none if under two."""
    if n_recordings < 2:
        return ()
    n = min(n_recordings, MOST_FOLDS)
    return tuple(tuple(range(k, n_recordings, n)) for k in range(n))


def folds_of_parts(parts: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """`make_folds` within parts of the recordings, which share the folds by their sizes; none of one part."""
    if len(parts) < 2:
        return ()
    n = min(sum(map(len, parts)), MOST_FOLDS)
    of_part = [min(len(part), max(1, round(n * len(part) / sum(map(len, parts))))) for part in parts]
    return tuple(tuple(part[k::n]) for part, n in zip(parts, of_part, strict=True) for k in range(n))


def _block_size(corpus: Corpus) -> int:
    """Most settings to score at once."""
    latencies = sum(m.n_turns * r.phases for r, m in zip(corpus.recordings, corpus.labelled, strict=True))
    return max(1, BLOCK_LATENCIES // max(1, latencies))


def _by_vad(blocks: Iterator[tuple[Ints, Block]]) -> list[list[tuple[Ints, Block]]]:
    """Blocks that share a VAD and a frame, together: they share the pauses."""
    groups: dict[tuple[VadSettings, float], list[tuple[Ints, Block]]] = {}
    for rows, block in blocks:
        groups.setdefault((block.vad, block.conditions.frame_duration), []).append((rows, block))
    return list(groups.values())


def _score_group(
    corpus: Corpus, group: list[tuple[Ints, Block]], *, subsets: Sequence[Sequence[int]]
) -> list[tuple[Ints, list[dict[str, Floats]]]]:
    first = group[0][1]
    pauses = corpus.pauses(first.vad, first.conditions.frame_duration)
    scored = []
    for rows, block in group:
        counts = corpus.score(block, pauses)
        scored.append((rows, [corpus.summary(counts, only) for only in subsets]))
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
    for group in _by_vad(blocks_of(table, conditions, _block_size(corpus))):
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


def commits_table(
    corpus: Corpus, settings: dict[int, Settings], conditions: Conditions = USUAL_CONDITIONS
) -> pd.DataFrame:
    """Every commit of some settings on the tapes, and of an end of turn that is answered on its branch only.

    Columns: setting (the key), recording, phase, then those of `metrics.attributes`; rows in that order.
    """
    numbers = np.array(list(settings))
    table = grids.complete(pd.DataFrame([one.knobs() for one in settings.values()]))
    parts: list[tuple[int, int, int, dict[str, NDArray[Any]]]] = []
    for group in _by_vad(blocks_of(table, conditions, _block_size(corpus))):
        pauses = corpus.pauses(group[0][1].vad, conditions.frame_duration)
        for rows, block in group:
            wait_s = longest_wait_s(block.max_delay)
            for r, phase, decided, offset_s in corpus.decisions(block, pauses):
                for k, number in enumerate(numbers[rows]):
                    commits = commits_of(decided, k, block.detector, offset_s)
                    waits = waits_of(decided, k, block.detector, offset_s)
                    meant = attributes(commits, corpus.labelled[r], waits, float(wait_s[k]))
                    parts.append((int(number), r, phase, meant))
    parts.sort(key=lambda part: part[:3])
    n = [len(columns["commit_s"]) for *_, columns in parts]
    names = np.array([recording.name for recording in corpus.recordings], dtype=object)
    keys = {
        "setting": np.repeat([number for number, *_ in parts], n),
        "recording": np.repeat(names[[r for _, r, *_ in parts]], n),
        "phase": np.repeat([phase for _, _, phase, _ in parts], n),
    }
    return pd.DataFrame(
        keys | {name: np.concatenate([columns[name] for *_, columns in parts]) for name in parts[0][3]}
    )

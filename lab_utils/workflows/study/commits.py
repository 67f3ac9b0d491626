"""Every commit of some settings, as a table and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...turns import grid as grids
from ...turns.branches import longest_wait_s
from ...turns.metrics import attributes
from ...turns.replay import commits_and_waits
from ...turns.sweep import Corpus, groups_of

ROWS_AT_ONCE = 2_000_000
"""Commits that may be in memory, some 400 MB."""


def write_commits(
    corpus: Corpus, settings: Mapping[int, Settings], conditions: Conditions, path: Path
) -> None:
    """`commits_table` as a Parquet file, of any number of recordings in bounded memory."""
    pauses = sum(len(one.kind) * takes for one, takes in zip(corpus.labelled, corpus.takes, strict=True))
    left, most = iter(sorted(settings.items())), max(1, ROWS_AT_ONCE // max(1, pauses))
    parts = iter(lambda: dict(islice(left, most)), {})
    frames = (pa.Table.from_pandas(commits_table(corpus, part, conditions)) for part in parts)
    first = next(frames)
    with pq.ParquetWriter(path, first.schema) as file:
        for frame in chain([first], frames):
            file.write_table(frame.cast(first.schema))  # whose remarks tell of the number of rows


def commits_table(
    corpus: Corpus, settings: Mapping[int, Settings], conditions: Conditions = USUAL_CONDITIONS
) -> pd.DataFrame:
    """Every commit of some settings on the tapes, and of an end of turn that is answered on its branch only.

    Columns: setting (the key), recording, phase, then those of `metrics.attributes`; rows in that order.
    """
    numbers = np.array(list(settings))
    table = grids.complete(pd.DataFrame([one.knobs() for one in settings.values()]))
    parts: list[tuple[int, int, int, dict[str, NDArray[Any]]]] = []
    for group in groups_of(corpus, table, conditions):
        pauses = corpus.pauses(group[0][1].vad, conditions.frame_duration)
        for rows, block in group:
            wait_s = longest_wait_s(block.max_delay)
            for r, phase, decided, offset_s in corpus.decisions(block, pauses):
                for k, number in enumerate(numbers[rows]):
                    commits, waits = commits_and_waits(decided, k, block.detector, offset_s)
                    meant = attributes(commits, corpus.labelled[r], waits, float(wait_s[k]))
                    parts.append((int(number), r, phase, meant))
    parts.sort(key=lambda part: part[:3])
    n = [len(columns["commit_s"]) for *_, columns in parts]
    names = np.array(corpus.names, dtype=object)
    keys = {
        "setting": np.repeat([number for number, *_ in parts], n),
        "recording": np.repeat(names[[r for _, r, *_ in parts]], n),
        "phase": np.repeat([phase for _, _, phase, _ in parts], n),
    }
    return pd.DataFrame(
        keys | {name: np.concatenate([columns[name] for *_, columns in parts]) for name in parts[0][3]}
    )

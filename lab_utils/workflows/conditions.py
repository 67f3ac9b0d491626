"""How settings hold on bad lines: the same recordings under every channel condition, one table.

Goal: false boundaries and latency of a few settings (LiveKit's defaults, the chosen one) by
`ChannelCondition`, and the worst case of each. The labels are those of the clean audio throughout, so that
only the sound differs.

Conventions: a result frame has one row per condition, setting and metric: columns channel_condition, setting,
metric, value, low, high, n as in `metrics.figures`; conditions and settings in the order given. Traces are
cached by the degraded audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from ..core.files.places import Folder
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.traces import Traced
from ..recordings.conditions import ChannelCondition
from ..recordings.find import RecordingFiles
from ..recordings.heard_paths import HeardPath
from ..turns.replay import Block
from ..turns.sweep import Corpus, score_one
from ..turns.tracing import trace_recordings

COLUMNS = ("channel_condition", "setting", "metric", "value", "low", "high", "n")


def score_conditions(
    files: Sequence[RecordingFiles],
    settings: Mapping[str, Settings],
    channel_conditions: Sequence[ChannelCondition],
    *,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    seed: int = 0,
    path: HeardPath | None = None,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Score settings, by name, on the recordings under each channel condition.

    Raises ValueError if a recording can't be used under one of them: they would not be comparable.
    """
    if not settings or not channel_conditions:
        raise ValueError("expected at least one setting and one channel condition; give both")
    if len({str(one) for one in channel_conditions}) < len(channel_conditions):
        names = ", ".join(map(str, channel_conditions))
        raise ValueError(f"conditions {names}: one is given twice; give each once")
    blocks = [Block.of(one, conditions) for one in settings.values()]
    frames = []
    for one_condition in channel_conditions:
        results = trace_recordings(
            files,
            blocks,
            phases=phases,
            cache=cache,
            jobs=jobs,
            quiet=quiet,
            channel_condition=one_condition,
            seed=seed,
            path=path,
        )
        corpus = Corpus.of(_traced(results, one_condition))
        for name, one in settings.items():
            figures = score_one(corpus, one, conditions).rename_axis("metric").reset_index()
            frames.append(figures.assign(channel_condition=str(one_condition), setting=name))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _traced(results: Iterable[Traced | ValueError], condition: ChannelCondition) -> Iterator[Traced]:
    for result in results:
        if isinstance(result, ValueError):
            raise ValueError(f"condition {condition}: {result}")
        yield result

"""How settings hold on bad lines: the same recordings under every line condition, one table.

Goal: false boundaries and latency of a few settings (LiveKit's defaults, the chosen one) by `LineCondition`,
and the worst case of each. The labels are those of the clean audio on every line, so that only the line
differs.

Conventions: a result frame has one row per line, setting and metric: columns line, setting, metric, value,
low, high, n as in `metrics.figures`; lines and settings in the order given. Traces are cached by the degraded
audio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.traces import Traced
from ..recordings.conditions import LineCondition
from ..recordings.find import RecordingFiles
from ..recordings.heard_paths import HeardPath
from ..turns.replay import Block
from ..turns.sweep import Corpus, score_one
from ..turns.tracing import trace_recordings

COLUMNS = ("line", "setting", "metric", "value", "low", "high", "n")


def score_lines(
    files: Sequence[RecordingFiles],
    settings: Mapping[str, Settings],
    lines: Sequence[LineCondition],
    *,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    seed: int = 0,
    path: HeardPath | None = None,
    jobs: int = 2,
    cache: Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Score settings, by name, on the recordings under each line.

    Raises ValueError if a recording can't be used under one of them: the lines would not be comparable.
    """
    if not settings or not lines:
        raise ValueError("expected at least one setting and one line condition; give both")
    if len({str(line) for line in lines}) < len(lines):
        raise ValueError(f"lines {', '.join(map(str, lines))}: one is given twice; give each once")
    blocks = [Block.of(one, conditions) for one in settings.values()]
    frames = []
    for line in lines:
        traced: list[Traced] = []
        for result in trace_recordings(
            files,
            blocks,
            phases=phases,
            cache=cache,
            jobs=jobs,
            quiet=quiet,
            line=line,
            seed=seed,
            path=path,
        ):
            if isinstance(result, ValueError):
                raise ValueError(f"condition {line}: {result}")
            traced.append(result)
        corpus = Corpus.of(traced)
        for name, one in settings.items():
            figures = score_one(corpus, one, conditions).rename_axis("metric").reset_index()
            frames.append(figures.assign(line=str(line), setting=name))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]

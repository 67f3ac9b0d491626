"""`lab optimize` from end to end: recordings → a study of the settings that a search finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.files.places import Folder
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...recordings.heard_paths import HeardPath
from ...recordings.recording_files import FindOptions
from ...turns.choose import MOST_MISSED, Latency
from .study import Study, measure


def optimize(
    paths: str | Path | Sequence[str | Path],
    space: Mapping[str, Sequence[Any]] | None = None,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    minimize: Latency = "latency_mean",
    most_missed: float = MOST_MISSED,
    seed: int = 0,
    folder: str | Path | None = None,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    path: HeardPath | None = None,
) -> Study:
    """Find, load and trace recordings (`measure`), and search for settings on them (`Study.optimize`)."""
    first = measure(
        paths,
        grid={name: [value] for name, value in Settings().knobs().items() if value is not None},
        conditions=conditions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
        channels=channels,
        options=options,
        path=path,
    )
    return first.optimize(
        space,
        evaluations=evaluations,
        seconds=seconds,
        minimize=minimize,
        most_missed=most_missed,
        seed=seed,
        folder=folder,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
    )

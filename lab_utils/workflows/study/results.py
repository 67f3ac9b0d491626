"""A study and its choice as a folder of results, and the study of such a folder again."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ...core.files import BadFile, read_model, write_together
from ...core.files.places import Folder
from ...core.knobs import KNOBS
from ...core.models import Frozen
from ...core.settings import DEFAULTS_NOTE, Conditions
from ...core.traces import Traced
from ...recordings.conditions import ChannelCondition
from ...recordings.heard_paths import HeardPath
from ...recordings.labels.censoring import censoring
from ...recordings.labels.hold_lengths import hold_lengths
from ...recordings.recording_files import options_of, plain_options
from ...turns.choose import frontier
from ...turns.deafness import detector_warnings
from ...turns.grid import restored, storable
from ...turns.origins import Origins
from ...turns.profile import save_profile
from ...turns.sweep import counts
from ..assumed import conditions_with
from .channel_conditions import CONDITION_FILES
from .choice import Choice
from .commits import write_commits
from .figure_texts import finite_or_none, plain_figures
from .measured import Skipped, absolute, measure_table
from .study import Study

LIVEKIT_DEFAULT = -1
"""Number of LiveKit's own defaults in `commits.parquet`; the others are rows of `sweep.parquet`."""
ALL_COMMITS_UP_TO = 100
"""Grids of up to so many settings have the commits of each in `commits.parquet`."""
SUMMARY_VERSION = 1
FILES = ("summary.json", "sweep.parquet", "commits.parquet", "tradeoff.png", "profile.yaml")


def summary_of(study: Study, choice: Choice) -> dict[str, Any]:
    """All headline results as plain values."""
    best = frontier(study.table)
    return {
        "format": "sweep-summary",
        "version": SUMMARY_VERSION,
        "recordings": [_recording(traced) for traced in study.corpus.recordings],
        "sources": list(study.sources),
        "skipped": [{"path": item.path, "reason": item.reason} for item in study.skipped],
        **({"foreign": list(study.foreign)} if study.foreign else {}),
        "counts": counts(study.corpus),
        "phases": study.phases,
        "channels": list(study.channels),
        "find": None if study.options is None else plain_options(study.options),
        "conditions": study.conditions.model_dump(),
        "assumed": list(study.conditions.in_words),
        "line": str(study.channel_condition),
        "seed": study.seed,
        "path": study.path,
        "censoring": censoring(*(r.labels for r in study.corpus.recordings)).plain(),
        "hold_lengths": hold_lengths(*(r.labels for r in study.corpus.recordings)).plain(),
        "search": _search(study),
        "settings": study.tried,
        **({} if study.result.of is None else {"kept_settings": len(study.table)}),
        "impossible_settings": study.impossible,
        "budget": {
            "limit": choice.budget.limit,
            "most": choice.budget.most,
            "least": choice.budget.least,
            "met": choice.within_budget,
        },
        "defaults": {"settings": study.defaults.knobs(), "figures": plain_figures(choice.defaults)},
        "defaults_note": DEFAULTS_NOTE,
        "warnings": detector_warnings(study.corpus, study.conditions),
        "as_recorded": _as_recorded(choice),
        "chosen": {
            "row": choice.row,
            "settings": choice.settings.knobs(),
            "figures": plain_figures(choice.chosen),
        },
        "held_out": plain_figures(choice.held_out) or None,
        "frontier": finite_or_none(
            study.table.loc[best, ["false_boundary_rate", "latency_mean", "latency_p95"]]
        )
        .assign(row=best)
        .to_dict("records"),
    }


def _search(study: Study) -> dict[str, Any] | None:
    """Which recordings, by number, led to the settings; None of a grid."""
    origins = study.result.origins
    return None if origins is None else {"parts": [list(part) for part in origins.parts]}


def _recording(traced: Traced) -> dict[str, Any]:
    return {
        "name": traced.name,
        "path": absolute(traced.path),
        "sha256": traced.sha256,
        "duration_s": round(traced.duration_s, 3),
        "labels": traced.labels.source,
        "notes": list(traced.notes),
    }


def _as_recorded(choice: Choice) -> dict[str, Any] | None:
    """What imported sessions did under the settings they had; None without any."""
    if choice.own is None:
        return None
    return {
        "title": choice.own.title,
        "figures": plain_figures(choice.own.figures),
        "recordings": choice.own.recordings,
        "assumed": list(choice.own.assumed),
    }


def write_report(study: Study, choice: Choice, folder: Path, name: str, date: dt.date) -> dict[str, Any]:
    """Write summary.json, sweep.parquet, commits.parquet, tradeoff.png and profile.yaml; returns the summary.

    All are made in a temporary folder beside it and moved in together: a failure leaves what was there.
    """
    summary = summary_of(study, choice)
    every = len(study.table) <= ALL_COMMITS_UP_TO
    rows = range(len(study.table)) if every else {choice.row, *frontier(study.table)}
    settings = {LIVEKIT_DEFAULT: study.defaults} | {row: study.settings(row) for row in sorted(rows)}
    picture = study.plot_tradeoff(choice)
    made = study.profile(choice, name, date)
    writers: tuple[Callable[[Path], object], ...] = (
        lambda path: path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8"),
        _stored(study).to_parquet,
        partial(write_commits, study.corpus, settings, study.conditions),
        lambda path: picture.save(path, dpi=150),
        lambda path: save_profile(made, path),
    )
    write_together(folder, dict(zip(FILES, writers, strict=True)))
    for file_name in CONDITION_FILES:  # of an earlier sweep
        (folder / file_name).unlink(missing_ok=True)
    return summary


def _stored(study: Study) -> pd.DataFrame:
    """The table as it is kept; of a search, with the part of the recordings that each setting is owed to."""
    origins = study.result.origins
    table = storable(study.table)
    return table if origins is None else table.assign(part=origins.part)


def check_folder(folder: Path) -> None:
    """Raise ValueError if results could not be written to a folder; before the work, not after it."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing}: is a file; give a folder with --out")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{folder}: {existing} can't be written to; give another folder with --out")


class _Recording(Frozen, extra="ignore"):
    path: str
    sha256: str


class _Search(Frozen, extra="ignore"):
    parts: tuple[tuple[int, ...], ...]


class _Summary(Frozen, extra="ignore"):
    """What a study is measured again from."""

    format: Literal["sweep-summary"]
    version: Literal[1]
    recordings: list[_Recording]
    sources: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] | None = None
    """None in summaries of before they told it."""
    settings: int = 0
    kept_settings: int | None = None
    impossible_settings: int
    conditions: Conditions
    phases: int
    channels: tuple[str, str]
    line: str = "clean"
    seed: int = 0
    path: HeardPath | None = None
    find: dict[str, Any] | None = None
    search: _Search | None = None

    @property
    def of(self) -> int | None:
        """`Sweep.of`"""
        return None if self.kept_settings is None else self.settings


def _read_summary(folder: Path) -> _Summary:
    """The summary of a results folder. Raises ValueError naming the file and what is wrong with it."""
    path = folder / "summary.json"
    if not path.exists():
        raise ValueError(f"{path}: no such file; give a folder made by 'lab sweep' or 'lab demo'")
    try:
        return read_model(path, _Summary, f"a summary of this version ({SUMMARY_VERSION})")
    except BadFile as error:
        raise ValueError(f"{path}: {error}; run 'lab sweep' again") from None


def reopen_study(
    folder: Path,
    *,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    providers: str | Path | None = None,
    transcription_delay: float | None = None,
) -> Study:
    """The study of a results folder, measured again from its recordings and the cached traces.

    `providers`, `transcription_delay`: as in `measure`, in place of what the sweep assumed. Raises ValueError
    if a recording is gone or its audio has changed since, and for other conditions where only the best of a
    large grid were kept.
    """
    summary = _read_summary(folder)
    try:
        stored = pd.read_parquet(folder / "sweep.parquet")
        table = restored(stored)[list(KNOBS)]
        found_by = summary.search
        origins = None if found_by is None else Origins(found_by.parts, tuple(stored["part"].tolist()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        path = folder / "sweep.parquet"
        raise ValueError(f"{path}: not readable ({error}); run 'lab sweep' again") from None
    conditions = _conditions_in(folder, summary, stored)
    assumed = conditions_with(providers, conditions, transcription_delay=transcription_delay)
    _check_assumed(folder, summary, assumed)
    recorded = {item.sha256: item.path for item in summary.recordings}
    measured = measure_table(
        summary.sources or list(recorded.values()),
        table,
        impossible=summary.impossible_settings,
        of=summary.of,
        conditions=assumed,
        phases=summary.phases,
        channels=summary.channels,
        channel_condition=ChannelCondition.parse(summary.line),
        seed=summary.seed,
        path=summary.path,
        only=frozenset(recorded.values()),
        options=options_of(summary.find) if summary.find else None,
        origins=origins,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
    )
    # Of what the sweep left out nothing was measured again, so `measured` can't tell it.
    left_out = measured.skipped if summary.skipped is None else summary.skipped
    study = Study.of(replace(measured, skipped=left_out))
    _check_unchanged(recorded, [one.sha256 for one in study.corpus.recordings], in_order=origins is not None)
    return study


def _conditions_in(folder: Path, summary: _Summary, stored: pd.DataFrame) -> Conditions:
    """Under which a table was measured, also by 0.1.0, where the transcription delay was a knob."""
    if "transcription_delay" not in stored:
        return summary.conditions
    delays = [float(delay) for delay in stored["transcription_delay"].unique()]
    if len(delays) == 1:
        return summary.conditions.replace(transcription_delay=delays[0])
    raise ValueError(
        f"{folder / 'sweep.parquet'}: its settings have transcription delays of "
        f"{', '.join(f'{delay:g}' for delay in delays)} s; a sweep assumes one for all settings now: "
        "run 'lab sweep' again with --transcription-delay"
    )


def _check_assumed(folder: Path, summary: _Summary, assumed: Conditions) -> None:
    """Raise ValueError for other conditions than the sweep's, if only the best of its settings were kept."""
    source = summary.conditions.transcription_source
    if summary.of is not None and assumed.replace(transcription_source=source) != summary.conditions:
        raise ValueError(
            f"{folder}: has the best of {summary.of:,} settings under what its sweep assumed; under other "
            "delays others may be the best: run 'lab sweep' again with them"
        )


def _check_unchanged(recorded: Mapping[str, str], there: Sequence[str], *, in_order: bool) -> None:
    """Raise ValueError for a recording (hash → path) that isn't `there`, or isn't at its place."""
    for number, (sha256, recording) in enumerate(recorded.items()):
        if sha256 not in there or (in_order and there[number] != sha256):
            raise ValueError(
                f"{recording}: missing, unusable or changed since the sweep; run 'lab sweep' again"
            )

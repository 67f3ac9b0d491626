"""The main job from end to end: recordings and a grid → a scored sweep, the choice, and a folder of results.

`run_study` measures, `choose_settings` decides under a budget, `write_report` writes the folder; command line
and notebooks call the same three.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as MplFigure

from .. import plots
from ..core.recording import Recording
from ..core.settings import KNOBS, USUAL_CONDITIONS, Conditions, Settings
from ..core.traces import Traced
from ..recordings.audio import BadRecording, as_path, is_local, replacing
from ..recordings.conditions import CLEAN, LineCondition, degrade
from ..recordings.find import RecordingFiles, find_in, load_recording
from ..recordings.labels.censoring import censoring
from ..turns import grid as grids
from ..turns import profile
from ..turns.choose import Budget, choose, choose_or_nearest, frontier, held_out
from ..turns.replay import blocks_of
from ..turns.sweep import Corpus, Sweep, commits_table, counts, score_one, sweep
from ..turns.tracing import trace_recordings
from .conditions import score_lines

DEFAULT_BUDGET = Budget.false_boundary_rate(0.10)
LIVEKIT_DEFAULT = -1
"""Number of LiveKit's own defaults in `commits.parquet`; the others are rows of `sweep.parquet`."""
ALL_COMMITS_UP_TO = 100
"""Grids of up to so many settings have the commits of each in `commits.parquet`."""
SUMMARY_VERSION = 1
TRACED_AT_ONCE = 20_000
"""Settings whose predictions are looked for at once; it bounds memory."""
LINE_FILES = ("lines.parquet", "lines.png")
"""Written beside the others where a choice is judged on bad lines."""
FILES = ("summary.json", "sweep.parquet", "commits.parquet", "tradeoff.png", "profile.yaml")


@dataclass(frozen=True)
class Skipped:
    """A recording that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Study:
    """What was measured: every setting of a grid on every usable recording."""

    files: tuple[RecordingFiles, ...]
    corpus: Corpus
    skipped: tuple[Skipped, ...]
    conditions: Conditions
    phases: int
    result: Sweep
    channels: tuple[str, str]
    """Names of the user's and the agent's channel in pairs of mono files."""
    impossible: int
    """Combinations of the grid that AgentSession would refuse."""
    line: LineCondition = CLEAN
    """What the audio was put through before."""
    seed: int = 0
    sources: tuple[str, ...] = ()
    """The files, folders and manifests that were given."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per setting: knobs, then metrics."""
        return self.result.table

    @property
    def defaults(self) -> Settings:
        """What AgentSession does by itself."""
        return Settings()

    def settings(self, row: int) -> Settings:
        """The settings of one row of the table."""
        knobs = {name: self.table[name][row] for name in KNOBS}
        return grids.settings_of(knobs)

    def load(self, number: int) -> Recording:
        """The audio of one recording, as it was traced."""
        labels = self.corpus.recordings[number].labels
        recording = load_recording(self.files[number])
        if self.line.is_clean:
            return recording
        return degrade(replace(recording, labels=recording.labels or labels), self.line, self.seed)


@dataclass(frozen=True)
class Choice:
    """The setting chosen under a budget, beside LiveKit's defaults; frames as `sweep.figures`."""

    budget: Budget
    row: int
    settings: Settings
    within_budget: bool
    chosen: pd.DataFrame
    defaults: pd.DataFrame
    held_out: pd.DataFrame | None


def run_study(
    paths: Sequence[str | Path],
    table: pd.DataFrame | None = None,
    *,
    impossible: int = 0,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Path | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    line: LineCondition = CLEAN,
    seed: int = 0,
    only: frozenset[str] = frozenset(),
) -> Study:
    """Find, load and trace recordings, and score every setting of a table (default: `grid.DEFAULT_GRID`).

    A recording that cannot be used is skipped and listed; if none is left, BadRecording says why. `line` and
    `seed`: what the audio is put through before (`degrade`). `only`: recordings with other paths are left
    out.
    """
    if table is None:
        table, impossible = grids.expand(grids.DEFAULT_GRID)
    found, failed = find_in(paths, channels)
    skipped = [Skipped(str(path), str(error)) for path, error in failed]
    found = [files for files in found if not only or _absolute(files.user) in only]
    every = pd.concat([table, grids.row_of(Settings())])
    blocks = [block for _, block in blocks_of(every, conditions, TRACED_AT_ONCE)]
    usable: list[tuple[RecordingFiles, Traced]] = []
    first: dict[str, Path] = {}
    traces = trace_recordings(
        found, blocks, phases=phases, cache=cache, jobs=jobs, quiet=quiet, line=line, seed=seed
    )
    for files, traced in zip(found, traces, strict=True):
        if isinstance(traced, ValueError):
            skipped.append(Skipped(str(files.user), str(traced)))
        elif traced.sha256 in first:
            reason = f"{files.user}: the same audio as {first[traced.sha256]}; counted once"
            skipped.append(Skipped(str(files.user), reason))
        else:
            first[traced.sha256] = files.user
            usable.append((files, traced))
    if not usable:
        reasons = "; ".join(item.reason for item in skipped)
        raise BadRecording(reasons or "no recordings given; name a file or a folder")
    corpus = Corpus.of([traced for _, traced in usable])
    result = sweep(corpus, table, conditions, quiet=quiet)
    used = tuple(one for one, _ in usable)
    sources = tuple(_absolute(path) for path in paths)
    return Study(
        used, corpus, tuple(skipped), conditions, phases, result, channels, impossible, line, seed, sources
    )


def _absolute(path: str | Path) -> str:
    """A path that means the same from any folder; fsspec URLs do already."""
    target = as_path(path)
    return str(target.absolute()) if is_local(target) else str(target)


def choose_settings(study: Study, budget: Budget = DEFAULT_BUDGET, *, nearest: bool = False) -> Choice:
    """The setting that meets a budget best, with its figures and those of the defaults.

    Raises NoneWithinBudget if none does, or takes the nearest one if `nearest`.
    """
    n = counts(study.corpus)
    if not (n["holds"] and n["turns"]):
        raise ValueError(
            f"the recordings have {n['holds']} holds and {n['turns']} ends of turn: nothing to choose by; "
            "check that the second channel is the agent's, or add label files"
        )
    row = choose_or_nearest(study.table, budget) if nearest else choose(study.table, budget)
    settings = study.settings(row)
    return Choice(
        budget=budget,
        row=row,
        settings=settings,
        within_budget=bool(budget.met(study.table)[row]),
        chosen=score_one(study.corpus, settings, study.conditions),
        defaults=score_one(study.corpus, study.defaults, study.conditions),
        held_out=held_out(study.corpus, study.result, budget, study.conditions),
    )


def make_profile(study: Study, choice: Choice, name: str, date: dt.date) -> profile.Profile:
    """The choice as a profile with its evidence."""
    n = counts(study.corpus)
    sources = sorted({r.labels.source or "unknown" for r in study.corpus.recordings})
    evidence = profile.Evidence(
        date=date,
        budget=str(choice.budget) + ("" if choice.within_budget else " (none met it; the nearest)"),
        recordings=tuple(
            profile.EvidenceRecording(name=r.name, sha256=r.sha256, duration_s=round(r.duration_s, 3))
            for r in study.corpus.recordings
        ),
        n_holds=n["holds"],
        n_turns=n["turns"],
        phases=study.phases,
        conditions=study.conditions,
        chosen=_profile_figures(choice.chosen),
        defaults=_profile_figures(choice.defaults),
        held_out=None if choice.held_out is None else _profile_figures(choice.held_out),
        note=f"labels from: {', '.join(sources)}",
    )
    return profile.Profile(name=name, settings=choice.settings, evidence=evidence)


def _profile_figures(frame: pd.DataFrame) -> profile.Figures:
    return profile.Figures.model_validate({name: dict(row) for name, row in _plain(frame).items()})


def _plain(frame: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """A frame of figures as plain values, None for NaN."""
    if frame is None:
        return {}
    figures = frame[["value", "low", "high"]].astype(object).where(frame.notna(), None)
    return {
        str(name): {**figures.loc[name].to_dict(), "n": int(frame.loc[name, "n"])} for name in frame.index
    }


def summary_of(study: Study, choice: Choice) -> dict[str, Any]:
    """All headline results as plain values."""
    best = frontier(study.table)
    return {
        "format": "sweep-summary",
        "version": SUMMARY_VERSION,
        "recordings": [
            {
                "name": r.name,
                "path": _absolute(r.path),
                "sha256": r.sha256,
                "duration_s": round(r.duration_s, 3),
                "labels": r.labels.source,
                "notes": list(r.notes),
            }
            for r in study.corpus.recordings
        ],
        "sources": list(study.sources),
        "skipped": [{"path": item.path, "reason": item.reason} for item in study.skipped],
        "counts": counts(study.corpus),
        "phases": study.phases,
        "channels": list(study.channels),
        "conditions": study.conditions.model_dump(),
        "line": str(study.line),
        "seed": study.seed,
        "censoring": censoring(*(r.labels for r in study.corpus.recordings)).plain(),
        "settings": len(study.table),
        "impossible_settings": study.impossible,
        "budget": {
            "limit": choice.budget.limit,
            "most": choice.budget.most,
            "least": choice.budget.least,
            "met": choice.within_budget,
        },
        "defaults": {"settings": study.defaults.knobs(), "figures": _plain(choice.defaults)},
        "chosen": {"row": choice.row, "settings": choice.settings.knobs(), "figures": _plain(choice.chosen)},
        "held_out": _plain(choice.held_out) or None,
        "frontier": study.table.loc[best, ["false_boundary_rate", "latency_mean", "latency_p95"]]
        .assign(row=best)
        .to_dict("records"),
    }


def write_report(study: Study, choice: Choice, folder: Path, name: str, date: dt.date) -> dict[str, Any]:
    """Write summary.json, sweep.parquet, commits.parquet, tradeoff.png and profile.yaml; returns the summary.

    All are made in a temporary folder beside it and moved in together: a failure leaves what was there.
    """
    summary = summary_of(study, choice)
    every = len(study.table) <= ALL_COMMITS_UP_TO
    rows = range(len(study.table)) if every else {choice.row, *frontier(study.table)}
    settings = {LIVEKIT_DEFAULT: study.defaults} | {row: study.settings(row) for row in sorted(rows)}
    commits = commits_table(study.corpus, settings, study.conditions)
    figure = tradeoff_figure(study, choice)
    made = make_profile(study, choice, name, date)
    writers: tuple[Callable[[Path], object], ...] = (
        lambda path: path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8"),
        study.table.to_parquet,
        commits.to_parquet,
        lambda path: figure.savefig(path, dpi=150),
        lambda path: profile.save_profile(made, path),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part.", dir=folder if folder.is_dir() else folder.parent))
    try:
        for file_name, write in zip(FILES, writers, strict=True):
            write(part / file_name)
        folder.mkdir(exist_ok=True)
        for file_name in FILES:
            os.replace(part / file_name, folder / file_name)
        for file_name in LINE_FILES:  # of an earlier sweep
            (folder / file_name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return summary


def compare_lines(
    study: Study,
    choice: Choice,
    lines: Sequence[LineCondition],
    *,
    jobs: int = 2,
    cache: Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """LiveKit's defaults and the choice on the study's recordings, as recorded and under each line.

    A frame as `lines.score_lines`.
    """
    settings = {"LiveKit's defaults": study.defaults, "chosen": choice.settings}
    every = [CLEAN, *(line for line in dict.fromkeys(lines) if not line.is_clean)]
    return score_lines(
        study.files,
        settings,
        every,
        conditions=study.conditions,
        phases=study.phases,
        seed=study.seed,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
    )


def write_lines(frame: pd.DataFrame, folder: Path) -> None:
    """Write lines.parquet and lines.png into a results folder."""
    figure = plots.line_figure(frame)
    with replacing(folder / LINE_FILES[0]) as part:
        frame.to_parquet(part)
    with replacing(folder / LINE_FILES[1]) as part:
        figure.savefig(part, dpi=150, format="png")


def check_folder(folder: Path) -> None:
    """Raise ValueError if results could not be written to a folder; before the work, not after it."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing}: is a file; give a folder with --out")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{folder}: {existing} can't be written to; give another folder with --out")


def tradeoff_figure(study: Study, choice: Choice) -> MplFigure:
    """The sweep as a picture: all settings, the frontier, the defaults, the choice and plain VAD."""
    return plots.tradeoff_figure(
        study.table,
        frontier(study.table),
        defaults=choice.defaults,
        chosen=choice.chosen,
        counts=counts(study.corpus) | {"recordings": len(study.corpus.recordings)},
    )


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a results folder. Raises ValueError naming the file and what is wrong with it."""
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a folder made by 'lab sweep' or 'lab demo'") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not readable ({error}); run 'lab sweep' again") from None
    if not isinstance(summary, dict) or summary.get("version") != SUMMARY_VERSION:
        raise ValueError(f"{path}: not a summary of this version ({SUMMARY_VERSION}); run 'lab sweep' again")
    return summary


def reopen_study(folder: Path, *, jobs: int = 2, cache: Path | None = None, quiet: bool = False) -> Study:
    """The study of a results folder, measured again from its recordings and the cached traces.

    Raises ValueError if a recording is gone or its audio has changed since.
    """
    summary = read_summary(folder)
    try:
        stored = pd.read_parquet(folder / "sweep.parquet")
        table = stored[list(KNOBS)]
    except (OSError, ValueError, KeyError) as error:
        path = folder / "sweep.parquet"
        raise ValueError(f"{path}: not readable ({error}); run 'lab sweep' again") from None
    conditions = Conditions.model_validate(summary["conditions"])
    if "transcription_delay" in stored:  # of 0.1.0, where it was a knob
        delays = [float(delay) for delay in stored["transcription_delay"].unique()]
        if delays != [conditions.transcription_delay]:
            raise ValueError(
                f"{folder / 'sweep.parquet'}: its settings have transcription delays of "
                f"{', '.join(f'{delay:g}' for delay in delays)} s; a sweep assumes one for all settings now: "
                "run 'lab sweep' again with --transcription-delay"
            )
    recorded = {item["sha256"]: item["path"] for item in summary["recordings"]}
    study = run_study(
        summary.get("sources") or list(recorded.values()),
        table,
        impossible=summary["impossible_settings"],
        conditions=conditions,
        phases=summary["phases"],
        channels=(summary["channels"][0], summary["channels"][1]),
        line=LineCondition.parse(summary.get("line", "clean")),
        seed=summary.get("seed", 0),
        only=frozenset(recorded.values()),
        jobs=jobs,
        cache=cache,
        quiet=quiet,
    )
    for sha256, path in recorded.items():
        if sha256 not in {r.sha256 for r in study.corpus.recordings}:
            raise ValueError(f"{path}: missing, unusable or changed since the sweep; run 'lab sweep' again")
    return study

"""Two settings on the same recordings → a judgement, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ...core.files.places import Folder
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...recordings.recording_files import FindOptions
from ...turns import grid as grids
from ...turns.metrics.changes import Change, Difference, change
from ...turns.pins import SAME_S, Pin, PinnedCalls
from ...turns.sweep import Corpus, score_rows
from ..study.choice import settings_of_row
from ..study.commits import commits_table
from ..study.measured import Skipped, trace_table

Judgement = Literal["no worse", "worse", "can't be told"]
Figure = Literal["false_boundary_rate", "latency_mean", "latency_p95", "missed_rate"]
COMPARED: tuple[Figure, ...] = ("false_boundary_rate", "latency_mean", "missed_rate")
BUDGETED: tuple[Figure, ...] = ("false_boundary_rate", "latency_mean", "latency_p95", "missed_rate")
CALLS_AS_COLUMNS = ["recording", "what", "at_s", "baseline_s", "profile_s"]


@dataclass(frozen=True)
class Allowances:
    """How much worse than the baseline each figure may be."""

    false_boundary_rate: float = 0.02
    """Of the holds."""
    latency_mean: float = 0.1
    missed_rate: float = 0.01
    """Of the ends of turn."""


@dataclass(frozen=True)
class Budgets:
    """The most that each figure may be, whatever the baseline's; None: any."""

    false_boundary_rate: float | None = None
    latency_mean: float | None = None
    latency_p95: float | None = None
    missed_rate: float | None = 0.02


@dataclass(frozen=True)
class Finding:
    """One figure, judged against the baseline (`budget` is False) or against its budget."""

    figure: Figure
    budget: bool
    allowed: float
    """The most that the difference, or the figure, may be."""
    difference: Difference
    judgement: Judgement


@dataclass(frozen=True)
class PinFinding:
    """A pinned failure under the profile: it must not come again, in any take."""

    pin: Pin
    takes: int
    """That it was heard in."""
    cut: int
    """Takes of them in which the profile commits in the pinned pause."""
    found: bool = True
    """Whether its call, and its pause, are among the recordings."""

    @property
    def judgement(self) -> Judgement:
        if not self.found:
            return "can't be told"
        return "worse" if self.cut else "no worse"


@dataclass(frozen=True)
class Check:
    """What came of a check."""

    findings: tuple[Finding, ...]
    pins: tuple[PinFinding, ...]
    change: Change | None
    """None where only pins are checked: calls that were picked for their failures give no figures."""
    calls: pd.DataFrame
    """Where the profile does worse: columns `CALLS_AS_COLUMNS`, the worst first.

    `what`: "cuts off" (a pause that the baseline lets pass; `profile_s` after it began) or "later" (an end
    of turn; both waits, NaN where it is missed).
    """
    skipped: tuple[Skipped, ...] = ()

    @property
    def judgement(self) -> Judgement:
        """Of the whole."""
        every = {one.judgement for one in self.findings} | {one.judgement for one in self.pins}
        return "worse" if "worse" in every else "can't be told" if "can't be told" in every else "no worse"


def check(
    paths: Sequence[str | Path],
    profile: Settings,
    baseline: Settings,
    *,
    allowed: Allowances | None = None,
    budgets: Budgets | None = None,
    pins: Sequence[Pin] = (),
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    quiet: bool = False,
) -> Check:
    """Judge a profile's settings against a baseline's on recordings; with cached traces in seconds.

    Raises BadRecording if none can be used. A recording that can't is listed in `skipped`.
    """
    table = pd.concat([grids.row_of(baseline), grids.row_of(profile)], ignore_index=True)
    traced = trace_table(
        paths,
        table,
        conditions=conditions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        channels=channels,
        options=options,
        quiet=quiet,
    )
    corpus, rows = traced.corpus, (settings_of_row(table, 0), settings_of_row(table, 1))
    changed = change(*score_rows(corpus, table, conditions))
    commits = commits_table(corpus, dict(enumerate(rows)), conditions)
    return Check(
        findings_of(changed, allowed or Allowances(), budgets or Budgets(), same=rows[0] == rows[1]),
        tuple(_pinned(one, corpus, commits) for one in pins),
        changed,
        _where_worse(commits[commits["phase"] == 0]),
        traced.skipped,
    )


def check_pinned(pinned: PinnedCalls, profile: Settings) -> Check:
    """Whether a profile lets pinned pauses pass, on calls without sound.

    Raises MissingTraces if it leads to predictions that weren't traced when the file was made.
    """
    corpus = Corpus.of([call.to_traced() for call in pinned.calls])
    commits = commits_table(corpus, {1: profile}, pinned.conditions)
    found = tuple(_pinned(one, corpus, commits) for one in pinned.pins)
    return Check((), found, None, pd.DataFrame(columns=CALLS_AS_COLUMNS))


def findings_of(
    changed: Change, allowed: Allowances, budgets: Budgets, *, same: bool = False
) -> tuple[Finding, ...]:
    """Each figure judged; `same`: the two settings are equal, which one call shows as well as many."""
    found = []
    for figure in COMPARED:
        one, most = getattr(changed, figure), getattr(allowed, figure)
        judgement: Judgement = "no worse" if same else _judgement(one, most)
        found.append(Finding(figure, False, most, one, judgement))
    for figure in BUDGETED:
        one, most = getattr(changed, figure), getattr(budgets, figure)
        if most is not None:
            within: Judgement = "no worse" if one.after <= most + 1e-12 else "worse"
            found.append(Finding(figure, True, most, one, "can't be told" if np.isnan(one.after) else within))
    return tuple(found)


def _judgement(found: Difference, allowed: float) -> Judgement:
    low, high = found.interval.low, found.interval.high
    if high is not None and high <= allowed + 1e-12:
        return "no worse"
    if low is not None and low > 0 and found.difference > allowed:
        return "worse"
    return "can't be told"


def _pinned(pin: Pin, corpus: Corpus, commits: pd.DataFrame) -> PinFinding:
    """What the profile, setting 1, does in a pinned pause."""
    of_call = [one for one in corpus.recordings if one.sha256 == pin.call.sha256]
    if not any(_is_pinned(pin, label.start_s) for one in of_call for label in one.labels.labels):
        return PinFinding(pin, 0, 0, found=False)
    (traced,) = of_call
    own = commits[
        (commits["setting"] == 1) & (commits["recording"] == traced.name) & commits["false_boundary"]
    ]
    cut = own[[_is_pinned(pin, start_s) for start_s in own["label_start_s"]]]["phase"].nunique()
    return PinFinding(pin, traced.phases, int(cut))


def _is_pinned(pin: Pin, start_s: float) -> bool:
    return abs(start_s - pin.label.start_s) <= SAME_S


def _where_worse(commits: pd.DataFrame) -> pd.DataFrame:
    """Pauses that only the profile, setting 1, cuts, and ends of turn that it answers later; of one take."""
    keys = ["recording", "label_start_s"]
    cut = commits[commits["false_boundary"]].assign(after_s=lambda c: c["commit_s"] - c["label_start_s"])
    first = cut.groupby(["setting", *keys])["after_s"].min()
    only = _of(first, 1).drop(_of(first, 0).index, errors="ignore").rename("profile_s").reset_index()
    only = only.assign(what="cuts off", baseline_s=np.nan, loss_s=np.inf)

    ends = commits[commits["latency_s"].notna()].groupby(["setting", *keys])["latency_s"].min()
    waits = pd.DataFrame({"baseline_s": _of(ends, 0), "profile_s": _of(ends, 1)})
    waits = waits[waits["baseline_s"].notna()].rename_axis(keys).reset_index()
    waits = waits.assign(what="later", loss_s=waits["profile_s"].fillna(np.inf) - waits["baseline_s"])
    found = pd.concat([only, waits[waits["loss_s"] > 1e-9]], ignore_index=True)
    found = found.sort_values(["loss_s", *keys], ascending=[False, True, True], kind="stable")
    return found.rename(columns={"label_start_s": "at_s"}).reset_index(drop=True)[CALLS_AS_COLUMNS]


def _of(by_setting: pd.Series, setting: int) -> pd.Series:
    """The rows of one setting, by recording and pause; empty if it has none."""
    return by_setting[by_setting.index.get_level_values("setting") == setting].droplevel("setting")

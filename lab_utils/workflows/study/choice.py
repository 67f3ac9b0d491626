"""The setting chosen under a budget, beside LiveKit's defaults, and a profile that says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ...core.errors import InputError
from ...core.knobs import KNOBS
from ...core.settings import DEFAULTS_NOTE, Conditions, Settings
from ...core.text.html import table_html
from ...turns import grid as grids
from ...turns import profile
from ...turns.choose import MOST_MISSED, Budget, NoneWithinBudget, choose, choose_or_nearest
from ...turns.evidence import Evidence, EvidenceRecording, Figures
from ...turns.grid.large import can_choose
from ...turns.guarantee import Guarantee, certify
from ...turns.held_out import held_out
from ...turns.metrics import LONGEST_HOLD_S, SHORTEST_HOLD_S
from ...turns.sweep import Corpus, Sweep, counts, score_one
from ...turns.told_settings import AsRecorded, as_recorded
from .figure_texts import figure_rows, plain_figures

DEFAULT_BUDGET = Budget.false_boundary_rate(0.10)


@dataclass(frozen=True)
class Choice:
    """The setting chosen under a budget, beside LiveKit's defaults; frames as `metrics.figures`."""

    budget: Budget
    row: int
    settings: Settings
    within_budget: bool
    chosen: pd.DataFrame
    defaults: pd.DataFrame
    held_out: pd.DataFrame | None
    guarantee: Guarantee | None = None
    """What was certified of the setting, if that was asked for."""
    by_hand: bool = False
    """Whether somebody moved the settings after they were chosen."""
    own: AsRecorded | None = None
    """Imported sessions under the settings they had; None if none tells them."""

    @property
    def columns(self) -> dict[str, pd.DataFrame]:
        """The frames of figures by name."""
        own = {} if self.own is None else {self.own.title: self.own.figures}
        columns = {"LiveKit's defaults": self.defaults, **own, "chosen": self.chosen}
        return columns if self.held_out is None else columns | {"chosen, held out": self.held_out}

    @property
    def rows(self) -> list[list[str]]:
        """Name and text of each figure, in the order of `columns`, and its n."""
        return figure_rows([plain_figures(frame) for frame in self.columns.values()])

    @property
    def budget_text(self) -> str:
        """Under which budget it was chosen, and whether it was met."""
        if self.by_hand:
            return "set by hand in the tuner"
        return str(self.budget) + ("" if self.within_budget else " (none met it; the nearest)")

    def _repr_html_(self) -> str:
        knobs = {name: value for name, value in self.settings.knobs().items() if value is not None}
        caption = f"{self.budget_text}. Chosen: " + ", ".join(f"{k} {v}" for k, v in knobs.items())
        return table_html(
            ["", *self.columns, "n"], self.rows, f"{caption}. In brackets: 95 % intervals. {DEFAULTS_NOTE}."
        )


def settings_of_row(table: pd.DataFrame, row: int) -> Settings:
    """The settings of one row of a sweep's table."""
    return grids.settings_of({name: table[name][row] for name in KNOBS})


def choose_settings(
    corpus: Corpus,
    result: Sweep,
    budget: Budget,
    conditions: Conditions,
    *,
    nearest: bool = False,
    guarantee: float | None = None,
) -> Choice:
    """The setting that meets a budget best, with its figures and those of the defaults.

    `guarantee`: a confidence; then the fastest setting that is certified with it (`turns.guarantee`). Raises
    NoneWithinBudget if there is none; without a guarantee the nearest one is taken if `nearest`. Raises
    InputError for what can't be told of a large grid (`grid.large.can_choose`).
    """
    if not isinstance(budget, Budget):
        raise InputError(f"expected a budget, such as lab.Budget.false_boundary_rate(0.10), got {budget!r}")
    if result.of is not None and not can_choose(budget):
        raise InputError(
            f"of so large a grid ({result.of:,} settings) only those are kept that are best by "
            f"false_boundary_rate and a latency with missed_rate <= {MOST_MISSED:g}; choose so, or sweep a "
            f"grid of at most {grids.MOST_SETTINGS:,}"
        )
    n = counts(corpus)
    if not (n["holds"] and n["turns"]):
        raise InputError(
            f"the recordings have {n['holds']} holds and {n['turns']} ends of turn: nothing to choose by; "
            + _lacking(n)
        )
    statement = None
    if guarantee is not None:
        if result.of is not None:
            raise InputError(
                f"of so large a grid ({result.of:,} settings) only the best on these calls are kept; "
                "on the same calls nothing can be certified of them: sweep a smaller grid for a guarantee"
            )
        statement = certify(corpus, result, budget, guarantee, conditions)
        if statement.row is None:
            raise NoneWithinBudget(str(statement))
        row = statement.row
    else:
        row = choose_or_nearest(result.table, budget) if nearest else choose(result.table, budget)
    settings = settings_of_row(result.table, row)
    return Choice(
        budget=budget,
        row=row,
        settings=settings,
        within_budget=bool(budget.met(result.table)[row]),
        chosen=score_one(corpus, settings, conditions),
        defaults=score_one(corpus, Settings(), conditions),
        held_out=held_out(corpus, result, budget, conditions) if statement is None else None,
        guarantee=statement,
        own=as_recorded(corpus, conditions),
    )


def _lacking(n: Mapping[str, int]) -> str:
    """What to do about recordings without holds or without ends of turn."""
    if n["turns"] and n["unscored_holds"]:
        return (
            f"all {n['unscored_holds']} holds are shorter than {SHORTEST_HOLD_S:g} s or longer than "
            f"{LONGEST_HOLD_S:g} s, which the rate per hold leaves out; bring calls with usual pauses, or "
            "look whether the labels join what the agent answered"
        )
    if n["turns"] and n["cut_offs"]:
        return (
            f"the recorded agent cut off all {n['cut_offs']} pauses inside turns; "
            "bring calls of a slower agent"
        )
    if n["turns"]:
        return "the callers never pause inside a turn; bring more calls"
    return "check that the second channel is the agent's, or add label files"


def make_profile(
    corpus: Corpus, choice: Choice, conditions: Conditions, phases: int, name: str, date: dt.date
) -> profile.Profile:
    """The choice as a profile with its evidence."""
    n = counts(corpus)
    sources = sorted({r.labels.source or "unknown" for r in corpus.recordings})
    evidence = Evidence(
        date=date,
        budget=choice.budget_text,
        recordings=tuple(
            EvidenceRecording(name=r.name, sha256=r.sha256, duration_s=round(r.duration_s, 3))
            for r in corpus.recordings
        ),
        n_holds=n["holds"],
        n_turns=n["turns"],
        phases=phases,
        conditions=conditions,
        chosen=_profile_figures(choice.chosen),
        defaults=_profile_figures(choice.defaults),
        held_out=None if choice.held_out is None else _profile_figures(choice.held_out),
        as_recorded=None if choice.own is None else _profile_figures(choice.own.figures),
        guarantee=None if choice.guarantee is None else str(choice.guarantee),
        note=f"labels from: {', '.join(sources)}. {DEFAULTS_NOTE}.",
    )
    return profile.Profile(name=name, settings=choice.settings, evidence=evidence)


def _profile_figures(frame: pd.DataFrame) -> Figures:
    rows = plain_figures(frame)
    return Figures.model_validate(
        {name: {key: row[key] for key in ("value", "low", "high", "n")} for name, row in rows.items()}
    )

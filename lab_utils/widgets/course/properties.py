"""An exercise: conditions that a setting must meet on a study, in place of one right number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ...core.errors import InputError
from ...core.settings import Settings
from ...core.text.html import table_html
from ...turns.replay.decisions import MissingTraces
from ...workflows.study import Study
from ...workflows.study.figure_texts import NAMES

EQUAL = 1e-9
"""A figure that is over its limit by no more than rounding meets it."""
HINTS = {
    "false_boundary_rate": "Too many holds are cut: wait longer, or find more pauses unlikely to be an end.",
    "latency_mean": "The mean is too slow: wait less where an end is likely, or find fewer ends unlikely.",
    "latency_p95": "The slowest turns are too slow: is it min_delay or max_delay that they wait for?",
    "longest_wait": "The longest wait is too long: is it min_delay or max_delay?",
    "timeout_rate": "Too many turns end by max_delay: a lower unlikely_threshold finds fewer ends unlikely.",
    "missed_rate": "Too many turns are never answered.",
}
"""What may be wrong where a figure is over its limit."""


@dataclass(frozen=True)
class Condition:
    """One figure of a setting and its limit."""

    figure: str
    limit: float
    value: float
    at_least: bool = False
    """Whether the limit is the least, in place of the most."""

    @property
    def met(self) -> bool:
        """Whether the figure is known and within the limit."""
        if self.at_least:
            return self.value >= self.limit - EQUAL
        return self.value <= self.limit + EQUAL

    @property
    def text(self) -> str:
        """What is wanted, in words."""
        limit = _text(self.figure, self.limit)
        return f"{NAMES[self.figure]} at {'least' if self.at_least else 'most'} {limit}"

    @property
    def value_text(self) -> str:
        """What it is."""
        return _text(self.figure, self.value)


@dataclass(frozen=True)
class Feedback:
    """Which conditions a setting meets, and a word to the learner."""

    conditions: tuple[Condition, ...]
    said: str

    @property
    def done(self) -> bool:
        """Whether the exercise is solved."""
        return bool(self.conditions) and all(one.met for one in self.conditions)

    def __str__(self) -> str:
        rows = (f"{'met' if c.met else 'not yet'}: {c.text} (it is {c.value_text})" for c in self.conditions)
        return "\n".join([*rows, self.said])

    def _repr_html_(self) -> str:
        rows = [[c.text, c.value_text, "met" if c.met else "not yet"] for c in self.conditions]
        shown = table_html(["wanted", "yours", ""], rows) if rows else ""
        return f"{shown}<p><b>{escape(self.said)}</b></p>"


@dataclass(frozen=True)
class Exercise:
    """A task, the limits of a setting's figures, and hints in place of the usual ones (`HINTS`).

    `at_most`, `at_least`: a figure's name, as in a study's table, and its limit; rates from 0 to 1, latencies
    in seconds. The usual hints are for `at_most`.

    Raises ValueError for a figure that doesn't exist, or a hint for one that has no limit.
    """

    task: str
    at_most: Mapping[str, float] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limited = {**self.at_most, **self.at_least}
        unknown = [name for name in limited if name not in NAMES]
        if unknown or not limited:
            raise ValueError(
                f"unknown figure {', '.join(unknown) or '(none)'}; figures are {', '.join(NAMES)}"
            )
        idle = [name for name in self.hints if name not in limited]
        if idle:
            raise ValueError(f"a hint for {', '.join(idle)}, which has no limit in at_most or at_least")

    def check(self, study: Study, knobs: Mapping[str, Any] | Settings) -> Feedback:
        """Which conditions a setting meets on a study's recordings. What can't be used is told, not raised.

        `knobs`: names and values, as in a grid; what is missing is LiveKit's default. Predictions that no
        setting of the study led to are traced first, which can take a minute.
        """
        given: object = knobs
        if not isinstance(given, Settings | Mapping):
            return Feedback((), f'Give names and values, such as {{"min_delay": 0.5}}, not {knobs!r}.')
        try:
            settings = knobs if isinstance(knobs, Settings) else Settings.from_knobs(knobs)
        except ValueError as error:
            return Feedback((), f"AgentSession can't use that: {error}.")
        try:
            figures = _values(study, settings)
        except InputError as error:
            return Feedback((), f"That can't be tried here: {error}.")
        conditions = tuple(self._conditions(figures))
        missing = [one for one in conditions if not one.met]
        if not missing:
            more = "" if self.at_least else " Can you do it faster still?"
            return Feedback(conditions, f"Well done: every condition is met.{more}")
        hints = [self._hint(one) for one in missing]
        met = len(conditions) - len(missing)
        return Feedback(conditions, " ".join([f"{met} of {len(conditions)} met.", *filter(None, hints)]))

    def _conditions(self, figures: Mapping[str, float]) -> Iterator[Condition]:
        """Each with its figure, which is unknown where there is none."""
        for limits, at_least in ((self.at_most, False), (self.at_least, True)):
            for name, limit in limits.items():
                yield Condition(name, limit, figures.get(name, math.nan), at_least)

    def _hint(self, missing: Condition) -> str:
        """What may be wrong where a condition isn't met; nothing where nobody knows."""
        usual = "" if missing.at_least else HINTS.get(missing.figure, "")
        return self.hints.get(missing.figure, usual)

    def _repr_html_(self) -> str:
        wanted = "".join(f"<li>{escape(one.text)}</li>" for one in self._conditions({}))
        return f"<p><b>{escape(self.task)}</b></p><ul>{wanted}</ul>"


def _values(study: Study, settings: Settings) -> dict[str, float]:
    """A setting's figures on a study's recordings, traced anew where the study lacks predictions."""
    if settings.vad.model in set(study.table["vad"]):
        try:
            return dict(study.score(settings)["value"])
        except (MissingTraces, ValueError):  # other pauses to judge, or a longer wait than was traced
            pass
    grid = {name: [value] for name, value in settings.knobs().items() if value is not None}
    return dict(study.sweep(grid).score(settings)["value"])


def _text(figure: str, value: float) -> str:
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "never"
    if "latency" in figure or figure == "longest_wait":
        return f"{value:.2f} s"
    return f"{value:.3g}" if figure == "commits_in_no_label" else f"{value:.1%}"

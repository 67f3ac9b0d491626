"""The tuner: controls beside the trade-off, the numbers, one recording's timeline, and its failures to hear.

`Tuner` wires `Controls` (widgets ↔ settings), `Scorer` (settings → figures) and pictures (`plots`) together.
Numbers are averages over all audio phases; timeline and list of false boundaries show phase 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd

from .. import plots
from ..core.knobs import KNOBS
from ..core.recording import Recording
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.sound import excerpt, wav
from ..core.timeline import SAMPLE_RATE_HZ
from ..turns.choose import frontier
from ..turns.metrics.figures import BOUNDS
from ..turns.sweep import Corpus, Sweep, counts
from ..workflows.study.figure_texts import NAMES
from .controls import Controls
from .scorer import Complete, Scorer

BUSY, WRONG = "#0072B2", "#D55E00"

LEAD_S, TRAIL_S = 2.0, 1.5
"""A false boundary is heard from so long before the commit to so long after."""
CONTEXT_S = 8.0
"""A false boundary is shown with so much on either side."""

ROWS = (
    "false_boundary_rate",
    "false_boundary_rate_at_most",
    "false_boundary_rate_per_turn",
    "missed_rate",
    "latency_mean",
    "latency_p50",
    "latency_p95",
    "longest_wait",
    "timeout_rate",
    "coin_flips",
    "commits_in_no_label",
)
"""Figures that a slider moves; all of them stand in the study's table."""

REST_S = 0.4
"""Missing predictions are computed once the controls have rested so long."""
STEP_S = 0.02
"""Pause between two recordings, in which the kernel hears a slider that moves again."""


def on_loop(delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
    """Call later on the running event loop, or at once if there is none; returns what cancels it."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        call()
        return lambda: None
    return loop.call_later(delay_s, call).cancel


class Tuner:
    """The app; show `box`. `load` gives a recording's audio by its number in the corpus."""

    def __init__(
        self,
        corpus: Corpus,
        result: Sweep,
        load: Callable[[int], Recording],
        *,
        defaults: pd.DataFrame,
        start: Settings | None = None,
        chosen: pd.DataFrame | None = None,
        presets: Mapping[str, Settings] | None = None,
        complete: Complete | None = None,
        conditions: Conditions = USUAL_CONDITIONS,
        later: Callable[[float, Callable[[], None]], Callable[[], None]] = on_loop,
    ) -> None:
        """`defaults`, `chosen`: `sweep.score_one` of LiveKit's defaults and of the chosen setting."""
        self.scorer = Scorer(corpus, complete, conditions)
        self._later, self._cancel = later, _nothing
        self._load = lru_cache(maxsize=2)(load)
        self._compared = {"defaults": defaults} | ({} if chosen is None else {"chosen": chosen})
        start = start or Settings()
        self.controls = Controls(start, self._show, self._refuse, presets)
        self._scored = self.scorer.score(start)
        self._phases = corpus.recordings[0].phases
        self._tradeoff = plots.LiveTradeoff(
            result.table,
            frontier(result.table),
            defaults=defaults,
            chosen=chosen,
            counts=counts(corpus) | {"recordings": len(corpus.recordings)},
        )
        self._timeline: plots.LiveTimeline | None = None
        self._timeline_key: object = None
        self._commits = pd.DataFrame()
        self._silent = False
        self._make_widgets()
        self._choose_recording()

    @property
    def settings(self) -> Settings:
        """The last possible setting."""
        return self._scored.settings

    def settle(self) -> None:
        """Compute at once whatever the present setting's figures still lack."""
        self._cancel()
        while self.scorer.complete_next(self.settings) is not None:
            pass
        self._show(self.settings)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)

    def _make_widgets(self) -> None:
        picture = {"width": "100%", "object_fit": "contain"}
        self.status = w.HTML()
        self.numbers = w.HTML()
        self.tradeoff = w.Image(format="png", layout=picture)
        self.timeline = w.Image(format="png", layout=picture)
        names = [(recording.name, k) for k, recording in enumerate(self.scorer.corpus.recordings)]
        style = {"description_width": "80px"}
        self.recording = w.Dropdown(
            options=names, description="recording", style=style, layout={"width": "300px"}
        )
        self.span = w.FloatRangeSlider(
            description="seconds", step=0.5, readout_format=".1f", continuous_update=False, style=style
        )
        self.span.layout = {"flex": "1 1 300px"}
        self.whole = w.Button(description="Show all", icon="arrows-h", layout={"width": "auto"})
        self.failures = w.Select(rows=6, layout={"width": "60%", "min_width": "380px"})
        silence = wav(np.zeros((SAMPLE_RATE_HZ // 10, 2)))  # a player without audio is an error to a browser
        self.audio = w.Audio(value=silence, format="wav", autoplay=False, loop=False)
        self.audio.layout = {"width": "320px", "height": "44px"}
        self.recording.observe(lambda _: self._choose_recording(), "value")
        self.span.observe(lambda _: self._zoom(), "value")
        self.whole.on_click(lambda _: self._show_all())
        self.failures.observe(lambda _: self._choose_failure(), "value")
        left = w.VBox([self.controls.box, self.status, self.numbers], layout={"flex": "1 1 400px"})
        right = w.VBox([self.tradeoff], layout={"flex": "1 1 460px"})
        self.failures_title = w.HTML()
        self.box = w.VBox(
            [
                w.HBox([left, right], layout={"flex_flow": "row wrap", "align_items": "flex-start"}),
                w.HBox([self.recording, self.span, self.whole], layout={"flex_flow": "row wrap"}),
                self.timeline,
                self.failures_title,
                w.HBox([self.failures, self.audio], layout={"flex_flow": "row wrap"}),
            ]
        )

    def _show(self, settings: Settings) -> None:
        """Redraw everything for a setting; what is guessed is computed later."""
        self._cancel()
        self._scored = self.scorer.score(settings)
        self.numbers.value = numbers_html({"now": self._scored.figures, **self._compared}, self._phases)
        self.tradeoff.value = self._tradeoff.png(self._scored.figures)
        self._commits = self._scored.commits(self.recording.value)
        self._list_failures()
        self._draw_timeline()
        if self._scored.exact:
            self._say(_without_control(settings))
        elif self.scorer.can_complete:
            self._say("Approximate; computing the missing end-of-turn predictions …", BUSY)
            self._cancel = self._later(REST_S, self._complete_one)
        else:
            self._say("Approximate: some end-of-turn predictions are not in the traces.", BUSY)

    def _complete_one(self) -> None:
        try:
            number = self.scorer.complete_next(self.settings)
        except (OSError, ValueError) as error:  # the audio is gone, say
            return self._say(
                f"Approximate; cannot compute the missing end-of-turn predictions: {error}", WRONG
            )
        if number is None:
            self._show(self.settings)
        else:
            of = len(self.scorer.corpus.recordings)
            self._say(
                f"Approximate; computing end-of-turn predictions: {number + 1} of {of} recordings …", BUSY
            )
            self._cancel = self._later(STEP_S, self._complete_one)

    def _refuse(self, reason: str) -> None:
        self._cancel()
        self._say(f"Not possible: {reason}. The pictures show the last possible setting.", WRONG)

    def _say(self, text: str, colour: str = "inherit") -> None:
        self.status.value = (
            f'<div style="color:{colour};line-height:1.35;min-height:1.4em">{escape(text)}</div>'
        )

    def _choose_recording(self) -> None:
        duration_s = self.scorer.corpus.recordings[self.recording.value].duration_s
        self._silent = True
        self.span.value = (0.0, 0.0)
        self.span.max = duration_s
        self.span.value = (0.0, duration_s)
        self._silent = False
        self._show(self.settings)

    def _show_all(self) -> None:
        self.failures.value = None
        self.span.value = (self.span.min, self.span.max)

    def _list_failures(self) -> None:
        false = self._commits[self._commits["false_boundary"]]
        options = [(_describe(row), row["commit_s"]) for row in false.to_dict("records")]
        if options != list(self.failures.options):
            kept = self.failures.value
            self._silent = True
            self.failures.options = options
            self.failures.value = kept if kept in [value for _, value in options] else None
            self._silent = False
        n = len(options)
        if n:
            title = f"<b>{n} false {'boundary' if n == 1 else 'boundaries'} in this recording.</b>"
            self.failures_title.value = title + " Choose one to see and hear it:"
        else:
            title = "<b>No false boundary in this recording under this setting.</b>"
            self.failures_title.value = f"{title} {escape(self._where_next())}"

    def _where_next(self) -> str:
        """Which recording to look at for a false boundary: the next one in the menu, from its start again."""
        failing, here = self._scored.failing, self.recording.value
        later = [*(k for k in failing if k > here), *(k for k in failing if k < here)]
        if not later:
            return "Nor in any other."
        return f"The next with one: {self.scorer.corpus.recordings[later[0]].name}"

    def _choose_failure(self) -> None:
        at_s = self.failures.value
        if at_s is not None and not self._silent:
            self.span.value = (max(self.span.min, at_s - CONTEXT_S), min(self.span.max, at_s + CONTEXT_S))
            self.audio.autoplay = True
            heard = excerpt(self._load(self.recording.value), at_s - LEAD_S, at_s + TRAIL_S)
            self.audio.value = heard.wav

    def _zoom(self) -> None:
        if not self._silent:
            self._draw_timeline()

    def _draw_timeline(self) -> None:
        number, settings, span = self.recording.value, self.settings, self.span.value
        vad = settings.vad
        key = (number, span, vad.model, vad.activation_threshold, vad.deactivation, settings.detector.model)
        if self._timeline is None or key != self._timeline_key:
            traced = self.scorer.corpus.recordings[number]
            self._timeline = plots.LiveTimeline(self._load(number), traced, settings, span)
            self._timeline_key = key
        self.timeline.value = self._timeline.png(self._commits, settings)


def _nothing() -> None:
    pass


def numbers_html(columns: Mapping[str, pd.DataFrame], phases: int) -> str:
    """Figures of several settings side by side, each with the n it rests on; averages over `phases`."""
    cell = "style='padding:1px 0 1px 14px;text-align:right;white-space:nowrap'"
    heads = "".join(f"<th {cell}>{escape(name)}</th>" for name in (*columns, "n"))
    lines = [f"<tr><th></th>{heads}</tr>"]
    for metric in ROWS:
        values = [float(frame["value"][metric]) for frame in columns.values()]
        bounded = [float(frame["value"][BOUNDS.get(metric, metric)]) for frame in columns.values()]
        if metric in BOUNDS and np.array_equal(values, bounded, equal_nan=True):
            continue  # no pause was cut off by the recorded agent
        text = NAMES[metric]
        cells = [_number(metric, value) for value in values]
        numbers = [int(frame["n"][metric]) for frame in columns.values()]
        cells.append(str(numbers[0]) if len(set(numbers)) == 1 else "/".join(map(str, numbers)))
        row = "".join(f"<td {cell}>{text}</td>" for text in cells)
        lines.append(
            f"<tr><td style='padding:1px 0;text-align:left;white-space:nowrap'>{text}</td>{row}</tr>"
        )
    table = f"<table style='line-height:1.4;border-collapse:collapse'>{''.join(lines)}</table>"
    note = "Averages over " + (f"{phases} takes." if phases > 1 else "one take.")
    return f"{table}<small>{note}</small>"


def _number(metric: str, value: float) -> str:
    in_seconds = metric.startswith("latency") or metric == "longest_wait"
    if not np.isfinite(value):
        return "never" if in_seconds and np.isinf(value) else "–"
    if metric == "commits_in_no_label":
        return f"{value:.1f}"
    return f"{value:.2f} s" if in_seconds else f"{100 * value:.1f} %"


def _describe(commit: Mapping[Any, Any]) -> str:
    where = {
        "hold": "in a hold",
        "unscored_hold": "in a hold of unusual length",
        "cut_off": "in a pause that the recorded agent cut off",
    }[commit["label"]]
    p = f", p = {commit['probability']:.2f}" if np.isfinite(commit["probability"]) else ""
    return f"{commit['commit_s']:.2f} s: {where}; by {commit['cause']}{p}"


def _without_control(settings: Settings) -> str:
    """What differs from LiveKit's defaults and has no control."""
    usual = Settings().knobs()
    other = {k: v for k, v in settings.knobs().items() if not KNOBS[k].has_control and v != usual[k]}
    return "Also set: " + ", ".join(f"{name} {value}" for name, value in other.items()) if other else ""

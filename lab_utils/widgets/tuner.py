"""The tuner: controls beside the trade-off, the numbers, one recording's timeline, and its failures to hear.

`Scorer` computes what a setting does; `Tuner` wires controls, scorer and pictures (`plots`) together. Numbers
are averages over all audio phases; timeline and list of false boundaries show phase 0.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd

from .. import plots
from ..metrics import attribute
from ..records import Pauses, Recording
from ..replay import Block, MissingPredictions, replay
from ..settings import Settings, VadSettings
from ..sweep import Corpus, Sweep, counts, figures, frontier
from ..timeline import SAMPLE_RATE_HZ, to_samples
from .controls import MENUS, SLIDERS, Controls

LEAD_S, TRAIL_S = 2.0, 1.5
"""A false boundary is heard from so long before the commit to so long after."""
CONTEXT_S = 8.0
"""A false boundary is shown with so much on either side."""

ROWS: tuple[tuple[str, str], ...] = (
    ("false_boundary_rate", "false boundaries per hold"),
    ("false_boundary_rate_per_turn", "false boundaries per turn"),
    ("latency_mean", "latency, mean"),
    ("latency_p50", "latency, p50"),
    ("latency_p95", "latency, p95"),
    ("timeout_rate", "ended by max_delay"),
    ("missed_rate", "missed ends of turn"),
)

Complete = Callable[[Corpus, Settings], Corpus]
"""Adds the predictions that a setting leads to."""


class Scorer:
    """What any setting does on a corpus; predictions that are missing are asked for once, by `complete`."""

    def __init__(
        self,
        corpus: Corpus,
        complete: Complete | None = None,
        waiting: Callable[[int], None] = lambda n: None,
    ) -> None:
        """`waiting` is told how many predictions are missing in the first recording that lacks some."""
        self.corpus = corpus
        self._complete, self._waiting = complete, waiting
        self._pauses: dict[tuple[VadSettings, float], list[list[Pauses]]] = {}

    def figures(self, settings: Settings) -> pd.DataFrame:
        """A frame as `sweep.figures`, without intervals: those take too long for a slider."""
        try:
            return self._figures(settings)
        except MissingPredictions as missing:
            if self._complete is None:
                raise
            self._waiting(len(missing.starts))
            self.corpus = self._complete(self.corpus, settings)
            return self._figures(settings)

    def commits(self, number: int, settings: Settings) -> pd.DataFrame:
        """What each commit on one recording means, at phase 0; after `figures`."""
        return attribute(replay(self.corpus.recordings[number], settings), self.corpus.marks[number])

    def _figures(self, settings: Settings) -> pd.DataFrame:
        block = Block.of(settings)
        key = (block.vad, block.conditions.frame_duration)
        if key not in self._pauses:
            self._pauses = dict(list(self._pauses.items())[-15:])
            self._pauses[key] = self.corpus.pauses(*key)
        tallies = self.corpus.score(block, self._pauses[key])
        return figures(tallies, self.corpus.marks, resamples=1)[["value", "n"]]


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
    ) -> None:
        """`defaults`, `chosen`: `sweep.score_one` of LiveKit's defaults and of the chosen setting."""
        self.scorer = Scorer(corpus, complete, self._computing)
        self._load = lru_cache(maxsize=2)(load)
        self._compared = {"LiveKit's defaults": defaults} | ({} if chosen is None else {"chosen": chosen})
        start = start or Settings()
        self.controls = Controls(start, self._show, self._refuse, presets)
        self._settings = start
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
        self._make_widgets()
        self._choose_recording()

    @property
    def settings(self) -> Settings:
        """The last possible setting."""
        return self._settings

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
        self.audio = w.Audio(
            format="wav", autoplay=True, loop=False, layout={"width": "300px", "height": "40px"}
        )
        self.recording.observe(lambda _: self._choose_recording(), "value")
        self.whole.on_click(lambda _: self._show_all())
        self.failures.observe(lambda _: self._choose_failure(), "value")
        left = w.VBox([self.controls.box, self.status, self.numbers], layout={"flex": "1 1 400px"})
        right = w.VBox([self.tradeoff], layout={"flex": "1 1 460px"})
        self.failures_title = w.HTML()
        player = w.VBox([w.HTML("Choose one to see and hear it:"), self.audio])
        self.box = w.VBox(
            [
                w.HBox([left, right], layout={"flex_flow": "row wrap", "align_items": "flex-start"}),
                w.HBox([self.recording, self.span, self.whole], layout={"flex_flow": "row wrap"}),
                self.timeline,
                self.failures_title,
                w.HBox([self.failures, player], layout={"flex_flow": "row wrap"}),
            ]
        )

    def _show(self, settings: Settings) -> None:
        """Redraw everything for a setting."""
        try:
            now = self.scorer.figures(settings)
        except MissingPredictions as missing:  # and nobody to compute them
            return self._refuse(str(missing))
        self._settings = settings
        self.numbers.value = numbers_html({"now": now, **self._compared})
        self.tradeoff.value = self._tradeoff.png(now)
        self._commits = self.scorer.commits(self.recording.value, settings)
        self._list_failures()
        self._draw_timeline()
        self._say(_without_control(settings))

    def _refuse(self, reason: str) -> None:
        self._say(f"Not possible: {reason}. The pictures show the last possible setting.", "#D55E00")

    def _computing(self, n_missing: int) -> None:
        self._say(f"Computing end-of-turn predictions ({n_missing} or more) …", "#0072B2")

    def _say(self, text: str, colour: str = "inherit") -> None:
        self.status.value = (
            f'<div style="color:{colour};line-height:1.35;min-height:2.7em">{escape(text)}</div>'
        )

    def _choose_recording(self) -> None:
        duration_s = self.scorer.corpus.recordings[self.recording.value].duration_s
        self.span.unobserve_all("value")
        self.span.value = (0.0, 0.0)
        self.span.max = duration_s
        self.span.value = (0.0, duration_s)
        self.span.observe(lambda _: self._draw_timeline(), "value")
        self._show(self._settings)

    def _show_all(self) -> None:
        self.failures.value = None
        self.span.value = (self.span.min, self.span.max)

    def _list_failures(self) -> None:
        false = self._commits[self._commits["false_boundary"]]
        options = [(_describe(row), row["commit_s"]) for row in false.to_dict("records")]
        if options != list(self.failures.options):
            kept = self.failures.value
            self.failures.unobserve_all("value")
            self.failures.options = options
            self.failures.value = kept if kept in [value for _, value in options] else None
            self.failures.observe(lambda _: self._choose_failure(), "value")
        n = len(options)
        self.failures_title.value = (
            f"<b>{n} false {'boundary' if n == 1 else 'boundaries'} in this recording</b>"
        )

    def _choose_failure(self) -> None:
        at_s = self.failures.value
        if at_s is not None:
            self.span.value = (max(self.span.min, at_s - CONTEXT_S), min(self.span.max, at_s + CONTEXT_S))
            self.audio.value = wav_excerpt(self._load(self.recording.value), (at_s - LEAD_S, at_s + TRAIL_S))

    def _draw_timeline(self) -> None:
        number, settings, span = self.recording.value, self._settings, self.span.value
        vad = settings.vad
        key = (number, span, vad.model, vad.activation_threshold, vad.deactivation, settings.detector.model)
        if self._timeline is None or key != self._timeline_key:
            traced = self.scorer.corpus.recordings[number]
            self._timeline = plots.LiveTimeline(self._load(number), traced, settings, span)
            self._timeline_key = key
        self.timeline.value = self._timeline.png(self._commits, settings)


def wav_excerpt(recording: Recording, span: tuple[float, float]) -> bytes:
    """A stretch of a recording as a WAV file: user left, agent right (the user on both sides if alone)."""
    first, last = (min(max(0, to_samples(t)), len(recording.user)) for t in span)
    agent = recording.user if recording.agent is None else recording.agent
    stereo = np.stack((recording.user[first:last], agent[first:last]), axis=1)
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(stereo.astype("<i2").tobytes())
    return buffer.getvalue()


def numbers_html(columns: Mapping[str, pd.DataFrame]) -> str:
    """Figures of several settings side by side, each with the n it rests on."""
    heads = "".join(f"<th style='padding:1px 6px;text-align:right'>{escape(name)}</th>" for name in columns)
    lines = [f"<tr><th></th>{heads}<th style='padding:1px 6px;text-align:right'>n</th></tr>"]
    for metric, text in ROWS:
        cells = [_number(metric, frame["value"][metric]) for frame in columns.values()]
        numbers = [int(frame["n"][metric]) for frame in columns.values()]
        cells.append(str(numbers[0]) if len(set(numbers)) == 1 else "/".join(map(str, numbers)))
        row = "".join(f"<td style='padding:1px 6px;text-align:right'>{cell}</td>" for cell in cells)
        lines.append(f"<tr><td style='padding:1px 6px 1px 0'>{text}</td>{row}</tr>")
    return f"<table style='line-height:1.4;border-collapse:collapse'>{''.join(lines)}</table>"


def _number(metric: str, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f} s" if metric.startswith("latency") else f"{100 * value:.1f} %"


def _describe(commit: Mapping[Any, Any]) -> str:
    where = {"hold": "in a hold", "speech": "while the user speaks"}[commit["label"]]
    p = f", p = {commit['probability']:.2f}" if np.isfinite(commit["probability"]) else ""
    return f"{commit['commit_s']:.2f} s: {where}; by {commit['cause']}{p}"


def _without_control(settings: Settings) -> str:
    """What differs from LiveKit's defaults and has no control."""
    usual = Settings(conditions=settings.conditions).knobs()
    other = {
        k: v for k, v in settings.knobs().items() if k not in MENUS and k not in SLIDERS and v != usual[k]
    }
    return "Also set: " + ", ".join(f"{name} {value}" for name, value in other.items()) if other else ""

"""The tuner: controls, the trade-off, and the figures of what the controls say, in a notebook.

The browser draws (`js/src/tuner.js`); this side answers moves. One that can be answered at once is; for
others a thread computes, while the figures are grey. Figures are averages over all takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets as t

from ...core.errors import InputError
from ...core.settings import Conditions, Settings
from ...turns.choose import Budget, choose_or_nearest
from ...turns.metrics.changes import change
from ...turns.one_setting.surprises import surprises
from ...turns.replay import MissingTraces
from ...turns.sweep import Corpus
from ...workflows.study.change_text import change_sentence
from ...workflows.study.choice import settings_of_row
from ...workflows.study.figure_texts import plain_figures
from . import view
from .controls import Controls, controlled, described
from .scorer import Complete, Deliver, Scored, Scorer, Step
from .worker import Worker, to_this_thread

STATIC = Path(__file__).parent.parent / "static"
NEAR = 6
"""The pauses of so many values of min_silence_duration on either side are found while all else rests."""
RESTS, REST_S = 20, 0.05
"""That begins when the controls have rested for so many times so many seconds."""
TOLD_EVERY_S = 0.1
"""Progress is told no more often: each message costs what it takes to answer a move."""
BUDGET = Budget.false_boundary_rate(0.10)


class TunerView(anywidget.AnyWidget):
    """A corpus, its sweep, and settings by hand. Traits are what is shown."""

    _esm = STATIC / "tuner.js"
    _css = STATIC / "tuner.css"

    knobs = t.List(t.Dict()).tag(sync=True)
    """Rows of the table of knobs that have a control."""
    axes = t.Dict().tag(sync=True)
    colours = t.Dict(view.COLOURS).tag(sync=True)
    point_rows = t.Bytes().tag(sync=True)
    point_values = t.Bytes().tag(sync=True)
    point_knobs = t.List(t.Dict()).tag(sync=True)
    point_codes = t.Bytes().tag(sync=True)
    frontiers = t.Dict().tag(sync=True)
    title = t.Unicode().tag(sync=True)
    controls = t.Dict().tag(sync=True)
    scored = t.Dict().tag(sync=True)
    """State ("exact", "approximate", "old"), figures, marks, sentence and warnings."""
    progress = t.Dict().tag(sync=True)
    """What is being computed: text, done, of; empty if nothing is."""
    problem = t.Unicode().tag(sync=True)
    """Why something couldn't be done."""
    said = t.Unicode().tag(sync=True)
    """What was done; told to screen readers too."""
    suggested = t.Dict().tag(sync=True)
    """The best setting under the budget: limit, most, row, text."""
    presets = t.List(t.Dict()).tag(sync=True)
    serial = t.Int(0).tag(sync=True)
    """Number of the last request that was answered."""
    settled = t.Instance(Settings, allow_none=True)
    """The last setting whose figures are exact; to be observed in Python."""

    def __init__(
        self,
        corpus: Corpus,
        table: pd.DataFrame,
        conditions: Conditions,
        *,
        start: Settings,
        start_name: str = "start",
        complete: Complete | None = None,
        marks: Mapping[str, pd.DataFrame] | None = None,
        presets: Mapping[str, Settings] | None = None,
        deliver: Deliver | None = None,
    ) -> None:
        """`table`: a scored sweep; `start_name`: what to call where the controls begin.

        `marks`: name → figures of further settings to draw.
        """
        self.scorer = Scorer(corpus, conditions, complete)
        self.panel = Controls(start)
        self._table, self._presets = table, dict(presets or {})
        self._worker = Worker(deliver or to_this_thread())
        self._deliver_now = False
        drawn = view.points(table)
        self.scorer.keep(start.vad, self.scorer.pauses(start.vad))
        self._shown = self._pinned_a = self.scorer.at_once(start) or self.scorer.score(start)
        self._pinned_b: Scored | None = None
        self._marks = {start_name: view.marked(self._shown.figures)} | {
            name: view.marked(plain_figures(frame)) for name, frame in (marks or {}).items()
        }
        n = len(corpus.recordings)
        super().__init__(
            knobs=[described(knob) for knob in controlled().values()],
            axes=view.AXES,
            point_rows=drawn["rows"],
            point_values=drawn["values"],
            point_knobs=drawn["knobs"],
            point_codes=drawn["codes"],
            frontiers=drawn["frontiers"],
            title=f"{len(table):,} settings on {n} recording{'s' if n != 1 else ''}",
            presets=[{"name": name, "kept": False} for name in self._presets],
        )
        self.on_msg(self._receive)
        self._suggest(BUDGET)
        self._changed()

    @property
    def settings(self) -> Settings:
        """What the controls say. Raises ValueError for an impossible combination."""
        return self.panel.settings

    def set(self, settings: Settings) -> None:
        """Move all controls."""
        self.panel.set(settings)
        self._changed()

    def settle(self) -> Scored:
        """The exact figures of what the controls say, computed here and now if need be.

        Raises ValueError for an impossible combination, or OSError if audio is needed that is gone.
        """
        settings = self.settings
        scored = self.scorer.at_once(settings)
        if scored is None or not scored.exact:
            self._worker.now(partial(self.scorer.slowly, settings))
            scored = self.scorer.score(settings)
        self._show(scored)
        return scored

    def _receive(self, _: Any, content: Any, buffers: list[bytes]) -> None:
        """A request of the browser. Whatever goes wrong is told there."""
        with self.hold_sync():
            self.problem = ""
            try:
                self._acts()[content["kind"]](content)
            except (ValueError, OSError, KeyError, TypeError, MissingTraces) as error:
                self.problem = told(error)
            if isinstance(content, dict) and isinstance(content.get("serial"), int):
                self.serial = content["serial"]

    def _acts(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """What can be asked for, by name."""
        return {
            "move": lambda asked: self._act(lambda: self.panel.move(str(asked["knob"]), asked["value"])),
            "undo": lambda _: self._act(self.panel.undo),
            "redo": lambda _: self._act(self.panel.redo),
            "reset": lambda _: self._act(self.panel.reset),
            "take": lambda asked: self.take(int(asked["row"])),
            "preset": lambda asked: self.set(self._preset(str(asked["name"]))),
            "pin": lambda asked: self.pin(str(asked["which"])),
            "back": lambda asked: self._back_to(str(asked["which"])),
            "budget": lambda asked: self._suggest(_budget(asked)),
            "leave": lambda _: self._leave(),
        }

    def _act(self, act: Callable[[], object]) -> None:
        act()
        self._changed()

    def take(self, row: int) -> None:
        """Move the controls to a setting of the sweep's table."""
        if not 0 <= row < len(self._table):
            raise InputError(f"no setting {row}; the table has 0 to {len(self._table) - 1}")
        self.set(settings_of_row(self._table, row))
        self.said = "Took this setting"

    def pin(self, which: str) -> None:
        """Keep what is shown as "A" or "B", to compare with."""
        if not self._shown.exact or self._shown.settings != self.settings:
            raise InputError("the figures aren't there yet; pin it when they are")
        if which == "A":
            self._pinned_a = self._shown
        else:
            self._pinned_b = None if which == "no B" else self._shown
        self._show(self._shown)
        self.said = "B is empty" if which == "no B" else f"Pinned as {which}"

    def _back_to(self, which: str) -> None:
        pinned = self._pinned_a if which == "A" else self._pinned_b
        if pinned is None:
            raise InputError("nothing is pinned as B yet")
        self.set(pinned.settings)

    def _preset(self, name: str) -> Settings:
        if name not in self._presets:
            raise InputError(f"no preset {name!r}; there are {', '.join(self._presets) or 'none'}")
        return self._presets[name]

    def _suggest(self, budget: Budget) -> None:
        row = choose_or_nearest(self._table, budget)
        met = bool(budget.met(self._table)[row])
        one = self._table.loc[row]
        self.suggested = {
            "limit": budget.limit,
            "most": budget.most,
            "row": int(row),
            "text": ("" if met else "None meets it; the nearest: ")
            + f"{100 * one['false_boundary_rate']:.1f} % cut off, {one['latency_mean']:.2f} s on average, "
            + f"p95 {one['latency_p95']:.2f} s",
        }

    def _leave(self) -> None:
        """Back from a setting whose figures aren't there to the last one whose are."""
        self._worker.leave()
        self.progress = {}
        last = self._shown if self._shown.exact else None
        if last is not None and last.settings != self.panel.settings:
            self.panel.set(last.settings)
        self._changed()
        self.said = "Left it"

    def _changed(self) -> None:
        """Answer what the controls now say."""
        self.controls = self.panel.state()
        try:
            settings = self.panel.settings
        except ValueError as impossible:
            self._worker.leave()
            self.progress = {}
            self.scored = {**self.scored, "state": "old"}
            self.problem = f"Not possible: {impossible}. The figures are those of the last possible setting."
            return
        try:
            scored = self.scorer.at_once(settings)
        except ValueError as error:  # traced for shorter waits
            self._worker.leave()
            self._failed(settings, told(error))
            return
        if scored is not None and (scored.exact or not self.scorer.can_complete):
            self.progress = {}
            self._show(scored)
            self._worker.ask(partial(self._prepare, settings))
        else:
            if scored is None:
                self.scored = {**self.scored, "state": "old"}
            else:
                self._show(scored)
            self.progress = {"text": "computing", "done": 0, "of": len(self.scorer.corpus.recordings)}
            self._worker.ask(partial(self._compute, settings))

    def _compute(self, settings: Settings, deliver: Deliver) -> Iterator[Step]:
        """The job for a setting that can't be answered at once."""
        try:
            tell = self._now_and_then(partial(self._tell_later, settings, deliver))
            done = yield from self.scorer.slowly(settings, deliver, tell)
            deliver(partial(self._done, settings, done))
        except (ValueError, OSError, MissingTraces) as error:
            deliver(partial(self._failed, settings, told(error)))

    def _prepare(self, settings: Settings, deliver: Deliver) -> Iterator[object]:
        """While nothing else is to do: the pauses for the next moves of min_silence_duration."""
        for _ in range(RESTS):
            time.sleep(REST_S)
            yield None
        low, high, step = controlled()["min_silence_duration"].slider or (0.0, 0.0, 0.0)
        now_s = settings.vad.min_silence_duration
        near = (round(now_s + k * step, 6) for n in range(1, NEAR + 1) for k in (n, -n))
        for silence_s in near:
            vad = settings.vad.model_copy(update={"min_silence_duration": silence_s})
            if low <= silence_s <= high:
                yield from self.scorer.find_pauses(vad, deliver)

    def _now_and_then(self, tell: Callable[[Step], None]) -> Callable[[Step], None]:
        last_s = time.monotonic()

        def seldom(step: Step) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= TOLD_EVERY_S:
                last_s = time.monotonic()
                tell(step)

        return seldom

    def _tell_later(self, settings: Settings, deliver: Deliver, step: Step) -> None:
        deliver(partial(self._tell, settings, step))

    def _tell(self, settings: Settings, step: Step) -> None:
        if self._still(settings):
            self.progress = {"text": step.text, "done": step.done, "of": step.of}

    def _done(self, settings: Settings, scored: Scored) -> None:
        if self._still(settings):
            with self.hold_sync():
                self.progress = {}
                self._show(scored)

    def _failed(self, settings: Settings, why: str) -> None:
        if self._still(settings):
            with self.hold_sync():
                self.progress = {}
                self.scored = {**self.scored, "state": "old"}
                self.problem = f"These figures can't be computed: {why}"

    def _still(self, settings: Settings) -> bool:
        try:
            return self.panel.settings == settings
        except ValueError:
            return False

    def _show(self, scored: Scored) -> None:
        if scored.exact:
            self._shown = scored
        pinned = {"A": self._pinned_a, "B": self._pinned_b}
        columns = {"now": scored.figures} | {k: one.figures for k, one in pinned.items() if one is not None}
        marks = {k: view.marked(one.figures) for k, one in pinned.items() if one is not None}
        self.scored = {
            "state": "exact" if scored.exact else "approximate",
            "columns": list(columns),
            "rows": view.table_rows(columns),
            "marks": {**self._marks, **marks, "now": view.marked(scored.figures)},
            "sentence": change_sentence(change(self._pinned_a.recordings, scored.recordings)),
            "warnings": list(surprises(scored.settings, self.scorer.conditions, scored.recordings)),
            "takes": len(scored.recordings[0].latency_s),
        }
        if scored.exact:
            self.settled = scored.settings


def _budget(asked: Mapping[str, Any]) -> Budget:
    limit, most = str(asked["limit"]), float(asked["most"])
    if limit not in view.DRAWN:
        raise InputError(f"a budget limits one of {', '.join(view.DRAWN)}, not {limit!r}")
    least = "latency_mean" if limit == "false_boundary_rate" else "false_boundary_rate"
    return Budget(limit, most, least)


def told(error: Exception) -> str:
    """What went wrong, for a user: no type, no traceback."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        remedy = {28: "; free some space, or name a place on another disk", 13: "; choose a folder of yours"}
        return f"{where}{error.strerror}{remedy.get(error.errno or 0, '')}"
    if isinstance(error, KeyError | TypeError):
        return f"can't do this: {error}"
    return str(error)

"""The workbench: the views of one study in tabs, each made when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as w

from ...core.errors import machine_error_text
from ...core.settings import Settings
from ...turns.replay import MissingTraces
from ...workflows.study import Choice, Study
from ..failures import FailureBrowser
from ..pulse import Pulse
from ..session_panel import SessionPanel
from ..tuner import Tuner
from .label_panel import LabelPanel
from .report_panel import ReportPanel
from .setup import Setup, taken_over

BUSY = "Loading …"
STILL = "The tuner is still computing what its setting needs: look here again in a moment."


class Workbench(w.VBox):
    """Tuner, failures, labels, sessions, report and export of one study."""

    def __init__(self, study: Study, choice: Choice, setup: Setup) -> None:
        self._study, self._choice, self._setup = study, choice, setup
        self._cache = Path(setup.cache) if setup.cache else None
        self._made: dict[int, w.Widget] = {}
        self._tuner: Tuner | None = None
        self._sections: dict[str, Callable[[], w.Widget]] = {
            "Tuner": self._make_tuner,
            "Failures": self._make_failures,
            "Labels": self._make_labels,
            "Sessions": self._make_sessions,
            "Report and export": self._make_report,
        }
        self.tabs = w.Tab([w.VBox([w.HTML(BUSY)]) for _ in self._sections])
        for number, title in enumerate(self._sections):
            self.tabs.set_title(number, title)
        self.tabs.observe(lambda change: self._open(change["new"]), "selected_index")
        inside = [w.HTML(_heading(study)), self.tabs]
        super().__init__(inside)
        self.children = [Pulse(self), *inside]
        self._open(0)

    @property
    def settings(self) -> Settings:
        """What the tuner's controls say."""
        return self._study.defaults if self._tuner is None else self._tuner.settings

    def section(self, title: str) -> w.Widget | None:
        """A section that has been looked at; None before."""
        return self._made.get(list(self._sections).index(title))

    def _open(self, number: int) -> None:
        """Make a section that hasn't been seen, or bring it up to date. What can't be done is said in it."""
        place = self.tabs.children[number]
        title = list(self._sections)[number]
        try:
            if number not in self._made:
                self._made[number] = self._sections[title]()
                place.children = [self._made[number]]
            view = self._made[number]
            if isinstance(view, FailureBrowser):
                assert self._tuner is not None
                view.follow(self.settings, self._tuner.scorer.corpus)
            elif isinstance(view, SessionPanel):
                view.offer("tuner", self.settings)
        except MissingTraces:
            self._made.pop(number, None)
            place.children = [w.HTML(f"<p role='status'>{STILL}</p>")]
        except (ValueError, OSError) as error:  # a recording deleted or changed under the page, a full disk
            told = machine_error_text(error) if isinstance(error, OSError) else str(error)
            place.children = [w.HTML(f"<p role='alert'>{escape(told)}</p>")]
            self._made.pop(number, None)  # tried again when it is looked at again

    def _make_tuner(self) -> w.Widget:
        self._tuner = Tuner(self._study, self._choice, cache=self._cache)
        return self._tuner

    def _make_failures(self) -> w.Widget:
        setup = self._setup
        return FailureBrowser(
            self._study, folder=setup.out, who=setup.who, on_label=self._to_label
        )  # under the tuner's setting as soon as it is shown

    def _to_label(self, recording: str, at_s: float) -> None:
        """Show the label at a moment in the label editor's tab."""
        self.tabs.selected_index = list(self._sections).index("Labels")
        panel = self.section("Labels")
        if isinstance(panel, LabelPanel):
            panel.edit(recording, at_s)

    def _make_labels(self) -> w.Widget:
        return LabelPanel(self._study, self._setup.who, cache=self._cache)

    def _make_sessions(self) -> w.Widget:
        profiles = {"chosen setting": self._choice.settings}
        return SessionPanel(self._study.files, profiles, jobs=self._setup.jobs, cache=self._cache)

    def _make_report(self) -> w.Widget:
        assert self._tuner is not None
        tuner = self._tuner
        return ReportPanel(self._study, lambda: tuner.choice, Path(self._setup.out))


def _heading(study: Study) -> str:
    n = study.counts
    skipped = f"; {len(study.skipped)} skipped" if study.skipped else ""
    calls = "recording" if n["recordings"] == 1 else "recordings"
    text = (
        f"{n['recordings']} {calls}{skipped}, {n['holds']} pauses inside turns, "
        f"{n['turns']} ends of turn, {study.tried:,} settings compared"
    )
    return f"<h1 style='font-size:18px;margin:0'>livekit-turn-lab</h1><div>{escape(text)}</div>"


def open_workbench(folder: str) -> Workbench:
    """The workbench of what a server has measured, in the folder that it has made."""
    return Workbench(*taken_over(Path(folder)))

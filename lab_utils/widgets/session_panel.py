"""Run a call offline with two agents, and see, hear and compare both: the real AgentSession, virtual clock.

Sessions run in processes of their own, watched by a thread: other controls answer meanwhile, and *Cancel*
ends them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import ipywidgets as w
import numpy as np

from .. import plots
from ..core.errors import machine_error_text
from ..core.files.places import Folder
from ..core.settings import Settings
from ..core.sound import Sound
from ..core.timeline import SAMPLE_RATE_HZ
from ..latency.techniques.choice import NAMES, Techniques
from ..recordings.find import RecordingFiles, find_recordings
from ..session.job import HasSettings
from ..session.providers.files import builtin_providers
from ..turns.profile import load_profile
from ..workflows.run.call import CallPlan, CallRun, run_calls
from .pictures import picture_html
from .pulse import Pulse

Runner = Callable[[Sequence[CallPlan], threading.Event], Iterator[CallRun]]
SIDES = ("A", "B")
DEFAULTS = "LiveKit's defaults"
BY_ITSELF, NONE, TWELVE, SOME = "as LiveKit by itself", "none", "all twelve", "chosen below"
WINDOW_S = 30.0
"""So much of the call is shown at first."""
TICK_S = 0.5
ROWS = {
    "replies": ("replies", "{:.0f}"),
    "commits": ("commits", "{:.0f}"),
    "false_boundaries": ("false boundaries", "{:.0f}"),
    "heard": ("of these, heard", "{:.0f}"),
    "interrupted": ("interrupted replies", "{:.0f}"),
    "as_resumed": ("replies as the caller resumes", "{:.0f}"),
    "e2e_p50": ("latency, p50", "{:.2f} s"),
    "e2e_p95": ("latency, p95", "{:.2f} s"),
    "dollars": ("money for LLM and TTS, this call", "$ {:.4f}"),
    "dollars_per_1000": ("… for 1,000 replies", "$ {:.2f}"),
}


class AgentChoice(w.VBox):
    """What one of the two sessions is run with."""

    def __init__(self, side: str, profiles: Mapping[str, Settings | HasSettings], first: str) -> None:
        wide = {"layout": {"width": "98%"}, "style": {"description_width": "84px"}}
        self._profiles = profiles
        self.profile = w.Dropdown(options=list(profiles), value=first, description="settings", **wide)
        self.file = w.Text(
            description="or a profile", placeholder="profile.yaml", continuous_update=False, **wide
        )
        self.techniques = w.Dropdown(
            options=[BY_ITSELF, NONE, TWELVE, SOME], description="techniques", **wide
        )
        self.chosen = w.SelectMultiple(options=NAMES, rows=6, description="these", **wide)
        self.chosen.layout.display = "none"
        known = builtin_providers()
        self.providers = w.Combobox(
            options=known, value="guide", description="providers", continuous_update=False, **wide
        )
        self.agent = w.Text(
            description="agent",
            placeholder="the lab's call centre; or module:Class",
            continuous_update=False,
            **wide,
        )
        self.techniques.observe(self._show_chosen, "value")
        children = [self.profile, self.file, self.techniques, self.chosen, self.providers, self.agent]
        title = w.HTML(f"<b>{side}</b>")
        super().__init__([title, *children], layout={"flex": "1 1 320px"})

    @property
    def name(self) -> str:
        """What this side is called in pictures and tables."""
        return self.file.value.strip() or str(self.profile.value)

    def plan(self, files: RecordingFiles) -> CallPlan:
        """What the controls say. Raises ValueError or OSError for a profile that can't be read."""
        path = self.file.value.strip()
        settings = load_profile(path) if path else self._profiles[self.profile.value]
        return CallPlan(
            files, settings, self.providers.value.strip(), self._techniques(), self.agent.value.strip()
        )

    def offer(self, name: str, settings: Settings | HasSettings) -> None:
        """Let these settings be chosen by this name, now with these values."""
        known = name in self._profiles
        self._profiles = {**self._profiles, name: settings}
        if not known:
            kept = self.profile.value
            self.profile.options = list(self._profiles)
            self.profile.value = kept

    def _techniques(self) -> Techniques | None:
        known = {BY_ITSELF: None, NONE: Techniques(), TWELVE: Techniques.everything()}
        return (
            known[self.techniques.value]
            if self.techniques.value in known
            else Techniques.of(*self.chosen.value)
        )

    def _show_chosen(self, _: object) -> None:
        self.chosen.layout.display = "flex" if self.techniques.value == SOME else "none"


class SessionPanel(w.VBox):
    """Pick a call and two agents, run both, compare them.

    `calls`: a file, a folder, or what `find_recordings` gave; `profiles`: names and settings to choose from.
    """

    def __init__(
        self,
        calls: str | Path | Sequence[RecordingFiles],
        profiles: Mapping[str, Settings | HasSettings] | None = None,
        *,
        jobs: int = 2,
        cache: Folder | None = None,
        run: Runner | None = None,
    ) -> None:
        files = find_recordings(calls) if isinstance(calls, str | Path) else list(calls)
        every = {DEFAULTS: Settings(), **(profiles or {})}
        self._run = run or (lambda plans, cancel: run_calls(plans, jobs=jobs, cache=cache, cancel=cancel))
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._draws, self._longest_s = False, 1.0
        self.runs: dict[str, CallRun] = {}
        """What came of the sessions, by side."""
        self._make_controls(files, every)
        self._make_results()
        top = w.HBox(
            [self.recording, self.start, self.cancel, self.progress], layout={"flex_flow": "row wrap"}
        )
        sides = w.HBox(list(self.sides.values()), layout={"flex_flow": "row wrap"})
        inside = [top, sides, self.status, self.figures, self.results]
        super().__init__(inside)
        self.children = [Pulse(self), *inside]

    def _make_controls(
        self, files: Sequence[RecordingFiles], profiles: Mapping[str, Settings | HasSettings]
    ) -> None:
        options = [(one.name, number) for number, one in enumerate(files)]
        self._files = files
        self.recording = w.Dropdown(options=options, description="recording", layout={"width": "340px"})
        self.start = w.Button(description="Run both", layout={"width": "auto"})
        self.cancel = w.Button(description="Cancel", disabled=True, layout={"width": "auto"})
        self.progress = w.IntProgress(max=len(SIDES), layout={"width": "160px"})
        self.status = w.HTML()
        firsts = dict(zip(SIDES, (next(iter(profiles)), list(profiles)[-1]), strict=True))
        self.sides = {side: AgentChoice(side, profiles, firsts[side]) for side in SIDES}
        self.start.on_click(lambda _: self.begin())
        self.cancel.on_click(lambda _: self.stop())

    def _make_results(self) -> None:
        self.figures = w.HTML()
        self.timeline, self.latency = w.HTML(), w.HTML()
        narrow = {"layout": {"width": "150px"}, "style": {"description_width": "60px"}}
        self.from_s = w.BoundedFloatText(description="from (s)", min=0.0, step=1.0, **narrow)
        self.to_s = w.BoundedFloatText(description="to (s)", min=0.0, step=1.0, **narrow)
        self.earlier = w.Button(description="‹ earlier", layout={"width": "auto"})
        self.later = w.Button(description="later ›", layout={"width": "auto"})
        self.earlier.on_click(lambda _: self._move(-1))
        self.later.on_click(lambda _: self._move(1))
        self.sound = {side: w.HTML(layout={"margin": "0 24px 8px 0"}) for side in SIDES}
        for limit in (self.from_s, self.to_s):
            limit.observe(lambda _: self._draw(), "value")
        players = w.HBox(list(self.sound.values()), layout={"flex_flow": "row wrap"})
        span = w.HBox([self.earlier, self.from_s, self.to_s, self.later], layout={"flex_flow": "row wrap"})
        self.results = w.VBox([span, self.timeline, players, self.latency], layout={"display": "none"})

    def offer(self, name: str, settings: Settings | HasSettings) -> None:
        """Let these settings be chosen by this name on either side; again: with these values."""
        for side in self.sides.values():
            side.offer(name, settings)

    def begin(self) -> None:
        """Run both sessions in the background; what can't be run is said."""
        try:
            files = self._files[self.recording.value]
            plans = [side.plan(files) for side in self.sides.values()]
        except (ValueError, OSError) as error:
            self._say(machine_error_text(error) if isinstance(error, OSError) else str(error), alert=True)
            return
        self._cancel.clear()
        self.start.disabled, self.cancel.disabled = True, False
        self.runs, self.progress.value = {}, 0
        self.figures.value = ""
        self.results.layout.display = "none"
        self._thread = threading.Thread(target=self._work, args=(plans,), name="sessions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the sessions under way."""
        self._say("Cancelling …")
        self.cancel.disabled = True
        self._cancel.set()

    def wait(self) -> None:
        """Until the sessions have ended."""
        if self._thread is not None:
            self._thread.join()

    def _work(self, plans: Sequence[CallPlan]) -> None:
        done = threading.Event()
        clock = threading.Thread(target=self._tick, args=(done,), daemon=True)
        clock.start()
        problem = ""
        try:
            for side, run in zip(SIDES, self._run(plans, self._cancel), strict=True):
                self.runs[side] = run
                self.progress.value = len(self.runs)
                self._tell_figures()
        except OSError as error:
            problem = machine_error_text(error)
        except Exception as error:  # whatever an agent of one's own does
            problem = str(error) or type(error).__name__
        done.set()
        clock.join()
        self.start.disabled, self.cancel.disabled = False, True
        if self._cancel.is_set():
            self._say("Cancelled.")
        elif problem:
            self._say(problem, alert=True)
        else:
            self._show()

    def _tick(self, done: threading.Event) -> None:
        """Say how long it has been going on."""
        ticks = 0
        while not done.is_set():
            if not self._cancel.is_set():
                text = f"Running the real AgentSession offline: {len(self.runs)} of {len(SIDES)} done, "
                self._say(f"{text}{ticks * TICK_S:.0f} s")
            ticks += 1
            done.wait(TICK_S)

    def _say(self, text: str, alert: bool = False) -> None:
        self.status.value = f"<p role='{'alert' if alert else 'status'}'>{escape(text)}</p>"

    def _tell_figures(self) -> None:
        self.figures.value = figures_html({self._name(side): run.figures for side, run in self.runs.items()})

    def _name(self, side: str) -> str:
        return f"{side}: {self.sides[side].name}"

    def _show(self) -> None:
        failed = [
            f"{self._name(side)}: {run.log.failure}" for side, run in self.runs.items() if run.log.failure
        ]
        self._longest_s = max(1.0, *(run.log.duration_s for run in self.runs.values()))
        self._draws = False  # two fields are set, and one picture drawn
        self.from_s.max = self.to_s.max = self._longest_s
        self.from_s.value, self.to_s.value = 0.0, min(WINDOW_S, self._longest_s)
        self._draws = True
        self.latency.value = picture_html(
            plots.latency_figure([run.log for run in self.runs.values()], names=self._names()),
            "Latency of each reply by stage, both sessions",
        )
        self.results.layout.display = "flex"
        self._draw()
        self._say("; ".join(failed) or "Both sessions ended well.", alert=bool(failed))

    def _names(self) -> list[str]:
        return [self._name(side) for side in self.runs]

    def _move(self, by: int) -> None:
        """As many seconds earlier or later as are shown."""
        length_s = max(1.0, self.to_s.value - self.from_s.value)
        from_s = min(max(0.0, self.from_s.value + by * length_s), max(0.0, self._longest_s - length_s))
        self._draws = False
        self.from_s.value, self.to_s.value = from_s, from_s + length_s
        self._draws = True
        self._draw()

    def _draw(self) -> None:
        """Timelines and sound of the seconds that the fields say."""
        if len(self.runs) < len(SIDES) or not self._draws:
            return
        from_s, to_s = self.from_s.value, self.to_s.value
        if to_s - from_s < 1.0:
            return
        logs = [run.log for run in self.runs.values()]
        labels = self.runs[SIDES[0]].labels
        figure = plots.session_figure(logs, (from_s, to_s), labels, names=self._names())
        self.timeline.value = picture_html(
            figure, f"Both sessions from {from_s:.1f} to {to_s:.1f} s, one below the other"
        )
        first, last = (round(at_s * SAMPLE_RATE_HZ) for at_s in (from_s, to_s))
        for side, run in self.runs.items():
            heard = run.log.heard[first:last]
            name = f"{self._name(side)}, {from_s:.1f} to {to_s:.1f} s; caller left, agent right"
            self.sound[side].value = Sound(heard, name)._repr_html_() if len(heard) else ""


def figures_html(columns: Mapping[str, Mapping[str, float]]) -> str:
    """`ROWS` of sessions side by side."""
    cell = "style='padding:1px 0 1px 18px;text-align:right'"
    head = "".join(f"<th {cell} scope='col'>{escape(name)}</th>" for name in columns)
    lines = []
    for key, (name, form) in ROWS.items():
        values = [figures[key] for figures in columns.values()]
        cells = "".join(f"<td {cell}>{form.format(one) if np.isfinite(one) else '–'}</td>" for one in values)
        lines.append(
            f"<tr><th scope='row' style='text-align:left;font-weight:normal'>{name}</th>{cells}</tr>"
        )
    title = "style='line-height:1.5' aria-label='Figures of the sessions'"
    return f"<table {title}><tr><td></td>{head}</tr>{''.join(lines)}</table>"

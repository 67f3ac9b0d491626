"""What came of a measurement of barge-in: the table, the choice, its picture, its profile."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.settings import Conditions, InterruptionSettings, Settings
from ...core.sound import Sound, excerpt
from ...core.text.html import table_html
from ...turns.barge_in.figures import Scores, selectivity, with_intervals
from ...turns.barge_in.scenes import Scene
from ...turns.barge_in.search import (
    KNOBS,
    MOST_FALSELY_STOPPED,
    choose,
    choose_or_nearest,
    frontier,
    held_out,
)
from ...turns.evidence import InterruptionEvidence, InterruptionFigures
from ...turns.profile import Profile, save_profile
from ..study.measured import Skipped
from .texts import figure_rows

if TYPE_CHECKING:
    from ... import plots

DEFAULT_ROW = 0
"""LiveKit's default is the first setting tried."""


@dataclass(frozen=True)
class BargeInChoice:
    """One setting of `interruption`, chosen under a budget, beside LiveKit's default."""

    row: int
    interruption: InterruptionSettings
    settings: Settings
    most_falsely_stopped: float
    chosen: pd.DataFrame
    """Its figures (`figures.with_intervals`), and below those of LiveKit's default."""
    defaults: pd.DataFrame
    held_out: pd.DataFrame | None
    """Each recording under the setting chosen on the others; None where the others have too few onsets."""
    adaptive: pd.DataFrame | None
    """As recorded: adaptive interruption on the onsets it judged; None where no report tells."""
    selectivity: pd.DataFrame
    selectivity_of_defaults: pd.DataFrame
    met: bool
    """Whether it meets the budget; else it is the nearest."""

    @property
    def columns(self) -> dict[str, pd.DataFrame]:
        """Its figures beside those of LiveKit's default, by title."""
        every = {
            "LiveKit's default": self.defaults,
            "chosen": self.chosen,
            "chosen, held out": self.held_out,
            "adaptive, as recorded": self.adaptive,
        }
        return {title: frame for title, frame in every.items() if frame is not None}

    def _repr_html_(self) -> str:
        knobs = ", ".join(f"{name} {value}" for name, value in self.interruption.model_dump().items())
        found = table_html(["figure", *self.columns, "n"], figure_rows(self.columns), f"chosen: {knobs}")
        shares = (frame["talked_through"] for frame in (self.selectivity_of_defaults, self.selectivity))
        rows = [
            (sound, n, f"{before:.0%}", f"{after:.0%}")
            for sound, n, before, after in zip(
                self.selectivity.index, self.selectivity["n"], *shares, strict=True
            )
        ]
        return found + table_html(["talked through", "n", "LiveKit's default", "chosen"], rows)


@dataclass(frozen=True)
class BargeIn:
    """Every setting tried on every scene."""

    scenes: tuple[Scene, ...]
    tried: tuple[InterruptionSettings, ...]
    scores: Scores
    table: pd.DataFrame
    """A row for each setting: the knobs of `interruption`, then `figures.FIGURES`."""
    settings: Settings
    """The turn-taking beside `interruption`."""
    conditions: Conditions
    phases: int
    skipped: tuple[Skipped, ...] = ()
    unscored: int = 0
    """Onsets that nobody judges."""
    words: tuple[str, ...] = ()
    """Where the words come from that the STT hears."""
    sessions: int = 0
    """So many results come from sessions, the others from the replay."""
    adaptive: Scores | None = None
    """What LiveKit's adaptive interruption did, of the onsets of which imported reports tell that."""

    @property
    def counts(self) -> dict[str, int]:
        """What the figures rest on."""
        interruptions = int(self.scores.interrupts.sum())
        return {
            "recordings": len(set(self.scores.of)),
            "interruptions": interruptions,
            "sounds": len(self.scenes) - interruptions,
        }

    @property
    def frontier(self) -> list[int]:
        """Rows that no other beats in false stops and restricted time to yield."""
        return frontier(self.table)

    def choose(
        self, most_falsely_stopped: float = MOST_FALSELY_STOPPED, *, nearest: bool = False
    ) -> BargeInChoice:
        """The setting that yields soonest of those that falsely stop at most this share of the sounds.

        Raises NoneSelective if there is none, unless the `nearest` will do; ValueError if there is nothing to
        trade.
        """
        row = (choose_or_nearest if nearest else choose)(self.table, most_falsely_stopped)
        elsewhere = held_out(self.tried, self.scores, most_falsely_stopped)
        return BargeInChoice(
            row=row,
            interruption=self.tried[row],
            settings=self.settings.model_copy(update={"interruption": self.tried[row]}),
            most_falsely_stopped=most_falsely_stopped,
            chosen=with_intervals(self.scores, row),
            defaults=with_intervals(self.scores, DEFAULT_ROW),
            held_out=None if elsewhere is None else with_intervals(elsewhere, 0),
            adaptive=None if self.adaptive is None else with_intervals(self.adaptive, 0),
            selectivity=selectivity(self.scores, row),
            selectivity_of_defaults=selectivity(self.scores, DEFAULT_ROW),
            met=bool(self.table["falsely_stopped_rate"].iloc[row] <= most_falsely_stopped + 1e-12),
        )

    def onsets(self, row: int) -> pd.DataFrame:
        """What became of each onset under one setting, a row each, in the first take.

        Columns: recording, onset_s (in the scene), sound, yield_s, given_back, stopped, silent_for_s,
        talk_over_s.
        """
        s = self.scores
        columns = {"recording": list(s.of), "onset_s": [one.time_s for one in s.onsets]}
        columns["sound"] = [one.sound for one in s.onsets]
        for name in ("yield_s", "given_back", "stopped", "silent_for_s", "talk_over_s"):
            columns[name] = getattr(s, name)[row, :, 0]
        return pd.DataFrame(columns)

    def listen(self, onset: int) -> Sound:
        """One scene: user left, and right the recorded agent, as far as it went on."""
        scene = self.scenes[onset].recording
        return excerpt(scene, 0.0, scene.duration_s)

    def plot(self, choice: BargeInChoice | None = None) -> plots.Picture:
        """Time to yield against false stops: all settings, the frontier, LiveKit's default, the choice."""
        from ... import plots

        figure = plots.barge_in_figure(
            self.table, self.frontier, DEFAULT_ROW, None if choice is None else choice.row, self.counts
        )
        return plots.Picture(figure)

    def profile(self, choice: BargeInChoice, base: Profile | None = None, name: str = "") -> Profile:
        """The turn-taking profile `base` (or LiveKit's defaults) with the chosen `interruption`.

        The evidence of `base` stays: it is about commits, which only `min_words` can move.
        """
        found = self.evidence(choice)
        if base is None:
            return Profile(name=name or "barge-in", settings=choice.settings, interruption_evidence=found)
        settings = base.settings.model_copy(update={"interruption": choice.interruption})
        changed = {"settings": settings, "name": name or base.name, "interruption_evidence": found}
        return base.model_copy(update=changed)

    def evidence(self, choice: BargeInChoice) -> InterruptionEvidence:
        """What a profile tells of this choice."""
        n = self.counts
        return InterruptionEvidence(
            date=dt.date.today(),
            budget=f"soonest with at most {choice.most_falsely_stopped:.0%} of the sounds falsely stopping",
            n_recordings=n["recordings"],
            n_interruptions=n["interruptions"],
            n_sounds=n["sounds"],
            phases=self.phases,
            conditions=self.conditions,
            chosen=_figures(choice.chosen),
            defaults=_figures(choice.defaults),
            held_out=None if choice.held_out is None else _figures(choice.held_out),
        )

    def export(
        self, choice: BargeInChoice, path: str | Path, base: Profile | None = None, name: str = ""
    ) -> Path:
        """Write that profile, making the folder if need be; returns the file."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        save_profile(self.profile(choice, base, name), target)
        return target

    def summary(self, choice: BargeInChoice) -> dict[str, Any]:
        """All of it as plain values for JSON; None for what can't be told."""
        return {
            "date": dt.date.today().isoformat(),
            "counts": self.counts,
            "settings": len(self.tried),
            "sessions": self.sessions,
            "phases": self.phases,
            "unscored": self.unscored,
            "words": list(self.words),
            "conditions": self.conditions.model_dump(),
            "skipped": [item.reason for item in self.skipped],
            "most_falsely_stopped": choice.most_falsely_stopped,
            "met": choice.met,
            "chosen": choice.interruption.model_dump(),
            "figures": {
                name: None if frame is None else _plain(frame)
                for name, frame in (
                    ("chosen", choice.chosen),
                    ("defaults", choice.defaults),
                    ("held_out", choice.held_out),
                    ("adaptive", choice.adaptive),
                )
            },
            "selectivity": {
                "chosen": _plain(choice.selectivity),
                "defaults": _plain(choice.selectivity_of_defaults),
            },
        }

    def _repr_html_(self) -> str:
        n = self.counts
        caption = (
            f"{n['interruptions']} interruption(s) and {n['sounds']} sound(s) to talk through in "
            f"{n['recordings']} recording(s); {len(self.tried)} settings; the best:"
        )
        columns = [*KNOBS, "falsely_stopped_rate", "yield_restricted", "missed_rate", "talk_over_mean"]
        best = self.table.iloc[self.frontier][columns].round(3)
        return table_html(columns, best.to_numpy().tolist(), caption)


def _figures(frame: pd.DataFrame) -> InterruptionFigures:
    """Those of `with_intervals` that a profile holds; what can't be told, or never came to pass, is None."""
    known = frame.replace([np.inf, -np.inf], np.nan)
    rows = known.loc[list(InterruptionFigures.model_fields)].to_dict("index")
    return InterruptionFigures.model_validate(rows)


def _plain(frame: pd.DataFrame) -> dict[str, Any]:
    """A frame's rows by name, with None for what is no finite number."""
    rows: dict[str, Any] = {}
    for name, row in frame.iterrows():
        values = {key: float(value) for key, value in row.items()}
        rows[str(name)] = {
            key: int(value) if key == "n" else value if abs(value) < float("inf") else None
            for key, value in values.items()
        }
    return rows

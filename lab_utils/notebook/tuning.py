"""Notebook 01: measure, look and listen, choose, tune, export."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, Audio, Image

from .. import plots
from ..core.labels import LabelKind
from ..core.settings import Settings
from ..core.traces import Traced
from ..turns import grid as grids
from ..turns.metrics import LONGEST_HOLD_S, attribute
from ..turns.profile import save_profile
from ..turns.replay import Block, replay
from ..turns.sweep import score_one
from ..turns.tracing import TraceCache, Tracer, default_cache
from ..widgets.tuner import Tuner, numbers_html, wav_excerpt
from ..workflows.study import Choice, Study, make_profile, run_study, tradeoff_figure
from .shown import image


def measure(
    path: str | Path,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    phases: int = 4,
    jobs: int = 2,
    cache: Path | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
) -> Study:
    """Load and trace the recordings in a file or folder and score a grid of settings, with progress bars.

    Says which recordings were skipped, and why. Traces are cached: a second run takes seconds.
    """
    table, impossible = grids.expand(grids.DEFAULT_GRID if grid is None else grid)
    study = run_study(
        [path], table, impossible=impossible, phases=phases, jobs=jobs, cache=cache, channels=channels
    )
    for item in study.skipped:
        print(f"skipped: {item.reason}")
    return study


def overview(study: Study) -> pd.DataFrame:
    """One row per recording: its length, what its labels hold, where they come from."""
    rows = [
        {
            "recording": recording.name,
            "seconds": round(recording.duration_s, 1),
            "holds": len(recording.labels.of_kind("hold")),
            "ends of turn": len(recording.labels.of_kind("shift")),
            "backchannels": len(recording.labels.of_kind("backchannel")),
            "cut off": len(recording.labels.of_kind("cut_off")),
            "labels from": recording.labels.source,
            "notes": "; ".join(recording.notes),
        }
        for recording in study.corpus.recordings
    ]
    return pd.DataFrame(rows)


def example(study: Study, kind: LabelKind) -> tuple[int, tuple[float, float]]:
    """Number of a recording and span in seconds: the longest pause with this label, but at most 5 s.

    Raises ValueError if there is none.
    """
    found = [
        (number, (float(start_s), float(end_s)))
        for number, recording in enumerate(study.corpus.recordings)
        for start_s, end_s in recording.labels.of_kind(kind)
        if end_s - start_s <= LONGEST_HOLD_S
    ]
    if not found:
        raise ValueError(f"no recording of this study has a {kind} of at most {LONGEST_HOLD_S:g} s")
    return max(found, key=lambda item: item[1][1] - item[1][0])


def look(
    study: Study, number: int = 0, settings: Settings | None = None, span: tuple[float, float] | None = None
) -> Image:
    """The timeline of one recording, or of a span of seconds; `settings`: LiveKit's defaults if not given."""
    settings = settings or study.defaults
    traced = study.corpus.recordings[number]
    commits = attribute(replay(traced, settings, study.conditions), study.corpus.marks[number])
    return image(plots.timeline_figure(study.load(number), traced, commits, settings, span=span))


def listen(study: Study, number: int, span: Sequence[float], around_s: float = 2.0) -> Audio:
    """A player for a span of one recording and some seconds around it: user left, agent right."""
    start_s, end_s = span
    excerpt = wav_excerpt(study.load(number), (start_s - around_s, end_s + around_s))
    return Audio(data=excerpt)


def tradeoff(study: Study, choice: Choice) -> Image:
    """All settings of the sweep, the frontier, LiveKit's defaults and the choice."""
    return image(tradeoff_figure(study, choice))


def numbers(study: Study, choice: Choice) -> HTML:
    """The choice beside LiveKit's defaults, and on recordings it was not chosen on."""
    columns = {"LiveKit's defaults": choice.defaults, "chosen": choice.chosen}
    if choice.held_out is not None:
        columns["chosen, held out"] = choice.held_out
    return HTML(numbers_html(columns, study.phases))


def tuner(study: Study, choice: Choice | None = None, cache: Path | None = None) -> Tuner:
    """Sliders that start at LiveKit's defaults; what they need beyond the traces is computed and cached."""
    presets = {"LiveKit's defaults": study.defaults}
    return Tuner(
        study.corpus,
        study.result,
        study.load,
        defaults=choice.defaults if choice else score_one(study.corpus, study.defaults, study.conditions),
        start=study.defaults,
        chosen=choice.chosen if choice else None,
        presets=presets | ({"Chosen setting": choice.settings} if choice else {}),
        conditions=study.conditions,
        complete=Completer(study, Tracer(TraceCache(cache or default_cache()))),
    )


@dataclass(frozen=True)
class Completer:
    """Adds to the trace of a study's recording the predictions that a setting leads to."""

    study: Study
    tracer: Tracer

    def __call__(self, number: int, traced: Traced, settings: Settings) -> Traced:
        return self.tracer.complete(
            self.study.load(number), traced, [Block.of(settings, self.study.conditions)]
        )


def export(study: Study, choice: Choice, name: str, path: str | Path, tuned: Tuner | None = None) -> Path:
    """Write a profile with its evidence, making the folder if need be; returns the file.

    The profile holds the choice, or with `tuned` what the tuner's controls last said.
    """
    if tuned is not None:
        tuned.settle()
        figures = score_one(tuned.scorer.corpus, tuned.settings, study.conditions)
        choice = replace(choice, settings=tuned.settings, chosen=figures, held_out=None)
    made = make_profile(study, choice, name, dt.date.today())
    if tuned is not None and made.evidence is not None:
        by_hand = made.evidence.model_copy(update={"budget": "set by hand in the tuner"})
        made = made.model_copy(update={"evidence": by_hand})
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_profile(made, target)
    return target

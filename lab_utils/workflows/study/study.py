"""Recordings and a grid → a study: what each setting does, which to choose, how it looks and sounds."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.labels import LABEL_KINDS, LabelKind, agent_turns
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.sound import Sound, excerpt
from ...core.text.html import table_html
from ...core.timeline import frame_samples
from ...recordings.conditions import CLEAN, ChannelCondition
from ...recordings.heard_paths import HeardPath
from ...recordings.labels.hold_lengths import HoldLengths, hold_lengths
from ...recordings.recording_files import FindOptions
from ...turns import grid as grids
from ...turns.choose import MOST_MISSED, Budget, Latency, frontier
from ...turns.grid.large import table_of
from ...turns.metrics import LONGEST_HOLD_S, attribute
from ...turns.metrics.lessons import lesson_table
from ...turns.profile import Profile, save_profile
from ...turns.replay import find_pauses, replay
from ...turns.replay.endpointing import lessons
from ...turns.search import Objectives
from ...turns.slices import KEYS, slices
from ...turns.sweep import score_one
from ..assumed import conditions_with
from ..conditions import score_conditions
from .choice import DEFAULT_BUDGET, Choice, choose_settings, make_profile
from .measured import Measured, measure_table
from .search import Work, search

if TYPE_CHECKING:
    from ... import plots
    from ...session.providers.schema import Providers

ALL_SLICES = tuple(KEYS)
Span = tuple[float, float]


@dataclass(frozen=True)
class Study(Measured):
    """What was measured: every setting of a grid on every usable recording.

    Recordings are named by their place or their name. Times are seconds, rates fractions from 0 to 1.
    """

    @classmethod
    def of(cls, measured: Measured) -> Study:
        """The same with methods to look at it."""
        return cls(**{field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)})

    @property
    def overview(self) -> pd.DataFrame:
        """One row per recording: its length, what its labels hold, where they come from."""
        kinds: dict[str, LabelKind] = {
            "holds": "hold", "ends of turn": "shift", "backchannels": "backchannel", "cut off": "cut_off"
        }  # fmt: skip
        return pd.DataFrame(
            {
                "recording": one.name,
                "seconds": round(one.duration_s, 1),
                **{name: len(one.labels.of_kind(kind)) for name, kind in kinds.items()},
                "labels from": one.labels.source,
                "notes": "; ".join(one.notes),
            }
            for one in self.corpus.recordings
        )

    def sweep(
        self, grid: Mapping[str, Sequence[Any]], *, jobs: int = 2, cache: Folder | None = None
    ) -> Study:
        """The same recordings under the settings of another grid (knob → values), as `measure` takes one."""
        table, impossible = table_of(grid)
        measured = self.with_table(table, impossible=impossible, jobs=jobs, cache=cache)
        return Study.of(measured)

    def optimize(
        self,
        space: Mapping[str, Sequence[Any]] | None = None,
        *,
        evaluations: int | None = None,
        seconds: float | None = None,
        minimize: Latency = "latency_mean",
        most_missed: float = MOST_MISSED,
        seed: int = 0,
        folder: str | Path | None = None,
        jobs: int = 2,
        cache: Folder | None = None,
        quiet: bool = False,
    ) -> Study:
        """The same recordings under settings that a search finds between the values of a grid (`search`).

        What it makes least are the rate of false boundaries and a latency, of settings that leave at most
        `most_missed` of the ends of turn without an answer. It tries `evaluations` settings (500 if nothing
        is said), or what can be tried in `seconds`. With a `folder` it goes on from what is kept there.
        """
        work, kept = Work(evaluations, seconds), None if folder is None else Path(folder)
        objectives = Objectives(minimize, most_missed)
        found = search(
            self, space, work, objectives, seed=seed, folder=kept, jobs=jobs, cache=cache, quiet=quiet
        )
        return Study.of(found)

    def choose(
        self, budget: Budget = DEFAULT_BUDGET, *, nearest: bool = False, guarantee: float | None = None
    ) -> Choice:
        """The setting that meets a budget best, or if asked the nearest one, instead of NoneWithinBudget.

        With `guarantee`, a confidence such as 0.9, the fastest setting that is certified with it.
        """
        return choose_settings(
            self.corpus, self.result, budget, self.conditions, nearest=nearest, guarantee=guarantee
        )

    def score(self, settings: Settings) -> pd.DataFrame:
        """Figures of one setting whose predictions are traced, with 95 % intervals, as `metrics.figures`."""
        return score_one(self.corpus, settings, self.conditions)

    def slices(
        self, choice: Choice | Settings | None = None, by: str | Sequence[str] = ALL_SLICES
    ) -> pd.DataFrame:
        """Figures by slice (`turns.slices.KEYS`) of a choice or settings; of LiveKit's defaults if neither.

        A row per key, slice and metric; `note` says where a slice is too small.
        """
        settings = choice.settings if isinstance(choice, Choice) else choice or self.defaults
        keys = [by] if isinstance(by, str) else by
        return slices(self.corpus, settings, self.conditions, keys)

    def commits(
        self, recording: int | str = 0, settings: Settings | None = None, phase: int = 0
    ) -> pd.DataFrame:
        """Each commit on one recording and what it means (`metrics.attribute`).

        Under LiveKit's defaults if no settings are given.

        Raises MissingTraces for settings that lead to predictions that no setting of the grid led to.
        """
        number = self.number(recording)
        replayed = replay(self.corpus.recordings[number], settings or self.defaults, self.conditions, phase)
        return attribute(replayed, self.corpus.labelled[number])

    def lessons(self, recording: int | str = 0, settings: Settings | None = None) -> pd.DataFrame:
        """What dynamic endpointing learns from each pause of a recording (`metrics.lessons.lesson_table`).

        By LiveKit's default delays if no settings are given; any endpointing counts as dynamic here.
        """
        one, chosen = self.corpus.recordings[self.number(recording)], settings or self.defaults
        delays = chosen.endpointing
        pauses = find_pauses(
            one.heard_by(chosen.vad.model)[0], chosen.vad, frame_samples(self.conditions.frame_duration)
        )
        agent = agent_turns(one.labels)
        learned = lessons(pauses, agent, delays.min_delay, delays.max_delay, delays.alpha)
        return lesson_table(learned, one.labels)

    def plot_lessons(self, recording: int | str = 0, settings: Settings | None = None) -> plots.Picture:
        """The `min_delay` that dynamic endpointing learns over a recording; wrong lessons are marked."""
        from ... import plots

        delays = (settings or self.defaults).endpointing
        one = self.corpus.recordings[self.number(recording)]
        table = self.lessons(recording, settings)
        figure = plots.learned_delays_figure(table, delays.min_delay, delays.max_delay, one.duration_s)
        return plots.Picture(figure)

    def failures(self, settings: Settings | None = None) -> pd.DataFrame:
        """The false boundaries on all recordings, in audio phase 0, with the recording's name in front."""
        frames = []
        for number, name in enumerate(self.corpus.names):
            commits = self.commits(number, settings)
            false = commits[commits["false_boundary"]].reset_index(drop=True)
            false.insert(0, "recording", name)
            frames.append(false)
        return pd.concat(frames, ignore_index=True)

    def pauses(self, kind: LabelKind = "hold", longest_s: float = LONGEST_HOLD_S) -> pd.DataFrame:
        """The labelled pauses of a kind up to a length, the longest first: recording, start_s, end_s.

        Raises InputError for another kind.
        """
        if kind not in LABEL_KINDS:
            raise InputError(f"there are no pauses of the kind {kind!r}; kinds are {', '.join(LABEL_KINDS)}")
        rows = [
            (one.name, float(start_s), float(end_s))
            for one in self.corpus.recordings
            for start_s, end_s in one.labels.of_kind(kind)
            if end_s - start_s <= longest_s
        ]
        rows.sort(key=lambda row: row[1] - row[2])
        return pd.DataFrame(rows, columns=["recording", "start_s", "end_s"])

    def score_conditions(
        self, choice: Choice, lines: Sequence[ChannelCondition], *, jobs: int = 2, cache: Folder | None = None
    ) -> pd.DataFrame:
        """LiveKit's defaults and the choice, as recorded and on worse lines; as `score_conditions`."""
        settings = {"LiveKit's defaults": self.defaults, "chosen": choice.settings}
        every = [CLEAN, *(line for line in dict.fromkeys(lines) if not line.is_clean)]
        return score_conditions(
            self.files,
            settings,
            every,
            conditions=self.conditions,
            phases=self.phases,
            seed=self.seed,
            path=self.path,
            jobs=jobs,
            cache=cache,
        )

    def listen(self, recording: int | str, start_s: float, end_s: float) -> Sound:
        """A stretch of one recording: user left, agent right."""
        return excerpt(self.load(recording), start_s, end_s)

    def profile(self, choice: Choice, name: str, date: dt.date | None = None) -> Profile:
        """The choice as a profile with its evidence."""
        return make_profile(self.corpus, choice, self.conditions, self.phases, name, date or dt.date.today())

    def export(self, choice: Choice, name: str, path: str | Path) -> Path:
        """Write the choice as a profile, making the folder if need be; returns the file."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        save_profile(self.profile(choice, name), target)
        return target

    def plot_tradeoff(self, choice: Choice | None = None, *, floor_s: float | None = None) -> plots.Picture:
        """All settings, the frontier, LiveKit's defaults, the choice and plain VAD (not of a large grid).

        `floor_s`: a perfect detector's mean wait, with the agent for which e2e is least (`JointStudy.floor`),
        a line.
        """
        from ... import plots

        figure = plots.tradeoff_figure(
            self.table,
            frontier(self.table),
            defaults=choice.defaults if choice else self.score(self.defaults),
            chosen=choice.chosen if choice else None,
            own=choice.own.figures if choice and choice.own else None,
            counts=self.counts,
            floor_s=floor_s,
            of=self.result.of,
        )
        return plots.Picture(figure)

    def plot_frontiers(self, others: Mapping[str, Measured], name: str = "search") -> plots.Picture:
        """This study's frontier beside those of other studies of the same recordings, by name."""
        from ... import plots

        tables = {name: self.table} | {other: one.table for other, one in others.items()}
        parts = [table.iloc[frontier(table)].assign(of=of) for of, table in tables.items()]
        best = pd.concat(parts, ignore_index=True)
        return plots.Picture(plots.frontiers_figure(best, None, list(tables), self.counts))

    @property
    def hold_lengths(self) -> HoldLengths:
        """How long holds are, with those that the recorded agent cut off."""
        return hold_lengths(*(one.labels for one in self.corpus.recordings))

    def plot_hold_lengths(self) -> plots.Picture:
        """The share of holds by length: as seen, and with those that the recorded agent cut off."""
        from ... import plots

        return plots.Picture(plots.hold_lengths_figure(self.hold_lengths))

    def plot_timeline(
        self, recording: int | str = 0, settings: Settings | None = None, span: Span | None = None
    ) -> plots.Picture:
        """One recording, or a span of seconds of it, under a setting (LiveKit's defaults if not given)."""
        from ... import plots

        number = self.number(recording)
        figure = plots.timeline_figure(
            self.load(number),
            self.corpus.recordings[number],
            self.commits(number, settings),
            settings or self.defaults,
            span=span,
        )
        return plots.Picture(figure)

    def _repr_html_(self) -> str:
        n = self.counts
        caption = (
            f"{self.tried:,} settings on {n['recordings']} recording(s): {n['holds']} holds, "
            f"{n['turns']} ends of turn; {self.phases} audio phase(s)"
        )
        overview = self.overview
        shown = table_html(list(overview.columns), overview.to_numpy().tolist(), caption)
        told = {
            "skipped": [[item.reason] for item in self.skipped],
            "note": [[line] for line in self.foreign],
            "assumed": [[line] for line in self.conditions.in_words],
        }
        return shown + "".join(table_html([title], rows) for title, rows in told.items() if rows)


def measure(
    paths: str | Path | Sequence[str | Path],
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    channel_condition: ChannelCondition = CLEAN,
    seed: int = 0,
    options: FindOptions | None = None,
    path: HeardPath | None = None,
    providers: Providers | str | Path | None = None,
    transcription_delay: float | None = None,
) -> Study:
    """Find, load and trace recordings, and score every setting of a grid (default: `grid.DEFAULT_GRID`).

    Of a grid of more than `grid.MOST_SETTINGS`, the table has those that some budget might choose.

    `paths`: a file, folder or manifest, or several. A recording that cannot be used is skipped and listed in
    `Study.skipped`; if none is left, BadRecording says why. `channel_condition`, `seed`: what the audio is
    put through before (`degrade`). `options`: how recordings are found, in place of `channels`. `phases`: how
    many takes each call is heard in; `path`: over which path, None: over several in turn (`takes_of`).
    `providers` (a profile, its name or its file) or `transcription_delay` (s): when final transcripts come,
    in place of what `conditions` say (`conditions_with`). Traces are cached: a second run takes seconds.
    """
    table, impossible = table_of(grids.DEFAULT_GRID if grid is None else grid)
    measured = measure_table(
        [paths] if isinstance(paths, str | Path) else paths,
        table,
        impossible=impossible,
        conditions=conditions_with(providers, conditions, transcription_delay=transcription_delay),
        phases=phases,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
        channels=channels,
        channel_condition=channel_condition,
        seed=seed,
        options=options,
        path=path,
    )
    return Study.of(measured)

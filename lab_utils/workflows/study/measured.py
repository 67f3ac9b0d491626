"""What a study rests on: recordings, found and traced, and every setting of a table scored on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.recording import Recording
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ...core.traces import Traced
from ...recordings.audio import BadRecording, as_path, is_local
from ...recordings.conditions import CLEAN, ChannelCondition, degrade
from ...recordings.find import RecordingFiles, find_in, load_recording
from ...recordings.heard_paths import HeardPath
from ...recordings.recording_files import FindOptions
from ...turns import grid as grids
from ...turns.cache import TraceCache
from ...turns.detectors.base import Predictor
from ...turns.grid.large import LargeGrid, best_settings
from ...turns.origins import Origins
from ...turns.replay import Block, blocks_of
from ...turns.sweep import Corpus, Sweep, counts, sweep
from ...turns.told_settings import own_settings
from ...turns.tracing import trace_recordings
from .choice import settings_of_row

TRACED_AT_ONCE = 20_000
"""Settings whose predictions are looked for at once; it bounds memory."""


@dataclass(frozen=True)
class Skipped:
    """A recording that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Measured:
    """Every setting of a table, scored on every usable recording."""

    files: tuple[RecordingFiles, ...]
    corpus: Corpus
    skipped: tuple[Skipped, ...]
    conditions: Conditions
    phases: int
    result: Sweep
    channels: tuple[str, str]
    """Names of the user's and the agent's channel in pairs of mono files."""
    impossible: int
    """Combinations of the grid that AgentSession would refuse."""
    channel_condition: ChannelCondition = CLEAN
    """What the audio was put through before."""
    seed: int = 0
    sources: tuple[str, ...] = ()
    """The files, folders and manifests that were given."""
    options: FindOptions | None = None
    """How recordings were looked for, if by more than the names of channels."""
    path: HeardPath | None = None
    """How all takes were heard; None: over several paths in turn (`takes_of`)."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per setting: knobs, then metrics."""
        return self.result.table

    @property
    def defaults(self) -> Settings:
        """What AgentSession does by itself."""
        return Settings()

    @property
    def foreign(self) -> tuple[str, ...]:
        """Which recordings are in a language that a text detector doesn't know, a sentence each."""
        return tuple(
            f"{one.path}: {name} doesn't know the language {language}; its settings wait min_delay there"
            for one in self.corpus.recordings
            for name in one.texts
            if (language := unknown_to(name, one, self.conditions))
        )

    @property
    def tried(self) -> int:
        """How many settings were scored; the table has all of them, unless they were too many."""
        return self.result.of or len(self.table)

    @property
    def counts(self) -> dict[str, int]:
        """How many recordings, holds, ends of turn, … the figures rest on."""
        return counts(self.corpus) | {"recordings": len(self.corpus.recordings)}

    def settings(self, row: int) -> Settings:
        """The settings of one row of the table."""
        return settings_of_row(self.table, row)

    def number(self, recording: int | str) -> int:
        """The place of a recording, by its name. Raises ValueError if there is none."""
        names = self.corpus.names
        if isinstance(recording, str) and recording in names:
            return names.index(recording)
        if not isinstance(recording, str) and 0 <= recording < len(names):
            return int(recording)
        raise InputError(
            f"no recording {recording!r}; expected 0 to {len(names) - 1} or one of {list(names)}"
        )

    def load(self, recording: int | str) -> Recording:
        """The audio of one recording, as it was traced, with its labels.

        Raises InputError if it has changed since.
        """
        number = self.number(recording)
        loaded, traced = load_recording(self.files[number]), self.corpus.recordings[number]
        if not self.channel_condition.is_clean:
            labelled = replace(loaded, labels=loaded.labels or traced.labels)
            loaded = degrade(labelled, self.channel_condition, self.seed)
        if loaded.sha256 != traced.sha256:
            raise InputError(
                f"{traced.path}: its audio has changed since it was measured; put the file back, or measure "
                "again"
            )
        return loaded

    def with_table(
        self,
        table: pd.DataFrame | LargeGrid,
        *,
        impossible: int = 0,
        origins: Origins | None = None,
        jobs: int = 2,
        cache: Folder | None = None,
        quiet: bool = False,
    ) -> Measured:
        """The same recordings under the settings of another table (`measure_table`)."""
        return measure_table(
            self.sources,
            table,
            impossible=impossible,
            conditions=self.conditions,
            phases=self.phases,
            channels=self.channels,
            channel_condition=self.channel_condition,
            seed=self.seed,
            only=frozenset(absolute(one.user) for one in self.files),
            options=self.options,
            path=self.path,
            origins=origins,
            jobs=jobs,
            cache=cache,
            quiet=quiet,
        )

    def corpus_for(
        self,
        table: pd.DataFrame,
        numbers: Sequence[int],
        *,
        jobs: int = 2,
        cache: Folder | None = None,
        quiet: bool = True,
    ) -> Corpus:
        """Some of the recordings, traced for every setting of a table."""
        return trace_table(
            self.sources,
            table,
            conditions=self.conditions,
            phases=self.phases,
            channels=self.channels,
            channel_condition=self.channel_condition,
            seed=self.seed,
            only=frozenset(absolute(self.files[r].user) for r in numbers),
            options=self.options,
            path=self.path,
            jobs=jobs,
            cache=cache,
            quiet=quiet,
        ).corpus


@dataclass(frozen=True)
class TracedRecordings:
    """The usable recordings of some files and folders, traced for every setting of a table."""

    files: tuple[RecordingFiles, ...]
    corpus: Corpus
    skipped: tuple[Skipped, ...]


def trace_table(
    paths: Sequence[str | Path],
    table: pd.DataFrame | LargeGrid,
    *,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    channel_condition: ChannelCondition = CLEAN,
    seed: int = 0,
    only: frozenset[str] = frozenset(),
    options: FindOptions | None = None,
    path: HeardPath | None = None,
    detectors: Mapping[str, Predictor] | None = None,
) -> TracedRecordings:
    """Find, load and trace recordings for the settings of a table, LiveKit's defaults and their own.

    `table`: or a grid too large for one. Other arguments as of `measure_table`; `detectors`: the user's own,
    by their names in settings. Raises BadRecording if none can be used.
    """
    found, failed = find_in(paths, channels, options)
    skipped = [Skipped(str(path), str(error)) for path, error in failed]
    found = [files for files in found if not only or absolute(files.user) in only]
    blocks = [Block.of(Settings(), conditions)]
    if isinstance(table, LargeGrid):
        blocks += table.blocks(conditions)
    else:
        every = pd.concat([table, grids.row_of(Settings())])
        blocks = [block for _, block in blocks_of(every, conditions, TRACED_AT_ONCE)]
    traces = trace_recordings(
        found,
        blocks,
        phases=phases,
        cache=cache,
        jobs=jobs,
        quiet=quiet,
        channel_condition=channel_condition,
        seed=seed,
        path=path,
        own=partial(_own_blocks, conditions),
        detectors=detectors,
    )
    used: list[RecordingFiles] = []
    corpus = Corpus.of(_usable(zip(found, traces, strict=True), used, skipped), TraceCache.at(cache))
    if not used:
        reasons = "; ".join(item.reason for item in skipped)
        raise BadRecording(reasons or "no recordings given; name a file or a folder")
    return TracedRecordings(tuple(used), corpus, tuple(skipped))


def measure_table(
    paths: Sequence[str | Path],
    table: pd.DataFrame | LargeGrid,
    *,
    impossible: int = 0,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
    channel_condition: ChannelCondition = CLEAN,
    seed: int = 0,
    only: frozenset[str] = frozenset(),
    options: FindOptions | None = None,
    path: HeardPath | None = None,
    origins: Origins | None = None,
    of: int | None = None,
) -> Measured:
    """Find, load and trace recordings, and score every setting of a table (`grid.expand`).

    Of a grid too large for a table, those are kept that some budget might choose. If any are given, only the
    recordings of `only` are used; `options` say more on how they are found. `origins`: to which recordings,
    of those usable, settings are owed that a search found. `of`: `Sweep.of`.
    """
    traced = trace_table(
        paths,
        table,
        conditions=conditions,
        phases=phases,
        jobs=jobs,
        cache=cache,
        quiet=quiet,
        channels=channels,
        channel_condition=channel_condition,
        seed=seed,
        only=only,
        options=options,
        path=path,
    )
    _check_all_there(origins, len(traced.files))
    if isinstance(table, LargeGrid):
        of, impossible = table.settings, table.impossible
        table = best_settings(traced.corpus, table, conditions, jobs, quiet)
    result = sweep(traced.corpus, table, conditions, quiet=quiet, origins=origins, of=of)
    return Measured(
        traced.files,
        traced.corpus,
        traced.skipped,
        conditions,
        phases,
        result,
        channels,
        impossible,
        channel_condition,
        seed,
        tuple(absolute(path) for path in paths),
        options,
        path,
    )


def _check_all_there(origins: Origins | None, recordings: int) -> None:
    """Raise InputError if a search looked at another number of recordings."""
    if origins is not None and sum(map(len, origins.parts)) != recordings:
        raise InputError("recordings are missing, unusable or changed since they were searched; search again")


def unknown_to(text_detector: str, traced: Traced, conditions: Conditions) -> str:
    """The language of a recording, if a text detector that it was traced for doesn't know it; else ""."""
    language = traced.language or conditions.language or "en"
    return language if traced.texts[text_detector].threshold_in(language) is None else ""


def _own_blocks(conditions: Conditions, recording: Recording) -> list[Block]:
    """What the recording's own session tells to have had, if it does."""
    if recording.provenance is None or recording.labels is None:
        return []
    own = own_settings(recording.provenance.settings, recording.labels)
    return [] if own is None else [Block.of(own[0], conditions)]


def _usable(
    traces: Iterable[tuple[RecordingFiles, Traced | ValueError]],
    used: list[RecordingFiles],
    skipped: list[Skipped],
) -> Iterator[Traced]:
    """What was traced, the same audio once; its files are added to `used`, the others to `skipped`."""
    first: dict[str, Path] = {}
    for files, traced in traces:
        if isinstance(traced, ValueError):
            skipped.append(Skipped(str(files.user), str(traced)))
        elif traced.sha256 in first:
            reason = f"{files.user}: the same audio as {first[traced.sha256]}; counted once"
            skipped.append(Skipped(str(files.user), reason))
        else:
            first[traced.sha256] = files.user
            used.append(files)
            yield traced


def absolute(path: str | Path) -> str:
    """A path that means the same from any folder; fsspec URLs do already."""
    target = as_path(path)
    return str(target.absolute()) if is_local(target) else str(target)

"""Recordings and detectors → what each does at the same budgets, and which can be told apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.batch import results as results_of_batch
from ...core.batch import run_batch
from ...core.detectors import traits_of
from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.labels import spoken_words
from ...core.samples.stream import heard_stream
from ...core.settings import USUAL_CONDITIONS, Conditions
from ...core.text.html import table_html
from ...core.traces import BRANCH_SAMPLES, Traced
from ...recordings.find import RecordingFiles, load_recording
from ...recordings.heard_paths import HeardPath
from ...recordings.recording_files import FindOptions
from ...turns.choose import frontier
from ...turns.comparison.calibration import Calibration, calibration, judgements
from ...turns.comparison.differences import differences
from ...turns.comparison.points import POINTS, Reached, reached
from ...turns.detectors import predictor_of, text_predictor_of
from ...turns.detectors.base import Predictor, Questions
from ...turns.detectors.table import Answers
from ...turns.slices import slices
from ...turns.sweep import Corpus, Sweep, counts, sweep
from ..study.measured import Skipped, absolute, trace_table, unknown_to
from .given import Given, GivenDetector, asked_of, given_detectors
from .push_to_talk import PushToTalk, push_to_talk
from .recorded import recorded_detector
from .tuned import settings_table
from .verdicts import verdicts

if TYPE_CHECKING:
    from ... import plots

SLICED_AT = POINTS[1]
SLICES = ("language", "length", "numbers", "asked", "line", "noise")
TIMED_QUESTIONS = 16


@dataclass(frozen=True)
class Comparison:
    """Detectors on the same recordings, labels and takes; times in seconds, rates as fractions."""

    detectors: tuple[GivenDetector, ...]
    files: tuple[RecordingFiles, ...]
    corpus: Corpus
    skipped: tuple[Skipped, ...]
    conditions: Conditions
    phases: int
    sources: tuple[str, ...]
    results: Mapping[str, Sweep]
    """By detector: its settings, scored."""
    reached: tuple[Reached, ...]
    """Each detector at each operating point."""
    differences: pd.DataFrame
    """Each pair at each point (`turns.comparison.differences`)."""
    calibrations: Mapping[str, Calibration]
    """Of those that give probabilities."""
    cost_ms: Mapping[str, float]
    """What a question took on this machine, mean of a few; NaN for what isn't asked here."""
    slices: pd.DataFrame
    """Figures by slice at 5 % false boundaries, with a column "detector"."""
    push_to_talk: PushToTalk
    """What a perfect press would do, for reference."""
    eager: pd.DataFrame | None = None
    """What an eager end of turn would save and cost (`eager.eager_sweep`); None if it wasn't measured."""

    @property
    def names(self) -> list[str]:
        """The detectors' names, in order."""
        return [one.name for one in self.detectors]

    @property
    def counts(self) -> dict[str, int]:
        """How many recordings, holds, ends of turn, … the figures rest on."""
        return counts(self.corpus) | {"recordings": len(self.corpus.recordings)}

    @property
    def points(self) -> pd.DataFrame:
        """One row per point and detector: whether it gets there, and its figures with intervals."""
        return pd.DataFrame(_point_row(one) for one in self.reached)

    @property
    def frontiers(self) -> pd.DataFrame:
        """Each detector's whole frontier: knobs and metrics, with a column "of" for the detector."""
        parts = []
        for name, result in self.results.items():
            parts.append(result.table.iloc[frontier(result.table)].assign(of=name))
        return pd.concat(parts, ignore_index=True)

    @property
    def verdicts(self) -> list[str]:
        """What can be told, in sentences: one for each operating point."""
        return verdicts(self.reached, self.differences)

    def plot_tradeoff(self) -> plots.Picture:
        """Each detector's frontier, with its operating points."""
        from ... import plots

        return plots.Picture(plots.frontiers_figure(self.frontiers, self.points, self.names, self.counts))

    def plot_calibration(self) -> plots.Picture:
        """What the detectors' probabilities are worth."""
        from ... import plots

        bins = {name: one.bins for name, one in self.calibrations.items()}
        return plots.Picture(plots.reliability_figure(bins))

    def _repr_html_(self) -> str:
        from .texts import point_rows, service_rows

        titles, rows = point_rows(self.points, self.cost_ms)
        services = service_rows(self.reached, self.detectors)
        told = table_html(["verdict"], [[line] for line in (*self.verdicts, self.push_to_talk.in_words)])
        return table_html(titles, rows) + (table_html(*services) if services[1] else "") + told


def _point_row(one: Reached) -> dict[str, Any]:
    row: dict[str, Any] = {"point": one.point.name, "detector": one.detector, "gets_there": one.gets_there}
    for name in one.figures.index:
        figure = one.figures.loc[name]
        row |= {name: figure["value"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}
        row[f"{name}_on_all"] = one.on_all[str(name)]
    return row


def compare_detectors(
    paths: Sequence[str | Path] | str | Path,
    detectors: Sequence[Given] = (),
    *,
    predictions: Sequence[str | Path] = (),
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    path: HeardPath | None = None,
    quiet: bool = False,
) -> Comparison:
    """Compare detectors on the same recordings, labels and takes (`given_detectors` says how to name them).

    Each is tuned over the same grid of waits and thresholds, and judged at the same operating points on
    recordings that it was not tuned on. Recordings about which a table of probabilities says nothing are left
    out for all. Raises InputError for detectors, and BadRecording for recordings, that can't be used.
    """
    where = [paths] if isinstance(paths, (str, Path)) else list(paths)
    recorded = partial(recorded_detector, where, channels, options, jobs=jobs, quiet=quiet)
    given = given_detectors(detectors, predictions, recorded)
    own = {one.detector: one.predictor for one in given if one.predictor is not None}
    tables = {one.name: settings_table(one) for one in given}
    every = pd.concat(tables.values(), ignore_index=True)
    traced = trace_table(
        where, every, conditions=conditions, phases=phases, jobs=jobs, cache=cache, quiet=quiet,
        channels=channels, options=options, path=path, detectors=own,
    )  # fmt: skip
    usable, skipped = _answered(traced.corpus.recordings, map(asked_of, tables), own, conditions)
    corpus = traced.corpus if len(usable) == len(traced.files) else traced.corpus.of_some(usable)
    files = tuple(traced.files[k] for k in usable)
    result = sweep(corpus, every, conditions, jobs=jobs, quiet=quiet)
    sweeps = dict(zip(tables, _parts(result, [len(table) for table in tables.values()]), strict=True))
    judge = partial(_judge, conditions=conditions, answers=_answers(own))
    judged = _judge_each(judge, corpus, sweeps, jobs, quiet)
    at = [one for of in judged.values() for one in of.reached]
    order = {point.name: k for k, point in enumerate(POINTS)}
    at.sort(key=lambda one: order[one.point.name])
    return Comparison(
        detectors=given,
        files=files,
        corpus=corpus,
        skipped=traced.skipped + skipped,
        conditions=conditions,
        phases=phases,
        sources=tuple(absolute(one) for one in where),
        results=sweeps,
        reached=tuple(at),
        differences=differences(at),
        calibrations={name: of.calibration for name, of in judged.items() if of.calibration is not None},
        cost_ms={name: _cost_ms(files[0], corpus.recordings[0], asked_of(name), own) for name in tables},
        slices=pd.concat([of.slices for of in judged.values()], ignore_index=True),
        push_to_talk=push_to_talk(conditions),
    )


@dataclass(frozen=True)
class _Judged:
    """What a comparison tells of one detector."""

    reached: tuple[Reached, ...]
    slices: pd.DataFrame
    calibration: Calibration | None


def _judge_each(
    judge: Callable[..., _Judged], corpus: Corpus, sweeps: Mapping[str, Sweep], jobs: int, quiet: bool
) -> dict[str, _Judged]:
    """Each detector, by name, in worker processes."""
    with corpus.for_workers() as shared:
        outcomes = run_batch(
            judge, list(sweeps.items()), shared=shared, jobs=min(jobs, len(sweeps)),
            task="judging", unit="detector", quiet=quiet,
        )  # fmt: skip
        return dict(zip(sweeps, results_of_batch(outcomes), strict=True))


def _judge(
    corpus: Corpus, of: tuple[str, Sweep], *, conditions: Conditions, answers: Mapping[str, Answers]
) -> _Judged:
    """One detector at the operating points, in slices, and its probabilities."""
    name, scored = of
    at = reached(name, corpus, scored, POINTS, conditions)
    frames = [
        slices(corpus, one.settings, conditions, SLICES).assign(detector=name)
        for one in at
        if one.point == SLICED_AT
    ]
    asks = traits_of(asked_of(name)).needs in ("predictions", "words")
    quality = calibration(_judged(corpus, asked_of(name), conditions, answers)) if asks else None
    return _Judged(tuple(at), pd.concat(frames, ignore_index=True), quality)


def _parts(result: Sweep, sizes: Sequence[int]) -> list[Sweep]:
    """A sweep of several tables, one after the other, as one sweep each."""
    edges = np.cumsum([0, *sizes])
    rows = [slice(first, last) for first, last in pairwise(edges.tolist())]
    return [
        Sweep(
            result.table.iloc[of].reset_index(drop=True),
            result.folds,
            tuple(one.iloc[of].reset_index(drop=True) for one in result.without),
        )
        for of in rows
    ]


def _answers(own: Mapping[str, Predictor]) -> dict[str, Answers]:
    return {name: one.probabilities for name, one in own.items() if isinstance(one.probabilities, Answers)}


def _answered(
    recordings: Sequence[Traced], names: Iterable[str], own: Mapping[str, Predictor], conditions: Conditions
) -> tuple[list[int], tuple[Skipped, ...]]:
    """The recordings about which every detector can say something, and the others with the reason."""
    usable, skipped = [], []
    about_words = [name for name in names if traits_of(name).needs == "words"]
    for number, one in enumerate(recordings):
        foreign = [name for name in about_words if unknown_to(name, one, conditions)]
        silent = [name for name, table in _answers(own).items() if one.sha256 not in table.of]
        if foreign:
            language = unknown_to(foreign[0], one, conditions)
            reason = f"{one.path}: {foreign[0]} doesn't know the language {language}"
            skipped.append(Skipped(one.path, reason))
        elif silent:
            reason = f"{one.path}: {silent[0]} says nothing about this audio (sha256 {one.sha256[:12]}…)"
            skipped.append(Skipped(one.path, reason))
        else:
            usable.append(number)
    if not usable and "doesn't know the language" in skipped[0].reason:
        raise InputError(f"{skipped[0].reason}, and no recording is in one that it knows; leave it out")
    if not usable:
        raise InputError(
            f"{skipped[0].reason}, nor about any other recording: the table is about other audio; "
            "lab compare --questions tells the hashes of these"
        )
    return usable, tuple(skipped)


def _judged(
    corpus: Corpus, name: str, conditions: Conditions, answers: Mapping[str, Answers]
) -> pd.DataFrame:
    """The judgements of a detector; what its table left open is no answer."""
    spans = judgements(corpus, name, conditions)
    table = answers.get(name)
    if table is None:
        return spans
    for recording in corpus.recordings:
        rows = spans["recording"] == recording.name
        at_s = (spans["start_s"] + spans["score_point_s"])[rows].to_numpy(np.float64)
        said = table.said(recording.sha256, np.nan_to_num(at_s, nan=np.inf), recording.labels)
        spans.loc[rows, "p"] = spans.loc[rows, "p"].where(~np.isnan(said))
    return spans


def _cost_ms(
    files: RecordingFiles,
    traced: Traced,
    name: str,
    own: Mapping[str, Predictor],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """What a question about the first recording takes, on average."""
    if traits_of(name).needs == "words":
        return _text_cost_ms(traced, name, clock)
    predictor = predictor_of(name, own)
    if predictor is None or isinstance(predictor.probabilities, Answers):
        return np.nan
    known, trace = traced.predictions(name)[0], traced.vad["livekit"][0]
    tape = np.flatnonzero(known.ends < BRANCH_SAMPLES)[:TIMED_QUESTIONS]
    if len(tape) < 2:
        return np.nan
    stream = heard_stream(load_recording(files).user, trace.phase_samples, traced.tail_s)

    def asked(which: Any) -> Questions:
        starts, ends = known.starts[which], known.ends[which]
        return Questions(stream, starts, ends, trace.phase_samples, traced.sha256, traced.labels)

    return _each_ms(lambda n: predictor.probabilities(asked(tape[:n])), len(tape), clock)


def _text_cost_ms(traced: Traced, name: str, clock: Callable[[], float]) -> float:
    """The same of a text detector, asked about what the user has said by the end of each word."""
    texts = [word.text for word in spoken_words(traced.labels) if word.speaker == "user"]
    prompts = [(("user", " ".join(texts[: k + 1])),) for k in range(min(len(texts), TIMED_QUESTIONS))]
    if len(prompts) < 2:
        return np.nan
    return _each_ms(lambda n: text_predictor_of(name).probabilities(prompts[:n]), len(prompts), clock)


def _each_ms(ask: Callable[[int], object], most: int, clock: Callable[[], float]) -> float:
    """What one of the first n questions takes, without loading the model, which each call does."""
    ask(1)
    moments = [clock()]
    for n in (1, most):
        ask(n)
        moments.append(clock())
    one_s, all_s = moments[1] - moments[0], moments[2] - moments[1]
    return 1000 * max(0.0, all_s - one_s) / (most - 1)

"""Makes a provider profile of the user's latencies: log-normal delays fitted to reports of real sessions.

Goal: replace published figures by figures of the user's calls. Conventions: seconds; stages are named as in a
provider profile ("large.ttft"). Definitions:
- A figure is what LiveKit reports for one turn: `transcription_delay` (stt.final), `llm_node_ttft`
  (large.ttft, or small.ttft if the report names the base profile's small model and that isn't its large one
  too), `tts_node_ttfb` (tts.first_audio). It holds the network, connection set-up where it was paid, and
  whatever of the prompt wasn't cached.
- A delay of zero is left out: LiveKit reports it for a transcript that came before the VAD's end of speech,
  and spans hold it for an unknown delay (voice/audio_recognition.py:122, 1872). Figures over a minute are
  left out too.
- The fit is by maximum likelihood: mean and standard deviation of the logarithms. Intervals are exact for
  independent log-normal figures: of the median by Student's t, of the 95th percentile by the noncentral t
  (Hahn and Meeker, "Statistical Intervals", 4.4).
- `ks` is the Kolmogorov-Smirnov distance between the figures and their fit. `ks_limit` is the distance below
  which 19 of 20 log-normal samples of that size are, each compared with its own fit (Stephens, "EDF
  Statistics for Goodness of Fit", 1974, table 1A, case 3).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from ..core.delays import Z95, Delay
from ..core.recording import ObservedTurn
from ..core.stages import STAGES as LIVEKIT_STAGES
from ..core.timeline import Floats
from ..recordings.audio import BadRecording
from ..recordings.formats import livekit_report, otlp
from ..recordings.json_files import has_key, head_of
from ..recordings.listing import Listing
from ..recordings.recording_files import Skipped
from ..session.providers.schema import Origin, Providers, Region

LEAST_FIGURES: Final = 30
"""A stage with fewer is not fitted. The logarithm of a fitted 95th percentile has a standard error of
sigma sqrt(1/n + Z95²/2n): for the widest stage of the seeds (an LLM, sigma 0.96) 30 figures place it within a
factor of 1.7 either way, about as much as providers differ; fewer would tell nothing about them."""
LONGEST_S: Final = 60.0
PASSABLE_KS: Final = 0.05
"""With many figures even a tiny deviation exceeds `ks_limit`. A distance up to this value is accepted all the
same, since it moves no percentile by more than 5 points."""
_INSIDE = "what of the prompt wasn't cached is in the fitted first token; reports don't tell how much"
_MEASURED = {stage.name: stage.delays[0] for stage in LIVEKIT_STAGES if stage.delays}
STAGES: Final = tuple(delay for stage in LIVEKIT_STAGES for delay in stage.delays)


@dataclass(frozen=True)
class Figures:
    """The latencies by stage, as read from reports."""

    seconds: Mapping[str, Floats]
    """Stage of `STAGES` → its figures, in the order they were read; shape=(figures,)."""
    left_out: Mapping[str, int]
    """Stage → how many figures were zero or over a minute."""
    models: Mapping[str, tuple[str, ...]]
    """Stage → the models named in the reports, sorted."""
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...] = ()
    """Reports that can't be read, or that are about the same session as another report."""
    source: str = ""
    """What the figures come from; empty for session reports."""


@dataclass(frozen=True)
class StageFit:
    """One stage: its figures and the log-normal fitted to them."""

    stage: str
    seconds: Floats
    """Ascending, shape=(n,)."""
    mu: float
    """Mean of the logarithms."""
    sigma: float
    """Standard deviation of the logarithms; 0 if all figures are the same."""
    p50_interval_s: tuple[float, float]
    """95 % confidence interval of the median."""
    p95_interval_s: tuple[float, float]
    ks: float

    @property
    def n(self) -> int:
        return len(self.seconds)

    @property
    def delay(self) -> Delay:
        """The fit in the form of a profile, rounded to 0.1 ms."""
        p50_s = round(float(np.exp(self.mu)), 4)
        return Delay(p50_s, round(p50_s * float(np.exp(Z95 * self.sigma)), 4) if self.sigma else None)

    @property
    def ks_limit(self) -> float:
        """The distance below which 19 of 20 samples of `n` figures from a log-normal are."""
        return float(0.895 / (np.sqrt(self.n) - 0.01 + 0.85 / np.sqrt(self.n)))

    @property
    def log_normal(self) -> bool:
        """Whether a log-normal describes the figures."""
        return self.ks <= max(self.ks_limit, PASSABLE_KS)

    def curve(self, points: int = 200) -> tuple[Floats, Floats]:
        """The fitted distribution function: seconds and shares below them, both shape=(points,)."""
        x: Floats = np.geomspace(0.8 * self.seconds[0], 1.25 * self.seconds[-1], points)
        if not self.sigma:
            return x, (x >= np.exp(self.mu)).astype(np.float64)
        return x, np.asarray(stats.norm.cdf(np.log(x), self.mu, self.sigma), dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """All stages that could be fitted, in the order of `STAGES`."""

    stages: tuple[StageFit, ...]
    too_few: Mapping[str, int]
    """Stage → number of its figures, where there are less than `least`."""
    figures: Figures
    least: int = LEAST_FIGURES


def read_figures(paths: Iterable[Path], base: Providers) -> Figures:
    """The stage latencies in session reports and OTLP dumps, or folders of them; no audio is needed.

    A session with two files (a report and its spans) counts once. Files that can't be used are skipped.
    `base` names the small model. Raises BadRecording for a path that doesn't exist.
    """
    turns: list[ObservedTurn] = []
    files: list[Path] = []
    skipped: list[Skipped] = []
    seen: dict[tuple[float, ...], tuple[str, Path]] = {}
    for path, asked in _candidates(paths):
        try:
            found = _read_turns(path)
        except BadRecording as error:
            skipped.append(Skipped(path, str(error)))
            continue
        key = tuple(sorted(turn.stages[name] for name in _MEASURED for turn in found if name in turn.stages))
        before = seen.get(key)
        if key and before and (before[0] != _kind(path) or before[1].read_bytes() == path.read_bytes()):
            finding = f"tells of the same session as {before[1]}"
            skipped.append(Skipped(path, str(BadRecording.of(path, finding, "counted once"))))
        elif key:
            seen[key] = _kind(path), path
            files.append(path)
            turns += found
        elif asked:
            finding = "tells no latency of any turn"
            skipped.append(
                Skipped(path, str(BadRecording.of(path, finding, "give reports of finished sessions")))
            )
    return _figures(turns, base, tuple(files), tuple(skipped))


def fit(figures: Figures, least: int = LEAST_FIGURES) -> Fit:
    """Fit each stage with `least` figures. Raises ValueError if none has them, or if a p95 is over 60 s."""
    counts = {stage: len(seconds) for stage, seconds in figures.seconds.items()}
    fitted = tuple(
        fit_stage(stage, figures.seconds[stage], least) for stage, n in counts.items() if n >= least
    )
    if not fitted:
        have = ", ".join(f"{stage} {n}" for stage, n in counts.items())
        raise ValueError(
            f"too few turns to fit: {have}; expected at least {least} of a stage: bring reports of more calls"
        )
    for one in fitted:
        p95_s = float(np.exp(one.mu + Z95 * one.sigma))
        if p95_s > LONGEST_S:
            raise ValueError(
                f"{one.stage}: the fitted 95th percentile is {p95_s:.0f} s, expected at most 60; "
                "look for sessions in which the provider failed, and leave them out"
            )
    few = {stage: n for stage, n in counts.items() if n < least}
    return Fit(fitted, few, figures, least)


def fit_stage(stage: str, seconds: Floats, least: int = LEAST_FIGURES) -> StageFit:
    """The log-normal of figures above zero, shape=(n,). Raises ValueError for less than `least`, or two."""
    n = len(seconds)
    if n < max(least, 2):
        raise ValueError(f"{stage} has {n} figures, expected at least {least}: bring reports of more calls")
    ordered = np.sort(seconds)
    logs = np.log(ordered)
    mu, spread = float(logs.mean()), float(logs.std(ddof=1))
    if spread < 1e-6:  # the figures of a simulation with constant delays
        value_s = float(np.exp(mu))
        return StageFit(stage, ordered, mu, 0.0, (value_s, value_s), (value_s, value_s), 0.0)
    sigma = float(logs.std())
    reach = stats.t.ppf(0.975, n - 1) / np.sqrt(n) * np.array([-1.0, 1.0])
    above = stats.nct.ppf([0.025, 0.975], n - 1, Z95 * np.sqrt(n)) / np.sqrt(n)
    low, high, low95, high95 = np.exp(mu + spread * np.concatenate((reach, above))).tolist()
    ks = float(stats.kstest(logs, "norm", args=(mu, sigma)).statistic)
    return StageFit(stage, ordered, mu, sigma, (low, high), (low95, high95), ks)


def profile_of(fitted: Fit, base: Providers, name: str, date: datetime.date) -> Providers:
    """`base` with the fitted stages in place of its own, with their origin.

    The figures include the network. So the near region's round trip is 0, and the far region's is how much
    longer it is than the near one. A first token's figures include reading whatever of the prompt wasn't
    cached, and reports don't tell how much that was: the time to read it is 0 where a first token is fitted.
    """
    parts = {stage.partition(".")[0] for stage in (*STAGES, *(one.stage for one in fitted.stages))}
    changed = {part: getattr(base, part) for part in sorted(parts)}
    for stage in fitted.stages:
        part, _, figure = stage.stage.partition(".")
        origins = {**changed[part].origins, figure: _origin(stage, fitted.figures, date)}
        update: dict[str, Any] = {figure: stage.delay}
        if figure == "ttft":
            update["prefill_s_per_1k"] = 0.0
            origins["prefill_s_per_1k"] = Origin(source=f"inside {stage.stage}", note=_INSIDE)
        changed[part] = changed[part].model_copy(update={**update, "origins": origins})
    near, far = (base.regions[where].round_trip for where in ("near", "far"))
    why = Origin(source=f"as {base.name}, less its near round trip", note="the fitted stages hold it")
    regions = {
        "near": Region(round_trip=Delay(0.0), origin=why),
        "far": Region(round_trip=_beyond(far, near), origin=why),
    }
    whose = fitted.figures.source or f"{len(fitted.figures.files)} of your sessions"
    description = f"{base.name}, with the latencies of {whose}."
    return base.model_copy(update={**changed, "name": name, "description": description, "regions": regions})


def _beyond(far: Delay, near: Delay) -> Delay:
    """The delay by which the round trip `far` is longer than the median of `near`."""
    p50_s = round(max(far.p50_s - near.p50_s, 0.0), 4)
    p95_s = round(far.p95_s - near.p50_s, 4) if far.p95_s is not None and p50_s else None
    return Delay(p50_s, p95_s)


def _origin(stage: StageFit, figures: Figures, date: datetime.date) -> Origin:
    files, models = len(figures.files), ", ".join(figures.models[stage.stage])
    reports = f"your session reports ({files} file{'s' * (files > 1)}, n={stage.n})"
    shape = "" if stage.log_normal else ", which a log-normal describes badly"
    return Origin(
        source=f"{figures.source} (n={stage.n})" if figures.source else reports,
        date=date.isoformat(),
        note=f"fitted on this date; Kolmogorov-Smirnov distance {stage.ks:.3f}{shape}; network included"
        + (f"; {models}" if models else ""),
    )


def _candidates(paths: Iterable[Path]) -> Iterable[tuple[Path, bool]]:
    """Files that look like reports or spans, each once, and whether they were given by name."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise BadRecording.of(path, "no such file or folder", "check the path and its spelling")
        for file in Listing.below(path).json if path.is_dir() else (path,):
            if file.resolve() not in seen and (file == path or _kind(file)):
                seen.add(file.resolve())
                yield file, file == path


def _kind(path: Path) -> str:
    """The kind of a file, by its first bytes; empty if it is neither."""
    head = head_of(path)
    if has_key(head, "resourceSpans", "resource_spans"):
        return "spans"
    return "report" if livekit_report.is_report(path) else ""


def _read_turns(path: Path) -> tuple[ObservedTurn, ...]:
    kind = _kind(path)
    if not kind:
        finding = "is neither a LiveKit session report nor an OpenTelemetry dump"
        raise BadRecording.of(path, finding, "give the JSON of make_session_report() or of OTLP spans")
    return otlp.read_turns(path) if kind == "spans" else livekit_report.read_turns(path)


def _figures(
    turns: Iterable[ObservedTurn], base: Providers, files: tuple[Path, ...], skipped: tuple[Skipped, ...]
) -> Figures:
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    left_out = dict.fromkeys(STAGES, 0)
    models: dict[str, set[str]] = {stage: set() for stage in STAGES}
    told_apart = base.small.model != base.large.model
    for turn in turns:
        for measured, stage in _MEASURED.items():
            if measured not in turn.stages:
                continue
            model, seconds = turn.models.get(measured, ""), turn.stages[measured]
            if stage == "large.ttft" and told_apart and is_model(model, base.small.model):
                stage = "small.ttft"
            if 0.0 < seconds <= LONGEST_S:
                found[stage].append(seconds)
                models[stage] |= {model} - {""}
            else:
                left_out[stage] += 1
    arrays = {stage: np.array(values, dtype=np.float64) for stage, values in found.items()}
    return Figures(arrays, left_out, {k: tuple(sorted(v)) for k, v in models.items()}, files, skipped)


def is_model(reported: str, name: str) -> bool:
    """Whether a report's model is the profile's model: "openai/gpt-4o-mini-2024-07-18" is gpt-4o-mini."""
    return re.fullmatch(rf"{re.escape(name)}(-\d[\d-]*)?", reported.rpartition("/")[2]) is not None

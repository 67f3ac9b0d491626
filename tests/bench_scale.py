"""How memory and time of a sweep and its report grow with the hours (`make bench-scale`), as JSON on stdout.

    python tests/bench_scale.py 2.5 5 10 20        # hours of traces, each in a process of its own
    python tests/bench_scale.py 200                # the goal: under 2 GB
    python tests/bench_scale.py 200 --one-vad      # with the settings of one VAD and silence only

Traces of so many hours are made of the samples' by perturbation. Each probability moves at random on the
logistic scale, but not over a threshold of the grid, since other pauses and commits would ask for predictions
that only the models can give; the labels of a call are all earlier by up to 20 ms, so that latencies differ.
Its sound, in the report's pictures of the worst failures, is the sample's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.core.labels import Labels
from lab_utils.core.recording import Recording
from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.core.traces import Traced
from lab_utils.recordings.find import load_recording
from lab_utils.turns import grid
from lab_utils.turns.choose import frontier
from lab_utils.turns.sweep import Corpus, counts, sweep
from lab_utils.workflows.report import report_page
from lab_utils.workflows.study import Study
from lab_utils.workflows.study.commits import write_commits
from lab_utils.workflows.study.measured import trace_table
from lab_utils.workflows.study.results import LIVEKIT_DEFAULT

SAMPLES = Path(__file__).resolve().parent.parent / "audio_samples" / "calls" / "demo"
SILENCE = "min_silence_duration"
SPREAD = 0.5
"""Standard deviation of what is added to the logarithm of the odds."""
THRESHOLDS = sorted({0.35, 0.5, *grid.DEFAULT_GRID["unlikely_threshold"]})


def perturbed(samples: Sequence[Traced], hours: float) -> Iterator[Traced]:
    """Calls like the samples, so many hours in all."""
    rng, left_s, k = np.random.default_rng(0), 3600 * hours, 0

    def moved(p: np.ndarray) -> np.ndarray:
        p = np.clip(p, 1e-6, 1 - 1e-6)
        other = p / (p + (1 - p) * np.exp(rng.normal(0, SPREAD, len(p))))
        return np.where(np.digitize(other, THRESHOLDS) == np.digitize(p, THRESHOLDS), other, p)

    while left_s > 0:
        one = samples[k % len(samples)]
        yield replace(
            one,
            name=f"call-{k}",
            sha256=f"{k:064x}",
            labels=earlier(one.labels, float(rng.uniform(0, 0.02))),
            vad={model: tuple(_moved(takes, moved)) for model, takes in one.vad.items()},
            eot=tuple(_moved(one.eot, moved)),
        )
        left_s, k = left_s - one.duration_s, k + 1


def _moved(takes: Iterable[Any], moved: Callable[[np.ndarray], np.ndarray]) -> Iterator[Any]:
    return (replace(trace, probabilities=moved(trace.probabilities)) for trace in takes)


def earlier(labels: Labels, by_s: float) -> Labels:
    """All of a call's labels, so much earlier."""

    def shifted(spans: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(replace(x, start_s=max(0.0, x.start_s - by_s), end_s=x.end_s - by_s) for x in spans)

    return replace(labels, ipus=shifted(labels.ipus), labels=shifted(labels.labels))


class Perturbed(Study):
    """A study of such calls."""

    def load(self, recording: int | str) -> Recording:
        """The sample that a call was made of."""
        return load_recording(self.files[self.number(recording)])


def measure(hours: float, one_vad: bool) -> dict[str, float]:
    """Sweep so many hours over the default grid, choose, make the page and the commits, in this process."""
    table, _ = grid.expand(grid.DEFAULT_GRID)
    traced = trace_table([SAMPLES], table, jobs=1, quiet=True)
    samples = traced.corpus.recordings
    if one_vad:
        first = table.iloc[0]
        table = table[(table["vad"] == first["vad"]) & (table[SILENCE] == first[SILENCE])]
    found: dict[str, float] = {"hours": hours, "MB, start": peak_mb()}

    def timed(step: str, start_s: float) -> None:
        found[f"CPU s, {step}"] = round(time.process_time() - start_s, 1)
        found[f"MB, {step}"] = peak_mb()
        print(f"bench: {step}: {found[f'CPU s, {step}']} s, {found[f'MB, {step}']} MB", file=sys.stderr)

    start_s = time.process_time()
    corpus = Corpus.of(perturbed(samples, hours))
    found |= {"recordings": len(corpus.recordings), **counts(corpus), "settings": len(table)}
    timed("making the traces", start_s)
    start_s = time.process_time()
    scored = sweep(corpus, table, quiet=True)
    timed("sweep", start_s)
    start_s = time.process_time()
    files = tuple(traced.files[k % len(traced.files)] for k in range(len(corpus.recordings)))
    phases, channels = len(samples[0].eot), ("caller", "agent")
    study = Perturbed(files, corpus, (), USUAL_CONDITIONS, phases, scored, channels, impossible=0)
    choice = study.choose(nearest=True)
    timed("choice", start_s)
    start_s = time.process_time()
    page = report_page(study, choice)
    timed("page", start_s)
    found["page, kB"] = len(page.encode()) // 1000
    start_s = time.process_time()
    rows = sorted({choice.row, *frontier(scored.table)})
    settings = {LIVEKIT_DEFAULT: Settings()} | {
        row: grid.settings_of(scored.table.iloc[row].to_dict()) for row in rows
    }
    with tempfile.TemporaryDirectory() as folder:
        write_commits(corpus, settings, USUAL_CONDITIONS, Path(folder) / "commits.parquet")
    timed("commits", start_s)
    return found


def peak_mb() -> int:
    """The most memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage begins with what the process had that started this one
        return int(status.read_text("utf-8").split("VmHWM:")[1].split()[0]) // 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("hours", nargs="*", type=float, default=[2.5, 5.0, 10.0, 20.0])
    arguments.add_argument("--one-vad", action="store_true")
    arguments.add_argument("--here", action="store_true", help="in this process")
    given = arguments.parse_args()
    if given.here:
        json.dump(measure(*given.hours, given.one_vad), sys.stdout)
        return
    found = []
    for hours in given.hours:
        print(f"bench: {hours:g} hours", file=sys.stderr)
        command = [sys.executable, __file__, str(hours), "--here", *["--one-vad"] * given.one_vad]
        found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    hours, cost_s = (np.array([one[name] for one in found]) for name in ("hours", "CPU s, sweep"))
    r2 = float(np.corrcoef(hours, cost_s)[0, 1] ** 2) if len(found) > 2 else None
    json.dump({"sizes": found, "r2 of the sweep's CPU by hours": r2}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

"""Benchmarks as JSON on stdout (`make bench`): every fast path beside its slow twin or real time, in one run.

    python tests/bench.py                        # all
    python tests/bench.py large_grid workers     # some

Where one fails its error is told, and the rest goes on.

The corpus is the project's samples, traced by the real models and strung together to one hour. End-of-turn
predictions of the long recording are seeded random numbers (see `predictions`).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import naive
import naive_eot_bench
import numpy as np
import pandas as pd
from bench_scale import peak_mb
from bench_workers import bench_workers
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.batch import results, run_batch
from lab_utils.core.labels import Ipu, Label, Labels, agent_turns
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ, WINDOW_S, frame_samples, stream_of
from lab_utils.core.traces import EotTrace, Traced, VadTrace
from lab_utils.latency.ablation.cells import Cell, Plan
from lab_utils.latency.ablation.run import WAIT_S, ablate, measure_cell
from lab_utils.latency.joint.calls import JointCall
from lab_utils.latency.joint.configuration import SWITCHES
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.session import clock
from lab_utils.session.job import SessionJob
from lab_utils.session.prepare import traced_job
from lab_utils.session.providers.files import load_providers
from lab_utils.session.workers import in_workers
from lab_utils.turns import eot_bench, grid, one_setting, sweep
from lab_utils.turns.detectors import v1_mini
from lab_utils.turns.grid.large import LargeGrid, best_settings
from lab_utils.turns.metrics import summarize
from lab_utils.turns.replay import Block, MissingPredictions, Rows, blocks_of, decide, find_pauses
from lab_utils.turns.search import Range, Space
from lab_utils.turns.tracing import TraceCache, Tracer
from lab_utils.turns.vad import speech_probabilities
from lab_utils.workflows.joint.search import configurations as joint_configurations

SAMPLES = Path(__file__).resolve().parent.parent / "audio_samples"
HOUR_S = 3600.0
GRID = {
    "vad": ["livekit", "silero"],
    "min_silence_duration": [0.25, 0.4, 0.55],
    "min_delay": [round(0.04 * k, 2) for k in range(31)],
    "max_delay": [round(1.2 + 0.1 * k, 1) for k in range(28)],
    "unlikely_threshold": [round(0.05 + 0.012 * k, 3) for k in range(50)],
}


LARGE_GRID = {
    "vad": ["livekit", "silero"],
    "min_silence_duration": [0.25, 0.3, 0.4, 0.55, 0.7, 0.9],
    "min_delay": [round(0.03 * k, 2) for k in range(48)],
    "max_delay": [round(1.2 + 0.05 * k, 2) for k in range(72)],
    "unlikely_threshold": [round(0.01 + 0.00385 * k, 5) for k in range(250)],
}
THINNED = LARGE_GRID | {"unlikely_threshold": LARGE_GRID["unlikely_threshold"][::12]}


class Samples:
    """The samples, and what they are made into, each once and when it is asked for."""

    @cached_property
    def recordings(self) -> list[Recording]:
        return [load_recording(files) for files in find_recordings(SAMPLES / "calls" / "demo")]

    @cached_property
    def traced(self) -> list[Traced]:
        """In one take."""
        progress("tracing the samples")
        with tempfile.TemporaryDirectory() as folder:
            tracer = Tracer(TraceCache(Path(folder)))
            return [tracer.trace(recording, phases=1) for recording in self.recordings]

    @cached_property
    def hour(self) -> Traced:
        """Strung together, with predictions for all grids."""
        progress("making an hour")
        hour = strung(self.traced)
        table = pd.concat([grid.expand(GRID)[0], grid.expand(THINNED)[0]])
        hour = replace(hour, eot=(predictions(hour, table),))
        return replace(hour, eot=(completed(hour, LargeGrid.of(LARGE_GRID).blocks()),))

    @cached_property
    def corpus(self) -> sweep.Corpus:
        """The hour's."""
        return sweep.Corpus.of([self.hour])


SECTIONS: dict[str, Callable[[Samples], dict[str, Any]]] = {
    "corpus": lambda of: {"hours": round(of.hour.duration_s / HOUR_S, 3), **sweep.counts(of.corpus)},
    "sweep": lambda of: bench_sweep(of.corpus, grid.expand(GRID)[0], of.hour),
    "large_grid": lambda of: bench_large_grid(of.corpus),
    "short_recordings": lambda of: bench_short(of.traced),
    "branches": lambda _: bench_branches(),
    "slider": lambda of: bench_slider(of.corpus),
    "eot_bench": lambda _: bench_eot_bench(),
    "session": lambda of: bench_sessions(of.recordings),
    "techniques": lambda _: bench_techniques(),
    "joint": lambda _: bench_joint(),
    "tracing": lambda of: bench_tracing(of.recordings),
    "workers": lambda _: bench_workers(),
}


def main() -> None:
    results = measured({name: SECTIONS[name] for name in sys.argv[1:] or SECTIONS}, Samples())
    json.dump(results, sys.stdout, indent=1)
    print()
    sys.exit(any("error" in one for one in results.values()))


def measured(
    sections: Mapping[str, Callable[[Samples], dict[str, Any]]], samples: Samples
) -> dict[str, dict[str, Any]]:
    """What each section tells, or its error."""
    found: dict[str, dict[str, Any]] = {}
    for name, section in sections.items():
        progress(name)
        try:
            found[name] = section(samples)
        except Exception as error:
            traceback.print_exc()
            found[name] = {"error": repr(error)}
    return found


def progress(step: str) -> None:
    print(f"bench: {step}", file=sys.stderr)


def summed(predictions: eot_bench.Predictions) -> dict:
    return eot_bench.summary(predictions.scores)


def bench_eot_bench() -> dict:
    """eot-bench's sweep on 705 holds and 400 ends of turn, beside how its harness computes it."""
    table, found = naive_eot_bench.made_predictions(705, 400, seed=0), {}
    for name, point in (("streaming", None), ("one_score", 0.2)):
        made = eot_bench.Predictions(table, "made", point)
        theirs_s = seconds(partial(naive_eot_bench.summary, table, point), 2)
        their_cells_s = seconds(partial(naive_eot_bench.cells, table, point), 2)
        ours_s = seconds(partial(summed, made), 10)
        our_cells_s = seconds(partial(eot_bench.score_grid, made.scores), 10)
        found[name] = {
            "table_to_summary_ms": round(1000 * ours_s, 2),
            "table_to_summary_ratio": round(theirs_s / ours_s, 1),
            "cells_ms": round(1000 * our_cells_s, 2),
            "cells_ratio": round(their_cells_s / our_cells_s, 1),
        }
    return found


def strung(traced: list[Traced], length_s: float = HOUR_S) -> Traced:
    """Recordings strung together, again and again, to one of a length."""
    vad: dict[str, list[np.ndarray]] = {model: [] for model in traced[0].vad}
    ipus: list[Ipu] = []
    labels: list[Label] = []
    offset_s, k = 0.0, 0
    while offset_s < length_s:
        one = traced[k % len(traced)]
        for model, traces in one.vad.items():
            vad[model].append(traces[0].probabilities)
        ipus += [replace(i, start_s=i.start_s + offset_s, end_s=i.end_s + offset_s) for i in one.labels.ipus]
        labels += [
            replace(x, start_s=x.start_s + offset_s, end_s=x.end_s + offset_s) for x in one.labels.labels
        ]
        offset_s += len(one.vad["livekit"][0].probabilities) * WINDOW_S
        k += 1
    joined = {model: (VadTrace(model, 0, np.concatenate(parts)),) for model, parts in vad.items()}
    return Traced(
        "hour",
        "",
        "",
        offset_s,
        Labels(offset_s, tuple(ipus), tuple(labels)),
        joined,
        (EotTrace(),),
        tail_s=0.0,
    )


def predictions(hour: Traced, table) -> EotTrace:
    """Random numbers for every prediction the table's settings lead to."""
    blocks = [block for _, block in blocks_of(table, Conditions(), len(table))] + [Block.of(Settings())]
    return completed(hour, blocks)


def completed(hour: Traced, blocks: Iterable[Block]) -> EotTrace:
    """The hour's predictions, and random numbers for those that blocks lead to and that it lacks.

    Audio that ends at the same moment but starts later, after a commit, gets nearly the same: on the samples
    v1-mini's differ by a median of 0.009, 90 % by less than 0.064.
    """
    eot, random, agent = hour.eot[0], np.random.default_rng(0), agent_turns(hour.labels)
    of_end: dict[int, float] = {}
    for block in blocks:
        frame = frame_samples(block.conditions.frame_duration)
        rows = Rows.of(find_pauses(hour.vad[block.vad.model][0], block.vad, frame))
        while True:
            try:
                decide(rows, eot, agent, block)
                break
            except MissingPredictions as missing:
                p = np.array([of_end.setdefault(end, random.random()) for end in missing.ends.tolist()])
                p = np.clip(p + random.laplace(0, 0.015, len(p)), 0, 1)
                eot = eot.merged(EotTrace(missing.starts, missing.ends, p))
    return eot


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Least wall-clock time of some repeats, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def bench_sweep(corpus: sweep.Corpus, table, hour: Traced) -> dict[str, float]:
    """Settings x recording-hours per second, on one and two processes, and of the event-by-event twin."""
    hours = hour.duration_s / HOUR_S
    one = seconds(lambda: sweep.sweep(corpus, table, jobs=1, quiet=True))
    two = seconds(lambda: sweep.sweep(corpus, table, jobs=2, quiet=True))
    some = [grid.settings_of(row) for row in table.sample(5, random_state=0).to_dict("records")]
    start = time.perf_counter()
    for settings in some:
        naive.replay(hour, settings)
    twin = (time.perf_counter() - start) / len(some)
    rates = {
        "1 process": len(table) * hours / one,
        "2 processes": len(table) * hours / two,
        "twin": hours / twin,
    }
    return {
        "settings": len(table),
        **{f"setting_hours_per_s, {name}": round(rate, 1) for name, rate in rates.items()},
        "times_faster_than_twin, 1 process": round(rates["1 process"] / rates["twin"]),
    }


def bench_large_grid(corpus: sweep.Corpus) -> dict[str, float]:
    """Over ten million settings on the hour, beside a table of settings, of which a part is scored."""
    large = LargeGrid.of(LARGE_GRID)
    ((cpu_s, megabytes),) = results(run_batch(scored_large_grid, [LARGE_GRID], shared=corpus, isolated=True))
    start = time.perf_counter()
    kept = best_settings(corpus, large, jobs=2, quiet=True)
    both_s = time.perf_counter() - start
    part = grid.expand(THINNED)[0].groupby(["vad", "min_silence_duration"]).head(20_000)
    start = time.process_time()
    sweep.sweep(corpus, part, quiet=True)
    of_table_s = (time.process_time() - start) / len(part)
    return {
        "settings": large.settings,
        "kept": len(kept),
        "CPU s": round(cpu_s, 1),
        "s, 2 processes": round(both_s, 1),
        "MB": megabytes,
        "times_less_CPU_than_a_table": round(of_table_s * large.settings / cpu_s, 1),
    }


def scored_large_grid(corpus: sweep.Corpus, lists: dict[str, list[Any]]) -> tuple[float, int]:
    """CPU seconds, and the most memory in MB; in a process of its own."""
    start = time.process_time()
    best_settings(corpus, LargeGrid.of(lists), quiet=True)
    return time.process_time() - start, peak_mb()


def bench_short(traced: list[Traced], n: int = 300) -> dict[str, float]:
    """CPU by pause of the default grid on many short calls, and on one long one, all without branches."""
    table, _ = grid.expand(grid.DEFAULT_GRID)
    calls = []
    for one in (replace(one, branches=()) for one in traced):
        calls.append(replace(one, eot=(predictions(replace(one, eot=(EotTrace(),)), table),)))
    short = [replace(calls[k % len(calls)], name=f"{k}", sha256=f"{k:064x}") for k in range(n)]
    long = strung(calls, sum(one.duration_s for one in short))
    long = replace(long, eot=(predictions(long, table),))

    def us_per_pause(recordings: list[Traced]) -> float:
        corpus = sweep.Corpus.of(recordings)
        start = time.process_time()
        sweep.sweep(corpus, table, quiet=True)
        return 1e6 * (time.process_time() - start) / sum(len(one.kind) for one in corpus.labelled)

    many, one = us_per_pause(short), us_per_pause([long])
    return {
        "us_per_pause": round(many),
        "us_per_pause, one long call": round(one),
        "ratio": round(many / one, 2),
    }


def bench_branches() -> dict[str, float]:
    """A call with branches, finals at once and late: all settings together beside the event-by-event twin."""
    rng = np.random.default_rng(0)
    turns = [
        Turn(tuple(rng.uniform(0.6, 2.5, 3).round(2)), ((0.5, "hold"), (0.9, "hold")), 0.6, 2.0, rest=0.6)
        for _ in range(8)
    ]
    table, _ = grid.expand({**grid.DEFAULT_GRID, "vad": ["livekit"]})
    results = {}
    for delay_s in (0.0, 0.3):
        conditions = Conditions(transcription_delay=delay_s)
        call = complete(
            traced_of(labels_of(turns), tail_s=8.0, noise=0.01),
            [block for _, block in blocks_of(table, conditions, len(table))],
        )
        corpus = sweep.Corpus.of([call])
        fast_s = seconds(lambda c=corpus, k=conditions: sweep.sweep(c, table, k, quiet=True)) / len(table)
        some = [grid.settings_of(row) for row in table.sample(5, random_state=0).to_dict("records")]
        start = time.perf_counter()
        for settings in some:
            naive.replay(call, settings, conditions)
            naive.waits(call, settings, conditions)
        slow_s = (time.perf_counter() - start) / len(some)
        results[f"times_faster_than_twin, finals after {delay_s:g} s"] = round(slow_s / fast_s)
    return results


def bench_slider(corpus: sweep.Corpus) -> dict[str, float]:
    """What a move in the tuner computes, of a delay or of the VAD's silence; and a setting a sweep's way."""
    settings, conditions = Settings(), Conditions()
    block = Block.of(settings, conditions)

    def pauses() -> one_setting.CorpusPauses:
        return one_setting.CorpusPauses.of(corpus, settings.vad, conditions.frame_duration)

    found = pauses()
    predicted = one_setting.CorpusPredictions.of(corpus, found)

    def move() -> None:
        one_setting.score(corpus, found, predicted, settings, conditions)

    def as_a_sweep() -> None:
        counts = corpus.score(block, corpus.pauses(block.vad, conditions.frame_duration))
        summarize(counts, corpus.labelled)

    assert one_setting.can_score(found, settings, conditions)
    move_s, pauses_s, sweep_s = (seconds(work, repeats=10) for work in (move, pauses, as_a_sweep))
    return {
        "ms_per_move, delay or threshold": round(1000 * move_s, 2),
        "ms_per_move, silence": round(1000 * (pauses_s + move_s), 2),
        "times_faster_than_a_sweeps_way, delay or threshold": round(sweep_s / move_s, 1),
    }


def bench_sessions(recordings: list[Recording]) -> dict[str, float]:
    """The real AgentSession on the samples, times real time, and what a first session costs to start."""
    with tempfile.TemporaryDirectory() as folder:
        tracer = Tracer(TraceCache(Path(folder)))
        cached = [session_job(recording, tracer) for recording in recordings]
    uncached = [replace(job, traces=None) for job in cached]
    audio_s = sum(recording.duration_s for recording in recordings)
    short = replace(cached[0].recording, user=cached[0].recording.user[: 10 * SAMPLE_RATE_HZ])
    start = time.perf_counter()
    list(in_workers(timed_sessions, [([replace(cached[0], recording=short, traces=None)],)], 1))
    first_s = time.perf_counter() - start
    wall = [replace(cached[0], recording=short, traces=None, real_time=True)]
    (one,) = in_workers(timed_sessions, [(cached,)], 1)
    both = list(in_workers(timed_sessions, [(cached,), (cached,)], 2))
    (live,) = in_workers(timed_sessions, [(uncached,)], 1)
    (real,) = in_workers(timed_sessions, [(wall, False)], 1, real_time=True)
    command_s = timed_command(recordings)
    return {
        "times_real_time, 1 process, cached traces": round(audio_s / one, 1),
        "times_real_time, 2 processes, cached traces": round(2 * audio_s / max(both), 1),
        "times_real_time, 1 process, models run": round(audio_s / live, 1),
        "times_real_time, wall clock": round((short.duration_s + cached[0].tail_s) / real, 2),
        "first_session_s, process and imports included": round(first_s, 2),
        "times_real_time, lab run with its files and pictures": round(audio_s / command_s, 1),
    }


def timed_command(recordings: list[Recording]) -> float:
    """Seconds by the clock that `lab run` takes on the recordings, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [recording.path for recording in recordings]
        command = ["-m", "lab_utils.cli", "run", *paths, "--cache", f"{folder}/cache", "--out"]
        took = []
        for out in ("first", "again"):  # the models hear the recordings once
            start = time.perf_counter()
            subprocess.run([sys.executable, *command, f"{folder}/{out}"], check=True, capture_output=True)
            took.append(time.perf_counter() - start)
    return took[-1]


def session_job(recording: Recording, tracer: Tracer) -> SessionJob:
    """A session with LiveKit's default settings and the default scripted parts."""
    return traced_job(SessionJob(tracer.labelled(recording), Settings()), tracer)[0]


def timed_sessions(jobs: list[SessionJob], warm_up: bool = True) -> float:
    """Seconds that sessions take one after the other; runs in a worker."""
    from lab_utils.session.run import run

    if warm_up:
        run(jobs[0])
    start = clock.real_monotonic()
    for job in jobs:
        run(job)
    return clock.real_monotonic() - start


def bench_techniques() -> dict[str, float]:
    """All configurations of `lab techniques` on every turn of the samples, once, two processes."""
    with tempfile.TemporaryDirectory() as folder:
        cache, providers = Path(folder), load_providers("guide")
        ablate([SAMPLES], Settings(), providers, turns=100, cache=cache, quiet=True)  # traces
        start = time.perf_counter()
        found = ablate([SAMPLES], Settings(), providers, turns=100, cache=cache, quiet=True)
        took_s = time.perf_counter() - start
    turns = len(found.turns)
    return {
        "configurations": len(found.configurations),
        "turns_per_s, 2 processes": round(turns / took_s, 1),
        "minutes_for_1000_turns_of_each": round(1000 * len(found.configurations) / turns * took_s / 60, 1),
    }


def bench_joint(configurations: int = 24) -> dict[str, float]:
    """CPU of a joint configuration on one call, computed and as a session: of the same ones, such as
    the default search proposes at random."""
    (files,) = find_recordings(SAMPLES / "calls" / "demo" / "13_savings_account.flac")
    providers, random = load_providers("guide"), np.random.default_rng(0)
    space = Space(Space.of(grid.DEFAULT_GRID).knobs, SWITCHES)

    def chosen(_: str, among: Any) -> Any:
        if isinstance(among, Range):
            return among.nearest(float(random.uniform(among.low, among.high)))
        return among[int(random.integers(len(among)))]

    table = space.table([space.propose(chosen) for _ in range(2 * configurations)])
    rows = joint_configurations(table[grid.is_possible(table)].head(configurations))
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        call = JointCall.of(files, providers, Conditions(), seed=0, cache=cache, wait_s=WAIT_S)
        call.outcomes(rows)  # traces
        start = time.process_time()
        call.outcomes(rows)
        computed_s = (time.process_time() - start) / configurations
        cells = [
            (Plan(one, Conditions(), providers, cache, WAIT_S, True), Cell(files, str(k), techniques, 0))
            for k, (one, techniques) in enumerate(rows)
        ]
        (session_s,) = in_workers(cpu_of_cells, [(cells,)], 1)
    return {
        "computed_ms": round(1000 * computed_s, 2),
        "session_ms": round(1000 * session_s, 1),
        "ratio": round(session_s / computed_s, 1),
    }


def cpu_of_cells(cells: list[tuple[Plan, Cell]]) -> float:
    """CPU seconds of a session, after one to warm up; in a worker."""
    measure_cell(*cells[0])
    start = time.process_time()
    for plan, cell in cells:
        measure_cell(plan, cell)
    return (time.process_time() - start) / len(cells)


def bench_tracing(recordings: list[Recording]) -> dict[str, float]:
    """Models on one core: times real time, and milliseconds per end-of-turn prediction."""
    duration_s = sum(r.duration_s for r in recordings[:4])
    streams = [stream_of(r.user, 0, 0.0) for r in recordings[:4]]
    ends = np.arange(19_200, len(streams[0]), 16_000)
    times = []
    for end in ends:
        start = time.perf_counter()
        v1_mini.end_of_turn_probabilities(streams[0], np.array([end - 19_200]), np.array([end]))
        times.append(time.perf_counter() - start)
    return {
        "silero_times_real_time": round(
            duration_s / seconds(lambda: speech_probabilities("silero", streams), 1)
        ),
        "livekit_times_real_time": round(
            duration_s / seconds(lambda: speech_probabilities("livekit", streams), 1)
        ),
        "v1_mini_ms_per_prediction": round(1000 * statistics.median(times), 1),
    }


if __name__ == "__main__":
    main()

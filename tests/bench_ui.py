"""How fast the tuner is in Chromium, as JSON on stdout (`make bench-ui`).

The corpus is the demo calls (traced by the real models, in four takes, cached), alone and repeated to one
hour, under the default grid. The page and Python talk over HTTP on this machine: JupyterLab's own messages
are not in it. A move is one step of a slider, timed in the browser from the input event to the frame in which
figures and picture of exactly that move are drawn. `baseline_ms`: one setting scored recording by recording,
as a sweep does it, in the same run.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from paths import SAMPLE_CALLS
from widget_page import live

import lab_utils as lab
from lab_utils.turns.grid import DEFAULT_GRID
from lab_utils.turns.sweep import Corpus, score_one

CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
HOUR_S = 3600.0
KNOBS = ("unlikely_threshold", "min_delay", "max_delay", "min_silence_duration")
MOVES, LONG = 200, 1000
MOVE = """async ([name, value]) => {
    const root = document.querySelector('.lab-tuner');
    const range = root.querySelector(`[id^="lab-knob-${name}-"]`);
    const start = performance.now();
    range.value = value;
    range.dispatchEvent(new Event('input'));
    for (;;) {
        await new Promise((next) => requestAnimationFrame(next));
        const last = sent.at(-1)?.serial;
        if (Number(root.dataset.drawn) === last && root.dataset.state === 'exact') break;
        if (state.problem) throw new Error(state.problem);
    }
    return performance.now() - start;
}"""


def main() -> None:
    if shutil.which(CHROMIUM) is None:
        sys.exit(f"bench-ui: no Chromium at {CHROMIUM}; install it or set $CHROMIUM")
    study = lab.measure(SAMPLE_CALLS / "demo", quiet=True)
    results: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 1), "settings": len(study.table)}
    for name, corpus in (("samples", study), ("one hour", an_hour(study))):
        print(f"bench-ui: {name}", file=sys.stderr)
        results[name] = bench(corpus)
    results["load_after"] = round(os.getloadavg()[0], 1)
    json.dump(results, sys.stdout, indent=1)
    print()


def an_hour(study: lab.Study) -> lab.Study:
    """The same recordings again and again, to one hour at least."""
    once = study.corpus.recordings
    times = int(-(-HOUR_S // sum(one.duration_s for one in once)))
    many = tuple(replace(one, name=f"{one.name} {k}") for k in range(times) for one in once)
    return replace(study, corpus=Corpus.of(many), files=study.files * times)


def bench(study: lab.Study) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    lock = threading.Lock()

    def deliver(call: Callable[[], None]) -> None:
        with lock:
            call()

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        start = time.perf_counter()
        tuner = lab.Tuner(study, presets_file=Path(folder) / "presets.json", deliver=deliver)
        with live(Path(folder), tuner, lock) as address:
            page.goto(address)
            page.wait_for_function("() => document.querySelector('.lab-tuner')?.dataset.drawn !== undefined")
            first_s = time.perf_counter() - start
            moves = timed_moves(page, MOVES)
            found = {
                "recordings": len(study.corpus.recordings),
                "seconds": round(sum(one.duration_s for one in study.corpus.recordings)),
                "first_display_s": round(first_s, 2),
                "slider_to_picture_ms": summary([ms for _, ms in moves]),
                "by_knob_ms": {knob: summary([ms for one, ms in moves if one == knob]) for knob in KNOBS},
                "baseline_ms": baseline(study),
                "growth_over_1000_moves": growth(page),
            }
        browser.close()
    return found


def timed_moves(page: Any, n: int) -> list[tuple[str, float]]:
    """Moves to seeded values of the default grid, knob after knob: a drag of ten each."""
    rng = np.random.default_rng(0)
    timed = []
    for k in range(n):
        knob = KNOBS[(k // 10) % len(KNOBS)]
        values = [v for v in DEFAULT_GRID[knob] if knob != "min_delay" or v <= 0.8]
        values = [v for v in values if knob != "max_delay" or v >= 1.2]
        value = values[int(rng.integers(len(values)))]
        timed.append((knob, float(page.evaluate(MOVE, [knob, value]))))
    return timed


def summary(times_ms: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(times_ms), 1),
        "p95": round(float(np.percentile(times_ms, 95)), 1),
        "most": round(max(times_ms), 1),
    }


def baseline(study: lab.Study) -> float:
    """Median time to score one setting as a sweep does."""
    times = []
    for delay_s in (0.3, 0.4, 0.5, 0.6, 0.8):
        start = time.perf_counter()
        score_one(study.corpus, study.defaults.replace(min_delay=delay_s), study.conditions)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times), 1)


def growth(page: Any) -> dict[str, float]:
    """What the browser and Python hold more after a thousand moves."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def held() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        rss = psutil.Process().memory_info().rss
        return {
            "js_heap_mb": metrics["JSHeapUsedSize"] / 1e6,
            "dom_nodes": metrics["Nodes"],
            "python_mb": rss / 1e6,
        }

    timed_moves(page, 40)
    page.evaluate("() => { sent.splice(0, sent.length - 1); }")
    before = held()
    timed_moves(page, LONG)
    page.evaluate("() => { sent.splice(0, sent.length - 1); }")  # the page's own record of messages
    after = held()
    return {name: round(after[name] - before[name], 1) for name in before}


if __name__ == "__main__":
    main()

"""How long v1-mini's answers take on this machine, by load, and how many come too late for LiveKit.

Goal: how many calls a worker can carry before its turn detector's answers come too late to count.
Conventions: seconds; a load is requests a second, which arrive at random (Poisson, seeded), as those of calls
that know nothing of each other. A delay counts from the request to the answer, as LiveKit's wait does.
Definition: LiveKit waits `TIMEOUT_S` for an answer (livekit-agents 1.8.9, inference/eot/base.py:37,
voice/audio_recognition.py:1651); what is later is *late*, and the turn is then committed by `min_delay` as if
it were likely over. As in LiveKit, each request runs in a thread, so requests share the cores that there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ, Floats

TIMEOUT_S: Final = 1.0
REQUESTS_A_CALL: Final = 0.256
"""Requests a second of one call under LiveKit's defaults: 231 in the 904 s of the demo's twelve calls."""
HEARD_S: Final = 1.2
"""The model hears so much, and takes as long for less."""
MOST_AT_ONCE: Final = 48
"""More requests than that at one time begin later; on a machine that is so far behind all are late."""


@dataclass(frozen=True)
class LoadFigures:
    """The answers under one load."""

    requests_per_s: float
    calls: float
    """Calls at a time that make so many requests, at `REQUESTS_A_CALL`."""
    n: int
    p50_s: float
    p95_s: float
    late: float
    """Share of the answers that came after `TIMEOUT_S`."""

    def __str__(self) -> str:
        return (
            f"{self.requests_per_s:g} requests/s (about {self.calls:.0f} calls): p50 "
            f"{self.p50_s * 1000:.0f} ms, p95 {self.p95_s * 1000:.0f} ms, late {self.late:.1%} of {self.n}"
        )


def load_figures(requests_per_s: float, delays_s: Floats) -> LoadFigures:
    """The figures of one load; `delays_s`: shape=(requests,).

    >>> found = load_figures(5.12, np.array([0.04, 0.05, 0.06, 1.2]))
    >>> found.calls, found.p50_s, found.late
    (20.0, 0.055, 0.25)
    """
    if not len(delays_s):
        raise ValueError("no request was made; give a longer time or a higher load")
    p50_s, p95_s = np.percentile(delays_s, (50, 95)).tolist()
    late = float((delays_s > TIMEOUT_S).mean())
    calls = round(requests_per_s / REQUESTS_A_CALL, 1)
    return LoadFigures(requests_per_s, calls, len(delays_s), p50_s, p95_s, late)


def arrivals(requests_per_s: float, seconds: float, seed: int = 0) -> Floats:
    """When requests come, in order: a Poisson process from 0 to `seconds`.

    >>> len(arrivals(10.0, 100.0)), bool((np.diff(arrivals(10.0, 100.0)) > 0).all())
    (978, True)
    """
    if not (requests_per_s > 0 and seconds > 0):
        raise ValueError(f"expected a load and a time above 0, got {requests_per_s:g} /s for {seconds:g} s")
    rng = np.random.default_rng(seed)
    times_s = np.cumsum(rng.exponential(1 / requests_per_s, size=int(3 * requests_per_s * seconds) + 20))
    return times_s[times_s < seconds]


def v1_mini() -> Callable[[Pcm], float]:
    """The model's `predict`, for any number of threads; each has a model of its own, as each call has."""
    from livekit.local_inference import EOT

    own = threading.local()

    def predict(pcm: Pcm) -> float:
        if not hasattr(own, "model"):
            own.model = EOT().__enter__()
        return float(own.model.predict(pcm))

    return predict


def answer_delays(predict: Callable[[Pcm], float], at_s: Sequence[float] | Floats, seed: int = 0) -> Floats:
    """Seconds from each request to its answer, in order of the requests; they are made at `at_s`."""
    sound = np.random.default_rng(seed).normal(0, 3000, int(HEARD_S * SAMPLE_RATE_HZ)).astype(np.int16)
    with ThreadPoolExecutor(min(MOST_AT_ONCE, max(1, len(at_s)))) as threads:
        list(threads.map(lambda _: predict(sound), range(MOST_AT_ONCE)))  # loads each thread's model
        start_s = time.monotonic()

        def answered(due_s: float) -> float:
            predict(sound)
            return time.monotonic() - start_s - due_s

        waiting = []
        for due_s in at_s:
            time.sleep(max(0.0, due_s - (time.monotonic() - start_s)))
            waiting.append(threads.submit(answered, float(due_s)))
        return np.array([one.result() for one in waiting], dtype=np.float64)


def measure_load(
    requests_per_s: Sequence[float],
    seconds: float = 20.0,
    seed: int = 0,
    predict: Callable[[Pcm], float] | None = None,
) -> list[LoadFigures]:
    """The figures of each load, measured now on this machine; `predict`: the model, v1-mini by default."""
    asked = predict or v1_mini()
    return [
        load_figures(rate, answer_delays(asked, arrivals(rate, seconds, seed), seed))
        for rate in requests_per_s
    ]

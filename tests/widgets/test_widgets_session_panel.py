"""The session panel: by its traits with made sessions, and once with real ones."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from calls import copy_samples

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.recordings.find import find_recordings
from lab_utils.turns.tracing import default_cache
from lab_utils.widgets.session_panel import DEFAULTS, SOME, SessionPanel
from lab_utils.workflows.run.call import CallPlan, CallRun

pytestmark = pytest.mark.slow

PATIENT = Settings.from_knobs({"min_delay": 0.8, "max_delay": 1.6, "unlikely_threshold": 0.5})


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return copy_samples(tmp_path, "02_lost_parcel")


def made(plan: CallPlan, failure: str = "") -> CallRun:
    """A session of four silent seconds in which nothing was said."""
    silence = np.zeros((64_000, 2), dtype=np.int16)
    labels = Labels(4.0, (Ipu("user", 0.5, 1.0, "hello"),), (Label("shift", 1.0, 2.0),))
    recording = Recording("call", "call.flac", silence[:, 0], silence[:, 1], "0" * 64, labels)
    log = SessionLog(
        recording="call",
        sha256="0" * 64,
        settings=plan.settings,
        conditions=plan.cell()[0].conditions,
        mode="open_loop",
        clock="virtual",
        seed=0,
        phase_samples=0,
        duration_s=4.0,
        events=(),
        replies=(),
        heard=silence,
        report={},
        caveats=(),
        failure=failure,
    )
    return CallRun(recording, log, 0.012)


class Made:
    """Runs made sessions, and remembers what was asked for. `gate`: the second one waits for it."""

    def __init__(self, failure: str = "") -> None:
        self.asked: list[CallPlan] = []
        self.gate = threading.Event()
        self.failure = failure

    def __call__(self, plans: Sequence[CallPlan], cancel: threading.Event) -> Iterator[CallRun]:
        self.asked = list(plans)
        yield made(plans[0])
        while not self.gate.wait(0.01):
            if cancel.is_set():
                raise RuntimeError("it was cancelled")
        yield made(plans[1], self.failure)


def test_both_are_run_and_shown_side_by_side(calls: Path) -> None:
    run = Made()
    panel = SessionPanel(calls, {"patient": PATIENT}, run=run)
    assert panel.sides["A"].profile.value == DEFAULTS
    assert panel.sides["B"].profile.value == "patient"
    panel.offer("tuner", PATIENT)
    assert panel.sides["B"].profile.value == "patient"
    assert "tuner" in panel.sides["A"].profile.options
    panel.sides["B"].techniques.value = SOME
    panel.sides["B"].chosen.value = ("tool_prefetch", "semantic_cache")
    panel.sides["B"].agent.value = "my_agent:MyAgent"
    panel.start.click()
    assert panel.start.disabled
    assert not panel.cancel.disabled
    run.gate.set()
    panel.wait()
    first, second = run.asked
    assert (first.settings, first.techniques, first.agent) == (Settings(), None, "")
    assert second.settings == PATIENT
    assert second.techniques.on == ("tool_prefetch", "semantic_cache")
    assert second.agent == "my_agent:MyAgent"
    assert first.files.name == "02_lost_parcel"
    assert "ended well" in panel.status.value
    assert not panel.start.disabled
    assert panel.progress.value == 2
    assert re.search(r"A: LiveKit&#x27;s defaults.*B: patient", panel.figures.value)
    assert panel.figures.value.count("$ 0.0120") == 2
    assert (panel.from_s.value, panel.to_s.value) == (0.0, 4.0)
    assert "alt='Both sessions from 0.0 to 4.0 s" in panel.timeline.value
    assert "Latency of each reply" in panel.latency.value
    assert panel.results.layout.display == "flex"
    before = panel.timeline.value
    panel.to_s.value = 2.0
    panel.later.click()
    assert (panel.from_s.value, panel.to_s.value) == (2.0, 4.0)
    panel.later.click()  # there is no more
    assert (panel.from_s.value, panel.to_s.value) == (2.0, 4.0)
    panel.from_s.value, panel.to_s.value = 1.0, 3.0
    assert panel.timeline.value != before
    panel.earlier.click()
    assert (panel.from_s.value, panel.to_s.value) == (0.0, 2.0)
    panel.from_s.value, panel.to_s.value = 1.0, 3.0
    assert "audio" in panel.sound["A"].value
    assert "1.0 to 3.0 s; caller left" in panel.sound["A"].value


def test_figures_of_the_first_stand_while_the_second_runs_and_cancel_ends_it(calls: Path) -> None:
    run = Made()
    panel = SessionPanel(calls, run=run)
    panel.start.click()
    while not panel.runs:
        pass
    panel.cancel.click()
    panel.wait()
    assert "Cancelled" in panel.status.value
    assert "A: LiveKit" in panel.figures.value
    assert "B:" not in panel.figures.value
    assert panel.results.layout.display == "none"
    assert not panel.start.disabled
    assert panel.cancel.disabled


def test_what_cannot_be_run_is_said(calls: Path, tmp_path: Path) -> None:
    run = Made(failure="the session closed itself")
    panel = SessionPanel(find_recordings(calls), run=run)
    panel.sides["A"].file.value = str(tmp_path / "no.yaml")
    panel.start.click()
    assert "no.yaml" in panel.status.value
    assert "alert" in panel.status.value
    assert not run.asked
    panel.sides["A"].file.value = ""
    panel.sides["A"].providers.value = "nobody"
    run.gate.set()
    panel.start.click()
    panel.wait()
    panel.sides["A"].providers.value = "guide"
    panel.start.click()
    panel.wait()
    assert "B: LiveKit&#x27;s defaults: the session closed itself" in panel.status.value


def test_real_sessions_and_their_money(calls: Path) -> None:
    panel = SessionPanel(calls, {"patient": PATIENT}, cache=default_cache())
    panel.sides["B"].techniques.value = "all twelve"
    panel.start.click()
    panel.wait()
    assert "ended well" in panel.status.value
    figures = {side: run.figures for side, run in panel.runs.items()}
    assert figures["A"]["false_boundaries"] > figures["B"]["false_boundaries"]
    assert figures["A"]["dollars"] > 0
    assert figures["B"]["dollars"] > 0
    assert np.isfinite(figures["A"]["e2e_p50"])
    panel.start.click()
    panel.cancel.click()
    panel.wait()
    assert "Cancelled" in panel.status.value

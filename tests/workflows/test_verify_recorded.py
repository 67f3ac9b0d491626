"""Recorded sessions against their replay: what a report tells, what matches, and why the rest doesn't."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import FIXTURES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.recording import ObservedTurn, Provenance, Recording
from lab_utils.core.settings import Settings
from lab_utils.core.traces import Commits
from lab_utils.recordings.audio import BadRecording
from lab_utils.turns.told_settings import settings_of_report
from lab_utils.workflows.verify import recorded
from lab_utils.workflows.verify.recorded import (
    NEAR_S,
    RecordedCommit,
    match,
    recorded_commits,
)


def call(*turns: ObservedTurn) -> Recording:
    provenance = Provenance("livekit_report", turns)
    return Recording("call", "call.ogg", np.zeros(0, np.int16), None, "0", provenance=provenance)


def test_a_commit_is_the_last_speech_and_its_delay() -> None:
    told = {"end_of_turn_delay": 0.4, "transcription_delay": 0.25}
    commits, untimed = recorded_commits(
        call(
            ObservedTurn("user", 3.0, 5.0, "later", stages=told),
            ObservedTurn("agent", 5.5, 6.0, "hello"),
            ObservedTurn("user", 0.5, 1.0, "first", stages={"end_of_turn_delay": 0.3}),
            ObservedTurn("user", 7.0, None, "no time", stages=told),
            ObservedTurn("user", 7.0, 8.0, "no delay"),
        )
    )
    assert commits == [RecordedCommit(1.3, 1.0, None, "first"), RecordedCommit(5.4, 5.0, 5.25, "later")]
    assert untimed == 2


def test_a_recording_without_a_report_says_what_to_do() -> None:
    with pytest.raises(BadRecording, match="import it with its session report"):
        recorded_commits(call())


def test_settings_are_the_reports_and_what_it_lacks_is_listed() -> None:
    told = {
        "min_endpointing_delay": 0.4,
        "max_endpointing_delay": 1.5,
        "min_interruption_words": 2,
        "allow_interruptions": False,
    }
    base = Settings().replace(detector="vad", min_silence_duration=0.5)
    settings, assumed = settings_of_report(told, base, "the profile")
    assert (settings.endpointing.min_delay, settings.endpointing.max_delay) == (0.4, 1.5)
    assert (settings.interruption.min_words, settings.interruption.enabled) == (2, False)
    assert settings.vad == base.vad
    assert [one.partition(":")[0] for one in assumed] == ["VAD", "detector", "endpointing mode"]
    assert all(one.endswith("(the profile)") for one in assumed)
    bare, more = settings_of_report({}, base, "x")
    assert bare == base
    assert [one.partition(":")[0] for one in more[:3]] == ["min_delay", "max_delay", "min_words"]


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_pairs_are_near_and_each_commit_is_used_once(ours: list[int], theirs: list[int]) -> None:
    a, b = (np.array(sorted(times), dtype=float) / 20 for times in (ours, theirs))
    pairs = match(a, b)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(a[i] - b[j]) <= NEAR_S for i, j in pairs)
    lone = [i for i in range(len(a)) if i not in {i for i, _ in pairs}]
    free = [j for j in range(len(b)) if j not in {j for _, j in pairs}]
    assert not any(abs(a[i] - b[j]) <= NEAR_S for i in lone for j in free), "nothing near stays alone"


def test_why_a_commit_differs() -> None:
    settings = Settings()  # waits 0.3 s or 2.5 s
    agent = np.array([[20.0, 30.0]])

    def why(one: RecordedCommit, time_s: float, last_s: float, cause: str) -> list[str]:
        replayed = Commits(np.array([time_s]), (cause,), np.array([0.5]), np.array([last_s]))  # type: ignore[arg-type]
        found = list(recorded._differences([one], replayed, [], agent, settings))
        assert sum(math.isnan(each.replayed_s) for each in found) == 1
        return [each.why for each in found]

    likely = RecordedCommit(5.3, 5.0, 5.1, "yes")
    assert why(likely, 7.5, 5.02, "max_delay") == ["other prediction"] * 2
    assert why(likely, 9.0, 8.7, "detector") == ["other audio or VAD"] * 2
    assert why(RecordedCommit(6.9, 5.0, 6.9, "yes"), 5.3, 5.0, "detector") == ["other transcript"] * 2
    assert why(RecordedCommit(6.9, 5.0, 5.2, "yes"), 5.3, 5.0, "detector") == ["unexplained"] * 2
    assert why(RecordedCommit(25.3, 25.0, 25.1, "yes"), 9.0, 8.7, "detector")[1] == "held transcript"
    assert why(likely, 25.3, 25.0, "detector")[1] == "held transcript"


@pytest.mark.slow
def test_the_command_tells_share_reasons_and_assumptions(tmp_path: Path) -> None:
    out = tmp_path / "recorded.json"
    call = FIXTURES / "recordings" / "livekit"
    arguments = ["verify", str(call), "--recorded", "--cache", str(tmp_path / "cache"), "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(out.read_text())
    assert summary["commits"] == 1
    assert summary["reproduced"] + len(summary["recordings"][0]["differences"]) >= 1
    assert "assumed, for the reports don't tell it:" in result.output
    assert "detector: v1-mini" in result.output


def test_a_profile_goes_with_recorded_sessions_only(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path), "--profile", str(tmp_path / "p.yaml")])
    assert result.exit_code == 2
    assert "--recorded" in result.output

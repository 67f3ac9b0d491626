"""`lab verify --every-detector`: one run over all detectors that AgentSession can run here, in one table."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from paths import SAMPLES
from tiny_text_model import write_weights
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.session.commits import Moment
from lab_utils.workflows.verify import Case, Outcome, draw_cases
from lab_utils.workflows.verify import run as verify_run

NAMES = ["vad", "stt", "english", "v1-mini", "own:is_quiet"]
"""All but those whose weights aren't there."""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """12 s of a sample call, where `english` alone of the models to fetch has weights, tiny ones."""
    write_weights(tmp_path / "hub", "english")
    for place in ("hub", "models"):
        (tmp_path / place).mkdir(exist_ok=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("LAB_CACHE", os.environ.get("LAB_CACHE") or str(tmp_path / "cache"))
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=12 * 16_000)
    soundfile.write(tmp_path / "call.wav", audio, rate)
    return tmp_path / "call.wav"


def verified(call: Path, *options: str, code: int = 0) -> tuple[str, str]:
    command = ["verify", str(call), "--every-detector", "--seed", "3", *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


@pytest.mark.slow
def test_each_detector_is_run_and_compared(call: Path, tmp_path: Path) -> None:
    told, left_out = verified(call, "--settings", "5", "--out", str(tmp_path / "proof.json"), "--jobs", "1")
    summary = json.loads((tmp_path / "proof.json").read_text("utf-8"))
    assert list(summary["by_detector"]) == NAMES
    assert all(counts["settings"] == 1 for counts in summary["by_detector"].values())
    assert sum(counts["commits"] for counts in summary["by_detector"].values()) == summary["commits"] > 4
    assert summary["mismatches"] == 0
    assert summary["largest_error_s"] < 0.001
    for what in ("multilingual: onnx/model_q8.onnx", "smart-turn: its weights aren't in", "barge-in ("):
        assert f"left out: {what}" in left_out
    assert re.search(r"own:is_quiet +1 +\d+ +0 ", told)
    assert "all agree: 5 detectors, 5 setting(s) on 1 recording(s)" in told


def test_a_mismatch_is_counted_with_its_detector_and_can_be_repeated(
    call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the stand-ins for sessions that of the text detector is late."""

    def compared(files: Any, cases: list[Case], **_: Any) -> Iterator[Outcome]:
        for case in cases:
            late_s = 0.002 if case.settings.detector.model == "english" else 0.0
            yield Outcome(case, "call", (Moment(1.5, "vad"),), (Moment(1.5 + late_s, "vad"),), 0)

    monkeypatch.setattr(verify_run, "compare_cases", compared)
    told, _ = verified(call, "--settings", "10", code=1)
    assert re.search(r"english +2 +2 +2 +2\.0000", told)
    assert re.search(r"v1-mini +2 +2 +0 +0\.0000", told)
    assert "2 DISAGREE" in told
    assert f"again: lab verify {call} --seed 3 --case 7 --every-detector\n" in told
    proof = call.with_suffix(".json")
    again, _ = verified(call, "--case", "7", "--json", "--out", str(proof), code=1)
    summary = json.loads(again)
    assert summary == json.loads(proof.read_text("utf-8"))
    assert {name: counts["mismatches"] for name, counts in summary["by_detector"].items()} == {"english": 1}


def test_other_kinds_of_proof_are_refused_beside_it(call: Path) -> None:
    for option in ("--barge-in", "--replies", "--recorded"):
        _, why = verified(call, option, code=2)
        assert "--every-detector is a run of its own" in " ".join(why.split())


def test_detectors_take_turns_on_each_recording_and_draws_without_them_stay() -> None:
    names = ["vad", "stt", "v1-mini", "own:mine"]
    cases = draw_cases(12, 3, seed=5, detectors=names)
    seen = {(case.recording, case.settings.detector.model) for case in cases}
    assert seen == {(recording, name) for recording in range(3) for name in names}
    usual = {case.number: case for case in draw_cases(12, 3, seed=5)}
    alike = [case for case in cases if usual[case.number].settings.detector == case.settings.detector]
    assert alike
    for case in alike:
        assert case.settings == usual[case.number].settings
        assert case.conditions == usual[case.number].conditions

"""Barge-in on recordings: found, measured, exported, and proven against the real session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import SAMPLES, SHARED
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.recordings.labels.file import read_labels
from lab_utils.turns.barge_in.onsets import onsets_of
from lab_utils.turns.profile import load_profile
from lab_utils.workflows.barge_in import measure_barge_in, verify_barge_in

CALL = SAMPLES / "02_lost_parcel.flac"
CLIPS = SHARED / "recordings" / "barge-in"


def lab(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_the_replay_of_scenes_equals_the_real_session() -> None:
    proofs = verify_barge_in([CALL], 8, seed=3, jobs=1, quiet=True)
    assert [one.number for one in proofs if not one.agrees] == []
    assert max(one.largest_error_s for one in proofs) < 1e-5
    heard = [one.session for one in proofs if one.session is not None]
    assert sum(one.silent_s < np.inf for one in heard) > 2


@pytest.mark.slow
def test_a_call_with_a_label_file_from_end_to_end(tmp_path: Path) -> None:
    out, profile = tmp_path / "out", tmp_path / "p.yaml"
    code, stdout, stderr = lab(
        "barge-in", CALL, "--phases", 1, "--jobs", 1, "--out", out, "-o", profile, "--json"
    )
    assert code == 0, stderr
    told = json.loads(stdout)
    assert told["counts"] == {"recordings": 1, "interruptions": 1, "sounds": 2}
    assert told["words"] == ["the labels'"]
    assert told["figures"]["held_out"] is None
    written = load_profile(profile)
    assert written.settings.interruption.model_dump() == told["chosen"]
    found = written.interruption_evidence
    assert found is not None
    assert (found.n_recordings, found.n_interruptions) == (
        told["counts"]["recordings"], told["counts"]["interruptions"]
    )  # fmt: skip
    assert found.chosen.missed_rate.value == pytest.approx(told["figures"]["chosen"]["missed_rate"]["value"])
    assert sorted(one.name for one in out.iterdir()) == [
        "onsets.parquet",
        "summary.json",
        "table.parquet",
        "tradeoff.png",
    ]
    assert json.loads((out / "summary.json").read_text()) == told


def test_what_nobody_labelled_is_refused_with_the_remedy(tmp_path: Path) -> None:
    audio, rate_hz = soundfile.read(CALL, frames=16_000 * 8, dtype="int16")
    soundfile.write(tmp_path / "a.wav", audio, rate_hz)
    code, _, stderr = lab("barge-in", tmp_path, "--jobs", 1)
    assert code == 1
    assert "nobody tells where the user interrupts" in stderr
    assert "labels.json (docs/barge-in.md)" in stderr
    (tmp_path / "labels.json").write_text('[{"file": "b.wav", "should_yield": null}]')
    code, _, stderr = lab("barge-in", tmp_path, "--jobs", 1)
    assert code == 1
    assert "has no entry in" in stderr
    code, _, stderr = lab("barge-in", tmp_path, "--labels", tmp_path / "none.json")
    assert code == 1
    assert "none.json" in stderr
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_what_adaptive_interruption_did_is_read_from_a_report(tmp_path: Path) -> None:
    """Of the call's three onsets one is called an interruption, and one was cut off by the agent's end."""
    onsets = onsets_of(read_labels(CALL.with_suffix(".labels.json")))
    shutil.copy(CALL, tmp_path / "call.flac")
    shutil.copy(CALL.with_suffix(".labels.json"), tmp_path / "call.labels.json")
    began_s = 1_700_000_000.0
    events = [
        {
            "type": "overlapping_speech",
            "is_interruption": onset.should_yield,
            "agent_ended": number == 0,
            "created_at": began_s + onset.time_s + 0.4,
            "overlap_started_at": began_s + onset.time_s + 0.1,
        }
        for number, onset in enumerate(onsets)
    ]
    report = {"job_id": "a", "audio_recording_path": "call.flac", "audio_recording_started_at": began_s}
    report |= {"chat_history": {"items": []}, "events": [{"type": "overlapping_speech"}, "x", *events]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    found = measure_barge_in(tmp_path, grid={}, phases=1, jobs=1, quiet=True)
    assert found.adaptive is not None
    assert [one.sound for one in found.adaptive.onsets] == [one.sound for one in onsets[1:]]
    adaptive = found.choose(1.0).columns["adaptive, as recorded"]["value"]
    assert adaptive["yield_mean"] == pytest.approx(0.4)
    assert (adaptive["missed_rate"], adaptive["falsely_stopped_rate"]) == (0, 0)


@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason="the clips of ../shared/recordings/barge-in are not here")
def test_on_real_clips_only_words_tell_mm_hm_from_stop() -> None:
    """LiveKit's default is stopped for good by four of the five backchannels, for their final comes."""
    grid = {"min_duration": [0.1, 0.5], "min_words": [0, 2]}
    measured = measure_barge_in(CLIPS, grid=grid, phases=1, jobs=1, quiet=True)
    assert measured.counts == {"recordings": 13, "interruptions": 8, "sounds": 5}
    assert (measured.unscored, measured.skipped) == (1, ())
    choice = measured.choose()
    assert (choice.interruption.min_words, choice.interruption.min_duration) == (2, 0.1)
    assert choice.defaults.loc["stopped_for_good_rate", "value"] == pytest.approx(4 / 5)
    assert choice.chosen.loc["falsely_stopped_rate", "value"] == 0
    missed = [frame.loc["missed_rate", "value"] for frame in (choice.chosen, choice.defaults)]
    assert missed == [1 / 8, 1 / 8]
    later_s = choice.chosen.loc["yield_mean", "value"] - choice.defaults.loc["yield_mean", "value"]
    assert 0.2 < later_s < 0.6

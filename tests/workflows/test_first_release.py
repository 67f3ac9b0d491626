"""What 0.1.0 wrote is still read: files of its own making, kept in tests/golden/0.1.0."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from paths import SAMPLES

from lab_utils.recordings.find import find_recordings
from lab_utils.session.log.files import read_session
from lab_utils.turns.profile import load_profile
from lab_utils.workflows.study import reopen_study

KEPT = Path(__file__).resolve().parent.parent / "golden" / "0.1.0"


def test_a_profile() -> None:
    profile = load_profile(KEPT / "sweep" / "profile.yaml")
    assert profile.settings.endpointing.min_delay == 0.3
    assert profile.session_kwargs()["turn_handling"]["endpointing"]["max_delay"] == 2.5
    assert profile.evidence is not None
    assert profile.evidence.conditions.transcription_delay == 0
    assert profile.evidence.chosen.false_boundary_rate.value == 0.1


def test_a_manifest() -> None:
    (found,) = find_recordings(KEPT / "manifest.parquet", root=SAMPLES)
    assert found.name == "01_table_booking"
    assert found.user == SAMPLES / "01_table_booking.flac"


def test_a_session() -> None:
    log = read_session(KEPT / "session")
    assert (log.recording, log.mode, log.clock) == ("short", "open_loop", "virtual")
    assert log.conditions.frame_duration == 0.05
    assert len(log.of_kind("commit")) == len([one for one in log.replies if one.commit_s is not None]) == 1
    assert log.heard.shape == (17 * 16_000, 2)


@pytest.mark.slow
def test_results_of_a_sweep_are_measured_again(tmp_path: Path) -> None:
    folder = shutil.copytree(KEPT / "sweep", tmp_path / "sweep")
    summary = folder / "summary.json"
    text = summary.read_text("utf-8").replace("audio_samples/", f"{SAMPLES.as_posix()}/")
    summary.write_text(text, "utf-8")
    study = reopen_study(folder, jobs=1, quiet=True)
    assert [recording.name for recording in study.corpus.recordings] == ["01_table_booking"]
    assert study.conditions.transcription_delay == 0
    assert study.table["min_delay"].tolist() == [0.3, 0.3, 0.8, 0.8]

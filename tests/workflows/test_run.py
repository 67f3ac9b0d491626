"""A run from recordings to results: real sessions in worker processes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from paths import SAMPLES, TESTS

from lab_utils.core.settings import Settings
from lab_utils.recordings.audio import BadRecording
from lab_utils.session.log.files import read_session
from lab_utils.session.user_parts import BadPart
from lab_utils.workflows import run as workflow
from lab_utils.workflows.run import recordings as recordings_module

pytestmark = pytest.mark.slow  # whole sessions

LABELLED = "01_table_booking"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled call, 20 s of a call without labels, its user alone, and a bad file."""
    folder = tmp_path_factory.mktemp("calls")
    for path in SAMPLES.glob(f"{LABELLED}.*"):
        shutil.copy(path, folder)
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=20 * 16_000)
    soundfile.write(folder / "two.wav", audio, rate)
    soundfile.write(folder / "user.wav", audio[:, 0], rate)
    (folder / "notes.wav").write_text("these are notes, not audio")
    return folder


@pytest.fixture(scope="module")
def ran(
    calls: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[workflow.RunResults, Path]:
    out = tmp_path_factory.mktemp("run") / "out"
    return workflow.run_recordings([calls], Settings(), out=out, cache=cache, quiet=True), out


def test_each_recording_has_its_files_and_the_bad_one_a_reason(ran) -> None:
    ended, out = ran
    assert {path.name for path in out.iterdir()} == {LABELLED, "two", "user", "summary.json"}
    for result in ended.of("done"):
        assert {path.name for path in (out / result.recording).iterdir()} == set(workflow.FILES)
    assert len(ended.of("done")) == 3
    (skipped,) = ended.of("skipped")
    assert "notes.wav: not an audio file" in skipped.reason
    assert not list(out.rglob(".*")), "nothing temporary is left"


def test_the_summary_agrees_with_the_logs(ran) -> None:
    ended, out = ran
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert summary == workflow.summary_of(ended)
    assert summary["outcomes"] == {"done": 3, "failed": 0, "skipped": 1}
    assert summary["caveats"]
    assert summary["settings"] == Settings().model_dump()
    stages = []
    for item in summary["recordings"]:
        log = read_session(out / item["folder"])
        assert item["counts"]["commits"] == len(log.of_kind("commit")) > 2
        assert item["counts"]["replies"] == sum(reply.commit_s is not None for reply in log.replies)
        assert item["duration_s"] == pytest.approx(log.duration_s, abs=1e-3)
        assert len(log.heard) > 0
        turns = pd.read_csv(out / item["folder"] / "turns.csv")
        assert len(turns) == item["counts"]["replies"]
        stages.append(turns)
    pooled = pd.concat(stages)["e2e_latency"].dropna()
    assert summary["latency"]["e2e_latency"]["n"] == len(pooled)
    assert summary["latency"]["e2e_latency"]["p50"] == pytest.approx(pooled.median(), abs=1e-4)
    total = sum(item["counts"]["commits"] for item in summary["recordings"])
    assert summary["counts"]["commits"] == total


def test_what_labels_allow_is_counted_and_what_is_not_known_is_said(ran) -> None:
    ended, _ = ran
    known, two, user = sorted(ended.of("done"), key=lambda result: result.recording)
    assert known.counts["holds"] > 10
    assert 0 < known.counts["false_boundaries"] < known.counts["commits"]
    assert not known.notes, "its words are known"
    assert two.labels == "two channels"
    assert "false_boundaries" in two.counts
    assert user.labels == "speech of the user alone"
    assert "false_boundaries" not in user.counts
    for result in (two, user):
        assert any("placeholders" in note for note in result.notes)


def test_another_run_gives_the_same_bytes(calls, cache, ran, tmp_path) -> None:
    _, out = ran
    workflow.run_recordings([calls / "two.wav"], Settings(), out=tmp_path, cache=cache, jobs=1, quiet=True)
    for name in workflow.FILES:
        assert (tmp_path / "two" / name).read_bytes() == (out / "two" / name).read_bytes(), name


def test_a_reactive_run_skips_who_has_no_agent_and_scores_no_labels(calls, cache, tmp_path) -> None:
    paths = [calls / "two.wav", calls / "user.wav"]
    ended = workflow.run_recordings(paths, Settings(), out=tmp_path, mode="reactive", cache=cache, quiet=True)
    (done,) = ended.of("done")
    (skipped,) = ended.of("skipped")
    assert "false_boundaries" not in done.counts, "its time axis isn't the labels'"
    assert "when the recorded agent spoke" in skipped.reason


FLAKY = """
from pathlib import Path
from livekit.agents import Agent

class Flaky(Agent):
    def __init__(self):
        with Path({marker!r}).open("a+") as marker:
            marker.write("x")
            marker.seek(0)
            made = len(marker.read())
        if made == 2:  # once, before any session, to see what it asks for
            raise RuntimeError("the first one breaks")
        super().__init__(instructions="x")
"""


def test_a_recording_that_fails_is_kept_and_the_others_go_on(calls, cache, tmp_path) -> None:
    code = tmp_path / "flaky.py"
    code.write_text(FLAKY.format(marker=str(tmp_path / "marker")))
    paths = [calls / "two.wav", calls / "user.wav"]
    agent, out = f"{code}:Flaky", tmp_path / "out"
    ended = workflow.run_recordings(paths, Settings(), out=out, agent=agent, cache=cache, jobs=1, quiet=True)
    assert [result.outcome for result in ended.results] == ["failed", "done"]
    assert "the first one breaks" in ended.results[0].reason
    summary = json.loads((out / "summary.json").read_text())
    assert summary["parts"] == {"agent": agent}
    assert "the first one breaks" in summary["recordings"][0]["failure"]
    assert {path.name for path in (out / "two").iterdir()} >= {"session.json", "timeline.png", "latency.png"}


def test_an_agent_that_cannot_be_loaded_ends_the_run(calls, cache, tmp_path) -> None:
    with pytest.raises(BadPart, match="no module 'no_such_module'"):
        workflow.run_recordings(
            [calls], Settings(), out=tmp_path, agent="no_such_module:X", cache=cache, jobs=1, quiet=True
        )


def test_without_a_usable_recording_it_says_why(calls, cache, tmp_path) -> None:
    with pytest.raises(BadRecording, match="not an audio file"):
        workflow.run_recordings([calls / "notes.wav"], Settings(), out=tmp_path, cache=cache, quiet=True)
    with pytest.raises(BadRecording, match="no recordings given"):
        workflow.run_recordings([], Settings(), out=tmp_path, cache=cache, quiet=True)


def test_an_interruption_keeps_what_is_finished(calls, cache, tmp_path, monkeypatch) -> None:
    def interrupted(plan, found, jobs, quiet, memory_gb):
        folder = plan.out / "two"
        folder.mkdir(parents=True)
        (folder / workflow.FILES[-1]).touch()
        yield workflow.Result("two", "two.wav", "done")
        raise KeyboardInterrupt

    monkeypatch.setattr(recordings_module, "_results", interrupted)
    out = tmp_path / "out"
    with pytest.raises(workflow.Interrupted, match=r"1 of 4 recording\(s\) finished, in "):
        workflow.run_recordings([calls], Settings(), out=out, cache=cache, quiet=True)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["interrupted"] is True
    assert [item["name"] for item in summary["recordings"]] == ["two"]


def test_names_that_would_share_a_folder_are_told_apart(tmp_path) -> None:
    for name in ("a?b", "a:b"):
        soundfile.write(tmp_path / f"{name}.wav", np.full((1600, 2), 0.1), 16_000)
    found, _ = recordings_module._find([tmp_path], ("caller", "agent"))
    assert [files.name for files in found] == ["a:b", "a?b-2"]


def test_a_worker_file_is_run_by_its_own_entrypoint_and_settings(calls, cache, tmp_path) -> None:
    worker, told = str(TESTS / "fixtures" / "workers" / "stt_turns.py"), []
    common = {"worker": worker, "cache": cache, "jobs": 1, "quiet": True, "tell": told.append}
    ended = workflow.run_recordings([calls / "two.wav"], None, out=tmp_path / "own", **common)
    summary = workflow.summary_of(ended)
    assert summary["outcomes"]["done"] == 1
    assert summary["parts"] == {"worker": worker}
    assert summary["settings"]["detector"]["model"] == "stt"
    assert summary["settings"]["endpointing"]["mode"] == "dynamic"
    assert [one["name"] for one in summary["stood_in"]] == [
        "inference.LLM openai/gpt-4.1-mini",
        "inference.STT assemblyai/universal-streaming",
        "inference.TTS cartesia/sonic-3",
    ]
    assert told[0] == f"stood in for: {', '.join(one['name'] for one in summary['stood_in'])}"
    assert "turn detection stt, " in told[1]
    assert told[1].endswith("; these settings are used")
    slower = Settings().replace(min_delay=0.9)
    ended = workflow.run_recordings([calls / "two.wav"], slower, out=tmp_path / "slow", **common)
    assert "the profile's settings are used" in told[-1]
    assert workflow.summary_of(ended)["latency"]["end_of_turn_delay"]["p50"] >= 0.9


def test_a_worker_that_cannot_be_run_ends_before_any_tracing(calls, cache, tmp_path) -> None:
    worker = tmp_path / "silent.py"
    worker.write_text("import json\nx = 1\n")
    with pytest.raises(BadPart, match=r"--worker .*silent\.py: it has no entrypoint"):
        workflow.run_recordings([calls], None, out=tmp_path, worker=str(worker), cache=cache, quiet=True)
    with pytest.raises(BadPart, match="leave --agent out"):
        workflow.run_recordings([calls], None, out=tmp_path, worker=str(worker), agent="a:B", quiet=True)

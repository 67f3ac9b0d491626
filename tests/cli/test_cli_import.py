"""`lab import`, `lab sweep` and `lab label --skeleton` on recordings that lack something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from paths import SAMPLES
from recording_fixtures import copied
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.recordings.audio import write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.labels.file import BadLabels, read_labels
from lab_utils.recordings.recording_files import FindOptions, options_of, parse_raw, plain_options

pytestmark = pytest.mark.slow


def lab(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    """Nine seconds of a sample's caller alone."""
    recording = load_recording(find_recordings(SAMPLES)[0])
    path = tmp_path / "my calls" / "caller alone.wav"
    path.parent.mkdir()
    write_wav(path, recording.user[: 20 * 16_000])
    return path


def test_a_place_that_cannot_be_written_is_named_with_what_to_try(tmp_path, mono):
    done = lab("import", mono.parent, "--out", mono / "calls.parquet")
    assert done.exit_code == 1
    (told,) = (line for line in done.output.splitlines() if "lab: error" in line)
    assert told.endswith("check the path and its permissions, or choose another place"), told
    assert str(mono) in told


def test_import_lists_what_it_found(tmp_path):
    copied("livekit", tmp_path)
    done = lab("import", tmp_path)
    assert done.exit_code == 0, done.output
    header, row = (line for line in done.output.splitlines() if "channels" in line or "call-17" in line)
    assert header.split() == ["recording", "format", "length", "channels", "labels", "turns", "notes"]
    assert row.split() == ["call-17", "livekit_report", "0:14.3", "2", "–", "2", "–"]


def test_one_channel_alone_is_told_at_once_with_the_ways_out(mono):
    done = lab("import", mono.parent)
    told = next(line for line in done.output.splitlines() if "have one channel" in line)
    assert "without the agent a pause inside a turn can't be told from its end" in told
    assert "--pair" in told
    assert f"lab label --skeleton '{mono}' writes a file to fill in" in told
    answer = json.loads(lab("import", mono.parent, "--json").stdout)
    assert answer["advice"] == [told.removeprefix("note: ")]
    swept = lab("sweep", mono, "--out", mono.parent / "out", "--cache", mono.parent / "cache")
    assert swept.exit_code == 1
    assert f"lab label --skeleton '{mono}' writes one to fill in" in swept.output


def test_a_skeleton_counts_only_when_each_pause_is_decided(mono):
    done = lab("label", mono, "--skeleton", "--cache", mono.parent / "cache")
    assert done.exit_code == 0, done.output
    file = mono.with_name("caller alone.labels.json")
    assert f"{file}: " in done.output
    with pytest.raises(BadLabels, match=r"labels\[0\]\.kind: .*'undecided'"):
        read_labels(file)
    assert "is there already; correct it, or move it away" in lab("label", mono, "--skeleton").output
    values = json.loads(file.read_text())
    assert all(label["kind"] == "undecided" for label in values["labels"])
    for label in values["labels"]:
        label["kind"] = "hold"
    values["labels"][-1]["kind"] = "shift"
    file.write_text(json.dumps(values))
    labels = read_labels(file)
    assert labels.ipus[0].speaker == "user"
    assert [one.kind for one in labels.labels][-1] == "shift"
    (entry,) = import_folder(mono.parent, quiet=True).entries
    assert entry.labels_source == "by hand"


def test_channels_that_look_exchanged_come_with_the_command_that_exchanges_them(tmp_path):
    rng = np.random.default_rng(0)
    agent, user = np.zeros(160_000), rng.normal(0, 3, 160_000)
    agent[8_000:80_000] = rng.normal(0, 3000, 72_000)
    user[90_000:120_000] = rng.normal(0, 3000, 30_000) * np.linspace(0.2, 2, 30_000)
    write_wav(tmp_path / "call.wav", np.stack((agent, user), axis=1).astype(np.int16))
    (advice,) = import_folder(tmp_path, quiet=True).advice
    assert advice == (
        f"call: user and agent may be exchanged; this does it: lab import {tmp_path / 'call.wav'} --swap"
    )


def test_sweep_takes_what_import_takes(tmp_path):
    recording = load_recording(find_recordings(SAMPLES)[0])
    assert recording.agent is not None
    write_wav(tmp_path / "7_rx.wav", recording.user)
    write_wav(tmp_path / "7_tx.wav", recording.agent)
    grid = tmp_path / "grid.yaml"
    grid.write_text("detector: [vad]\nmin_delay: [0.3, 0.6]\n")
    common = ("--grid", grid, "--cache", tmp_path / "cache", "--phases", 1, "--jobs", 1, "--json")
    pattern = "{name}_{channel:rx|tx}.wav"
    done = lab("sweep", tmp_path, "--pair", pattern, "--out", tmp_path / "out", *common)
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout.splitlines()[-1])
    assert [one["name"] for one in summary["recordings"]] == ["7"]
    assert summary["find"]["pair"] == pattern
    again = lab(
        "export", tmp_path / "out", "--max-false-boundary-rate", 1, "--name", "x", "-o", tmp_path / "p.yaml",
        "--cache", tmp_path / "cache", "--jobs", 1,
    )  # fmt: skip
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize("options", [
    FindOptions(), FindOptions("a", "b", "{name}_{channel:x|y}.wav", parse_raw("pcm16,8000,2"), True)
])  # fmt: skip
def test_options_survive_the_summary(options):
    assert options_of(json.loads(json.dumps(plain_options(options)))) == options

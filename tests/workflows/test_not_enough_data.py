"""What can't be decided is not decided: no holds, no ends of turn, one call, a detector that tells nothing.

Each through `lab.measure`, the choice, `lab sweep` and `lab export`: a clear line, never a figure that looks
sure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import SAMPLES
from typer.testing import CliRunner

import lab_utils as lab
from lab_utils.cli import app
from lab_utils.core.errors import InputError
from lab_utils.core.labels import Labels, labels_until
from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.labels.file import read_labels, write_labels
from lab_utils.turns import detectors
from lab_utils.turns.choose import NoneWithinBudget
from lab_utils.turns.deafness import detector_warnings
from lab_utils.turns.detectors import v1_mini
from lab_utils.turns.sweep import Corpus

pytestmark = pytest.mark.slow

GRID = {"detector": ["vad", "v1-mini"], "min_delay": [0.3, 1.2]}
UNTIL_S = 21.3
"""Two ends of turn, and holds."""
WHOLE = labels_until(read_labels(SAMPLES / "01_table_booking.labels.json"), UNTIL_S, UNTIL_S)
HOLDS = len(WHOLE.of_kind("hold"))


def call(folder: Path, labels: Labels = WHOLE, name: str = "a", from_s: float = 0.0) -> Path:
    """The first seconds of a sample with labels; `from_s`: another call, with so much silence before."""
    audio, rate = soundfile.read(SAMPLES / "01_table_booking.flac", int(UNTIL_S * 16_000), dtype="int16")
    folder.mkdir(parents=True, exist_ok=True)
    audio[: int(from_s * rate)] = 0
    soundfile.write(folder / f"{name}.flac", audio, rate)
    write_labels(labels, folder / f"{name}.labels.json")
    return folder


def only(*kinds: str) -> Labels:
    return replace(WHOLE, labels=tuple(label for label in WHOLE.labels if label.kind in kinds))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture
def run(tmp_path: Path, cache: Path) -> Callable[..., tuple[int, str]]:
    grid = tmp_path / "grid.yaml"
    grid.write_text(json.dumps(GRID))
    always = {"sweep": ["--grid", grid, "--out", tmp_path / "out", "--phases", 1]}

    def command(name: str, *arguments: object) -> tuple[int, str]:
        given = [name, *arguments, *always.get(name, []), "--cache", cache, "--jobs", 1]
        done = CliRunner().invoke(app, [str(one) for one in given])
        return done.exit_code, " ".join(done.output.split())

    return command


def measured(folder: Path, cache: Path) -> lab.Study:
    return lab.measure(folder, grid=GRID, phases=1, cache=cache, quiet=True, jobs=1)


@pytest.mark.parametrize(
    ("labels", "lacking", "unknown"),
    [
        (
            only("shift"),
            "0 holds and 2 ends of turn: nothing to choose by; the callers never pause inside a turn; bring",
            ("false_boundary_rate", "false_boundary_rate_at_most", "coin_flips"),
        ),
        (
            only("hold"),
            f"{HOLDS} holds and 0 ends of turn: nothing to choose by; check that the second channel is",
            ("latency_mean", "latency_p50", "latency_p95", "missed_rate", "false_boundary_rate_per_turn"),
        ),
        (replace(WHOLE, labels=()), "0 holds and 0 ends of turn: nothing to choose by", ("latency_mean",)),
    ],
    ids=["no holds", "no ends of turn", "neither"],
)
def test_without_holds_or_ends_of_turn_nothing_is_chosen(
    labels: Labels, lacking: str, unknown: Sequence[str], tmp_path: Path, cache: Path, run
) -> None:
    folder = call(tmp_path / "calls", labels)
    study = measured(folder, cache)
    for metric in unknown:
        assert study.table[metric].isna().all(), metric
        assert np.isnan(study.score(study.defaults).loc[metric, ["value", "low", "high"]].astype(float)).all()
    for guarantee in (None, 0.9):
        with pytest.raises(InputError, match=lacking):
            study.choose(nearest=True, guarantee=guarantee)
    code, told = run("sweep", folder)
    assert (code, told.count("lab: error: ")) == (1, 1)
    assert lacking in told
    code, told = run("export", tmp_path / "out", "--name", "x", "-o", tmp_path / "x.yaml",
                     "--max-false-boundary-rate", 0.1)  # fmt: skip
    assert code == 1
    assert "give a folder made by 'lab sweep'" in told
    assert not (tmp_path / "x.yaml").exists()


def test_one_recording_has_no_interval_no_held_out_figures_and_no_guarantee(
    tmp_path: Path, cache: Path, run
) -> None:
    folder = call(tmp_path / "calls")
    choice = measured(folder, cache).choose(nearest=True)
    assert choice.held_out is None
    for frame in (choice.chosen, choice.defaults):
        assert frame[["low", "high"]].isna().all(axis=None)
        assert set(frame["told"]) == {"can't be told"}
    code, told = run("sweep", folder)
    assert code == 0
    assert "Only 1 recording: no interval and no held-out check. Bring more calls." in told
    code, told = run("export", tmp_path / "out", "--name", "x", "-o", tmp_path / "x.yaml",
                     "--max-false-boundary-rate", 0.3, "--guarantee", 0.9)  # fmt: skip
    assert code == 1
    assert "can be certified" in told
    assert not (tmp_path / "x.yaml").exists()


def saying(monkeypatch: pytest.MonkeyPatch, p: float) -> None:
    """v1-mini gives this for every pause, in place of what it would say."""

    def same(questions):
        return np.full(len(questions.starts), p)

    predictor = replace(v1_mini.DETECTOR.predictor, probabilities=same)
    monkeypatch.setitem(detectors.DETECTORS, "v1-mini", replace(v1_mini.DETECTOR, predictor=predictor))


def test_a_detector_that_says_the_same_of_every_pause_is_told(tmp_path: Path, run, monkeypatch) -> None:
    saying(monkeypatch, 0.5)
    folder = call(tmp_path / "calls", from_s=0.01)
    study = measured(folder, tmp_path / "same")
    monkeypatch.setattr("lab_utils.turns.deafness.LEAST_ENDS", 1)  # the call is short
    (line,) = detector_warnings(study.corpus, study.conditions)
    assert "gives every pause of a the same probability: it tells nothing apart there" in line


def test_probabilities_that_are_no_numbers_are_refused(tmp_path: Path, cache: Path, run, monkeypatch) -> None:
    saying(monkeypatch, np.nan)
    folder = call(tmp_path / "calls", from_s=0.02)
    wrong = "end-of-turn probabilities are not from 0 to 1 .*nothing can be told from them; check the audio"
    with pytest.raises(BadRecording, match=wrong):
        measured(folder, tmp_path / "nan")
    monkeypatch.undo()
    study = measured(call(tmp_path / "sound"), cache)
    (traced,) = study.corpus.recordings
    eot = replace(traced.eot[0], probabilities=np.full(len(traced.eot[0].ends), 1.5))
    with pytest.raises(ValueError, match=f"{traced.path}: .*{wrong}"):
        Corpus.of([replace(traced, eot=(eot,))])
    (vad,) = traced.vad["livekit"]
    broken = replace(vad, probabilities=np.append(vad.probabilities[:-1], np.nan))
    with pytest.raises(ValueError, match=r"1 of \d+ speech probabilities"):
        Corpus.of([replace(traced, vad={"livekit": (broken,)})])


def test_contradictory_labels_are_refused_by_name_and_the_other_calls_count(
    tmp_path: Path, cache: Path, run
) -> None:
    folder = call(tmp_path / "calls", name="good")
    call(folder, name="bad", from_s=0.03)
    plain = json.loads((folder / "bad.labels.json").read_text())
    speaks = next(ipu for ipu in plain["ipus"] if ipu["speaker"] == "user")
    plain["labels"] = [{"kind": "hold", "start_s": speaks["start_s"], "end_s": speaks["end_s"]}]
    (folder / "bad.labels.json").write_text(json.dumps(plain))
    wrong = "bad.labels.json: labels[0]: a hold while the user speaks"
    study = measured(folder, cache)
    assert [one.name for one in study.corpus.recordings] == ["good"]
    assert [wrong in one.reason for one in study.skipped] == [True]
    code, told = run("sweep", folder)
    assert code == 0
    assert f"skipped: {folder}/{wrong}" in told.replace("\n", "")
    (folder / "good.flac").unlink()
    (folder / "good.labels.json").unlink()
    code, told = run("sweep", folder)
    assert (code, wrong in told) == (1, True)


def test_a_choice_that_nothing_meets_is_not_exported(tmp_path: Path, cache: Path) -> None:
    study = measured(call(tmp_path / "calls"), cache)
    with pytest.raises(NoneWithinBudget):
        study.choose(lab.Budget.latency_p95(0.01))

"""smart-turn's features and answers: by a slow twin, and by pipecat's own code where a wheel is there."""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.core.labels import Labels
from lab_utils.turns.detectors import smart_turn
from lab_utils.turns.detectors.base import Questions
from lab_utils.workflows.detectors.given import given_detectors
from lab_utils.workflows.detectors.weights import fetch_smart_turn

RNG = np.random.default_rng(0)
SHORT = RNG.normal(0, 3000, 50_000).astype(np.int16)
MEMBER = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"


def test_the_features_of_a_frame_are_what_the_definitions_give_term_by_term() -> None:
    """One frame by a plain Fourier sum and triangles, one at a time."""
    found = smart_turn.features(SHORT)
    assert (found.shape, found.dtype) == ((80, 800), np.float32)
    x = np.concatenate((np.zeros(128_000 - len(SHORT)), SHORT / 32_768.0))
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    frame = x[600 * 160 - 200 : 600 * 160 + 200] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
    bins = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400) @ frame

    def hertz(mel: float) -> float:
        return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    top = 15 + 27 * np.log(8) / np.log(6.4)
    edges = [hertz(top * k / 81) for k in range(82)]
    for band in (0, 7, 40, 79):
        low, middle, high = edges[band : band + 3]
        energy = 0.0
        for k in range(201):
            hz = k * 40.0
            rise, fall = (hz - low) / (middle - low), (high - hz) / (high - middle)
            energy += max(0.0, min(rise, fall)) * 2 / (high - low) * abs(bins[k]) ** 2
        assert found[band, 600] == pytest.approx((np.log10(energy) + 4) / 4, abs=1e-4)


def pipecats_own(tmp_path: Path) -> ModuleType:
    """pipecat's feature code: from a wheel named by $PIPECAT_WHEEL, or installed. Skips without either."""
    path = None
    if wheel := os.environ.get("PIPECAT_WHEEL"):
        with zipfile.ZipFile(wheel) as archive:
            path = archive.extract("pipecat/audio/turn/smart_turn/_whisper_features.py", tmp_path)
    elif spec := importlib.util.find_spec("pipecat"):
        path = str(Path(str(spec.origin)).parent / "audio/turn/smart_turn/_whisper_features.py")
    if path is None or not Path(path).exists():
        pytest.skip(
            "no pipecat-ai here: pip download --no-deps pipecat-ai, and name the wheel in PIPECAT_WHEEL"
        )
    found = importlib.util.spec_from_file_location("whisper_features", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_features_are_pipecats_to_the_last_bit(tmp_path: Path) -> None:
    theirs = pipecats_own(tmp_path)
    long = RNG.normal(0, 3000, 150_000).astype(np.int16)
    for pcm in (SHORT, long, np.zeros(0, np.int16)):
        heard = pcm[-128_000:].astype(np.float32) / 32_768.0
        padded = np.pad(heard, (128_000 - len(heard), 0))
        np.testing.assert_array_equal(
            smart_turn.features(pcm), theirs.compute_whisper_log_mel_features(padded, do_normalize=True)
        )


class Session:
    """In place of the model: tells the mean of what it is given."""

    def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs is None
        (heard,) = inputs.values()
        assert heard.shape == (1, 80, 800)
        return [heard.mean(axis=(1, 2))[:, None] * 0 + abs(float(heard.mean())) / 4]


def wheel(folder: Path, *members: str) -> Path:
    path = folder / "pipecat_ai-1.14.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"weights")
    return path


def test_weights_are_fetched_found_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    with pytest.raises(
        InputError, match="get them with: lab fetch smart-turn, or by hand: pip download --no-deps"
    ):
        given_detectors(["smart-turn"])
    source = wheel(tmp_path, MEMBER, "pipecat/audio/turn/smart_turn/data/../../../evil.onnx", "pipecat/x.py")
    found = CliRunner().invoke(cli.app, ["fetch", "smart-turn", "--source", str(source), "--json"])
    assert found.exit_code == 0, found.output
    (made,) = json.loads(found.stdout)["files"]
    assert Path(made).read_bytes() == b"weights"
    assert "BSD-2-Clause" in found.stderr
    ((name, predictor),) = [(one.name, one.predictor) for one in given_detectors(["smart-turn"])]
    assert name == "own:smart-turn"
    assert predictor is not None
    assert predictor.model_version().startswith("smart-turn-v3.2-cpu-")
    monkeypatch.setattr(smart_turn, "_loaded", lambda path: Session())
    ends = np.array([20_000, 50_000])
    p = predictor.probabilities(Questions(SHORT, ends * 0, ends, 0, "a", Labels(4.0, (), ())))
    expected = [abs(float(smart_turn.features(SHORT[:end]).mean())) / 4 for end in ends]
    np.testing.assert_allclose(p, expected, rtol=1e-6)


def test_what_holds_no_weights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"holds no smart-turn 3 weights; give a wheel of pipecat-ai"):
        fetch_smart_turn(wheel(tmp_path, "pipecat/x.py"), tmp_path)
    (tmp_path / "no.whl").write_bytes(b"no")
    with pytest.raises(InputError, match="no readable wheel"):
        fetch_smart_turn(tmp_path / "no.whl", tmp_path)
    (tmp_path / "smart-turn-v3.9.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"no readable ONNX model .* fetch it again"):
        smart_turn._loaded(tmp_path / "smart-turn-v3.9.onnx")
    found = CliRunner().invoke(cli.app, ["fetch", "ami"])
    assert found.exit_code == 1
    assert "--out: name a folder that receives ami" in found.output

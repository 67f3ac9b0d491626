"""Nothing leaves the machine: commands and notebooks are watched where only the loopback is.

`SECURITY.md` says what is promised; these tests show it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from network import SECRETS, holding_a_secret, lab, watched
from paths import SAMPLES

SMALL_GRID = "vad: [livekit, silero]\ndetector: [vad]\nmin_delay: [0.3, 0.8]\n"


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A folder with one labelled call and a small grid that needs both VADs."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for path in SAMPLES.glob("01_*"):
        shutil.copy(path, folder)
    (folder / "grid.yaml").write_text(SMALL_GRID)
    return folder


def check(done: subprocess.CompletedProcess[str], outward: list[str], home: Path, *results: Path) -> None:
    """It did its work, reached nothing, left nothing of a dependency's at home, and told no secret."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert outward == []
    assert not [
        path for path in home.rglob("*") if "onnxruntime" in path.name.lower() or "device" in path.name
    ]
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())
    assert holding_a_secret(home, *results) == []


def test_an_attempt_is_noticed(tmp_path: Path) -> None:
    program = "import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('192.0.2.1', 443))"
    _, outward = watched([sys.executable, "-c", program], tmp_path / "home")
    assert len(outward) == 1
    assert "192.0.2.1" in outward[0]
    program = "import socket; s = socket.socket(); s.connect_ex(('127.0.0.1', 9))"
    _, outward = watched([sys.executable, "-c", program], tmp_path / "home")
    assert outward == []


def test_onnxruntime_that_is_loaded_already_is_told_too(tmp_path: Path) -> None:
    program = (
        "import onnxruntime\n"
        "told = []\n"
        "onnxruntime.disable_telemetry_events = lambda: told.append(1)\n"
        "import lab_utils\n"
        "assert told == [1]\n"
    )
    done, _ = watched([sys.executable, "-c", program], tmp_path / "home", {"ORT_DISABLE_TELEMETRY": "1"})
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_sweep_with_every_model_reaches_nothing(call: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    command = lab("sweep", call, "--grid", call / "grid.yaml", "--out", out, "--phases", "1", "--jobs", "2")
    check(*watched(command, home), home, out, call)


@pytest.mark.slow
def test_a_session_reaches_nothing(call: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    check(*watched(lab("run", call, "--out", out), home), home, out, call)


@pytest.mark.slow
def test_import_and_transcribe_reach_nothing(call: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    manifest = tmp_path / "manifest.parquet"
    check(*watched(lab("import", call, "--out", manifest), home), home, manifest)
    check(*watched(lab("transcribe", call, "--out", tmp_path / "out"), home), home, tmp_path / "out")


CELL = """import lab_utils as lab
study = lab.measure("calls", grid={"vad": ["livekit", "silero"], "detector": ["vad"]}, phases=1, jobs=1)
study
"""


@pytest.mark.slow
def test_a_notebook_reaches_nothing(call: Path, tmp_path: Path) -> None:
    """One cell on one call, in a kernel: whole notebooks take too long where every call is watched."""
    home = tmp_path / "home"
    book = tmp_path / "measure.ipynb"
    import nbformat  # here, because it takes seconds that every process of the tests would spend

    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), book)
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", book]
    done, outward = watched([*command, "--output", "executed.ipynb"], home)
    check(done, outward, home, book.with_name("executed.ipynb"))
    assert "text/html" in book.with_name("executed.ipynb").read_text()

"""What is built can be installed: the wheel holds all that the commands use."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from paths import ROOT

from lab_utils.core.files.bundled import bundled


def test_what_is_bundled_is_found_in_a_clone() -> None:
    assert (bundled("profiles/providers") / "guide.yaml").is_file()
    assert len(list(bundled("audio_samples/calls/demo").glob("*.flac"))) == 12
    assert not bundled("no/such/file").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as an index would have it."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_runs_without_the_clone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed")
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "installed"),
        "LAB_CACHE": str(tmp_path / "cache"),
    }

    def lab(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "lab_utils.cli", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-P", "-c", "import lab_utils; print(lab_utils.__file__)"]
    told = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).is_relative_to(tmp_path / "installed")
    samples = tmp_path / "installed/lab_utils/bundled/audio_samples/calls/demo"
    assert len(list(samples.glob("*.flac"))) == 12
    for path in samples.glob("*"):
        if not path.name.startswith("14_"):  # one call is enough here
            path.unlink()
    lab("demo", "--phases", "1")
    lab("report", "out/demo", "-o", "report.html")
    assert (tmp_path / "report.html").is_file()


def test_the_command_line_loads_neither_jupyterlab_nor_voila() -> None:
    code = "import sys, lab_utils.cli; print({'jupyterlab', 'voila'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

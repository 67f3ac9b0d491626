"""Traces that come with the package: what tracing anew gives, and not taken for anything else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT, SAMPLE_CALLS

import lab_utils as lab
from lab_utils.turns import vad
from lab_utils.turns.cache import TraceCache, read_entry, shipped
from lab_utils.turns.cache.known import of_models
from lab_utils.turns.detectors import v1_mini
from lab_utils.turns.takes import Hearings, takes_of
from lab_utils.turns.tracing import Tracer
from lab_utils.turns.vad import VAD_MODELS

CALL = SAMPLE_CALLS / "demo" / "20_library_books.flac"
SAME = 1e-5
"""Of a probability: another processor, or another release of the resampler, may differ by that much."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "1")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: None) -> Path:
    """An archive of one entry in place of the package's."""
    path, kept = tmp_path / "traces.zip", TraceCache(tmp_path / "made")
    kept.store("ab-known", probabilities=np.arange(3.0))
    shipped.write_shipped(path, kept.entries())
    monkeypatch.setattr(shipped, "bundled", lambda _: path)
    return path


def test_what_the_cache_lacks_is_read_from_the_archive(archive: Path, tmp_path: Path) -> None:
    cache = TraceCache(tmp_path / "own")
    assert cache.load("ab-unknown", ["probabilities"]) is None
    (found,) = cache.load("ab-known", ["probabilities"]) or [None]
    np.testing.assert_array_equal(found, [0, 1, 2])
    assert not cache.folder.exists()  # nothing is copied
    assert cache.load("ab-known", ["starts"]) is None
    cache.store("ab-known", probabilities=np.ones(2))
    (found,) = cache.load("ab-known", ["probabilities"]) or [None]
    np.testing.assert_array_equal(found, [1, 1])  # one's own goes first


def test_the_archive_can_be_left_aside(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "0")
    assert TraceCache(tmp_path / "own").load("ab-known", ["probabilities"]) is None


def test_the_same_entries_are_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    before = archive.read_bytes()
    shipped.write_shipped(archive, TraceCache(tmp_path / "made").entries())
    assert archive.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "another", "no zip", "gone"])
def test_a_damaged_archive_counts_as_none(archive: Path, tmp_path: Path, damage: str) -> None:
    data = archive.read_bytes()
    if damage == "another":
        with zipfile.ZipFile(archive, "w") as file:  # an entry under the name of another
            file.writestr(
                "ab-known.npz", zipfile.ZipFile(shutil.copy(bundled_archive(), tmp_path)).read(first())
            )
    elif damage == "gone":
        archive.unlink()
    else:
        archive.write_bytes(data[: len(data) // 2] if damage == "cut" else b"no archive")
    shipped._opened.cache_clear()
    assert TraceCache(tmp_path / "own").load("ab-known", ["probabilities"]) is None


def bundled_archive() -> Path:
    return ROOT / shipped.ARCHIVE


def first() -> str:
    with zipfile.ZipFile(bundled_archive()) as file:
        return file.namelist()[0]


def test_every_entry_is_intact_and_of_the_models_installed(tmp_path: Path) -> None:
    """Of another release of a model nothing would be found, and everybody would wait: run `make traces`."""
    versions = {vad.model_version("livekit"), vad.model_version("silero"), v1_mini.model_version()}
    assert version("livekit-local-inference") in v1_mini.model_version()
    with zipfile.ZipFile(bundled_archive()) as file:
        file.extractall(tmp_path)
    for path in sorted(tmp_path.glob("*.npz")):
        assert read_entry(path, path.stem)
        assert any(one in path.stem for one in versions) or "-line-" in path.stem, path.stem


@pytest.mark.slow
def test_they_are_what_tracing_anew_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call as recorded, with both VADs and the waits after its turns; its other takes by their tapes."""
    grid = {"vad": ["livekit", "silero"], "detector": ["v1-mini"], "min_silence_duration": [0.25, 0.55]}
    anew = TraceCache(tmp_path / "anew")
    lab.measure(CALL, grid=grid, phases=1, cache=anew.folder, jobs=1, quiet=True)
    hearings, tracer = Hearings(lab.load(CALL)), Tracer(anew)
    for take in takes_of(4)[1:]:
        for model in VAD_MODELS:
            tracer.vad(hearings.over(take.path), model, [take.phase_samples])
    traced = {path.stem: read_entry(path, path.stem) for path in of_models(anew.entries())}
    assert len(traced) > 20
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "1")
    for address, arrays in traced.items():
        known = shipped.shipped_arrays(address, list(arrays))
        assert known is not None, address
        of_package = dict(zip(arrays, known, strict=True))
        if "ends" in arrays:  # of predictions the package may have more
            spans = zip(of_package["starts"].tolist(), of_package["ends"].tolist(), strict=True)
            where = {span: n for n, span in enumerate(spans)}
            asked = zip(arrays["starts"].tolist(), arrays["ends"].tolist(), strict=True)
            of_package["probabilities"] = of_package["probabilities"][[where[span] for span in asked]]
        difference = np.abs(of_package["probabilities"] - arrays["probabilities"])
        assert difference.max(initial=0.0) <= SAME, address
    again = tmp_path / "again"
    lab.measure(CALL, grid=grid, phases=1, cache=again, jobs=1, quiet=True)
    assert not of_models(TraceCache(again).entries())  # nobody had to listen


def test_a_sweep_of_what_is_known_loads_no_model_and_starts_no_worker(tmp_path: Path, read: None) -> None:
    """Each of these takes from a third of a second to two seconds to import."""
    (tmp_path / "grid.yaml").write_text("vad: [livekit, silero]\nmin_delay: [0.3, 0.6]\n")
    heavy = {"livekit.agents", "livekit.local_inference", "loky", "onnxruntime", "scipy.stats"}
    heavy |= {"av", "distributed", "fsspec", "optuna", "scipy.special", "upath"}
    heavy |= {"lab_utils.plots.sessions", "lab_utils.plots.providers.joint"}  # no picture that isn't drawn
    code = (
        "import sys\nfrom lab_utils.cli import app\n"
        f"app(sys.argv[1:], standalone_mode=False)\nprint({heavy} & set(sys.modules))"
    )
    given = ["sweep", str(CALL), "--grid", "grid.yaml", "--out", "out", "--cache", "cache"]
    done = subprocess.run(
        [sys.executable, "-c", code, *given], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
    assert not of_models(TraceCache(tmp_path / "cache").entries())

"""Every notebook runs, finds what it says of the samples, is thin, and carries no outputs (house rule 11)."""

from __future__ import annotations

import ast
import json
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from notebook_claims import CLAIMS
from paths import ROOT

import lab_utils
from lab_utils.core.files import write_whole
from lab_utils.core.files.bundled import bundled
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.known import of_models
from lab_utils.turns.cache.shipped import ARCHIVE

NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/[!.]*.ipynb"))
MOST_LINES = 60


def kernel_environment(cache: Path) -> dict[str, str]:
    """For a kernel that finds this clone's package, this Python and the traces."""
    paths = (str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH"))
    path = os.pathsep.join(part for part in paths if part)
    binaries = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return os.environ | {"LAB_CACHE": str(cache), "PYTHONPATH": path, "PATH": binaries}


@pytest.fixture(scope="session")
def samples_cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str = "master") -> Path:
    """Traces of the demo's calls as they come with the package, in $LAB_CACHE or the session's folder.

    That they are what tracing anew gives is for tests/turns/test_shipped_traces.py.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    cache = Path(os.environ.get("LAB_CACHE") or shared / "lab-cache")
    cache.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(bundled(ARCHIVE)) as archive:
        for name in archive.namelist():
            target = cache / name[:2] / name
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                write_whole(target, archive.read(name))
    return cache


def code_cells(path: Path) -> list[SimpleNamespace]:
    """The code cells of a notebook, each with `source`, `outputs` and `execution_count`."""
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    return [SimpleNamespace(**cell | {"source": "".join(cell["source"])}) for cell in cells]


def test_there_are_notebooks_and_the_claims_are_of_some() -> None:
    assert set(CLAIMS) < {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_is_thin(self, path: Path) -> None:
        lines = [line for cell in code_cells(path) for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= MOST_LINES
        tree = ast.parse("\n".join(cell.source for cell in code_cells(path)))
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [node for node in ast.walk(tree) if isinstance(node, definitions)]

    def test_asserts_nothing(self, path: Path) -> None:
        """A claim about the samples is a test's business: a user's own calls must not end in a traceback."""
        tree = ast.parse("\n".join(cell.source for cell in code_cells(path)))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]

    def test_uses_the_public_api(self, path: Path) -> None:
        tree = ast.parse("\n".join(cell.source for cell in code_cells(path)))
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lab"
        }
        assert used
        assert used <= set(lab_utils.__all__)

    def test_has_no_outputs(self, path: Path) -> None:
        assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))

    def test_names_the_kernel_that_every_installation_has(self, path: Path) -> None:
        assert json.loads(path.read_text())["metadata"]["kernelspec"]["name"] == "python3"

    @pytest.mark.slow
    def test_runs(self, path: Path, samples_cache: Path, tmp_path: Path) -> None:
        import nbformat  # here, because it takes seconds that every process of the tests would spend
        from nbclient import NotebookClient

        work = tmp_path / path.parent.relative_to(ROOT)
        work.mkdir(parents=True)
        for folder in ("audio_samples", "tests"):
            (tmp_path / folder).symlink_to(ROOT / folder)
        notebook = nbformat.read(path, as_version=4)
        if path.stem in CLAIMS:
            check = f"import notebook_claims\nnotebook_claims.CLAIMS[{path.stem!r}](globals())"
            notebook.cells.append(nbformat.v4.new_code_cell(check))
        client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(work)}})
        course = path.parent.name == "course"
        cache = tmp_path / "traces" if course else samples_cache
        client.execute(env=kernel_environment(cache) | {"LAB_SHIPPED_TRACES": "1"})
        assert (tmp_path / "out").is_dir() != course  # the course writes nothing
        if course:  # nor does anybody wait: what it needs comes with the package
            entries = of_models(TraceCache(cache).entries())
            traced = [entry.name for entry in entries if "-line-" not in entry.name]
            assert not traced, "run make traces"

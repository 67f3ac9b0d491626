"""What is built can be installed: the wheel holds all that the commands use."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own into which pip put the wheel. What it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
    subprocess.run([*install, "--no-deps", "--no-compile", str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))  # without its editable packages
    return folder


@pytest.mark.slow
def test_the_wheel_runs_without_the_clone(installed: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LAB_CACHE": str(tmp_path / "cache"), "LAB_SHIPPED_TRACES": "1"}

    def told(program: str, *arguments: str) -> str:
        command = [str(installed / "bin" / program), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    package = Path(told("python", "-c", "import lab_utils; print(lab_utils.__file__)").strip()).parent
    assert package.is_relative_to(installed)
    samples = package / "bundled/audio_samples/calls/demo"
    assert len(list(samples.glob("*.flac"))) == 12
    for path in samples.glob("*"):
        if not path.name.startswith("20_"):  # one call is enough here
            path.unlink()
    told("lab", "demo", "--phases", "1")
    told("lab", "report", "out/demo", "-o", "report.html")
    assert (tmp_path / "report.html").is_file()
    # The traces came with the wheel, too: kept is only which file has which audio.
    kept = [path.stem for path in (tmp_path / "cache").rglob("*.npz")]
    assert [one for one in kept if not one.endswith("-known") and "-line-" not in one] == []


@pytest.mark.slow
def test_what_the_package_imports_is_installed_with_it_or_an_extra() -> None:
    """Nothing of the tests' own packages: in an environment with the wheel alone it would be missing."""
    imported = {
        name
        for path in (ROOT / "lab_utils").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _roots(node)
    }
    outside = imported - set(sys.stdlib_module_names) - {"lab_utils"}
    providers = packages_distributions()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [one for name, some in project["optional-dependencies"].items() if name != "dev" for one in some]
    brought = _brought([Requirement(text) for text in project["dependencies"] + extras])
    assert len(outside) > 30
    missing = {
        name
        for name in outside & set(providers)
        if not brought & set(map(canonicalize_name, providers[name]))
    }
    assert missing == set()


def _roots(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [str(node.module).partition(".")[0]] if isinstance(node, ast.ImportFrom) and not node.level else []


def _brought(asked: list[Requirement]) -> set[str]:
    """The distributions that pip would install for these."""
    found: set[str] = set()
    while asked:
        one = asked.pop()
        if canonicalize_name(one.name) in found:
            continue
        found.add(canonicalize_name(one.name))
        try:
            needed = [Requirement(text) for text in requires(one.name) or ()]
        except PackageNotFoundError:  # of an extra that isn't installed here
            continue
        wanted = [{"extra": extra} for extra in ("", *one.extras)]
        asked += [need for need in needed if need.marker is None or any(map(need.marker.evaluate, wanted))]
    return found


def test_the_command_line_loads_neither_jupyterlab_nor_voila() -> None:
    code = "import sys, lab_utils.cli; print({'jupyterlab', 'voila'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

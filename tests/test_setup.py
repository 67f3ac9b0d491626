"""pyproject.toml, requirements.lock, environment.yml, Makefile and .ci/run agree; importing is light."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import lab_utils

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]]
MAKE_TARGETS = {"widgets", "demo", "lab", "venv"}  # use
MAKE_TARGETS |= {
    "docs",
    "cheat-sheet",
    "test",
    "test-fast",
    "check",
    "notebooks",
    "verify",
    "mutants",
    "soak",
    "bench",
    "bench-scale",
    "bench-ui",
    "coverage",
}  # test
MAKE_TARGETS |= {"format", "samples", "traces", "screenshots", "lock"}  # maintain
MAKE_TARGETS |= {"clean", "distclean", "help"}


def locked_requirements() -> list[Requirement]:
    """Every pin, without its hashes."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\")) for line in lines if line and line[0] not in " #"]


def locked_version(name: str) -> str:
    """The one version of `name` that the lock installs on this machine."""
    here = [
        requirement
        for requirement in locked_requirements()
        if canonicalize_name(requirement.name) == canonicalize_name(name)
        and (requirement.marker is None or requirement.marker.evaluate())
    ]
    assert len(here) == 1, f"{name}: {len(here)} lines in requirements.lock apply here; run `make lock`"
    (pin,) = here[0].specifier
    return pin.version


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_lock_satisfies_pyproject(requirement):
    version = locked_version(requirement.name)
    assert requirement.specifier.contains(version, prereleases=True), (
        f"the lock has {requirement.name} {version}, pyproject.toml asks for {requirement}; run `make lock`"
    )


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_environment_has_what_the_lock_says(requirement):
    assert installed_version(requirement.name) == locked_version(requirement.name)


def test_lock_pins_exactly_and_names_no_index():
    for requirement in locked_requirements():
        (pin,) = requirement.specifier
        assert pin.operator == "==", str(requirement)
        assert "*" not in pin.version, str(requirement)
        assert requirement.url is None, str(requirement)
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text


def test_every_pin_of_the_lock_has_hashes_that_the_installation_requires():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for pin in re.split(r"(?m)^(?=\w)", re.sub(r"(?m)^\s*#.*\n", "", text)):
        name, *hashes = re.split(r"\s+\\\n\s+", pin.strip())
        assert not name or hashes, f"{name} has no hash; run `make lock`"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), name
    assert "--require-hashes -r requirements.lock" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_lock_brings_no_torch_or_cuda():
    names = {canonicalize_name(requirement.name) for requirement in locked_requirements()}
    assert not {name for name in names if re.match(r"(torch|nvidia-|jax|tensorflow|triton$)", name)}


def test_conda_environment_installs_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock"]  # with hashes, which an editable package cannot have
    (python,) = [entry for entry in conda if re.match(r"python\b", entry)]
    python_version = python.partition("=")[2].lstrip("=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python_version)
    others = set(conda) - {python, "pip"}
    assert not others, f"pip installs what the lock pins; conda must not bring its own {others}"


def test_makefile_installs_the_lock_then_the_package_alone():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-r requirements.lock" in text
    assert "--no-deps -e ." in text
    assert re.search(r"(?m)^\$\(STAMP\): requirements\.lock pyproject\.toml$", text)


def make(*arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("arguments", [(), ("help",)], ids=["make", "make help"])
def test_make_help_lists_every_target(arguments):
    listed = re.findall(r"(?m)^  make (\S+) +\S", make(*arguments))
    assert len(listed) == len(set(listed))
    assert set(listed) == MAKE_TARGETS


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("demo", [".venv/bin/lab demo"]),
        ("test", [".venv/bin/python -m pytest -n 2"]),
        ("test-fast", [".venv/bin/python -m pytest -n 2", '-m "not slow and not browser and not virtual"']),
        ("lab", [".venv/bin/jupyter lab", "/lab/tree/notebooks"]),
        ("check", ["ruff check", "ruff format --check", "bin/mypy", "lint-imports"]),
        ("verify", [".venv/bin/lab verify audio_samples", "--settings 300"]),
        ("bench", [".venv/bin/python tests/bench.py"]),
        ("notebooks", ["jupyter nbconvert --to notebook --execute", "--output-dir"]),
        (
            "samples",
            [
                ".venv-samples/bin/python audio_samples/make_samples.py",
                ".venv-samples/bin/python audio_samples/calls/make_calls.py",
                "npm pack --silent",
            ],
        ),
        ("lock", ['uv" pip compile pyproject.toml --extra dev', "--output-file requirements.lock"]),
    ],
)
def test_make_target_runs(target, commands):
    planned = make("--dry-run", target)
    for command in commands:
        assert command in planned


def test_a_python_too_old_or_absent_is_said(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *sys.exit*) exit 1;; esac\necho 3.9\n')
    old.chmod(0o755)
    for python, found in [(old, "(3.9)"), (tmp_path / "nothing", "none")]:
        command = ["make", "--always-make", f"PYTHON={python}", "lock"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "Python 3.11 or newer is needed" in done.stderr
        assert found in done.stderr


def test_ci_runs_checks_and_tests():
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text
    for target in ("check", "test"):
        assert re.search(rf"(?m)^step .* make (-k )?{target}\b", text), target
    assert "CHROMIUM=/usr/bin/chromium" in text
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_importing_lab_utils_is_light():
    code = "import sys, lab_utils; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "livekit",
        "matplotlib",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
        "ipywidgets",
        "typer",
        "pydantic",
    }
    assert not heavy & set(done.stdout.split())
    assert done.stderr == ""


def test_version_is_the_installed_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", lab_utils.__version__)
    assert installed_version(PROJECT["name"]) == lab_utils.__version__
    assert (ROOT / "lab_utils" / "py.typed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["lab_utils", "lab_utils.profile", "lab_utils.cli"])
def test_onnxruntime_is_told_to_send_no_telemetry_before_it_loads(module: str) -> None:
    code = (
        "import importlib, os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': print('loaded with', os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"importlib.import_module({module!r})\n"
        "import onnxruntime\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=True
    )
    assert set(done.stdout.splitlines()) == {"loaded with 1"}

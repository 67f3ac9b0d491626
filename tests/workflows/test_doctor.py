"""What `lab doctor` finds: on this machine, and where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.workflows.doctor import checks


def test_on_this_machine(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--cache", str(tmp_path), "--json"])
    told = json.loads(done.stdout)
    found = {one["name"]: one for one in told["checks"]}
    assert told["well"] == all(one["state"] != "missing" for one in told["checks"])
    assert done.exit_code == (0 if told["well"] else 1)
    assert found["Python"]["state"] == "ok"
    assert found["telemetry"]["state"] == "ok"
    assert found["loopback"]["state"] == "ok"
    assert str(tmp_path) in found["cache"]["found"]
    models = [one for name, one in found.items() if name.startswith("model: ")]
    assert len(models) == 3
    assert all(one["state"] == "ok" for one in models)
    assert all(one["remedy"] for one in told["checks"] if one["state"] != "ok")


def test_the_table_names_every_check(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--cache", str(tmp_path)])
    for name in ("Python", "packages", "anywidget", "chromium", "ffmpeg"):
        assert name in done.stdout


def test_an_old_python_is_named() -> None:
    assert checks.python((3, 10)).state == "missing"
    assert "3.11" in checks.python((3, 10)).remedy
    assert "tested on 3.11" in checks.python((3, 13)).found


def test_packages_that_are_absent_or_too_old() -> None:
    wanted = ["numpy>=999", "no-such-package>=1", "pytest>=1", 'never>=1; extra == "dev"']
    found = checks.packages(wanted)
    assert found.state == "missing"
    assert "no-such-package missing, wants >=1" in found.found
    assert "wants >=999" in found.found
    assert "pytest" not in found.found
    assert "never" not in found.found
    assert checks.packages(["pytest>=1"]).state == "ok"


def test_versions_that_are_not_those_of_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    have = checks.installed("pytest")
    lock.write_text(f"# pinned\npytest=={have} \\\n    --hash=sha256:00\nnumpy==0.1 \\\nabsent==1.0\n")
    found = checks.pins(lock)
    assert found.state == "optional"
    assert "numpy" in found.found
    assert "pytest" not in found.found
    assert "absent" not in found.found
    assert checks.pins(tmp_path / "none").state == "ok"


def test_a_model_a_tool_and_a_folder_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "isn't installed" in checks._model("no-such-package", "x", "x").found
    assert checks._model("pytest", "no-such.onnx", "x").state == "missing"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert {one.state for one in checks.tools()} == {"optional"}
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    assert "ORT_DISABLE_TELEMETRY" in checks.telemetry().found
    monkeypatch.setattr(checks, "jupyter_path", lambda name: [str(tmp_path)])
    assert {one.state for one in checks.extensions()} == {"missing"}
    monkeypatch.setattr(checks, "FREE_BYTES", float("inf"))
    assert checks.cache_place(tmp_path / "made" / "later").state == "optional"
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert checks.cache_place(tmp_path).state == "missing"

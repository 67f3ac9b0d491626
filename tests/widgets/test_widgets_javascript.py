"""The bundled JavaScript: made from the sources beside it, nothing from elsewhere, and its own tests."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess

import pytest
from paths import ROOT

JS = ROOT / "lab_utils" / "widgets" / "js"
STATIC = ROOT / "lab_utils" / "widgets" / "static"


def test_the_bundle_is_made_from_the_sources() -> None:
    digest = hashlib.sha256()
    for path in [*sorted((JS / "src").iterdir()), JS / "package-lock.json"]:
        digest.update(path.relative_to(JS).as_posix().encode() + path.read_bytes())
    for bundle in STATIC.glob("*.js"):
        first = bundle.open(encoding="utf-8").readline()
        assert digest.hexdigest() in first, f"{bundle.name} is out of date; run: make widgets"


def test_the_licence_of_what_is_bundled_comes_along() -> None:
    assert "BSD 3-Clause License" in (STATIC / "wavesurfer.LICENSE.txt").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere() -> None:
    for bundle in STATIC.glob("*.js"):
        text = bundle.read_text(encoding="utf-8")
        assert not re.search(r"""(?:import|from)\s*\(?["']https?:""", text)
        assert not re.search(r"(?:unpkg|jsdelivr|esm\.sh|cdnjs)", text)
    for sheet in STATIC.glob("*.css"):
        assert "url(" not in sheet.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_what_needs_no_browser() -> None:
    """The model of the timeline has no dependencies: Node alone runs its tests."""
    done = subprocess.run(["node", "--test"], cwd=JS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"(?m)^# pass [1-9]", done.stdout)

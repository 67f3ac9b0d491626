"""`import lab_utils as lab`: light, lazy, typed, documented; records show themselves in a notebook."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from paths import SAMPLES
from synthetic_sessions import Exchange, session_of

import lab_utils as lab
from lab_utils.core.labels import Ipu, Label
from lab_utils.core.sound import Sound, excerpt

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("livekit", "matplotlib", "scipy", "pandas", "numpy", "IPython", "ipywidgets", "pyarrow", "joblib")
DRAWING = ("matplotlib", "IPython", "ipywidgets", "pandas", "scipy")


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_it_loads_nothing() -> None:
    assert not set(HEAVY) & modules_after("import lab_utils as lab; dir(lab); lab.__all__")


@pytest.mark.slow
def test_a_profile_is_loaded_without_drawing_or_jupyter() -> None:
    path = ROOT / "tests" / "golden" / "profile.yaml"
    for way in ("from lab_utils.profile import load_profile", "from lab_utils import load_profile"):
        loaded = modules_after(f"{way}\nload_profile({str(path)!r}).session_kwargs()")
        assert not set(DRAWING) & loaded
        assert "livekit" in loaded


@pytest.mark.slow
def test_measuring_needs_no_drawing() -> None:
    assert "matplotlib" not in modules_after("import lab_utils as lab; lab.measure; lab.Study; lab.load")


def test_names_types_and_homes_agree() -> None:
    tree = ast.parse(Path(lab.__file__).read_text(encoding="utf-8"))
    conditions = [node for node in tree.body if isinstance(node, ast.If)]
    (checked,) = [node for node in conditions if ast.unparse(node.test) == "TYPE_CHECKING"]
    typed = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == lab._HOMES
    assert set(lab.__all__) == {"__version__", *typed}
    assert set(lab.__all__) <= set(dir(lab))


@pytest.mark.parametrize("name", [name for name in lab.__all__ if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(lab, name).__doc__
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.search(rf"`lab\.{name}\b", listed), f"docs/api.md says nothing of lab.{name}"


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lab_utils' has no attribute 'measures'"):
        lab.measures  # noqa: B018


EVIL = "<script>alert(1)</script>"
LABELS = lab.Labels(2.0, (Ipu("user", 0.0, 1.0),), (Label("hold", 0.5, 1.0, 0.7, EVIL),), source=EVIL)
CALL = lab.Recording(EVIL, EVIL, np.zeros(32_000, np.int16), None, "0", LABELS, notes=(EVIL,))


@pytest.mark.parametrize(
    "record",
    [
        LABELS,
        CALL,
        Sound(np.zeros((16, 2), np.int16), EVIL),
        session_of([Exchange(0.5, 4.0)]),
        lab.Profile(name="<b>", settings=lab.Settings()),
    ],
    ids=lambda one: type(one).__name__,
)
def test_records_show_themselves_and_escape_what_comes_from_files(record) -> None:
    shown = record._repr_html_()
    assert "<script" not in shown
    assert "<b><b>" not in shown
    assert "</" in shown


def test_an_excerpt_is_cut_to_the_recording() -> None:
    assert excerpt(CALL, -1.0, 0.5).stereo.shape == (8_000, 2)
    with pytest.raises(ValueError, match=r"lasts 2\.0 s, asked for 3\.0-4\.0 s"):
        excerpt(CALL, 3.0, 4.0)


def test_what_a_user_can_mend_is_one_line_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell.instance()
    shell.run_cell(f"import lab_utils as lab\nlab.load({str(SAMPLES / 'nothing.wav')!r})")
    said = capsys.readouterr().out.strip()
    InteractiveShell.clear_instance()
    assert said.splitlines() == [said]
    assert re.fullmatch(r"BadRecording: .*nothing\.wav: no such file.*", said)

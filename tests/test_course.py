"""What the course claims of the sample calls."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest
import yaml
from paths import ROOT
from test_browser import CHROMIUM
from test_notebooks import code_cells

import lab_utils as lab
from lab_utils.core.knobs import KNOBS

COURSE = ROOT / "notebooks" / "course"


def test_each_exercise_of_the_notebook_has_a_solution() -> None:
    solutions = yaml.safe_load((COURSE / "solutions.yaml").read_text("utf-8"))
    source = "\n".join(cell.source for cell in code_cells(COURSE / "6_exercises.ipynb"))
    for number in solutions:
        assert f"lab.exercise({number}).check(study" in source
    with pytest.raises(ValueError, match=f"they are 1 to {max(solutions)}"):
        lab.exercise(0)


def test_the_printed_cheat_sheet_has_every_knob_and_needs_nothing_else() -> None:
    html = runpy.run_path(str(ROOT / "docs" / "print_cheat_sheet.py"))["page"]()
    assert all(f"<code>{name}</code>" in html for name in KNOBS)
    assert html.count("<table>") == 2
    assert not re.search(r"href|src=|http", html)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}")
def test_the_printed_cheat_sheet_is_one_page(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "docs" / "print_cheat_sheet.py"))["main"](tmp_path)
    pdf = (tmp_path / "cheat_sheet.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_the_cheat_sheet_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "write_cheat_sheet.py"))["cheat_sheet"]()
    remedy = "run python docs/write_cheat_sheet.py"
    assert (ROOT / "docs" / "cheat_sheet.md").read_text("utf-8") == page, remedy

"""The documentation's site: builds without a warning, shows every page, and fetches nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from paths import ROOT

import lab_utils

PLAN = (ROOT / "docs" / "site.yml").read_text("utf-8")


def test_every_page_and_notebook_is_in_the_sites_contents() -> None:
    pages = [*(ROOT / "docs").glob("**/*.md"), *(ROOT / "notebooks").glob("**/*.ipynb")]
    names = {path.relative_to(ROOT).with_suffix(".md").as_posix() for path in pages}
    assert sorted(name for name in names if not re.search(rf"{re.escape(name)}\b", PLAN)) == []


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, str(ROOT / "docs" / "build_site.py"), str(tmp_path / "site")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in (tmp_path / "site").glob("**/*.html"):
        html = page.read_text("utf-8")
        assert not re.findall(r'<(?:script|img|source|iframe)[^>]*src="?https?:', html), page
        assert not re.findall(r'<link[^>]*rel="?(?:stylesheet|preconnect)[^>]*href="?https?:', html), page
    reference = (tmp_path / "site" / "docs" / "reference.html").read_text("utf-8")
    assert [name for name in lab_utils._HOMES if f"lab.{name}" not in reference] == []
    assert '<span class="nf">barge_in</span>' in reference  # measure_barge_in, where it is defined
    assert "flowchart TD" not in (tmp_path / "site" / "docs" / "code.html").read_text("utf-8")
    course = list((tmp_path / "site" / "notebooks" / "course").glob("*.html"))
    assert len(course) == 6
    assert not any("answer" in code for page in course for code in blocks(page.read_text("utf-8")))


def blocks(html: str) -> list[str]:
    """The code of a page, as text."""
    return [re.sub(r"<[^>]+>", "", code) for code in re.findall(r"(?s)<pre>(.*?)</pre>", html)]


def test_a_link_that_leads_nowhere_is_a_warning() -> None:
    rules = yaml.safe_load(PLAN)["validation"]["links"]
    assert rules["not_found"] == rules["anchors"] == "warn"


def test_the_versions_agree() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == lab_utils.__version__

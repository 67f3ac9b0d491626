"""Whose code a file is, and which of the user's files belong to one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab_utils.core.files.users_code import imported_files, is_users


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A detector beside a module, a package and one that nobody imports."""
    texts = {
        "detector.py": "import json\nimport numpy.random\nimport wordlists.german\nfrom level import LEVEL\n",
        "level.py": "from wordlists import english, LIMIT\nfrom nowhere import at_all\n",
        "other.py": "import level\n",
        "wordlists/__init__.py": "LIMIT = 3\n",
        "wordlists/german.py": "def words():\n    from . import shared\n    from .deep.list import more\n",
        "wordlists/english.py": "import detector\n",
        "wordlists/shared.py": "",
        "wordlists/deep/list.py": "from ..shared import more\n",
        "wordlists/unused.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_file_belongs_with_all_of_the_users_files_that_it_leads_to(files: Path) -> None:
    found = {path.relative_to(files).as_posix() for path in imported_files(files / "detector.py")}
    assert found == {
        "level.py",
        "wordlists/__init__.py",
        "wordlists/german.py",
        "wordlists/english.py",
        "wordlists/shared.py",
        "wordlists/deep/list.py",
    }


def test_nothing_is_imported_to_find_that_out(files: Path) -> None:
    imported_files(files / "detector.py")
    assert not {"level", "wordlists", "wordlists.german"} & sys.modules.keys()


def test_pythons_installed_and_this_packages_code_is_others(tmp_path: Path) -> None:
    import json

    import numpy as np

    import lab_utils

    others = [str(module.__file__) for module in (json, np, lab_utils)]
    assert not any(map(is_users, [*others, "<string>"]))
    assert is_users(str(tmp_path / "mine.py"))

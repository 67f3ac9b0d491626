"""Packages that aren't installed: answered while a worker loads, missed by name and line in a session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_utils.session.stand_ins.packages import MissingPackages
from lab_utils.session.stand_ins.places import Place, raised_at
from lab_utils.session.stand_ins.values import NotInstalled
from lab_utils.session.user_parts import BadPart, load_parts

HEAD = "from livekit.agents import Agent\n"
AGENT = "class A(Agent):\n    def __init__(self):\n        super().__init__(instructions='x')\n"


class OnlyPackages:
    """Stand-ins without plugins, as `load_parts` needs them."""

    def __init__(self, packages: MissingPackages) -> None:
        self.packages = packages


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[MissingPackages]:
    own = MissingPackages()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, own])
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield own
    for name in set(sys.modules) - before:
        if name.startswith(("worker", "missing_")) or name in ("dotenv", "aiocsv"):
            del sys.modules[name]


def load(own: MissingPackages, folder: Path, code: str, name: str = "worker") -> Any:
    path = folder / f"{name}.py"
    path.write_text(HEAD + code + AGENT)
    load_parts({"agent": f"{path}:A"}, OnlyPackages(own))  # type: ignore[arg-type]
    return sys.modules[name]


@pytest.mark.parametrize(
    "code",
    [
        "from missing_env import load_dotenv\nload_dotenv('.env.local')\n",
        "import missing_web.client as c\nclient = c.Client(timeout=3).session('x').open\n",
        "from missing_db import Model\nclass Row(Model, table=True):\n    name: str\nrow = Row(name='x')\n",
        "import missing_web\ndef f(x: missing_web.Client | None, y: 'list' = []): ...\n",
        "import missing_web\ndef f(x: missing_web.Maybe[int]): ...\n",
        "import missing_trace\nwith missing_trace.span('x') as s:\n    s.set('a', 1)\n",
        "import missing_ai\nmissing_ai.api_key = 'x'\nmissing_ai.options['a'] = 1\n",
        "import missing_ai\nTEXT = f'{missing_ai.prompt} and more'\n",
        "import importlib\nm = importlib.import_module('missing_late.deep.er')\nm.go()\n",
    ],
)
def test_module_level_code_runs(packages: MissingPackages, tmp_path: Path, code: str) -> None:
    load(packages, tmp_path, code)
    (package,) = packages.packages.values()
    assert package.name in code
    assert {place.path for place in package.imported_at} == {str(tmp_path / "worker.py")}
    assert not package.missed_at


def test_use_in_a_session_raises_with_package_and_line(packages: MissingPackages, tmp_path: Path) -> None:
    code = (
        "import missing_web\nfrom missing_db import Model\nclient = missing_web.Client()\n"
        "class Row(Model): ...\n"
        "def attribute(): return missing_web.get\n"
        "def call(): return client('x')\n"
        "def method(): return client.get('x')\n"
        "def make(): return Row()\n"
        "def late(): import missing_other\n"
        "def text(): return f'{client}'\n"
    )
    worker = load(packages, tmp_path, code)
    for line, (function, package) in enumerate(
        {
            "attribute": "missing_web",
            "call": "missing_web",
            "method": "missing_web",
            "make": "missing_db",
            "late": "missing_other",
            "text": "missing_web",
        }.items(),
        6,
    ):
        with pytest.raises(NotInstalled, match=rf"^worker\.py:{line}: {package}") as missed:
            getattr(worker, function)()
        assert f"'{package}' isn't installed" in str(missed.value)
        assert any(f"worker.py:{line}" in at for at in packages.packages[package].missed_at)


def test_what_a_stand_in_cannot_know_is_told_at_once(packages: MissingPackages, tmp_path: Path) -> None:
    for use, what in (("for r in x: ...", "contents"), ("n = int(x)", "number"), ("b = x < 3", "order")):
        with pytest.raises(BadPart, match=rf"at worker\.py:3 with NotInstalled.*its {what} is needed"):
            load(packages, tmp_path, f"import missing_data; x = missing_data.read('f')\n{use}\n")


def test_a_decorated_function_stays_itself_and_that_is_said(
    packages: MissingPackages, tmp_path: Path
) -> None:
    worker = load(
        packages,
        tmp_path,
        "import missing_retry\n"
        "@missing_retry.retry(times=3)\n"
        "def decorated(): return 7\n"
        "@missing_retry.traced\n"
        "class Note:\n    text = 'x'\n"
        "connected = missing_retry.connect(decorated)\n",
    )
    assert worker.decorated() == 7
    assert worker.Note().text == "x"
    assert connected_is_a_stand_in(worker.connected)
    assert packages.packages["missing_retry"].remarks == {
        "decorated stays undecorated (worker.py:3)",
        "Note stays undecorated (worker.py:5)",
    }


def connected_is_a_stand_in(value: object) -> bool:
    return repr(value) == "<missing_retry.connect(), not installed>"


def test_what_the_author_has_foreseen_fails_as_ever(packages: MissingPackages, tmp_path: Path) -> None:
    worker = load(
        packages,
        tmp_path,
        "try:\n    import missing_fast\nexcept ImportError:\n    missing_fast = None\n"
        "try:\n    import missing_env\nfinally:\n    ...\n",
    )
    assert worker.missing_fast is None
    assert list(packages.packages) == ["missing_env"]


def test_libraries_and_slips_are_not_answered(packages: MissingPackages, tmp_path: Path) -> None:
    with packages.answering(), pytest.raises(ModuleNotFoundError):
        __import__("json.no_such_part")
    with pytest.raises(BadPart, match=r"at worker\.py:2 with ModuleNotFoundError.*json\.parts"):
        load(packages, tmp_path, "import json.parts\n")
    with pytest.raises(BadPart, match=r"at worker\.py:2 with ImportError: cannot import name 'Agnt'"):
        load(packages, tmp_path, "from livekit.agents import Agnt\n")
    assert not packages.packages


def test_a_missing_environment_variable_is_told_with_its_line(
    packages: MissingPackages, tmp_path: Path
) -> None:
    with pytest.raises(BadPart, match=r"worker\.py:3 with KeyError: 'NO_SUCH_KEY'; set it in the environ"):
        load(packages, tmp_path, "import os\nKEY = os.environ['NO_SUCH_KEY']\n")


def test_an_error_is_placed_at_the_users_innermost_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import json\ndef f():\n    return json.loads('{')\n")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(ValueError, match="Expecting") as raised:
        names["f"]()
    assert raised_at(raised.value) == Place(str(path), 3)
    assert raised_at(ValueError("never raised")) is None
